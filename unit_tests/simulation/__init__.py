"""A deterministic simulation of whole syncs of the issue streams.

The real reader, client, rate limits, retries and pagination run in one thread and in virtual time over a modelled Pylon
(`model.py`), and an oracle (`oracle.py`) compares what a destination has committed with what is stored. A seed
(`scenario.py`) decides everything: how Pylon behaves, how wrong the clocks are, who changes what between any two
requests, how the connection is configured in each sync, and after which output a sync is killed. The destination keeps
the records before the kill and the states whose records precede them. Each run ends with three quiet syncs, hourly, in
which nobody changes anything.

    python -m unit_tests.simulation --seeds 20000 [--start N] [--reduce] [--keep-going]

What the oracle demands:

- **lost, stale**: at every state that reaches the destination, and once more at the end, every issue that the state
  claims has been emitted in a version at least as new as its times lead to. A state claims the issues created at or
  after `history_read_back_to`, and where the history ends at a start date also older ones that show a message since.
  The end is judged by the configured start date alone, whatever the states say. So is a full refresh, as far as nobody
  has changed anything since it began.
- **leaked**: no private text in any record.
- **repeated**: a stream emits an issue, or a message, at most once in a sync. What is emitted is new to the stream's
  state at the beginning of the sync: changed since, in the lookback, in history not read yet, or unread before.
  Streams whose states are equally far share one reading of an issue's messages.
- **ahead**: no state is later than the beginning of the sync, by the clock that is behind, less the consistency lag.
- **failed**: quiet syncs end without an error.

What it does not demand, because no documented time of Pylon's tells it:

- A change that moves neither `updated_at` nor `latest_message_activity_at` need not be seen (such as an internal note,
  where Pylon counts notes for neither), nor the deletion of a message that moves times back.
- An import whose times are all older than the import need not be found once the history has been read.
- Deleted and scrubbed issues may be there or not. Messages that Pylon refuses for good may be missing. A stream of
  messages keeps the messages of an issue that has none any more.
- An issue belongs to a start date if it was created since, or is shown with a message since and is found by a search.
- A sync that is killed amid the messages of an issue which only a lookback or a wrong clock reads again need not be
  repeated: those that came carry a newer `issue_read_at` than the rest until the issue is read the next time.
- Where the messages of all issues that are left are refused, the streams fail.
- Where a server ignores the filter of a search, issues may be emitted again in each sync, and only the times of the
  records tell what changed.
- At least one of the two clocks, this machine's and Pylon's, is not ahead by more than the consistency lag allows, and
  this machine's is at most a week behind: the client believes no `Date` header beyond.
- The body of an issue is not a deleted note: nothing tells any more that it was private.
"""

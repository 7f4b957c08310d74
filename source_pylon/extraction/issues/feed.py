"""One reading of issues for all selected issue streams: each issue is listed once and its messages are read once."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import NamedTuple

from source_pylon.extraction.issues.messages import Deleted, MessageReader
from source_pylon.extraction.issues.parts import Batch
from source_pylon.extraction.issues.plan import Range
from source_pylon.extraction.issues.room import Room
from source_pylon.extraction.stream import Record
from source_pylon.transform import feedback

logger = logging.getLogger("airbyte")

_MOST_BYTES_HELD = 8_000_000
_MOST_BATCHES_AHEAD = 3
_SHORT_WAIT = 0.1
"""Seconds to wait for messages before what was read leaves: without them, each issue would leave by itself, from thread
to thread, and that costs as much as reading it."""


class Finished(NamedTuple):
    """An issue's record; and its public messages whole, even where the record is too large to hold them, if wanted."""

    record: Record
    messages: list[Record] | None


class Entry:
    """An issue on its way out, and the streams that still wait for it."""

    __slots__ = ("_finished", "issue", "messages", "takers")

    def __init__(self, issue: Record, takers: set[str], needs_messages: bool) -> None:
        self.issue = issue
        self.takers = takers
        self.messages: Future[Finished | None] | None = Future() if needs_messages else None
        self._finished: Finished | None = None

    def finished(self, include_messages: bool, about_to_wait: Callable[[], None]) -> Finished | None:
        """The finished issue, waiting for its messages where they are asked for; None when it was deleted."""
        if self.messages is not None:
            if not self.messages.done():
                try:
                    return self.messages.result(_SHORT_WAIT)
                except NotYet:
                    about_to_wait()
            return self.messages.result()
        if self._finished is None:
            self._finished = finish(self.issue, [] if include_messages else None)
        return self._finished

    def drop(self) -> None:
        """Nobody wants it any more: it is kept in its batch, but not what was read of it."""
        self.issue, self.messages, self._finished = {}, None, None


def finish(issue: Record, messages: list[Record] | None) -> Finished:
    """An issue with what was read of it; `messages` may hold private ones, which go no further."""
    public = None if messages is None else feedback.public_messages(messages)
    return Finished(feedback.issue_record(issue, public, messages), public)


def may_have_messages(issue: Record) -> bool:
    """Whether there is anything to ask for: an issue without a message has no `latest_message_time`.

    Whether private notes count there is not documented. Files must then tell: an issue that lists some is asked for
    its messages, because files of a private note must not leave.
    """
    return bool(issue.get("latest_message_time") or issue.get("attachment_urls"))


class Delivery:
    """A batch with its entries, as one stream receives it."""

    def __init__(self, feed: "IssueFeed", batch: Batch, entries: list[Entry], name: str) -> None:
        self.batch = batch
        self._feed = feed
        self._entries = entries
        self._name = name

    def issues(self) -> Iterator[Finished]:
        """The stream's finished issues, in order. Raises what reading the messages raised."""
        for entry in self._entries:
            if self._name in entry.takers:
                finished = entry.finished(self._feed.include_messages, self._feed.about_to_wait)
                if finished is not None:
                    yield finished
                # While the next one is waited for, a large one is not kept.
                finished = None
                self._feed.took(entry, self._name)


class IssueFeed:
    """Hands the batches of a sync to its streams, each stream at its own pace.

    Whichever stream asks first makes the listing go on; a batch is kept for the others until they have taken it, and
    a stream that is a few batches ahead of another waits for it. Messages are fetched by a pool of threads in the order
    of the batches, and never more than a few issues ahead of the slowest stream. So memory does not grow with the
    number of issues.
    """

    def __init__(
        self,
        batches: Iterator[Batch],
        reader: MessageReader,
        ranges: Mapping[str, Range],
        *,
        include_messages: bool,
        keep_messages: bool,
        num_workers: int,
        about_to_wait: Callable[[], None] = lambda: None,
        on_listed: Callable[[Mapping[str, int]], None] = lambda rows: None,
    ) -> None:
        """`ranges` names the streams that take part; each of them must end with `leave`. `keep_messages`: one of them
        wants all of an issue's messages, also where its record is too large to hold them.

        `about_to_wait` is called by a stream's thread before it waits for messages; `on_listed` gets the number of
        issues of each stream when all are listed.
        """
        self.include_messages = include_messages
        self._keep_messages = keep_messages
        self.about_to_wait = about_to_wait
        self._on_listed = on_listed
        self.streams = frozenset(ranges)
        self.rows = dict.fromkeys(ranges, 0)
        """How many issues have been listed for each stream."""
        self.listed = 0
        self.finished = 0
        self.deleted = 0
        self._source = batches
        self._reader = reader
        self._ranges = dict(ranges)
        self._waiting: dict[str, deque[Delivery]] = {name: deque() for name in ranges}
        self._lock = threading.Lock()
        self._caught_up = threading.Condition(self._lock)
        self._listing = threading.Lock()
        self._error: Exception | None = None
        self._ended = False
        self._pending: deque[Entry] = deque()
        self._room: Room[Entry] = Room(max(20, 2 * num_workers), _MOST_BYTES_HELD)
        self._pool = ThreadPoolExecutor(num_workers, thread_name_prefix="messages")

    def deliveries(self, name: str) -> Iterator[Delivery]:
        """The batches of one stream, in order. Raises what the listing raised."""
        waiting = self._waiting[name]
        while True:
            while not waiting:
                # It ends after its last batch was handed out, so in this order nothing is missed.
                if (self._ended and not waiting) or not self._await_the_slowest(name):
                    return
                with self._listing:
                    if not waiting and not self._ended:
                        self._list_on()
            with self._lock:
                delivery = waiting.popleft()
                self._caught_up.notify_all()
            yield delivery

    def _await_the_slowest(self, name: str) -> bool:
        """Blocks while another stream is far behind: that one has batches waiting, so it needs no listing to go on.

        False when the stream itself has left.
        """

        def may_go_on() -> bool:
            if name not in self._waiting or self._waiting[name]:
                return True
            return max(map(len, self._waiting.values())) <= _MOST_BATCHES_AHEAD

        with self._lock:
            self._caught_up.wait_for(may_go_on)
            return name in self._waiting

    def _list_on(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            batch = next(self._source, None)
        except Exception as error:
            # A generator that raised is over; the other streams must learn why, not that there is nothing left.
            self._error = error
            raise
        if batch is None:
            self._ended = True
            self._on_listed(self.rows)
            return
        with self._lock:
            entries = []
            for listed in batch.issues:
                takers = set(batch.takers[listed.id] & self._waiting.keys())
                if takers:
                    issue = listed.issue()
                    entries.append(Entry(issue, takers, self.include_messages and may_have_messages(issue)))
                    for name in takers:
                        self.rows[name] += 1
            for name, waiting in self._waiting.items():
                if batch.concerns(self._ranges[name]) or any(name in entry.takers for entry in entries):
                    waiting.append(Delivery(self, batch, entries, name))
            self._pending.extend(entry for entry in entries if entry.messages is not None)
            self.listed += len(entries)
            self._caught_up.notify_all()
            self._pump()

    def took(self, entry: Entry, name: str) -> None:
        """A stream has emitted an entry's record."""
        with self._lock:
            entry.takers.discard(name)
            if not entry.takers:
                self.finished += 1
                self._room.leave(entry)
                entry.drop()
                self._pump()

    def leave(self, name: str) -> None:
        """A stream takes no more, done or failed; nothing waits for it any longer. The last one ends the pool."""
        with self._lock:
            if self._waiting.pop(name, None) is None:
                return
            for entry in [*self._pending, *self._room.items()]:
                entry.takers.discard(name)
                if not entry.takers and entry.messages is not None:
                    # The stream that leaves may itself have a thread that waits for them.
                    entry.messages.cancel()
                    self._room.leave(entry)
            self._pending = deque(entry for entry in self._pending if entry.takers)
            self._caught_up.notify_all()
            self._pump()
            if self._waiting:
                return
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self.deleted:
            noun = "issue was" if self.deleted == 1 else "issues were"
            logger.info(f"{self.deleted} {noun} deleted in Pylon while the sync ran, and left out.")

    def _pump(self) -> None:
        while self._pending and self._room.has_place():
            entry = self._pending.popleft()
            self._room.enter(entry)
            self._pool.submit(self._fetch, entry)

    def _fetch(self, entry: Entry) -> None:
        future, issue = entry.messages, entry.issue
        if future is None or not future.set_running_or_notify_cancel():
            return
        weight = 0
        try:
            messages = self._reader.read(str(issue["id"]), on_large=lambda: self._room.await_turn(entry))
            finished = finish(issue, messages)
            if finished.record["messages_truncated"]:
                logger.warning(
                    f"Issue {issue['id']} is larger than destinations take: its messages' HTML is left out, "
                    f"and all but {len(finished.record['messages'] or ())} of {len(finished.messages or ())} messages."
                )
            if not self._keep_messages:
                finished = Finished(finished.record, None)
            weight = feedback.weight({**finished.record, "messages": finished.messages or finished.record["messages"]})
            future.set_result(finished)
        except Deleted:
            with self._lock:
                self.deleted += 1
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)
        finally:
            self._room.made(entry, weight)

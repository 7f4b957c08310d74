"""One reading of issues for all selected issue streams: each issue is listed once and its messages are read once."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from source_pylon import feedback
from source_pylon.streams.definition import Record
from source_pylon.streams.issues.messages import Deleted, MessageReader
from source_pylon.streams.issues.parts import Batch
from source_pylon.streams.issues.plan import Range


class Finished(NamedTuple):
    """An issue's record, and its public messages whole, even where the record is too large to hold them."""

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

    def finished(self, include_messages: bool) -> Finished | None:
        """The finished issue, waiting for its messages where they are asked for; None when it was deleted."""
        if self.messages is not None:
            return self.messages.result()
        if self._finished is None:
            self._finished = finish(self.issue, [] if include_messages else None)
        return self._finished


def finish(issue: Record, messages: list[Record] | None) -> Finished:
    """An issue with what was read of it; `messages` may hold private ones, which go no further."""
    public = None if messages is None else feedback.public_messages(messages)
    return Finished(feedback.issue_record(issue, public, messages), public)


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
                finished = entry.finished(self._feed.include_messages)
                if finished is not None:
                    yield finished
                self._feed.took(entry, self._name)


class IssueFeed:
    """Hands the batches of a sync to its streams, each stream at its own pace.

    Whichever stream asks first makes the listing go on; a batch is kept for the others until they have taken it.
    Messages are fetched by a pool of threads in the order of the batches, and never more than a few issues
    ahead of the slowest stream, so memory does not grow with the number of issues.
    """

    def __init__(
        self,
        batches: Iterator[Batch],
        reader: MessageReader,
        ranges: Mapping[str, Range],
        *,
        include_messages: bool,
        num_workers: int,
    ) -> None:
        """`ranges` names the streams that take part; each of them must end with `leave`."""
        self.include_messages = include_messages
        self.streams = frozenset(ranges)
        self.listed = 0
        self.finished = 0
        self.deleted = 0
        self._source = batches
        self._reader = reader
        self._ranges = dict(ranges)
        self._waiting: dict[str, deque[Delivery]] = {name: deque() for name in ranges}
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._error: Exception | None = None
        self._ended = False
        self._pending: deque[Entry] = deque()
        self._under_way: set[Entry] = set()
        self._ahead = max(20, 2 * num_workers)
        self._pool = ThreadPoolExecutor(num_workers, thread_name_prefix="messages")

    def deliveries(self, name: str) -> Iterator[Delivery]:
        """The batches of one stream, in order. Raises what the listing raised."""
        waiting = self._waiting[name]
        while True:
            if not waiting:
                with self._listing:
                    while not waiting and not self._ended:
                        self._list_on()
                if not waiting:
                    return
            yield waiting.popleft()

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
            return
        with self._lock:
            entries = []
            for listed in batch.issues:
                takers = batch.takers[listed.id] & self._waiting.keys()
                if takers:
                    needs_messages = self.include_messages and bool(listed.issue.get("latest_message_time"))
                    entries.append(Entry(listed.issue, takers, needs_messages))
            for name, waiting in self._waiting.items():
                if batch.concerns(self._ranges[name]) or any(name in entry.takers for entry in entries):
                    waiting.append(Delivery(self, batch, entries, name))
            self._pending.extend(entry for entry in entries if entry.messages is not None)
            self.listed += len(entries)
            self._pump()

    def took(self, entry: Entry, name: str) -> None:
        """A stream has emitted an entry's record."""
        with self._lock:
            entry.takers.discard(name)
            if not entry.takers:
                self.finished += 1
                self._under_way.discard(entry)
                self._pump()

    def leave(self, name: str) -> None:
        """A stream takes no more, done or failed; nothing waits for it any longer. The last one ends the pool."""
        with self._lock:
            if self._waiting.pop(name, None) is None:
                return
            for entry in [*self._pending, *self._under_way]:
                entry.takers.discard(name)
            self._pending = deque(entry for entry in self._pending if entry.takers)
            self._under_way = {entry for entry in self._under_way if entry.takers}
            self._pump()
            if not self._waiting:
                self._pool.shutdown(wait=False, cancel_futures=True)

    def _pump(self) -> None:
        while self._pending and len(self._under_way) < self._ahead:
            entry = self._pending.popleft()
            self._under_way.add(entry)
            self._pool.submit(self._fetch, entry)

    def _fetch(self, entry: Entry) -> None:
        assert entry.messages is not None
        try:
            messages = self._reader.read(str(entry.issue["id"]))
            entry.messages.set_result(finish(entry.issue, messages))
        except Deleted:
            with self._lock:
                self.deleted += 1
            entry.messages.set_result(None)
        except BaseException as error:
            entry.messages.set_exception(error)

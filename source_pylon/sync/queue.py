"""The queue between the threads that read and the one that writes: records by the pack, bounded by size."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Queue
from typing import Any

from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
from airbyte_cdk.sources.types import Record

from source_pylon.sync.packs import pack, record_line, size
from source_pylon.transform.truncation import MOST_BYTES, record_within

_MOST_RECORDS = 200
_MOST_BYTES = 1_000_000
_MOST_WAITING = 4
"""Packs of a megabyte; a larger one counts as several."""
_LONGEST_WAIT = 0.1


class _Buffer:
    """What one thread has read and not yet handed over."""

    __slots__ = ("begun", "lines", "size", "stream")

    def __init__(self) -> None:
        self.stream = ""
        self.lines: list[bytes] = []
        self.size = 0
        self.begun = 0.0


class ClosableQueue(Queue[QueueItem]):
    """A bounded queue whose reader may go: then nobody who puts waits for it any longer."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._closed = False

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:
        """Adds an item, waiting for room; drops it once the queue is closed."""
        if not self._closed:
            super().put(item, block, timeout)

    def flush(self) -> None:
        """Nothing: items leave at once."""

    def close(self) -> None:
        """Drops what is in the queue and what comes, and lets go who waits for room."""
        with self.mutex:
            self._closed = True
            self.maxsize = sys.maxsize
            while self._qsize():
                self._get()
            self.not_full.notify_all()


def _room_of(items: Any) -> int:
    return 1 + sum(size(item.data) for item in items if isinstance(item, Record)) // _MOST_BYTES


class PackingQueue(ClosableQueue):
    """A queue for the CDK's `ConcurrentSource` that turns records into lines and passes them on by the pack.

    The CDK handles every record by itself: a lock handed from thread to thread, two objects of the protocol, a walk of
    its serializer, a count, a look at the memory, a print. That is more than twice what fetching a small record costs.
    And its queue counts records: ten thousand large ones may be gigabytes. Here a thread's records become lines at
    once and wait until there are some hundred of them, or a megabyte, or a tenth of a second has passed; then they
    go through the CDK as one. Everything else that a thread puts leaves at once, behind its records.

    What gets must know packs (`PylonEntrypoint` does). Only one thread may get. Before it has to wait,
    `before_waiting` is called, so that nothing stays in a buffer.
    """

    def __init__(self, before_waiting: Callable[[], None]) -> None:
        super().__init__(_MOST_WAITING)
        self._own = threading.local()
        self._taken: deque[QueueItem] = deque()
        self._before_waiting = before_waiting

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:
        """Hands an item over; a record at the latest with what this thread puts next, or flushes."""
        if not isinstance(item, Record):
            self._hand_over(item, block, timeout)
            return
        buffer = self._buffer()
        if buffer.stream != item.stream_name and buffer.lines:
            self._hand_over(None)
        now = time.time()
        if not buffer.lines:
            buffer.stream, buffer.begun = item.stream_name, now
        line = record_line(item.stream_name, item.data, int(now * 1000))
        if len(line) >= MOST_BYTES:
            line = record_line(item.stream_name, record_within(dict(item.data), item.stream_name), int(now * 1000))
        buffer.lines.append(line)
        buffer.size += len(line)
        if len(buffer.lines) >= _MOST_RECORDS or buffer.size >= _MOST_BYTES or now - buffer.begun >= _LONGEST_WAIT:
            self._hand_over(None)

    def flush(self) -> None:
        """Hands over the records that this thread still holds."""
        if self._buffer().lines:
            self._hand_over(None)

    def get(self, block: bool = True, timeout: float | None = None) -> QueueItem:
        """The next item, in the order in which each thread put its own."""
        if not self._taken:
            if super().empty():
                self._before_waiting()
            items: Any = super().get(block, timeout)
            self._taken.extend(items)
        return self._taken.popleft()

    def empty(self) -> bool:
        """Whether there is nothing to get now."""
        return not self._taken and super().empty()

    # The four that `queue.Queue` has for queues of another order: here an item takes as much room as it is large.

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._room = 0

    def _qsize(self) -> int:
        return self._room

    def _put(self, item: Any) -> None:
        self._room += _room_of(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._room -= _room_of(item)
        return item

    def _buffer(self) -> _Buffer:
        buffer: _Buffer | None = getattr(self._own, "buffer", None)
        if buffer is None:
            buffer = self._own.buffer = _Buffer()
        return buffer

    def _hand_over(self, item: QueueItem | None, block: bool = True, timeout: float | None = None) -> None:
        buffer = self._buffer()
        items: Any = [Record(pack(buffer.lines), buffer.stream)] if buffer.lines else []
        if item is not None:
            items.append(item)
        # When there is no room, nothing has been handed over: whoever put the item keeps it, as with any queue.
        super().put(items, block, timeout)
        buffer.lines, buffer.size = [], 0

"""The queue between the threads that read and the one that writes, in batches and bounded by size."""

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Full, Queue
from typing import Any

from airbyte_cdk.sources.streams.concurrent.partitions.types import QueueItem
from airbyte_cdk.sources.types import Record

from source_pylon.feedback import weight

_MOST_RECORDS = 200
_MOST_WAITING_BATCHES = 5
_MOST_WEIGHT = 4_000_000
_LONGEST_WAIT = 0.1


class _Batch:
    """What one thread has put and not yet handed over."""

    __slots__ = ("begun", "items", "weight")

    def __init__(self) -> None:
        self.items: list[QueueItem] = []
        self.weight = 0
        self.begun = 0.0


class BatchQueue(Queue[QueueItem]):
    """A queue for the CDK's `ConcurrentSource` that passes records from thread to thread by the batch.

    The CDK puts and gets every record by itself; each time, a lock is handed from one thread to another, which costs
    more than half of what a record costs. And its queue counts records: ten thousand large ones may be gigabytes.
    Here a thread's records wait until there are some hundred of them, or some megabytes, or a tenth of a second has
    passed; everything else a thread puts leaves at once, behind its records, so that nothing overtakes them.

    Only one thread may get. Before it has to wait, `before_waiting` is called, so that nothing stays in a buffer.
    """

    def __init__(self, before_waiting: Callable[[], None] = lambda: None) -> None:
        super().__init__(_MOST_WAITING_BATCHES)
        self._own = threading.local()
        self._taken: deque[QueueItem] = deque()
        self._before_waiting = before_waiting

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:
        """Hands an item over, a record at the latest with what this thread puts next or flushes."""
        batch = self._batch()
        batch.items.append(item)
        if not isinstance(item, Record):
            self._hand_over(block, timeout)
            return
        now = time.monotonic()
        if len(batch.items) == 1:
            batch.begun = now
        batch.weight += weight(item.data)
        if len(batch.items) >= _MOST_RECORDS or batch.weight >= _MOST_WEIGHT or now - batch.begun >= _LONGEST_WAIT:
            self._hand_over(block, timeout)

    def flush(self) -> None:
        """Hands over what this thread still holds."""
        if self._batch().items:
            self._hand_over(True, None)

    def get(self, block: bool = True, timeout: float | None = None) -> QueueItem:
        """The next item, in the order in which each thread put its own."""
        if not self._taken:
            if super().empty():
                self._before_waiting()
            batch: Any = super().get(block, timeout)
            self._taken.extend(batch)
        return self._taken.popleft()

    def empty(self) -> bool:
        """Whether there is nothing to get now."""
        return not self._taken and super().empty()

    def _batch(self) -> _Batch:
        batch: _Batch | None = getattr(self._own, "batch", None)
        if batch is None:
            batch = self._own.batch = _Batch()
        return batch

    def _hand_over(self, block: bool, timeout: float | None) -> None:
        batch = self._batch()
        items: Any = batch.items
        try:
            super().put(items, block, timeout)
        except Full:
            # Whoever put it keeps it, as with any queue.
            batch.items.pop()
            raise
        self._own.batch = _Batch()

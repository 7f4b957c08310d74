"""The queue between the threads that read and the one that writes, bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque

from source_pylon.output.lines import Output, RecordBatch

MAX_BYTES = 4_000_000
"""Largest number of bytes that may wait for a slow reader. Beyond it, reading pauses instead of filling memory."""


class OutputQueue:
    """A first-in, first-out queue that can be closed, which releases all threads that wait to put an item."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._items: deque[Output | None] = deque()
        self._bytes = 0
        self._closed = False

    def put(self, item: Output | None) -> None:
        """Add an item; None marks the end of a reading. Batches wait while the queue is full, other items never do."""
        size = _size(item)
        with self._changed:
            if size:
                self._changed.wait_for(lambda: self._closed or not self._bytes or self._bytes + size <= self._max_bytes)
            if self._closed:
                return
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()

    def is_empty(self) -> bool:
        """Return whether there is nothing to take now."""
        return not self._items

    def wait(self, seconds: float) -> bool:
        """Wait for an item, at most this many seconds; return whether there is one."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._items, seconds))

    def get(self) -> Output | None:
        """Take the oldest item; blocks while there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._items)
            item = self._items.popleft()
            self._bytes -= _size(item)
            self._changed.notify_all()
            return item

    def seal(self) -> None:
        """Keep the items in the queue, drop all later ones, and release the threads that wait to put one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Drop all items, present and future, and release the threads that wait to put one."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()


def _size(item: Output | None) -> int:
    return len(item.lines) if isinstance(item, RecordBatch) else 0

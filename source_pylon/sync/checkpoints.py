"""States: when one may be emitted, and what it says."""

import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import MessageRepository
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

from source_pylon.extraction.stream import State

NO_CURSOR: State = {"__ab_no_cursor_state_message": True}
"""What Airbyte's CDK writes for a stream that has been read whole and has nothing to resume from."""


class CheckpointCursor(Cursor):
    """Emits a stream's state as its slices close, in the order in which they were made.

    The CDK's `ConcurrentCursor` keeps one interval of one cursor field; the issue streams keep two marks, and their
    slices say themselves what they complete. A slice that closes early waits for those before it; one that failed
    holds the state back for good. States leave at most once in `least_interval` seconds, and once at the end.
    """

    def __init__(
        self,
        stream_name: str,
        initial: State,
        repository: MessageRepository,
        least_interval: float,
        *,
        hand_over: Callable[[], None] = lambda: None,
        on_emit: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`initial` is the state that the sync began with, or NO_CURSOR when nothing is to be resumed.

        `hand_over` makes the records that the calling thread has put, and that still wait, leave for the writer;
        `on_emit` is told of each state.
        """
        self._hand_over = hand_over
        self._on_emit = on_emit
        self._stream_name = stream_name
        self._state = initial
        self._repository = repository
        self._manager = ConnectorStateManager()
        self._least_interval = least_interval
        self._monotonic = monotonic
        self._emitted_at = monotonic()
        self._emitted: State | None = None
        self._lock = threading.Lock()
        self._closed: dict[int, Callable[[], State] | None] = {}
        self._next = 0
        self._made: int | None = None

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The state as of the last slice before which nothing is missing."""
        return dict(self._state)

    def observe(self, record: Record) -> None:
        """Nothing: a record alone says nothing about those before it, since Pylon cannot sort by the cursor."""

    def close_partition(self, partition: Partition) -> None:
        """A slice has put all its records on the queue; one that is not whole does not count."""
        if not getattr(partition, "whole", True):
            return
        slice_ = partition.to_slice() or {}
        number = int(slice_["number"])
        # Another thread may emit a state that covers this slice as soon as it counts as closed.
        self._hand_over()
        with self._lock:
            self._closed[number] = getattr(partition, "next_state", None)
            while self._next in self._closed:
                next_state = self._closed.pop(self._next)
                if next_state is not None:
                    self._state = next_state()
                self._next += 1
            is_due = self._monotonic() - self._emitted_at >= self._least_interval
            if self._next == self._made or (is_due and self._state and self._state != self._emitted):
                self._emit()

    def all_made(self, count: int) -> None:
        """There are no more than `count` slices. When all are closed, the last state has left before the status
        that the CDK then sends."""
        with self._lock:
            self._made = count
            if self._next == count:
                self._emit()

    def ensure_at_least_one_state_emitted(self) -> None:
        """Emits the state that was reached, if it was not the last one emitted."""
        with self._lock:
            if self._emitted != self._state:
                self._emit()

    def repeat(self) -> None:
        """Emits the state once more, as a sign of life, unless there is none that could be resumed from."""
        with self._lock:
            if self._state and self._state != NO_CURSOR:
                self._emit()

    def should_be_synced(self, record: Record) -> bool:
        """Always: the slices drop what they do not own."""
        return True

    def _emit(self) -> None:
        # Under the lock, so that no older state overtakes a newer one on its way to the queue.
        self._manager.update_state_for_stream(self._stream_name, None, self._state)
        self._repository.emit_message(self._manager.create_state_message(self._stream_name, None))
        self._emitted = dict(self._state)
        self._emitted_at = self._monotonic()
        self._on_emit()

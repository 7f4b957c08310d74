"""Slices of a stream as the CDK's partitions."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.concurrent.partitions.partition_generator import PartitionGenerator
from airbyte_cdk.sources.types import Record
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_pylon.api.errors import InvalidResponse, PylonError
from source_pylon.extraction.stream import Selection, Slice, State, Sync
from source_pylon.sync.checkpoints import CheckpointCursor

_MOST_OPEN_SLICES = 3


def traced(stream_name: str, error: PylonError) -> AirbyteTracedException:
    """A PylonError as Airbyte reports it for one stream."""
    if error.is_config_error:
        kind = FailureType.config_error
    else:
        kind = FailureType.transient_error if error.is_transient else FailureType.system_error
    return AirbyteTracedException(
        message=f"Stream {stream_name}: {error.user_message}",
        internal_message=error.detail,
        failure_type=kind,
        exception=error,
    )


class SlicePartition(Partition):
    """One slice. Its failure is its stream's failure; the slices after it give nothing."""

    def __init__(self, generator: "SliceGenerator", number: int, slice_: Slice, *, counts: bool = True) -> None:
        """Without `counts`, it does not move the state."""
        self._counts = counts
        self._generator = generator
        self._number = number
        self._slice = slice_
        self.whole = False
        """Whether all of its records were given. A stream that fails meanwhile cuts its other slices short, and records
        without a key, in this slice or in one read at the same time, are left out."""

    @property
    def next_state(self) -> Callable[[], State] | None:
        """What gives the state that this slice completes."""
        return self._slice.state if self._generator.keeps_state else None

    def read(self) -> Iterable[Record]:
        """The slice's records."""
        name = self.stream_name()
        generator = self._generator
        try:
            if self._generator.selection.definition.in_order:
                generator.await_turn(self._number)
            if generator.failed:
                return
            keyless = generator.keyless
            for data in self._slice.read():
                yield Record(data, name)
                del data
                generator.progress.record(name)
            self.whole = self._counts and not generator.failed and generator.keyless == keyless
        except Exception as error:
            # One error for a stream is enough; what goes wrong in its other slices is most likely the same.
            if not generator.fail():
                return
            if isinstance(error, PylonError):
                raise traced(name, error) from error
            raise
        finally:
            generator.close_one()

    def to_slice(self) -> Mapping[str, Any]:
        """The slice's number, from 0, and its label."""
        return {"number": self._number, **self._slice.label}

    def stream_name(self) -> str:
        """The stream's name."""
        return self._generator.selection.name

    def __hash__(self) -> int:
        return hash((self.stream_name(), self._number))


class SliceGenerator(PartitionGenerator):
    """Makes a stream's slices, a few ahead of those being read: the CDK alone would make them all at once, and a
    slice of issues holds its issues."""

    def __init__(self, sync: Sync, selection: Selection, cursor: CheckpointCursor, *, keeps_state: bool) -> None:
        """`keeps_state` is False where nothing is to be resumed: slices then do not touch the state."""
        self.selection = selection
        self.keeps_state = keeps_state
        self.failed = False
        self.progress = sync.progress
        self._sync = sync
        self.cursor = cursor
        self._open = threading.Semaphore(_MOST_OPEN_SLICES)
        self._lock = threading.Lock()
        self._ended = False
        self._made: int | None = None
        self._closed = 0
        self._turn = threading.Condition(self._lock)

    def generate(self) -> Iterable[Partition]:
        """The partitions of this sync. Raises AirbyteTracedException."""
        name, made = self.selection.name, 0
        try:
            for slice_ in self.selection.definition.slices(self._sync, self.selection.state):
                self._open.acquire()
                if self.failed:
                    break
                yield SlicePartition(self, made, slice_, counts=name not in self._sync.unfinished)
                made += 1
            self._await_all(made)
            self._raise_if_keyless()
        except PylonError as error:
            raise traced(name, error) from error
        finally:
            # Slices that were made before a failure are still read, so that what they complete need not be read again.
            with self._lock:
                self._made = made
                finished = self._closed == made
            if finished:
                self._end()
        if not self.failed:
            self.cursor.all_made(made)

    def _await_all(self, made: int) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self.failed or self._closed == made)

    def _raise_if_keyless(self) -> None:
        if self.keyless and not self.failed:
            keys = " and ".join(self.selection.definition.primary_key)
            raise InvalidResponse(
                f"Pylon sent {self.keyless} records without {keys}; they were left out, all others were read.",
                "the state stays before them",
            )

    @property
    def keyless(self) -> int:
        """How many of the stream's records had no primary key so far."""
        return self._sync.keyless[self.selection.name]

    def sign_of_life(self) -> None:
        """Emits the stream's state again, as long as the stream is being read."""
        if not self._ended:
            self.cursor.repeat()

    def _end(self) -> None:
        self._ended = True
        self.selection.definition.done(self._sync)
        self.progress.finished(self.selection.name)

    def fail(self) -> bool:
        """The stream has failed: no further slices, and nothing waits for it. Whether this was its first failure."""
        with self._turn:
            first, self.failed = not self.failed, True
            self._turn.notify_all()
        self._end()
        return first

    def await_turn(self, number: int) -> None:
        """Blocks until all slices before this one have been read, or have failed."""
        with self._turn:
            self._turn.wait_for(lambda: self._closed >= number)

    def close_one(self) -> None:
        """A slice has been read, or has failed."""
        self._open.release()
        with self._turn:
            self._closed += 1
            self._turn.notify_all()
            finished = self._closed == self._made
        if finished:
            self._end()

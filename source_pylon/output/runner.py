"""Runs the readings of a sync concurrently and turns what they yield into output."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteStream,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    AirbyteStreamStatusTraceMessage,
    AirbyteTraceMessage,
    EstimateType,
    FailureType,
    Level,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as status_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_pylon.api.errors import PylonError, Unauthorized
from source_pylon.extraction.stream import (
    Checkpoint,
    ConfiguredStream,
    Failure,
    Page,
    Reading,
    Record,
    State,
    SyncContext,
    readings,
)
from source_pylon.output.lines import Output, batch
from source_pylon.output.progress import Progress, ProgressSink
from source_pylon.output.queue import OutputQueue
from source_pylon.transform.clean import clean, dump_line, time_fields
from source_pylon.transform.truncation import MAX_LINE_BYTES

logger = logging.getLogger("airbyte")

_NO_CURSOR: State = {"__ab_no_cursor_state_message": True}
"""The state that the CDK emits for a completed full refresh, which has nothing to resume from."""

_MAX_BATCH_BYTES = 200_000
"""Below the size from which glibc maps each block anew (`run.py` sets it): the page faults of larger
batches cost a fifth of the time of reading accounts."""

_SECONDS_BETWEEN_LOOKS = 0.25
"""How often a sync that waits for Pylon checks whether it has to stop."""


class SyncRunner(ProgressSink):
    """Runs one sync. Each reading has a thread; all add their output to one queue, which keeps the order."""

    def __init__(
        self,
        context: SyncContext,
        streams: Sequence[ConfiguredStream],
        progress: Progress,
        before_waiting: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`before_waiting` is called before the caller's thread has to wait, so that it can flush its output.

        `should_stop` is called often; once it returns true, the sync emits its last states and stops.
        """
        self._context = context
        self._progress = progress
        self._before_waiting = before_waiting
        self._should_stop = should_stop
        self._queue = OutputQueue()
        self._streams = {configured.name: _StreamRun(configured, self._queue, context) for configured in streams}
        self._readings = readings(streams)
        self._running = len(self._readings)
        self._lock = threading.Lock()
        self._unauthorized: Unauthorized | None = None
        self._stopped = False

    def outputs(self) -> Iterator[Output]:
        """Yield the output of the sync; raises AirbyteTracedException if a stream was not read completely.

        When the sync has to stop, this yields what has been read, then the last state of each stream, and ends.
        """
        self._progress.begin({run.name: run.configured.stream.endpoints for run in self._streams.values()})
        try:
            for number, reading in enumerate(self._readings):
                name = f"reading-{number}-{reading.streams[0].name}"
                threading.Thread(target=self._run, args=(reading,), name=name, daemon=True).start()
            finished = 0
            while finished < len(self._readings):
                if self._queue.is_empty():
                    self._before_waiting()
                    while not self._queue.wait(_SECONDS_BETWEEN_LOOKS) and not self._should_stop():
                        pass
                if self._should_stop():
                    yield from self._last_outputs()
                    return
                item = self._queue.get()
                if item is None:
                    finished += 1
                else:
                    yield item
        finally:
            self._stopped = True
            self._progress.end()
            self._queue.close()
        self._raise_if_incomplete()

    def _last_outputs(self) -> Iterator[Output]:
        self._stopped = True
        for run in self._streams.values():
            run.end(is_cut_short=True)
        self._queue.seal()
        while not self._queue.is_empty():
            if (item := self._queue.get()) is not None:
                yield item

    def _run(self, reading: Reading) -> None:
        runs = [self._streams[configured.name] for configured in reading.streams]
        try:
            for run in runs:
                run.start()
            for event in reading.read(self._context):
                run = self._streams[event.stream]
                if isinstance(event, Page):
                    self._progress.records(run.name, len(event.records))
                    run.emit(event.records)
                elif isinstance(event, Checkpoint):
                    if run.reach(event.state):
                        self._progress.checkpoint()
                elif isinstance(event, Failure):
                    run.fail(event.error)
                # Do not keep large records alive while the next ones are read.
                del event
                if self._stopped or self._unauthorized is not None:
                    break
        except Unauthorized as error:
            with self._lock:
                self._unauthorized = self._unauthorized or error
        except Exception as error:
            for run in runs:
                run.fail(error)
        finally:
            for run in runs:
                run.end(is_cut_short=self._unauthorized is not None or self._stopped)
                self._progress.finished(run.name)
            self._queue.put(None)

    def _raise_if_incomplete(self) -> None:
        if self._unauthorized is not None:
            # It affects every stream, so report it once, for the sync.
            raise traced(self._unauthorized) from self._unauthorized
        failed = [run.name for run in self._streams.values() if run.error is not None]
        if failed:
            raise AirbyteTracedException(
                message=f"{len(failed)} of {len(self._streams)} streams could not be read completely: "
                f"{', '.join(failed)}. The error of each is reported with its stream.",
                internal_message="some streams are incomplete",
                # A configuration error has no stack trace, which this summary does not need.
                failure_type=FailureType.config_error,
            )

    # --- output of the progress report --------------------------------------------------------------------------------

    def rate_limited(self, stream: str) -> None:
        """Emit that a stream waits for a rate limit."""
        reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED)
        status = AirbyteStreamStatusTraceMessage(
            self._streams[stream].descriptor, AirbyteStreamStatus.RUNNING, [reason]
        )
        self._put_trace(AirbyteTraceMessage(TraceType.STREAM_STATUS, time.time() * 1000, stream_status=status))

    def estimate(self, stream: str, rows: int) -> None:
        """Emit an estimate of how many records a stream will emit."""
        estimate = AirbyteEstimateTraceMessage(
            name=stream, namespace=self._streams[stream].namespace, type=EstimateType.STREAM, row_estimate=rows
        )
        self._put_trace(AirbyteTraceMessage(TraceType.ESTIMATE, time.time() * 1000, estimate=estimate))

    def repeat_states(self) -> None:
        """Emit the latest states of the running streams again, so that Airbyte does not consider the sync dead."""
        for run in self._streams.values():
            run.repeat_state()

    def flush(self) -> None:
        """Empty the CDK's print buffer, which otherwise only empties when the next message is written."""
        try:
            PRINT_BUFFER.flush()
        except BrokenPipeError:
            # Wake up the writing thread, which may be waiting for the next message, so that it notices.
            gone = AirbyteLogMessage(level=Level.DEBUG, message="Nobody reads standard output any more.")
            self._queue.put(AirbyteMessage(type=Type.LOG, log=gone))

    def _put_trace(self, trace: AirbyteTraceMessage) -> None:
        self._queue.put(AirbyteMessage(type=Type.TRACE, trace=trace))


class _StreamRun:
    """One stream of the sync: its statuses, its states, and its error."""

    def __init__(self, configured: ConfiguredStream, queue: OutputQueue, context: SyncContext) -> None:
        self.configured = configured
        self.name = configured.name
        self.namespace = configured.namespace
        self.descriptor = StreamDescriptor(name=self.name, namespace=self.namespace)
        self.error: Exception | None = None
        self._times = time_fields(configured.stream.model)
        self._interval = context.timing.checkpoint_interval
        self._queue = queue
        self._states = ConnectorStateManager()
        self._is_resumable = configured.stream.cursor_field is not None and configured.state is not None
        self._state: State = dict(configured.state or {}) if self._is_resumable else _NO_CURSOR
        self._emitted: State | None = None
        self._emitted_at = time.monotonic()
        self._has_records = False
        self._is_started = self._is_ended = False
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            if not self._is_ended:
                self._is_started = True
                self._put_status(AirbyteStreamStatus.STARTED)

    def emit(self, records: Sequence[Record]) -> None:
        if records and not self._has_records:
            self._has_records = True
            self._put_status(AirbyteStreamStatus.RUNNING)
        now = int(time.time() * 1000)
        lines: list[bytes] = []
        size = 0
        for record in records:
            line = dump_line(self.name, clean(record, self._times), now, self.namespace)
            if len(line) >= MAX_LINE_BYTES:
                line = dump_line(self.name, self.configured.stream.fit(dict(record)), now, self.namespace)
            lines.append(line)
            size += len(line)
            if size >= _MAX_BATCH_BYTES:
                self._queue.put(batch(self.name, self.namespace, lines))
                lines, size = [], 0
        if lines:
            self._queue.put(batch(self.name, self.namespace, lines))

    def reach(self, state: State) -> bool:
        """Take a state that is true from here on; emit it if the last one is old enough, and return whether it is."""
        if not self._is_resumable:
            return False
        with self._lock:
            if self._is_ended:
                return False
            self._state = state
            is_due = time.monotonic() - self._emitted_at >= self._interval
            if is_due and state != self._emitted:
                self._put_state()
            return is_due

    def repeat_state(self) -> None:
        with self._lock:
            if not self._is_ended and self._is_resumable and self._state:
                self._put_state()

    def fail(self, error: Exception) -> None:
        """Make the stream end INCOMPLETE; only its first error is reported."""
        if self.error is None:
            self.error = error

    def end(self, *, is_cut_short: bool) -> None:
        """Emit the last state, then the error if there is one, then the final status. Later calls do nothing."""
        with self._lock:
            if self._is_ended:
                return
            self._is_ended = True
            if not self._is_started:
                return
            if self._state != self._emitted and (self._is_resumable or not (is_cut_short or self.error)):
                self._put_state()
        if self.error is not None:
            self._queue.put(traced(self.error, self.name).as_sanitized_airbyte_message(self.descriptor))
        is_complete = self.error is None and not is_cut_short
        self._put_status(AirbyteStreamStatus.COMPLETE if is_complete else AirbyteStreamStatus.INCOMPLETE)

    def _put_state(self) -> None:
        # Under the lock, so that no older state overtakes a newer one.
        self._states.update_state_for_stream(self.name, self.namespace, self._state)
        self._queue.put(self._states.create_state_message(self.name, self.namespace))
        self._emitted = dict(self._state)
        self._emitted_at = time.monotonic()

    def _put_status(self, status: AirbyteStreamStatus) -> None:
        stream = AirbyteStream(name=self.name, namespace=self.namespace, json_schema={}, supported_sync_modes=[])
        self._queue.put(status_message(stream, status))


def traced(error: Exception, stream: str | None = None) -> AirbyteTracedException:
    """Return an error as Airbyte reports it, for one stream or for the sync."""
    prefix = f"Stream {stream}: " if stream else ""
    if not isinstance(error, PylonError):
        return AirbyteTracedException.from_exception(
            error,
            message=f"{prefix}stopped because of an unexpected error in the connector. Please report it with the log.",
        )
    if error.is_config_error:
        kind = FailureType.config_error
    else:
        kind = FailureType.transient_error if error.is_transient else FailureType.system_error
    return AirbyteTracedException(
        message=f"{prefix}{error.user_message}", internal_message=error.detail, failure_type=kind, exception=error
    )


def as_messages(outputs: Iterable[Output]) -> Iterator[AirbyteMessage]:
    """Yield outputs as Airbyte messages, one for each record."""
    for output in outputs:
        if isinstance(output, AirbyteMessage):
            yield output
        else:
            yield from output.messages()

"""Progress as messages of the Airbyte protocol."""

import time
from collections.abc import Sequence

from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    AirbyteStreamStatusTraceMessage,
    AirbyteTraceMessage,
    EstimateType,
    Level,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.sources.message import MessageRepository

from source_pylon.output.progress import Outlet
from source_pylon.sync.partitions import SliceGenerator
from source_pylon.sync.queue import ClosableQueue


class MessageOutlet(Outlet):
    """An outlet that puts messages on the same way as records and states."""

    def __init__(self, repository: MessageRepository, queue: ClosableQueue) -> None:
        self._repository = repository
        self._queue = queue
        self.generators: Sequence[SliceGenerator] = ()
        """What reads the streams of this sync."""

    def flush(self) -> None:
        """Empties the CDK's print buffer. Where its reader has gone, the thread that writes messages learns it, too."""
        try:
            PRINT_BUFFER.flush()
        except BrokenPipeError:
            # It may wait for its next message as long as Pylon refuses. This one nobody will read.
            gone = AirbyteLogMessage(level=Level.DEBUG, message="Nobody reads any longer.")
            self._repository.emit_message(AirbyteMessage(type=Type.LOG, log=gone))

    def hand_over(self) -> None:
        """Empties what the calling thread keeps back."""
        self._queue.flush()

    def rate_limited(self, stream: str) -> None:
        """A stream status RUNNING whose reason is RATE_LIMITED."""
        reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED)
        status = AirbyteStreamStatusTraceMessage(StreamDescriptor(name=stream), AirbyteStreamStatus.RUNNING, [reason])
        self._emit(AirbyteTraceMessage(TraceType.STREAM_STATUS, time.time() * 1000, stream_status=status))

    def estimate(self, stream: str, rows: int) -> None:
        """An estimate of a stream's rows."""
        estimate = AirbyteEstimateTraceMessage(name=stream, type=EstimateType.STREAM, row_estimate=rows)
        self._emit(AirbyteTraceMessage(TraceType.ESTIMATE, time.time() * 1000, estimate=estimate))

    def signs_of_life(self) -> None:
        """The states of the streams that are being read."""
        for generator in self.generators:
            generator.sign_of_life()

    def _emit(self, trace: AirbyteTraceMessage) -> None:
        self._repository.emit_message(AirbyteMessage(type=Type.TRACE, trace=trace))

"""The output of a sync: batches of records as finished lines, and Airbyte messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type

_LARGE = 256 * 1024


@dataclass(frozen=True)
class RecordBatch:
    """Records of one stream as lines of the Airbyte protocol, with line ends."""

    stream: str
    namespace: str | None
    lines: bytes
    count: int

    def messages(self) -> Iterator[AirbyteMessage]:
        """Yield the records as Airbyte messages, for callers that embed the source."""
        for line in self.lines.splitlines():
            record = orjson.loads(line)["record"]
            yield AirbyteMessage(
                type=Type.RECORD,
                record=AirbyteRecordMessage(
                    stream=record["stream"],
                    data=record["data"],
                    emitted_at=record["emitted_at"],
                    namespace=self.namespace,
                ),
            )


Output = RecordBatch | AirbyteMessage


def batch(stream: str, namespace: str | None, lines: Sequence[bytes]) -> RecordBatch:
    """Join finished lines of one stream into a batch."""
    # Copy a single line as well: orjson's result keeps its over-allocated buffer, unless it is so large that the
    # allocator returns the excess.
    joined = lines[0] if len(lines) == 1 and len(lines[0]) > _LARGE else b"".join([*lines, b""])
    return RecordBatch(stream, namespace, joined, len(lines))

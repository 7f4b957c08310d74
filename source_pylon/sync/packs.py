"""Records as lines of the Airbyte protocol, one by one or some hundred together."""

import json
from typing import Any

import orjson

_LARGE = 256 * 1024


def record_line(stream: str, data: Any, emitted_at: int) -> bytes:
    """A RECORD message as a line with its end; `emitted_at` in milliseconds.

    The CDK's serializer leaves out nulls at the top level of a record, and walks through all of it.
    """
    record = {"stream": stream, "data": data, "emitted_at": emitted_at}
    message = {"type": "RECORD", "record": record}
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # orjson takes no integer beyond 64 bits and 254 levels of nesting.
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def pack(lines: list[bytes]) -> dict[str, Any]:
    """Lines of one stream, dressed as the data of one record, so that the CDK passes them on."""
    # A single line is copied, too: what orjson gives holds on to the room in which it grew, unless it is so large that
    # the system takes back what is too much.
    alone = lines[0] if len(lines) == 1 and len(lines[0]) > _LARGE else b"".join([*lines, b""])
    return {"pack": alone, "count": len(lines)}


def packed(data: Any) -> bytes | None:
    """The lines in a record's data, with their ends; None when it is a record of Pylon's.

    JSON has no bytes, so no record of Pylon's can look like a pack.
    """
    lines = data.get("pack")
    return lines if type(lines) is bytes else None


def size(data: Any) -> int:
    """How many bytes a pack has, 0 for a record of Pylon's."""
    return len(packed(data) or b"")


def count(data: Any) -> int:
    """How many records a record's data stands for."""
    return int(data["count"]) if packed(data) is not None else 1

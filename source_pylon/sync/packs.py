"""Records as lines of the Airbyte protocol, one by one or some hundred together."""

from typing import Any

import orjson


def record_line(stream: str, data: Any, emitted_at: int) -> bytes:
    """A RECORD message as a line without its end; `emitted_at` in milliseconds.

    The CDK's serializer leaves out nulls at the top level of a record, and walks through all of it.
    """
    record = {"stream": stream, "data": data, "emitted_at": emitted_at}
    return orjson.dumps({"type": "RECORD", "record": record})


def pack(lines: list[bytes]) -> dict[str, Any]:
    """Lines of one stream, dressed as the data of one record, so that the CDK passes them on."""
    return {"pack": b"\n".join(lines), "count": len(lines)}


def unpack(data: Any) -> tuple[str, int] | None:
    """The lines in a record's data and how many they are; None when it is a record of Pylon's.

    JSON has no bytes, so no record of Pylon's can look like a pack.
    """
    lines = data.get("pack")
    return (lines.decode(), data["count"]) if type(lines) is bytes else None

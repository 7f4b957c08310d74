"""Cuts records to the size that destinations accept, and logs what was cut."""

import logging
from collections.abc import Iterable
from typing import Any

import orjson

from source_pylon.transform.clean import PIECE, clean_text, size

Record = dict[str, Any]

logger = logging.getLogger("airbyte")

MAX_LINE_BYTES = 16_000_000
"""Airbyte's destinations set every field of a record beyond 20 MB to null; a record's line stays below this size."""

_MAX_RECORD_BYTES = MAX_LINE_BYTES - 1_000
"""The rest of the line is for the stream, the time of emission and the type."""

_MAX_FIELD_BYTES = MAX_LINE_BYTES // 2
_MIN_WORTH_CUTTING = 1_000
"""Smaller values are not worth cutting: a list of very many small values is left out as a whole."""

_TEXTS = ("body_html", "feedback_text")


def issue_within(record: Record) -> Record:
    """Return an issue's record below the limit.

    The HTML of its messages is left out first, then the oldest messages, then the end of its long texts.
    Fields that are too large without any message are cut to half of the limit before messages are left out: leaving out
    messages would not help, and the customers' words are worth more than an imported log. `messages_truncated` is then
    true, and a warning names the issue and what was cut.
    """
    # Any field may be large, also one that is not known yet, so all of it is measured.
    if _excess(record) <= 0:
        return record
    record["messages_truncated"] = True
    messages = [{**message, "message_html": None} for message in record.get("messages") or ()]
    if messages:
        record["messages"] = messages
    cut = ["message_html"] if messages else []
    own = {name: value for name, value in record.items() if name not in ("id", "messages", "feedback_text")}
    if _excess(own) > 0:
        cut += _lighten(record, own, _bytes(own) - _MAX_FIELD_BYTES)
    excess = _excess(record)
    given = len(messages)
    while messages and excess > 0:
        excess -= size(messages.pop(0)) + 1
    if len(messages) < given:
        cut.append(f"the oldest {given - len(messages)} of {given} messages")
    cut += _shorten(record, _TEXTS)
    _say(f"Issue {record.get('id')}", cut)
    return record


def record_within(record: Record, stream: str) -> Record:
    """Return a record of any stream below the limit, its largest fields cut; its key stays."""
    excess = _excess(record)
    if excess <= 0:
        return record
    lighter = dict(record)
    cut = _lighten(lighter, [name for name in record if name not in ("id", "slug")], excess)
    _say(f"Record {record.get('id')} of stream {stream}", cut)
    return lighter


def message_within(record: Record) -> Record:
    """Return a message below the limit: without its HTML, then with its largest fields and its text cut."""
    if _excess(record) <= 0:
        return record
    cut = ["message_html"]
    record["message_html"] = None
    own = {name: value for name, value in record.items() if name not in ("id", "text")}
    if _excess(own) > 0:
        cut += _lighten(record, own, _bytes(own) - _MAX_FIELD_BYTES)
    cut += _shorten(record, ("text",))
    _say(f"Message {record.get('id')} of issue {record.get('issue_id')}", cut)
    return record


def _say(what: str, cut: Iterable[str]) -> None:
    if names := ", ".join(dict.fromkeys(cut)):
        logger.warning(f"{what} exceeded {MAX_LINE_BYTES // 1_000_000} MB; truncated: {names}")


def _lighten(container: Any, keys: Iterable[Any], excess: int) -> list[Any]:
    """Cut the largest of some values of an object or a list until they take `excess` bytes less; return their keys."""
    sizes = {key: _bytes(container[key]) for key in keys}
    cut = []
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        if excess <= 0:
            break
        container[key] = _lighter(container[key], excess)
        excess -= sizes[key] - _bytes(container[key])
        cut.append(key)
    return cut


def _lighter(value: Any, excess: int) -> Any:
    """Return a value with about `excess` bytes less, cut where it is largest; None if cutting does not help."""
    if isinstance(value, str):
        return shortened(value, _bytes(value) - excess)
    if not isinstance(value, (dict, list)):
        return None
    lighter = value.copy()
    keys = value if isinstance(value, dict) else range(len(value))
    _lighten(lighter, [key for key in keys if _bytes(value[key]) >= _MIN_WORTH_CUTTING], excess)
    return lighter if _bytes(value) - _bytes(lighter) >= excess else None


def _shorten(record: Record, names: Iterable[str]) -> list[str]:
    cut = []
    for name in names:
        excess = _excess(record)
        if excess > 0 and isinstance(record.get(name), str):
            record[name] = shortened(record[name], _bytes(record[name]) - excess)
            cut.append(name)
    return cut


def shortened(text: str, max_bytes: int) -> str:
    """Return the longest beginning of `text` that takes at most `max_bytes` bytes as JSON, quotes included."""
    text = clean_text(text)
    remaining = max_bytes - 2
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        taken = len(orjson.dumps(piece)) - 2
        if taken > remaining:
            return text[:start] + _beginning(piece, remaining)
        remaining -= taken
    return text


def _beginning(text: str, max_bytes: int) -> str:
    """Return the longest beginning of a text that takes at most `max_bytes` as JSON without quotes."""
    encoded = orjson.dumps(text)
    # A cut can be within the bytes of a character or of an escape sequence, which has at most six.
    for end in range(max_bytes + 1, 1, -1):
        try:
            beginning: str = orjson.loads(encoded[:end] + b'"')
            return beginning
        except orjson.JSONDecodeError:
            continue
    return ""


def _excess(record: Record) -> int:
    return _bytes(record) - _MAX_RECORD_BYTES


def _bytes(value: Any) -> int:
    """Return the length of a value as JSON. Messages are measured one by one, to avoid a copy of all of them."""
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list) or not messages:
        return size(value)
    return size({**value, "messages": []}) + sum(size(message) for message in messages) + len(messages) - 1

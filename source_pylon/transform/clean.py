"""Writes records as lines that every destination accepts: valid JSON, no U+0000, times in UTC.

Three things in Pylon's records break loads elsewhere. PostgreSQL refuses U+0000 in a text or a JSON value. A lone
surrogate (`"\\ud83d"`, half of an emoji) is not valid Unicode and cannot be written as UTF-8. In a column that is
declared as a timestamp, DuckDB refuses an empty text and drops the offset of a time.

Nearly all records have none of it, so a record is written by orjson first, and only the line is searched. Times are
checked by their length and two characters.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from functools import cache
from math import isfinite
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel

from source_pylon.schemas import json_schema
from source_pylon.timestamps import parse, render

logger = logging.getLogger("airbyte")

Record = dict[str, Any]

_MAX_DEPTH = 500
"""Levels of nesting that are written. Limits elsewhere: Java's Jackson, which Airbyte uses, 1,000; BigQuery 500."""

_MAX_INTEGER_BITS = 13_000
"""About 3,900 digits. Python converts no integer of more than 4,300 digits to text."""

PIECE = 65_536
"""The number of characters of a text that are measured at once."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")


class TimeFields(NamedTuple):
    """The fields of a record type that hold times."""

    names: tuple[str, ...]
    """Fields that are times."""
    nested: tuple[tuple[str, TimeFields], ...]
    """Fields that hold an object, or a list of objects, with times."""


@cache
def time_fields(model: type[BaseModel]) -> TimeFields:
    """Return which fields of a record model are declared as timestamps, those of nested objects included."""
    return _time_fields(json_schema(model))


def _time_fields(schema: dict[str, Any]) -> TimeFields:
    names, nested = [], []
    for name, field in schema.get("properties", {}).items():
        if field.get("airbyte_type") == "timestamp_with_timezone":
            names.append(name)
            continue
        inner = _time_fields(field.get("items", field))
        if any(inner):
            nested.append((name, inner))
    return TimeFields(tuple(names), tuple(nested))


def clean(record: Record, fields: TimeFields) -> Record:
    """Write a record's declared times in UTC with `Z`, and empty ones as null. Changes the record and returns it.

    A time without an offset is read as UTC. A value that is not a time stays as it is. `dump_line` cleans characters.
    """
    names, nested = fields
    for name in names:
        value = record.get(name)
        # Nearly all times look like "2026-07-01T12:00:00Z" and need no more than this.
        if value is None or (type(value) is str and len(value) == 20 and value[19] == "Z" and value[10] == "T"):
            continue
        record[name] = _in_utc(value)
    for name, inner in nested:
        held = record.get(name)
        if isinstance(held, dict):
            clean(held, inner)
        elif isinstance(held, list):
            for item in held:
                if isinstance(item, dict):
                    clean(item, inner)
    return record


def _in_utc(value: object) -> object:
    if not isinstance(value, str) or (value[-1:] == "Z" and value[10:11] == "T"):
        return value  # in UTC already, with as many digits as Pylon gives
    moment = parse(value)
    if moment is not None:
        return render(moment)
    return value if value.strip() else None


def dump_line(stream: str, record: Mapping[str, Any], emitted_at: int, namespace: str | None = None) -> bytes:
    """Return an Airbyte RECORD message as one line with its end; `emitted_at` in milliseconds.

    U+0000 is left out, in keys too. Lone surrogates become U+FFFD, and pairs of them the character that they encode.
    Integers of any size are kept; NaN and infinity become null. Objects deeper than 500 levels become null, with a
    warning.

    The CDK's own serializer leaves out nulls at the top level of a record, and is slower.
    """
    named = {"stream": stream} if namespace is None else {"namespace": namespace, "stream": stream}
    message = {"type": "RECORD", "record": {**named, "data": record, "emitted_at": emitted_at}}
    try:
        line = orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        line = None  # orjson refuses lone surrogates, integers beyond 64 bits, and more than 254 levels of nesting
    # Looking for a single byte first is cheap: most small records hold no escape at all.
    if line is not None and (b"\\" not in line or b"\\u0000" not in line):
        return line
    line, is_whole = _dump(message)
    if not is_whole:
        logger.warning(
            f"Record {record.get('id')} of stream {stream} has more than {_MAX_DEPTH} levels of nesting; deeper "
            "values were written as null."
        )
    return line + b"\n"


def size(value: Any) -> int:
    """Return how many bytes a value takes in a line, without building the line.

    A U+0000, which is left out in a line, counts as six bytes if nothing else in the value has to be cleaned.
    """
    if isinstance(value, str) and len(value) > PIECE:
        text = clean_text(value)
        return 2 + sum(len(orjson.dumps(text[start : start + PIECE])) - 2 for start in range(0, len(text), PIECE))
    if isinstance(value, dict):
        large = {name: field for name, field in value.items() if isinstance(field, str) and len(field) > PIECE}
        if large:
            # An empty text instead of each of them takes two bytes.
            return size({**value, **dict.fromkeys(large, "")}) + sum(size(field) - 2 for field in large.values())
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return len(_dump(value)[0])


def clean_text(text: str) -> str:
    """Return a text without U+0000 and lone surrogates."""
    if not text.isascii() and _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "") if "\0" in text else text


def _dump(value: Any) -> tuple[bytes, bool]:
    """Return any value made of JSON's types as cleaned JSON, and whether it is complete (not nested too deeply)."""
    is_whole = True

    def cleaned(value: Any, depth: int) -> Any:
        nonlocal is_whole
        if isinstance(value, str):
            return clean_text(value)
        if isinstance(value, int):
            return value if value.bit_length() <= _MAX_INTEGER_BITS else None
        if isinstance(value, float):
            return value if isfinite(value) else None
        if not value:
            return value
        if depth == _MAX_DEPTH:
            is_whole = False
            return None
        # Not comprehensions: before Python 3.12, each would take a second level of recursion.
        if isinstance(value, dict):
            fields = {}
            for name, field in value.items():
                fields[clean_text(name)] = cleaned(field, depth + 1)
            return fields
        items = []
        for item in value:
            items.append(cleaned(item, depth + 1))  # noqa: PERF401
        return items

    # orjson would refuse deep nesting and long integers.
    return json.dumps(cleaned(value, 0), ensure_ascii=False, separators=(",", ":")).encode(), is_whole

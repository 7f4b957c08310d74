"""Parses JSON that orjson would refuse or change: lone surrogates, integers beyond 64 bits, deep nesting."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

MAX_DEPTH = 200
"""Levels of nesting that are kept if a body is nested more deeply than the parser supports."""

_REPLACEMENT = b"\\ufffd"
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)

_DIGITS_AS_ZERO = bytes(ord("0") if chr(code).isdecimal() and code < 128 else ord(" ") for code in range(256))
_LONG_RUN = b"0" * 19
_SLICE = 1 << 18
_DIGITS = re.compile(rb"[0-9]+")
_BEFORE_A_NUMBER = b":,[- \t\r\n"
_AFTER_A_NUMBER = b",]} \t\r\n"
"""Characters allowed before and after a number; a body may also begin or end with one."""
_MAX_DIGITS = 4_000
"""Python refuses to convert longer texts to integers, because that takes quadratic time."""


def loads(body: bytes) -> tuple[Any, str | None]:
    """Parse a body; returns the value, and a description of what was changed in it (nearly always None).

    - Lone surrogates and bytes that are not UTF-8 become U+FFFD.
    - Integers of any size stay integers; orjson alone makes floats of those beyond 64 bits. One of more than 4,000
      digits becomes a text.
    - Values nested more than about 1,000 levels deep are replaced by null from level 200 on.

    Raises ValueError for what is not JSON.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_irregular(body)
    # For such an integer, the page is parsed again by a slower parser.
    return _read_or_cut(body, None) if _has_long_integer(body) else (value, None)


def _loads_irregular(body: bytes) -> tuple[Any, str | None]:
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    text = _ESCAPE.sub(lambda found: _REPLACEMENT if found["lone"] else found[0], text)
    return _read_or_cut(text, "text that is not valid Unicode was replaced by U+FFFD" if text != body else None)


def _read_or_cut(text: bytes, changed: str | None) -> tuple[Any, str | None]:
    try:
        return _python_loads(text), changed
    except RecursionError:
        cut = b"".join(_cut_text(text))
        return _python_loads(cut), f"values nested more than {MAX_DEPTH} levels deep were left out"


def _cut_text(body: bytes) -> Iterator[bytes]:
    """Yield the pieces of a body in which every container below the greatest depth is replaced by null."""
    depth, end = 0, 0
    for found in _STRING_OR_BRACKET.finditer(body):
        token = found[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth == MAX_DEPTH + 1:
                yield body[end : found.start()]
        elif token in (b"]", b"}"):
            if depth == MAX_DEPTH + 1:
                yield b"null"
                end = found.end()
            depth -= 1
    if depth <= MAX_DEPTH:
        yield body[end:]


def _has_long_integer(body: bytes) -> bool:
    """Return whether a body may contain a number of 19 or more digits, of which at least one in five exceeds 64 bits.

    Five times faster than parsing; a regular expression would be slower than that. Digits within a text do not count,
    unless they look like a number there.
    """
    for offset in range(0, len(body), _SLICE):
        # In slices, since a body can have hundreds of megabytes; each overlaps the next by less than a run.
        digits = body[offset : offset + _SLICE + len(_LONG_RUN) - 1].translate(_DIGITS_AS_ZERO)
        end = 0
        while (start := digits.find(_LONG_RUN, end)) >= 0:
            end = start + len(_LONG_RUN)
            if _is_number(body, offset + start):
                return True
    return False


def _is_number(body: bytes, start: int) -> bool:
    """Whether the digits that begin at `start` stand between what may surround a number in JSON."""
    found = _DIGITS.match(body, start)
    end = found.end() if found else start
    return body[start - 1 : start] in _BEFORE_A_NUMBER and body[end : end + 1] in _AFTER_A_NUMBER


def _python_loads(body: bytes) -> Any:
    return json.loads(body, parse_int=_integer, parse_float=_float, parse_constant=_refuse)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")

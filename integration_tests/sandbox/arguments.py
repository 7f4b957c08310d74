"""Query strings and bodies of requests, checked against what an operation takes.

Pylon ignores what it does not know, silently: here it is ignored and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from integration_tests.sandbox.document import Operation
from integration_tests.sandbox.errors import ApiError

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "object": dict,
    "array": list,
    "boolean": bool,
}

Note = Callable[[str], None]
"""Is told each key that the operation does not know, as `query:name` or `body:name`."""


def read_body(raw: bytes) -> dict[str, Any]:
    """The body of a search as sent; none at all is an empty one. Raises ApiError (400)."""
    if not raw.strip():
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    return body


def checked(operation: Operation, query: Mapping[str, str], body: dict[str, Any] | None, note: Note) -> dict[str, Any]:
    """The known arguments of a request by name, `limit` within its bounds and its default filled in.

    Raises ApiError (400) for a missing, mistyped or unbounded one. A `limit` of None stands for everything.
    """
    arguments = _query(operation, query, note)
    if operation.body is not None:
        arguments.update(_body(operation.body, body or {}, note))
    limit = operation.limit
    if limit is None:
        return arguments
    asked = arguments.get("limit")
    if asked is not None and not limit.lowest <= asked <= limit.highest:
        raise ApiError(400, f"limit must be between {limit.lowest} and {limit.highest}")
    arguments["limit"] = limit.default if asked is None or (asked == 0 and limit.lowest == 0) else asked
    return arguments


def _query(operation: Operation, query: Mapping[str, str], note: Note) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, text in query.items():
        parameter = operation.query.get(name)
        if parameter is None:
            note(f"query:{name}")
        elif text != "":
            arguments[name] = _parsed(name, parameter.type, text)
    for parameter in operation.query.values():
        if parameter.required and parameter.name not in arguments:
            raise ApiError(400, f"{parameter.name} is required")
    return arguments


def _parsed(name: str, kind: str, text: str) -> Any:
    if kind == "integer":
        try:
            return int(text)
        except ValueError as error:
            raise ApiError(400, f"{name} must be an integer") from error
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ApiError(400, f"{name} must be true or false")
        return text == "true"
    return text


def _body(known: dict[str, str], body: dict[str, Any], note: Note) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, value in body.items():
        if name not in known:
            note(f"body:{name}")
            continue
        if value is None or (name == "cursor" and value == ""):
            continue
        if not isinstance(value, _TYPES[known[name]]) or (isinstance(value, bool) and known[name] == "integer"):
            raise ApiError(400, f"{name} must be of type {known[name]}")
        arguments[name] = value
    return arguments

"""Query strings and bodies of requests, checked against what an operation takes.

Pylon ignores what it does not know, silently: here it is ignored and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from integration_tests.sandbox.document import Operation, Parameter
from integration_tests.sandbox.errors import ApiError

_TYPES: dict[str, type] = {"string": str, "integer": int, "object": dict, "array": list, "boolean": bool}

Note = Callable[[str], None]
"""Is told each key that the operation does not know, as `query:name` or `body:name`."""


def read_body(raw: bytes) -> dict[str, Any]:
    """The body of a search as sent; none at all is an empty one. Raises ApiError (400)."""
    try:
        body = orjson.loads(raw.strip() or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "the body is not JSON", "invalid_request_body") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object", "invalid_request_body")
    return body


def checked(operation: Operation, query: Mapping[str, str], body: dict[str, Any] | None, note: Note) -> dict[str, Any]:
    """The known arguments of a request by name, `limit` within its bounds and its default filled in.

    Raises ApiError (400) for a missing, mistyped or unbounded one. A `limit` of None stands for everything.
    """
    arguments = _known(operation.query, query, "query", note) | _known(operation.body or {}, body or {}, "body", note)
    limit = operation.limit
    if limit is not None:
        asked = arguments.get("limit")
        if asked is not None and not limit.lowest <= asked <= limit.highest:
            raise ApiError(400, f"limit must be between {limit.lowest} and {limit.highest}")
        # Zero, where it is allowed, stands for the default.
        arguments["limit"] = asked or limit.default
    return arguments


def _known(known: Mapping[str, Parameter], sent: Mapping[str, Any], where: str, note: Note) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, value in sent.items():
        if name not in known:
            note(f"{where}:{name}")
        elif value is not None and (value != "" or known[name].choices):
            arguments[name] = _typed(known[name], value, parsed=where == "body")
    for name, parameter in known.items():
        if parameter.required and name not in arguments:
            raise ApiError(400, f"{name} is required")
    return arguments


def _typed(parameter: Parameter, value: Any, *, parsed: bool) -> Any:
    if not parsed and parameter.type == "integer" and value.lstrip("-").isdecimal():
        value = int(value)
    if not parsed and parameter.type == "boolean":
        value = {"true": True, "false": False}.get(value)
    if not isinstance(value, _TYPES[parameter.type]) or (isinstance(value, bool) and parameter.type != "boolean"):
        raise ApiError(400, f"{parameter.name} must be of type {parameter.type}")
    if parameter.choices and value not in parameter.choices:
        raise ApiError(400, f"{parameter.name} must be one of {list(parameter.choices)}")
    return value

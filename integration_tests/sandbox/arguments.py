"""Checks query strings and request bodies against the parameters of an operation.

Pylon silently ignores parameters that it does not know. The sandbox ignores them too, and counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from integration_tests.sandbox.errors import ApiError
from integration_tests.sandbox.operations import Operation, Parameter

_TYPES: dict[str, type] = {"string": str, "integer": int, "object": dict, "array": list, "boolean": bool}

Note = Callable[[str], None]
"""Called with each key that the operation does not know, as `query:name` or `body:name`."""


def read_body(raw: bytes) -> dict[str, Any]:
    """Parse the body of a search; no body counts as an empty object. Raises ApiError (400)."""
    try:
        body = orjson.loads(raw.strip() or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "the body is not JSON", "invalid_request_body") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object", "invalid_request_body")
    return body


def checked(operation: Operation, query: Mapping[str, str], body: dict[str, Any] | None, note: Note) -> dict[str, Any]:
    """Return the known arguments of a request by name, with the default of `limit` filled in.

    Raises ApiError (400) if one is missing, has the wrong type or is out of bounds. A `limit` of None means no limit.
    """
    arguments = _known(operation.query, query, "query", note) | _known(operation.body or {}, body or {}, "body", note)
    limit = operation.limit
    if limit is not None:
        asked = arguments.get("limit")
        if asked is not None and not limit.lowest <= asked <= limit.highest:
            raise ApiError(400, f"limit must be between {limit.lowest} and {limit.highest}")
        # Where zero is allowed, it means the default.
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

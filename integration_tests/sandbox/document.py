"""Pylon's OpenAPI document, read into the rules that the sandbox enforces.

What the document says in prose (filterable fields with their operators, bounds of `limit`, calls per minute) is parsed
from its descriptions, so that nothing here can promise more than the document does. Where live observation
contradicts the document, `_corrected` says so.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("openapi-read.json")

_FIELD = re.compile(r"^\* (\w+)(?: \([^)]*\))?\.(.*)Allowed operators: (.*)$", re.MULTILINE)
_VALID = re.compile(r"Valid values are `(\[[^\]]*\])`(.*)")
_CALLS = re.compile(r"\*\*Rate limit:\*\* (\d+) requests per minute")
_DEFAULT = re.compile(r"Defaults to (\d+)")
_BOUNDS = (
    (re.compile(r"between (\d+) and (\d+)"), 0),
    (re.compile(r"greater than (\d+) and (?:at most|less than or equal to) (\d+)"), 0),
    (re.compile(r"greater than (\d+) and less than (\d+)"), -1),
    (re.compile(r"()max (\d+)"), 0),
)


@dataclass(frozen=True)
class Limit:
    """The bounds of a `limit` parameter, both allowed; `default` is None where leaving it out means everything."""

    lowest: int
    highest: int
    default: int | None


@dataclass(frozen=True)
class Parameter:
    """One query parameter: its JSON type and whether it must be sent."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Filterable:
    """A field that a search can filter on; `values` are the only ones allowed, None where any will do."""

    name: str
    operators: frozenset[str]
    values: tuple[str, ...] | None

    @property
    def is_time(self) -> bool:
        """Whether the field holds a time."""
        return "time_range" in self.operators


@dataclass(frozen=True)
class Operation:
    """One endpoint: what it accepts and the shape of what it answers.

    `body` maps each known key of the request body to its JSON type (None for a GET). `record` names the schema of
    the answer's `data`, `many` tells a list from a single object, `has_pagination` whether the answer's schema knows
    the key `pagination`. `calls` is the rate limit of July 2026 in calls per minute.
    """

    method: str
    path: str
    pattern: re.Pattern[str]
    query: dict[str, Parameter]
    body: dict[str, str] | None
    limit: Limit | None
    filterable: dict[str, Filterable]
    custom_fields: bool
    calls: int
    record: str | None
    many: bool
    has_pagination: bool

    @property
    def template(self) -> str:
        """Method and path template: the name under which requests are counted, limited and forbidden."""
        return f"{self.method} {self.path}"

    @property
    def paginated(self) -> bool:
        """Whether the operation takes a cursor."""
        return "cursor" in self.query or "cursor" in (self.body or {})


class Document:
    """The operations and schemas of the OpenAPI document."""

    def __init__(self, raw: dict[str, Any]) -> None:
        """Reads a parsed OpenAPI document, cut to the read operations."""
        self._raw = _corrected(raw)
        self.schemas: dict[str, Any] = self._raw["components"]["schemas"]
        found = [
            self._operation(method.upper(), path, spec)
            for path, methods in self._raw["paths"].items()
            for method, spec in methods.items()
        ]
        # Literal segments win over parameters, as in every router: brackets sort after letters.
        self.operations = {op.template: op for op in sorted(found, key=lambda op: (op.path, op.method))}

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that serves a request, with its path parameters; None if the document has none."""
        for operation in self.operations.values():
            if operation.method == method and (match := operation.pattern.fullmatch(path)):
                return operation, match.groupdict()
        return None

    def knows_path(self, path: str) -> bool:
        """Whether any method is served on a path."""
        return any(operation.pattern.fullmatch(path) for operation in self.operations.values())

    def _operation(self, method: str, path: str, spec: dict[str, Any]) -> Operation:
        description = spec.get("description", "")
        parameters = [p for p in spec.get("parameters", []) if p["in"] == "query"]
        body = self._body(spec)
        limits = [p["description"] for p in parameters if p["name"] == "limit"]
        if body is not None and "limit" in body:
            limits.append(body["limit"]["description"])
        answer = self._answer(spec)
        data = answer.get("data", {})
        reference = data.get("$ref") or data.get("items", {}).get("$ref")
        calls = _CALLS.search(description)
        return Operation(
            method=method,
            path=path,
            pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
            query={p["name"]: Parameter(p["name"], p["schema"]["type"], p.get("required", False)) for p in parameters},
            body=None if body is None else {name: _type(schema) for name, schema in body.items()},
            limit=_limit(limits[0]) if limits else None,
            filterable={found.name: found for found in _filterable(description)},
            custom_fields="* custom fields" in description,
            calls=int(calls.group(1)) if calls else 60,
            record=reference.rsplit("/", 1)[-1] if reference else None,
            many=data.get("type") == "array" or method == "POST",
            has_pagination="pagination" in answer,
        )

    def _body(self, spec: dict[str, Any]) -> dict[str, Any] | None:
        if "requestBody" not in spec:
            return None
        properties: dict[str, Any] = self._schema(spec["requestBody"])["properties"]
        return properties

    def _answer(self, spec: dict[str, Any]) -> dict[str, Any]:
        name = spec["responses"]["200"]["$ref"].rsplit("/", 1)[-1]
        known = self._raw["components"]["responses"].get(name)
        properties: dict[str, Any] = self._schema(known).get("properties", {}) if known else {}
        return properties

    def _schema(self, holder: dict[str, Any]) -> dict[str, Any]:
        schema: dict[str, Any] = holder["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[-1]]
        return schema


@lru_cache(maxsize=1)
def read_document() -> Document:
    """The document that stands beside this module."""
    return Document(json.loads(PATH.read_text(encoding="utf-8")))


def _corrected(raw: dict[str, Any]) -> dict[str, Any]:
    fixed = copy.deepcopy(raw)
    paths = fixed["paths"]
    # The document puts the list's two parameters on the single contact by mistake.
    single = paths["/contacts/{id}"]["get"]
    paging = [p for p in single["parameters"] if p["in"] == "query"]
    single["parameters"] = [p for p in single["parameters"] if p["in"] != "query"]
    paths["/contacts"]["get"]["parameters"] = paging
    # Seen on the live API, missing in the document: users leave out deactivated ones unless asked.
    paths["/users"]["get"].setdefault("parameters", []).append(
        {"name": "include_deactivated", "in": "query", "schema": {"type": "boolean"}}
    )
    return fixed


def _type(schema: dict[str, Any]) -> str:
    kind: str = schema.get("type", "object")
    return kind


def _limit(description: str) -> Limit:
    default = _DEFAULT.search(description)
    for pattern, correction in _BOUNDS:
        if match := pattern.search(description):
            lowest, highest = match.groups()
            inclusive_zero = "between" in match.group(0)
            return Limit(
                lowest=int(lowest or 0) + (0 if inclusive_zero else 1),
                highest=int(highest) + correction,
                default=int(default.group(1)) if default else None,
            )
    raise ValueError(f"no bounds in the description of a limit: {description!r}")


def _filterable(description: str) -> list[Filterable]:
    fields = []
    for name, middle, operators in _FIELD.findall(description):
        valid = _VALID.search(middle)
        # "or a custom status slug" opens the list again.
        closed = valid is not None and " or " not in valid.group(2)
        values = tuple(json.loads(valid.group(1))) if valid is not None and closed else None
        fields.append(Filterable(name, frozenset(re.findall(r"`(\w+)`", operators)), values))
    return fields

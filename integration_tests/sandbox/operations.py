"""The read operations of Pylon's API as its official SDK declares them: paths, parameters, filters, limits, models.

Everything is taken from the SDK's raw clients (signatures, docstrings, source), so that the sandbox can promise no more
than the SDK does, and changes with the SDK's version.
"""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import usepylon

_NOT_SERVED = ("/notebook-blocks/", "/themes/", "/survey-responses")
"""Operations that no stream needs."""

_REQUEST = re.compile(r'httpx_client\.request\(\s*f?"([^"]+)",\s*method="(\w+)"')
_IN_PATH = re.compile(r"\{encode_path_param\((\w+)\)\}")
_CALLS = re.compile(r"\*\*Rate limit:\*\* (\d+) requests per minute")
_FILTERABLE = re.compile(r"^ *`(\w+)` \| (.*) \|$", re.MULTILINE)
_ALIAS = "A `{type}` of"
"""Begins the filters of another object that shares the path of custom objects."""
_VALUES = re.compile(r"(?<!Standard )`(\w+)` values are ((?:`\w+`(?:, and | and |, )?)+)")
_DEFAULT = re.compile(r"Defaults to (\d+)")
_BOUNDS = (
    (re.compile(r"between (\d+) and (\d+)"), 0, 0),
    (re.compile(r"greater than (\d+) and (?:at most|less than or equal to) (\d+)"), 1, 0),
    (re.compile(r"greater than (\d+) and less than (\d+)"), 1, -1),
    (re.compile(r"()max (\d+)"), 1, 0),
)


@dataclass(frozen=True)
class Limit:
    """The bounds of a `limit` parameter, both allowed; `default` is None where leaving it out means everything."""

    lowest: int
    highest: int
    default: int | None


@dataclass(frozen=True)
class Parameter:
    """A query parameter or a key of a body: its JSON type, whether it must be sent, the only values that it takes."""

    name: str
    type: str
    required: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filterable:
    """A field that a search can filter on; `values` are the only ones allowed, empty where any will do."""

    operators: frozenset[str]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One endpoint: what it accepts and the shape of what it answers.

    `query` and `body` hold the known parameters (`body` is None for a GET). `model` is the SDK's model of a record,
    `many` tells a list from a single object. `calls` is the rate limit in calls per minute.
    """

    method: str
    path: str
    pattern: re.Pattern[str]
    query: dict[str, Parameter]
    body: dict[str, Parameter] | None
    limit: Limit | None
    filterable: dict[str, Filterable]
    custom_fields: bool
    calls: int
    model: type[pydantic.BaseModel]
    many: bool

    @property
    def template(self) -> str:
        """Method and path template: the name under which requests are counted, limited and forbidden."""
        return f"{self.method} {self.path}"

    @property
    def paginated(self) -> bool:
        """Whether the operation takes a cursor."""
        return "cursor" in (self.query if self.body is None else self.body)


class Operations(dict[str, Operation]):
    """All operations that the sandbox serves, by template."""

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that serves a request, with its path parameters; None if there is none."""
        for operation in self.values():
            if operation.method == method and (match := operation.pattern.fullmatch(path)):
                return operation, match.groupdict()
        return None

    def knows_path(self, path: str) -> bool:
        """Whether any method is served on a path."""
        return any(operation.pattern.fullmatch(path) for operation in self.values())


@cache
def read_operations() -> Operations:
    """The operations of the installed SDK."""
    found = filter(None, map(_operation, _methods()))
    # Literal segments win over parameters, as in every router: brackets sort after letters.
    return Operations((one.template, one) for one in sorted(found, key=lambda one: (one.path, one.method)))


def _methods() -> Iterator[Callable[..., Any]]:
    root = Path(usepylon.__file__).parent
    for path in sorted(root.rglob("raw_client.py")):
        module = importlib.import_module(".".join((root.name, *path.relative_to(root).with_suffix("").parts)))
        for name, client in vars(module).items():
            if name.startswith("Raw") and inspect.isclass(client) and client.__module__ == module.__name__:
                yield from (getattr(client, verb) for verb in ("get", "list", "search") if hasattr(client, verb))


def _operation(function: Callable[..., Any]) -> Operation | None:
    request = _REQUEST.search(inspect.getsource(function))
    if request is None or any(part in request[1] for part in _NOT_SERVED):
        return None
    in_path, method = _IN_PATH.findall(request[1]), request[2]
    path = _path(request[1])
    text = inspect.getdoc(function) or ""
    hints = typing.get_type_hints(function)
    sent = {
        name: _parameter(name, hints[name], parameter.default is inspect.Parameter.empty)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "request_options", *in_path)
    }
    answer = typing.get_args(hints["return"])[-1]
    data = _required(answer.model_fields["data"].annotation)
    many = typing.get_origin(data) is list
    calls = _CALLS.search(text)
    assert calls is not None, path
    return Operation(
        method=method,
        path=path,
        pattern=re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
        query={} if method == "POST" else sent,
        body=sent if method == "POST" else None,
        limit=_limit(text) if "limit" in sent else None,
        filterable=_filterable(text),
        custom_fields="pass the field slug" in text,
        calls=int(calls[1]),
        model=typing.get_args(data)[0] if many else data,
        many=many,
    )


def _path(declared: str) -> str:
    path = "/" + _IN_PATH.sub(r"{\1}", declared)
    if path.endswith("/relationships"):
        return path
    # Pylon's documentation names the first placeholder of a path `id`; the SDK names it after the kind of object.
    return re.sub(r"^(/[\w-]+/)\{\w+_id\}", r"\1{id}", path)


def _required(annotation: Any) -> Any:
    """Return the annotation inside an `Optional`."""
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Union and type(None) in parts:
        rest = [part for part in parts if part is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _parameter(name: str, annotation: Any, required: bool) -> Parameter:
    kind = _required(annotation)
    simple = {int: "integer", bool: "boolean", usepylon.Filter: "object", str: "string", dt.datetime: "string"}
    if kind in simple:
        return Parameter(name, simple[kind], required)
    choices = (typing.get_args(part) for part in typing.get_args(kind) if typing.get_origin(part) is typing.Literal)
    return Parameter(name, "string" if "Literal" in str(kind) else "array", required, next(choices, ()))


def _limit(text: str) -> Limit:
    description = text.partition("\nlimit : ")[2].splitlines()[1]
    default = _DEFAULT.search(description)
    for pattern, above, below in _BOUNDS:
        if match := pattern.search(description):
            lowest, highest = match.groups()
            return Limit(int(lowest or 0) + above, int(highest) + below, int(default[1]) if default else None)
    raise ValueError(f"no bounds in the description of a limit: {description!r}")


def _filterable(text: str) -> dict[str, Filterable]:
    own = text.partition(_ALIAS)[0]
    values = {name: tuple(re.findall(r"`(\w+)`", listed)) for name, listed in _VALUES.findall(own)}
    return {
        name: Filterable(frozenset(re.findall(r"`(\w+)`", operators)), values.get(name, ()))
        for name, operators in _FILTERABLE.findall(own)
    }

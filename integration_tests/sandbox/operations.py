"""The read operations of Pylon's API as its official SDK declares them: paths, arguments, filters, limits, models.

Everything is taken from the SDK's raw clients (signatures, docstrings, source), so that the sandbox can promise no more
than the SDK does, and changes with the SDK's version.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import inspect
import operator
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pydantic
import usepylon

from integration_tests.sandbox.clock import parse

_NOT_SERVED = ("/notebook-blocks/", "/themes/", "/survey-responses", "feature-requests/{")
"""Operations that no stream needs."""

_REQUEST = re.compile(r'httpx_client\.request\(\s*f?"([^"]+)",\s*method="(\w+)"')
_IN_PATH = re.compile(r"\{encode_path_param\((\w+)\)\}")
_CALLS = re.compile(r"\*\*Rate limit:\*\* (\d+) requests per minute")
_FILTERABLE = re.compile(r"^ *`(\w+)` \| (.*) \|$", re.MULTILINE)
_ALIAS = "A `{type}` of"
"""Begins the filters of another object that shares the path of custom objects."""
_DEFAULT = re.compile(r"Defaults to (\d+)")
_BOUNDS = (
    (re.compile(r"between (\d+) and (\d+)"), 0, 0),
    (re.compile(r"greater than (\d+) and (?:at most|less than or equal to) (\d+)"), 1, 0),
    (re.compile(r"greater than (\d+) and less than (\d+)"), 1, -1),
    (re.compile(r"()max (\d+)"), 1, 0),
)

Arguments = dict[str, Any]


class ApiError(Exception):
    """A refusal: HTTP status, the text for `errors`, and the stable `code` where Pylon documents one."""

    def __init__(self, status: int, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


def not_found(what: str) -> ApiError:
    """Return the error for an object or a path that does not exist."""
    return ApiError(404, f"{what} not found", "not_found")


class Limit(NamedTuple):
    """The bounds of a `limit` parameter, both allowed; `default` is None where leaving it out means everything."""

    lowest: int
    highest: int
    default: int | None


@dataclass(frozen=True)
class Operation:
    """One endpoint: what it accepts and the shape of its response.

    `arguments` is the model of its query string (GET) or body (POST), with times in milliseconds. `filterable`
    holds the operators of each field that a search can filter on. `model` is the SDK's model of a record, `many` tells
    a list from a single object. `calls` is the rate limit in calls per minute.
    """

    method: str
    path: str
    arguments: type[pydantic.BaseModel]
    limit: Limit | None
    filterable: dict[str, frozenset[str]]
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
        return "cursor" in self.arguments.model_fields

    def read(self, query: Mapping[str, str], body: bytes) -> tuple[Arguments, list[str]]:
        """Return the arguments of a request by name, and the keys that Pylon ignores because it does not know them.

        Arguments that are null or empty count as left out. A `limit` of None means no limit. Raises ApiError (400).
        """
        try:
            if self.method == "POST":
                sent = self.arguments.model_validate_json(body.strip() or b"{}", strict=True)
                unknown = [*(f"query:{name}" for name in query), *(f"body:{name}" for name in _unknown(sent))]
            else:
                sent = self.arguments.model_validate_strings({name: text for name, text in query.items() if text})
                unknown = [f"query:{name}" for name in sent.model_extra or ()]
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            code = None if first["loc"] else "invalid_request_body"
            raise ApiError(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", code) from error
        known = self.arguments.model_fields
        arguments = {name: value for name, value in sent if name in known and value not in (None, "", [])}
        if self.limit is not None:
            # Where zero is allowed, it means the default.
            arguments["limit"] = arguments.get("limit") or self.limit.default
        return arguments, unknown


def _unknown(sent: pydantic.BaseModel, prefix: str = "") -> Iterator[str]:
    """Yield the keys of a body and of its filters that their models do not have."""
    yield from (prefix + name for name in sent.model_extra or ())
    filters = [getattr(sent, "filter", None), *(getattr(sent, "subfilters", None) or ())]
    for inner in filter(None, filters):
        yield from _unknown(inner, "filter.")


@functools.cache
def read_operations() -> dict[str, Operation]:
    """The operations of the installed SDK, by template."""
    found = filter(None, map(_operation, _methods()))
    # Literal segments win over parameters, as in every router: brackets sort after letters.
    return {one.template: one for one in sorted(found, key=lambda one: (one.path, one.method))}


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
    answer = typing.get_args(hints.pop("return"))[-1]
    data = _parts(answer.model_fields["data"].annotation)[0]
    many = typing.get_origin(data) is list
    calls = _CALLS.search(text)
    assert calls is not None, path
    limit = _limit(text) if "limit" in hints else None
    sent: dict[str, Any] = {
        name: (_accepted(hints[name], limit), ... if parameter.default is inspect.Parameter.empty else None)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "request_options", *in_path)
    }
    return Operation(
        method=method,
        path=path,
        arguments=pydantic.create_model(f"{method} {path}", __config__=pydantic.ConfigDict(extra="allow"), **sent),
        limit=limit,
        filterable=_filterable(text),
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


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Union else (annotation,)


def _accepted(annotation: Any, limit: Limit | None) -> Any:
    """Return the annotation of an argument as the sandbox takes it: only values and times that the SDK documents."""
    narrower: dict[Any, Any] = {
        dt.datetime: Annotated[float, pydantic.BeforeValidator(parse)],
        usepylon.Filter: Annotated[usepylon.Filter, pydantic.BeforeValidator(_tolerated)],
    }
    if limit is not None:
        narrower[int] = Annotated[int, pydantic.Field(ge=limit.lowest, le=limit.highest)]
    # The SDK adds Any to a Literal, so that it can send values that a later version of the API knows.
    parts = (narrower.get(part, part) for part in _parts(annotation) if part is not Any)
    return functools.reduce(operator.or_, parts)


def _tolerated(sent: Any) -> Any:
    # Public code sends {"created_at": {"gte": ...}} and gets the newest issues, unfiltered.
    if isinstance(sent, dict) and not sent.keys() & usepylon.Filter.model_fields.keys():
        return usepylon.Filter.model_construct(**sent)
    return sent


def _limit(text: str) -> Limit:
    description = text.partition("\nlimit : ")[2].splitlines()[1]
    default = _DEFAULT.search(description)
    for pattern, above, below in _BOUNDS:
        if match := pattern.search(description):
            lowest, highest = match.groups()
            return Limit(int(lowest or 0) + above, int(highest) + below, int(default[1]) if default else None)
    raise ValueError(f"no bounds in the description of a limit: {description!r}")


def _filterable(text: str) -> dict[str, frozenset[str]]:
    fields = _FILTERABLE.findall(text.partition(_ALIAS)[0])
    return {name: frozenset(re.findall(r"`(\w+)`", operators)) for name, operators in fields}

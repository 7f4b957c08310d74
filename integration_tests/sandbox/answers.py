"""Answers every operation from the data in the store.

All lists and searches work the same way: of the objects of a kind, in order, cut a page of those that match.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import orjson

from integration_tests.sandbox import cursors
from integration_tests.sandbox.arguments import Note
from integration_tests.sandbox.clock import DAY
from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES, KINDS
from integration_tests.sandbox.errors import ApiError, not_found
from integration_tests.sandbox.filters import Compiler, Condition, between, time
from integration_tests.sandbox.operations import Operation
from integration_tests.sandbox.store import Store, sign
from integration_tests.sandbox.text import identity
from integration_tests.sandbox.versions import Key, Version

_MESSAGES_PAGE = 100
"""The SDK: when cursor is provided without limit, the page size defaults to 100."""
_LIST_RANGE_DAYS = 365
"""The SDK: the widest time range of `GET /issues`."""
_TEXT = {"search_text", "query"}
_TIMES = {"start_time", "end_time", "submitted_after", "submitted_before"}
_NO_FIELD = {*_TEXT, *_TIMES, "cursor", "limit", "filter", "language", "media", "include_deactivated"}
"""Arguments that are not the name of a field and the value that it must have."""

Arguments = dict[str, Any]


class Answers:
    """Answers checked requests with the JSON of `data` and `pagination`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def answer(self, operation: Operation, params: dict[str, str], arguments: Arguments, note: Note) -> bytes:
        """Return the JSON of an answer without the closing brace and the request id; raises ApiError."""
        with self._store.lock:
            if operation.path == "/me":
                found = b'{"data":' + orjson.dumps(self._me())
            elif operation.path == "/issues/{id}/messages":
                found = self._messages(params["id"], arguments)
            elif operation.many:
                found = self._many(operation, params, arguments, note)
            else:
                found = b'{"data":' + _shown(operation, self._object(operation, params), arguments)
        return sign(found)

    def _many(self, operation: Operation, params: dict[str, str], arguments: Arguments, note: Note) -> bytes:
        kind = _kind(operation)
        collection = self._store.collection(kind)
        view = self._store.search_view(kind) if operation.method == "POST" else collection.live
        conditions = list(self._conditions(operation, arguments, note))
        if params:
            parent = self._parent(operation, params)
            conditions.append(lambda version: version.parent == parent)
        cursor = arguments.get("cursor")
        page, more = cursors.page(
            view.order,
            None if cursor is None else cursors.decode(cursor, collection.known),
            arguments.get("limit"),
            lambda key: all(matches(view.versions[key[1]]) for matches in conditions),
            # Lists of children that have no pages are sorted by creation, oldest first.
            oldest_first=bool(params) and not operation.paginated,
        )
        rows = (_shown(operation, view.versions[key[1]], arguments) for key in page)
        return _page(rows, page, more and operation.paginated)

    def _conditions(self, operation: Operation, arguments: Arguments, note: Note) -> Iterator[Condition]:
        """Yield what the filter and the other arguments demand of an object."""
        kind, behaviour = _kind(operation), self._store.behaviour
        if "filter" in arguments:
            slugs = self._store.custom_field_slugs(kind) if operation.custom_fields else frozenset()
            yield Compiler(operation, slugs, behaviour, note).compile(arguments["filter"])
        if "start_time" in operation.query:
            yield self._within(kind, *_bounds(arguments, "start_time", "end_time"))
        if arguments.keys() & {"submitted_after", "submitted_before"}:
            low, high = _bounds(arguments, "submitted_after", "submitted_before")
            yield between("submitted_at", low, high, behaviour.inclusive_bounds)
        if operation.template == "GET /users" and not arguments.get("include_deactivated"):
            yield lambda version: not version.record().get("is_deactivated")
        for name, value in arguments.items():
            if name in _TEXT and value:
                yield partial(_contains, needle=orjson.dumps(value.casefold())[1:-1])
            elif name not in _NO_FIELD and value != []:
                yield partial(_has, name=name, wanted=value if isinstance(value, list) else [value])

    def _within(self, kind: str, start: float, end: float) -> Condition:
        """Return the condition that an object is of a time from a start on and before an end."""
        name = "created_at" if kind == "issues" else "happened_at"
        widest = min(_LIST_RANGE_DAYS, self._store.behaviour.max_range_days or math.inf)
        if end < start or (kind == "issues" and end - start > widest * DAY):
            raise ApiError(400, "the time range is longer than allowed, or ends before it begins")
        return lambda version: start <= version.times[name] < end

    def _parent(self, operation: Operation, params: dict[str, str]) -> str:
        ((name, reference),) = params.items()
        if name == "type":
            if reference not in CUSTOM_OBJECT_TYPES:
                raise not_found("custom object type")
            return reference
        return self._find(operation.path.split("/")[1].replace("-", "_"), reference).id

    def _object(self, operation: Operation, params: dict[str, str]) -> Version:
        *parents, reference = params.values()
        version = self._find(_kind(operation), reference)
        if parents and version.parent != parents[0]:
            raise not_found(_kind(operation))
        return version

    def _find(self, kind: str, reference: str) -> Version:
        return self._store.issue(reference) if kind == "issues" else self._store.get(kind, reference)

    def _me(self) -> dict[str, Any]:
        seed = self._store.seed
        user = {"id": identity(seed, "users", 0), "email": "agent0@vendor.example"}
        return {"id": identity(seed, "organization"), "name": "Sandbox Organization", "user": user}

    def _messages(self, issue: str, arguments: Arguments) -> bytes:
        thread = {message.key: message for message in self._store.thread(issue)}
        limit, cursor = arguments.get("limit"), arguments.get("cursor")
        after = None if cursor is None else cursors.decode(cursor)
        if limit is None and cursor is not None:
            limit = _MESSAGES_PAGE
        page, more = cursors.page(list(thread), after, limit, oldest_first=True)
        return _page((orjson.dumps(thread[key].record) for key in page), page, more)


def _kind(operation: Operation) -> str:
    # Searches for feature requests return the same objects in another model.
    return KINDS[operation.model.__name__.removesuffix("SearchResult")]


def _bounds(arguments: Arguments, after: str, before: str) -> tuple[float, float]:
    low = time(after, arguments[after]) if after in arguments else -math.inf
    return low, time(before, arguments[before]) if before in arguments else math.inf


def _contains(version: Version, needle: bytes) -> bool:
    return needle in version.raw.lower()


def _has(version: Version, name: str, wanted: list[Any]) -> bool:
    record = version.record()
    if name == "account_ids":
        return not set(wanted).isdisjoint(_accounts_behind(record))
    if name == "request_statuses":
        return record["request_status"] in wanted
    value = record.get(name)
    return (value.get("slug") if isinstance(value, dict) else value) in wanted


def _accounts_behind(feature_request: dict[str, Any]) -> list[str]:
    evidence = feature_request.get("evidence") or []
    return sorted({entry["account_id"] for entry in evidence if entry.get("account_id")})


def _shown(operation: Operation, version: Version, arguments: Arguments) -> bytes:
    if "feature-requests" not in operation.path:
        return version.raw
    record = version.record()
    if operation.method == "POST":
        record["account_ids"] = _accounts_behind(record)
    if operation.method == "POST" or not arguments.get("fetch_evidence"):
        record.pop("evidence", None)
    return orjson.dumps(record)


def _page(rows: Iterable[bytes], keys: list[Key], more: bool) -> bytes:
    data = b'{"data":[' + b",".join(rows) + b"]"
    if not more:
        return data
    return data + b',"pagination":' + orjson.dumps({"cursor": cursors.encode(keys[-1]), "has_next_page": True})

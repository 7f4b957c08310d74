"""Answers every operation from the data in the store.

All lists and searches work the same way: select the objects of a kind that match a condition, then cut a page.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
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
from integration_tests.sandbox.versions import Key, Version, View

_CACHED_SEARCHES = 32
_MESSAGES_PAGE = 100
"""The SDK: when cursor is provided without limit, the page size defaults to 100."""
_TEXT = ("search_text", "query")
_NO_FILTER = ("cursor", "limit", "filter", "language", "media", "start_time", "end_time")

Arguments = dict[str, Any]


class Answers:
    """Answers checked requests with the JSON of `data` and `pagination`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._searches: OrderedDict[tuple[str, bytes, int], list[Key]] = OrderedDict()

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
        search = operation.method == "POST"
        view = self._store.search_view(kind) if search else collection.live
        condition = self._condition(operation, arguments, note)
        parent = self._parent(operation, params) if params else None
        if search:
            if parent is not None:
                condition = condition.also(lambda version: version.parent == parent)
            sent = orjson.dumps([params, {**arguments, "cursor": None, "limit": None}])
            keys = self._cached((kind, sent, view.generation), view, condition)
        else:
            versions = None if parent is None else collection.children_of(parent)
            keys = _select(view, condition, view.order if versions is None else [one.key for one in versions])
        cursor = arguments.get("cursor")
        after = None if cursor is None else cursors.decode(cursor, collection.known)
        # Lists of children that have no pages are sorted by creation, oldest first.
        oldest_first = parent is not None and not operation.paginated
        page, more = cursors.page(keys, after, arguments.get("limit"), oldest_first=oldest_first)
        if search and not page and self._store.behaviour.empty_search_bare:
            return b"{"
        rows = (_shown(operation, view.versions[key[1]], arguments) for key in page)
        return self._page(rows, page, more, paginated=operation.paginated)

    def _cached(self, key: tuple[str, bytes, int], view: View, condition: Condition) -> Sequence[Key]:
        if condition == Condition():
            return view.order
        keys = self._searches.get(key)
        if keys is None:
            keys = self._searches[key] = _select(view, condition, view.order)
            if len(self._searches) > _CACHED_SEARCHES:
                self._searches.popitem(last=False)
        return keys

    def _condition(self, operation: Operation, arguments: Arguments, note: Note) -> Condition:
        """Compile the filter and the other arguments that narrow a list into one condition."""
        kind, behaviour = _kind(operation), self._store.behaviour
        slugs = self._store.custom_field_slugs(kind) if operation.custom_fields else frozenset()
        condition = Compiler(operation, slugs, behaviour, note).compile(arguments.get("filter"))
        if "start_time" in operation.query:
            low, high = _time(arguments, "start_time", -math.inf), _time(arguments, "end_time", math.inf)
            name = "created_at" if kind == "issues" else "happened_at"
            widest = behaviour.max_list_range_days * DAY if kind == "issues" else math.inf
            if high < low or high - low > widest:
                raise ApiError(400, "the time range is longer than allowed, or ends before it begins")
            condition = condition.also(**{name: (low, high)})
        if "submitted_after" in arguments or "submitted_before" in arguments:
            low, high = _time(arguments, "submitted_after", -math.inf), _time(arguments, "submitted_before", math.inf)
            condition = condition.also(submitted_at=between(low, high, behaviour.inclusive_bounds))
        if operation.template == "GET /users" and not arguments.get("include_deactivated"):
            condition = condition.also(lambda version: not version.record().get("is_deactivated"))
        for name, value in arguments.items():
            if name in _TEXT and value:
                needle = orjson.dumps(value.casefold())[1:-1]
                condition = condition.also(partial(_contains, needle=needle))
            elif name not in (*_NO_FILTER, *_TEXT, "include_deactivated", "submitted_after", "submitted_before"):
                wanted = set(value) if isinstance(value, list) else {value}
                if wanted:
                    condition = condition.also(partial(_has, name=name, wanted=wanted))
        return condition

    def _page(self, rows: Iterable[bytes], keys: list[Key], more: bool, *, paginated: bool = True) -> bytes:
        data = b'{"data":[' + b",".join(rows) + b"]"
        if not paginated or not (more or self._store.behaviour.last_page_pagination):
            return data
        pagination = {"cursor": cursors.encode(keys[-1]) if more else "", "has_next_page": more}
        return data + b',"pagination":' + orjson.dumps(pagination)

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
        """Find an object by id, an issue also by number, an account also by external id."""
        if kind == "issues":
            return self._store.issue(reference)
        live = self._store.collection(kind).live
        if kind == "accounts" and reference not in live.versions:
            for version in live.versions.values():
                if any(entry["external_id"] == reference for entry in version.record().get("external_ids") or ()):
                    return version
        return self._store.get(kind, reference)

    def _me(self) -> dict[str, Any]:
        seed = self._store.seed
        user = {"id": identity(seed, "users", 0), "email": "agent0@vendor.example"}
        return {"id": identity(seed, "organization"), "name": "Sandbox Organization", "user": user}

    def _messages(self, issue: str, arguments: Arguments) -> bytes:
        thread = {message.key: message for message in self._store.thread(issue)}
        limit, cursor = arguments.get("limit"), arguments.get("cursor")
        after = None if cursor is None else cursors.decode(cursor)
        everything = limit is None and cursor is None
        limit = limit if limit or everything else _MESSAGES_PAGE
        page, more = cursors.page(list(thread), after, limit, oldest_first=True)
        return self._page((orjson.dumps(thread[key].record) for key in page), page, more, paginated=not everything)


def _kind(operation: Operation) -> str:
    # Searches for feature requests return the same objects in another model.
    return KINDS[operation.model.__name__.removesuffix("SearchResult")]


def _time(arguments: Arguments, name: str, default: float) -> float:
    return time(name, arguments[name]) if name in arguments else default


def _contains(version: Version, needle: bytes) -> bool:
    return needle in version.raw.lower()


def _has(version: Version, name: str, wanted: set[Any]) -> bool:
    record = version.record()
    if name == "account_ids":
        return not wanted.isdisjoint(_accounts_behind(record))
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


def _select(view: View, condition: Condition, among: list[Key]) -> list[Key]:
    """Return the keys of all matching objects in ascending order, using the index of the narrowest time range."""
    ranges, either = dict(condition.ranges), condition.either
    if among is view.order:
        created = ranges.pop("created_at", None)
        slices = {name: view.keys_within(name, *ranges[name]) for name in ranges.keys() & view.times.keys()}
        if created is not None:
            among = among[bisect_left(among, (created[0], "")) : bisect_left(among, (created[1], ""))]
        elif slices:
            name = min(slices, key=lambda candidate: len(slices[candidate]))
            among = sorted(slices[name])
            del ranges[name]
        elif either:
            among = sorted({key for part in either for key in _select(view, part, view.order)})
            either = ()
    rest = Condition(ranges, condition.tests, either)
    if not ranges and not condition.tests and not either:
        return among
    return [key for key in among if rest.matches(view.versions[key[1]])]

"""Responds to every operation from the data in the store.

All lists and searches work the same way: of the objects of a kind, in order, cut a page of those that match.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import orjson

from integration_tests.sandbox import cursors
from integration_tests.sandbox.clock import DAY
from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES, KINDS
from integration_tests.sandbox.filters import Compiler, Condition, between
from integration_tests.sandbox.operations import ApiError, Arguments, Operation, not_found
from integration_tests.sandbox.store import Store, sign
from integration_tests.sandbox.text import identity
from integration_tests.sandbox.versions import Key, Version

_MESSAGES_PAGE = 100
"""The SDK: when cursor is provided without limit, the page size defaults to 100."""
_LIST_RANGE_DAYS = 365
"""The SDK: the widest time range of `GET /issues`."""
_FIELDS = {"account_id", "activity_type", "article_id", "contact_id", "object_type"}
"""Arguments that are the name of a field and the value that it must have."""
_OTHERS = {"cursor", "end_time", "filter", "include_deactivated", "limit", "start_time", "submitted_after"}


class Responses:
    """Makes the JSON of `data` and `pagination` for checked requests."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def respond(self, operation: Operation, params: dict[str, str], arguments: Arguments) -> bytes:
        """Return the JSON of a response without the closing brace and the request id; raises ApiError."""
        if unmodelled := arguments.keys() - _FIELDS - _OTHERS:
            raise ApiError(501, f"the sandbox does not model {sorted(unmodelled)}")
        with self._store.lock:
            if operation.path == "/me":
                found = b'{"data":' + orjson.dumps(self._me())
            elif operation.path == "/issues/{id}/messages":
                found = self._messages(params["id"], arguments)
            elif operation.many:
                found = self._many(operation, params, arguments)
            else:
                found = b'{"data":' + self._object(operation, params).raw
        return sign(found)

    def _many(self, operation: Operation, params: dict[str, str], arguments: Arguments) -> bytes:
        kind = KINDS[operation.model.__name__]
        collection = self._store.collection(kind)
        view = self._store.search_view(kind) if operation.method == "POST" else collection.live
        conditions = list(self._conditions(operation, arguments))
        if params:
            parent = self._parent(operation, params)
            conditions.append(lambda version: version.parent == parent)
        cursor = arguments.get("cursor")
        page, more = cursors.page(
            view.order,
            None if cursor is None else cursors.decode(cursor, collection.ids),
            arguments.get("limit"),
            lambda key: all(matches(view.versions[key[1]]) for matches in conditions),
            # Lists of children that have no pages are sorted by creation, oldest first.
            oldest_first=bool(params) and not operation.paginated,
        )
        return _page((view.versions[key[1]].raw for key in page), page, more and operation.paginated)

    def _conditions(self, operation: Operation, arguments: Arguments) -> Iterator[Condition]:
        """Yield what the filter and the other arguments demand of an object."""
        inclusive = self._store.behaviour.inclusive_bounds
        if "filter" in arguments:
            yield Compiler(operation, self._store.behaviour).compile(arguments["filter"])
        if arguments.keys() & {"start_time", "end_time"}:
            yield self._within(operation, arguments.get("start_time", -math.inf), arguments.get("end_time", math.inf))
        if "submitted_after" in arguments:
            yield between("submitted_at", arguments["submitted_after"], math.inf, inclusive)
        if operation.template == "GET /users" and not arguments.get("include_deactivated"):
            yield lambda version: not version.record().get("is_deactivated")
        for name in _FIELDS & arguments.keys():
            yield partial(_has, name=name, wanted=arguments[name])

    def _within(self, operation: Operation, start: float, end: float) -> Condition:
        """Return the condition that an object is of a time from a start on and before an end."""
        issues = operation.path == "/issues"
        name = "created_at" if issues else "happened_at"
        widest = min(_LIST_RANGE_DAYS, self._store.behaviour.max_range_days or math.inf)
        if end < start or (issues and end - start > widest * DAY):
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
        kind = KINDS[operation.model.__name__]
        version = self._find(kind, reference)
        if parents and version.parent != parents[0]:
            raise not_found(kind)
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


def _has(version: Version, name: str, wanted: str) -> bool:
    value = version.record().get(name)
    return bool((value.get("slug") if isinstance(value, dict) else value) == wanted)


def _page(rows: Iterable[bytes], keys: list[Key], more: bool) -> bytes:
    data = b'{"data":[' + b",".join(rows) + b"]"
    if not more:
        return data
    return data + b',"pagination":' + orjson.dumps({"cursor": cursors.encode(keys[-1]), "has_next_page": True})

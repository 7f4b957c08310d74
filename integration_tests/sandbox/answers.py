"""What Pylon answers: each operation of the document, over the data of the store."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from integration_tests.sandbox import cursors
from integration_tests.sandbox.clock import DAY, parse
from integration_tests.sandbox.dataset import CUSTOM_FIELD_TYPES, CUSTOM_OBJECT_TYPES, KINDS
from integration_tests.sandbox.document import Operation
from integration_tests.sandbox.errors import ApiError, not_found
from integration_tests.sandbox.filters import Compiler, Condition
from integration_tests.sandbox.store import Store, sign
from integration_tests.sandbox.text import identity
from integration_tests.sandbox.versions import Key, Version, View

_PARENT_KINDS = {
    "accounts": "accounts",
    "issues": "issues",
    "knowledge-bases": "knowledge_bases",
    "surveys": "surveys",
    "tasks": "tasks",
}
_CACHED_SEARCHES = 32
_MESSAGES_PAGE = 100
"""The document: if a cursor is provided without limit, the page size defaults to 100."""

Note = Callable[[str], None]


class Answers:
    """Answers checked requests with the JSON of `data` and `pagination`."""

    def __init__(self, store: Store) -> None:
        """Reads from the store at each request."""
        self._store = store
        self._searches: OrderedDict[tuple[str, bytes, int], list[Key]] = OrderedDict()
        self._special: dict[str, Callable[[dict[str, str], dict[str, Any]], bytes]] = {
            "GET /me": self._me,
            "GET /issues": self._issues,
            "GET /issues/{id}/messages": self._messages,
            "GET /surveys/{id}/responses": self._survey_responses,
            "POST /feature-requests/search": self._feature_requests,
        }

    def answer(self, operation: Operation, params: dict[str, str], arguments: dict[str, Any], note: Note) -> bytes:
        """The answer's JSON without its closing brace and its request id; raises ApiError."""
        with self._store.lock:
            special = self._special.get(operation.template)
            if special is not None:
                found = special(params, arguments)
            elif operation.method == "POST":
                found = self._search(operation, params, arguments, note)
            elif operation.many:
                found = self._list(operation, params, arguments)
            else:
                found = _single(self._object(operation, params).raw)
        return sign(found)

    def _search(self, operation: Operation, params: dict[str, str], arguments: dict[str, Any], note: Note) -> bytes:
        kind = _kind(operation)
        view = self._store.search_view(kind)
        slugs = self._store.custom_field_slugs(kind) if operation.custom_fields else frozenset()
        compiler = Compiler(operation, slugs, self._store.behaviour, note)
        condition = _with_text(compiler.compile(arguments.get("filter")), arguments.get("search_text"))
        if "type" in params:
            parent = self._custom_object_type(params)
            condition = (condition or Condition()).also(lambda version: version.parent == parent)
        sent = orjson.dumps([params, arguments.get("filter"), arguments.get("search_text")])
        keys = self._matching((kind, sent, view.generation), view, condition)
        after = self._after(kind, arguments)
        page, more = cursors.newest_first(keys, after, arguments["limit"])
        if not page and self._store.behaviour.empty_search_bare:
            return b"{"
        rows = (view.versions[key[1]].raw for key in page)
        if not operation.paginated:
            return _data(rows, operation)
        return _page(rows, page, more)

    def _matching(self, cached_as: tuple[str, bytes, int], view: View, condition: Condition | None) -> list[Key]:
        if condition is None:
            return view.order
        keys = self._searches.get(cached_as)
        if keys is None:
            keys = _select(view, condition)
            self._searches[cached_as] = keys
            if len(self._searches) > _CACHED_SEARCHES:
                self._searches.popitem(last=False)
        return keys

    def _list(self, operation: Operation, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        kind = _kind(operation)
        if operation.paginated and not params:
            live = self._store.collection(kind).live
            page, more = cursors.newest_first(live.order, self._after(kind, arguments), arguments["limit"])
            return _page((live.versions[key[1]].raw for key in page), page, more)
        if params:
            versions = self._store.collection(kind).children_of(self._parent(operation, params))
        else:
            versions = self._chosen(kind, arguments)
        if not operation.paginated:
            return _data((version.raw for version in versions), operation)
        return self._paged(kind, versions, arguments)

    def _chosen(self, kind: str, arguments: dict[str, Any]) -> list[Version]:
        versions = self._store.collection(kind).newest_first()
        if kind == "users" and not arguments.get("include_deactivated"):
            return [version for version in versions if version.record()["status"] != "deactivated"]
        for name in ("object_type", "macro_group_id"):
            wanted = arguments.get(name)
            if name == "object_type" and wanted is not None and wanted not in CUSTOM_FIELD_TYPES:
                raise ApiError(400, f"object_type must be one of {list(CUSTOM_FIELD_TYPES)}")
            if wanted is not None:
                versions = [version for version in versions if version.record()[name] == wanted]
        return versions

    def _paged(self, kind: str, versions: list[Version], arguments: dict[str, Any]) -> bytes:
        by_key = {version.key: version for version in versions}
        page, more = cursors.newest_first(sorted(by_key), self._after(kind, arguments), arguments["limit"])
        return _page((by_key[key].raw for key in page), page, more)

    def _after(self, kind: str, arguments: dict[str, Any]) -> Key | None:
        cursor = arguments.get("cursor")
        return None if cursor is None else cursors.decode(cursor, self._store.collection(kind).known)

    def _parent(self, operation: Operation, params: dict[str, str]) -> str:
        if "type" in params:
            return self._custom_object_type(params)
        kind = _PARENT_KINDS[operation.path.split("/")[1]]
        reference = next(iter(params.values()))
        if kind == "issues" and operation.path.endswith("/followers"):
            return self._store.issue(reference).id
        return self._store.get(kind, reference).id

    def _custom_object_type(self, params: dict[str, str]) -> str:
        if params["type"] not in CUSTOM_OBJECT_TYPES:
            raise not_found("custom object type")
        return params["type"]

    def _object(self, operation: Operation, params: dict[str, str]) -> Version:
        kind = _kind(operation)
        *parents, reference = params.values()
        if kind == "issues":
            return self._store.issue(reference)
        if kind == "accounts" and reference not in self._store.collection(kind).live.versions:
            for version in self._store.collection(kind).live.versions.values():
                if any(entry["external_id"] == reference for entry in version.record().get("external_ids") or ()):
                    return version
        version = self._store.get(kind, reference)
        if parents and version.parent != parents[0]:
            raise not_found(kind)
        return version

    def _me(self, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        seed = self._store.seed
        me = {
            "id": identity(seed, "organization"),
            "name": "Sandbox Organization",
            "user": {"id": identity(seed, "users", 0), "email": "agent0@vendor.example"},
        }
        return _single(orjson.dumps(me))

    def _issues(self, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        start, end = (_time(name, arguments[name]) for name in ("start_time", "end_time"))
        if end < start or end - start > self._store.behaviour.issues_window_days * DAY:
            raise ApiError(400, "the time range is longer than allowed, or ends before it begins")
        live = self._store.collection("issues").live
        keys = live.order[bisect_left(live.order, (start, "")) : bisect_left(live.order, (end + 1, ""))]
        page, more = cursors.newest_first(keys, self._after("issues", arguments), arguments["limit"])
        return _page((live.versions[key[1]].raw for key in page), page, more)

    def _messages(self, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        thread = self._store.thread(params["id"])
        limit, cursor = arguments.get("limit"), arguments.get("cursor")
        if limit is None and cursor is None:
            records = b",".join(orjson.dumps(message.record) for message in thread)
            return b'{"data":[' + records + b'],"pagination":null'
        by_key = {message.key: message for message in thread}
        after = None if cursor is None else cursors.decode(cursor)
        page, more = cursors.oldest_first(list(by_key), after, limit or _MESSAGES_PAGE)
        return _page((orjson.dumps(by_key[key].record) for key in page), page, more)

    def _survey_responses(self, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        survey = self._store.get("surveys", params["id"])
        versions = self._store.collection("survey_responses").children_of(survey.id)
        after = arguments.get("submitted_after")
        before = arguments.get("submitted_before")
        low = float("-inf") if after is None else _time("submitted_after", after)
        high = float("inf") if before is None else _time("submitted_before", before)
        inclusive = self._store.behaviour.inclusive_bounds
        kept = []
        for version in versions:
            at = version.times["submitted_at"]
            if not (low <= at <= high if inclusive else low < at < high):
                continue
            record = version.record() if "account_id" in arguments or "contact_id" in arguments else {}
            if all(record[name] == arguments[name] for name in ("account_id", "contact_id") if name in arguments):
                kept.append(version)
        return self._paged("survey_responses", kept, arguments)

    def _feature_requests(self, params: dict[str, str], arguments: dict[str, Any]) -> bytes:
        query, statuses = arguments.get("query"), arguments.get("request_statuses")
        wanted = set(arguments.get("account_ids") or ())
        found = []
        for version in self._store.search_view("feature_requests").versions.values():
            record = version.record()
            evidence = record.pop("evidence", None) or []
            record["account_ids"] = sorted({entry["account_id"] for entry in evidence if entry.get("account_id")})
            if statuses and record["request_status"] not in statuses:
                continue
            if wanted and not wanted & set(record["account_ids"]):
                continue
            if query is None or query.casefold() in str(record["title"]).casefold():
                found.append(orjson.dumps(record))
        if not found and self._store.behaviour.empty_search_bare:
            return b"{"
        return b'{"data":[' + b",".join(found[: arguments["limit"]]) + b"]"


def _kind(operation: Operation) -> str:
    # Search answers of feature requests have a schema of their own for the same objects.
    return KINDS[(operation.record or "").removesuffix("SearchResult")]


def _time(name: str, value: str) -> float:
    try:
        return parse(value)
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from error


def _select(view: View, condition: Condition) -> list[Key]:
    """The keys of all that matches, in ascending order, by the narrowest time range that has an index."""
    slices = {
        name: view.keys_within(name, low, high, condition.inclusive)
        for name, (low, high) in condition.ranges.items()
        if name in view.times
    }
    if not slices:
        return [key for key in view.order if condition.matches(view.versions[key[1]])]
    name = min(slices, key=lambda candidate: len(slices[candidate]))
    keys = view.sorted(slices[name])
    if len(condition.ranges) == 1 and not condition.tests:
        return keys
    if len(condition.ranges) == 1 and len(condition.tests) == 1:
        test = condition.tests[0]
        return [key for key in keys if test(view.versions[key[1]])]
    return [key for key in keys if condition.matches_but(view.versions[key[1]], name)]


def _with_text(condition: Condition | None, text: str | None) -> Condition | None:
    if not text:
        return condition
    needle = orjson.dumps(text.casefold())[1:-1]
    return (condition or Condition()).also(lambda version: needle in version.raw.lower())


def _single(raw: bytes) -> bytes:
    return b'{"data":' + raw


def _data(rows: Iterable[bytes], operation: Operation) -> bytes:
    # An unpaginated list leaves `pagination` out, or shows null where its schema knows the key.
    tail = b',"pagination":null' if operation.has_pagination else b""
    return b'{"data":[' + b",".join(rows) + b"]" + tail


def _page(rows: Iterable[bytes], keys: list[Key], more: bool) -> bytes:
    cursor = cursors.encode(keys[-1]) if more else ""
    pagination = orjson.dumps({"cursor": cursor, "has_next_page": more})
    return b'{"data":[' + b",".join(rows) + b'],"pagination":' + pagination

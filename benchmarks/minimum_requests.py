"""How many requests cannot be avoided, counted from the data, whatever the connector does.

A page holds as many records as its endpoint allows, and each parent's children cost one request. The history of issues
is listed by creation: at most a year in one request, at most 4 MB in one answer (the connector's own bound on memory),
and at most 1,000 issues where messages are read, since the list must not run far ahead of them. One search tells
whether there is anything older, and one bridges each stretch of more than a year without issues. The messages of an
issue cost one request where there are any, or where a body or a file waits to be compared with internal notes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES
from integration_tests.sandbox.store import Store
from source_pylon.api.endpoints import ISSUE_LIST, ISSUE_SEARCH, MESSAGES, Endpoint, Paging
from source_pylon.config import Config
from source_pylon.extraction.issues.history import BYTES_PER_PAGE, MAX_RANGE
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.per_type import PerTypeStream
from source_pylon.extraction.stream import Stream
from source_pylon.extraction.substream import SubStream
from source_pylon.streams import STREAMS

CUSTOM = {"custom_object_types": list(CUSTOM_OBJECT_TYPES)}
"""What the configuration must hold so that there are custom objects to read."""


ISSUES_PER_PAGE = 1_000
"""Issues in one response of the list if messages are read."""


def minimum_requests(store: Store, streams: list[str], include_messages: bool = True) -> dict[str, int]:
    """Requests by endpoint of a first sync. Where several streams need the same list, it counts once."""
    minimum: Counter[str] = Counter()
    for definition in STREAMS:
        if definition.name in streams:
            # The largest, not the sum: what one stream has read need not be read for another.
            for key, count in _of_stream(store, definition, include_messages).items():
                minimum[key] = max(minimum[key], count)
    return dict(minimum)


def minutes(minimum: Mapping[str, int], limits: Mapping[str, int]) -> float:
    """The least time of a sync in minutes: each endpoint's requests by its limit a minute, the largest of these."""
    return max(count / limits[key] for key, count in minimum.items())


def sliding_minutes(minimum: Mapping[str, int], limits: Mapping[str, int]) -> int:
    """The same if the limit is a sliding window that starts empty: the first minute's worth may leave at once, so
    what remains after n times the limit has to wait n minutes."""
    return max(math.ceil(count / limits[key]) - 1 for key, count in minimum.items())


def _of_stream(store: Store, definition: Stream, include_messages: bool) -> dict[str, int]:
    if isinstance(definition, IssueStream):
        return _of_issues(store, include_messages)
    if isinstance(definition, SubStream):
        kind = definition.name
        children = Counter(version.parent for version in store.collection(kind).live.versions.values())
        parents = list(store.collection(_kind(definition.parents)).live.versions)
        pages = sum(_pages(definition.endpoint, children[parent]) for parent in parents)
        return {definition.parents.key: _pages(definition.parents, len(parents)), definition.endpoint.key: pages}
    (endpoint,) = definition.endpoints
    if isinstance(definition, PerTypeStream):
        types = definition.types(Config.load({"api_token": "none", **CUSTOM}))
        return {endpoint.key: len(types)} if types else {}
    return {endpoint.key: _pages(endpoint, len(store.collection(definition.name).live.versions))}


def _of_issues(store: Store, include_messages: bool) -> dict[str, int]:
    # Newest first, in ranges of a year that begin at the newest issue which is left.
    versions = sorted(store.collection("issues").live.versions.values(), key=lambda version: -version.key[0])
    per_page = ISSUES_PER_PAGE if include_messages else ISSUE_LIST.page_size
    year = MAX_RANGE.total_seconds() * 1000
    lists, searches, begin = 0, 1, 0
    while begin < len(versions):
        newest = versions[begin].key[0]
        end = next((at for at in range(begin, len(versions)) if newest - versions[at].key[0] >= year), len(versions))
        size = sum(len(version.raw) for version in versions[begin:end])
        lists += max(math.ceil((end - begin) / per_page), math.ceil(size / BYTES_PER_PAGE))
        if end < len(versions) and versions[end - 1].key[0] - versions[end].key[0] > year:
            searches += 1
        begin = end
    minimum = {ISSUE_LIST.key: max(lists, 1), ISSUE_SEARCH.key: searches}
    if include_messages:
        minimum[MESSAGES.key] = sum(may_have_messages(version.record()) for version in versions)
    return minimum


def may_have_messages(issue: dict[str, Any]) -> bool:
    """Whether an issue has messages, or something that may belong to an internal note."""
    return any(issue.get(name) for name in ("latest_message_time", "body_html", "attachment_urls"))


def _pages(endpoint: Endpoint, records: int) -> int:
    return 1 if endpoint.paging is Paging.NONE else max(1, math.ceil(records / endpoint.page_size))


def _kind(parents: Endpoint) -> str:
    return parents.path.removesuffix("/search").strip("/").replace("-", "_")

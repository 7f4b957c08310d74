"""How many requests cannot be avoided, counted from the data, whatever the connector does.

A page holds 999 records, an issue's messages cost one request where it has any, and each parent's children cost one.
An issue search may ask for at most 29 days (Pylon's cap is about 30), so listing a history costs the fewest windows of
29 days that cover the times of all issues, empty stretches left out, each with its pages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES
from integration_tests.sandbox.store import Store
from source_pylon.api.endpoints import MESSAGES, Endpoint, Paging
from source_pylon.config import Config
from source_pylon.extraction.issues.listing import SEARCH
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.per_type import TypedStream
from source_pylon.extraction.stream import Stream
from source_pylon.extraction.substream import ChildStream
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing

CUSTOM = {"custom_object_types": list(CUSTOM_OBJECT_TYPES)}
"""What the configuration must hold so that there are custom objects to read."""


def unavoidable(store: Store, streams: list[str]) -> dict[str, int]:
    """Requests by endpoint of a first sync. Where several streams need the same list, it counts once."""
    least: Counter[str] = Counter()
    for definition in STREAMS:
        if definition.name in streams:
            # The largest, not the sum: what one stream has read need not be read for another.
            for key, count in _of_stream(store, definition).items():
                least[key] = max(least[key], count)
    return dict(least)


def minutes(least: Mapping[str, int], allowance: Mapping[str, int]) -> float:
    """The least time of a sync in minutes: each endpoint's requests by its allowance, the largest of these."""
    return max(count / allowance[key] for key, count in least.items())


def sliding_minutes(least: Mapping[str, int], allowance: Mapping[str, int]) -> int:
    """The same if the limit is a sliding window that starts empty: the first minute's worth may leave at once, so
    what remains after n whole allowances has to wait n minutes."""
    return max(math.ceil(count / allowance[key]) - 1 for key, count in least.items())


def _of_stream(store: Store, definition: Stream) -> dict[str, int]:
    if isinstance(definition, IssueStream):
        return _of_issues(store)
    if isinstance(definition, ChildStream):
        kind = definition.name
        children = Counter(version.parent for version in store.collection(kind).live.versions.values())
        parents = list(store.collection(_kind(definition.parents)).live.versions)
        pages = sum(_pages(definition.endpoint, children[parent]) for parent in parents)
        return {definition.parents.key: _pages(definition.parents, len(parents)), definition.endpoint.key: pages}
    (endpoint,) = definition.endpoints
    if isinstance(definition, TypedStream):
        types = definition.types(Config.load({"api_token": "none", **CUSTOM}))
        return {endpoint.key: len(types)} if types else {}
    return {endpoint.key: _pages(endpoint, len(store.collection(definition.name).live.versions))}


def _of_issues(store: Store) -> dict[str, int]:
    times = [version.times for version in store.collection("issues").live.versions.values()]
    with_messages = [moments["latest_message_activity_at"] for moments in times if _has_messages(moments)]
    without = [moments["created_at"] for moments in times if not _has_messages(moments)]
    return {SEARCH.key: windows(sorted(with_messages + without)), MESSAGES.key: len(with_messages)}


def _has_messages(times: dict[str, int]) -> bool:
    return times.get("latest_message_activity_at") is not None


def windows(moments: list[int]) -> int:
    """The pages of the fewest windows that cover sorted moments (milliseconds)."""
    width = Timing().window.total_seconds() * 1000
    starts: list[int] = []
    for position, moment in enumerate(moments):
        if not starts or moment - moments[starts[-1]] > width:
            starts.append(position)
    return sum(math.ceil((end - start) / SEARCH.page_size) for start, end in pairwise([*starts, len(moments)]))


def _pages(endpoint: Endpoint, records: int) -> int:
    return 1 if endpoint.paging is Paging.NONE else max(1, math.ceil(records / endpoint.page_size))


def _kind(parents: Endpoint) -> str:
    return parents.path.strip("/").replace("-", "_")

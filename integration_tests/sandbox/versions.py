"""Objects as the server holds them, and the two views of them: what is, and what search has noticed so far."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Any

import orjson

Key = tuple[int, str]
"""Creation time (milliseconds) and id: the order of every list and the content of every cursor."""


MISSING: Any = object()
"""As the value of a field: the field is taken away."""


def merged(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A record with other values for some of its fields."""
    return {name: value for name, value in {**record, **fields}.items() if value is not MISSING}


def encode(record: dict[str, Any]) -> bytes:
    """A record as JSON that is kept: a copy, since what orjson returns holds on to a buffer of many times its size."""
    return bytes(memoryview(orjson.dumps(record)))


class Version:
    """One state of one object; never changed, only replaced.

    `times` holds, in the server's hidden milliseconds, every time that a search can filter on, under the filter's
    name. `kind` is an issue's type in lower case. `parent` is the id (or slug) of what the object belongs to.
    `raw` is the record as JSON, with placeholders where a signature stands. `origin` is an issue's number in the
    generated data set, -1 for one that was added later.
    """

    __slots__ = ("key", "kind", "origin", "parent", "raw", "times")

    def __init__(
        self,
        key: Key,
        raw: bytes,
        times: dict[str, int],
        *,
        kind: str | None = None,
        parent: str | None = None,
        origin: int = -1,
    ) -> None:
        """Takes the parts as they are; nothing is copied."""
        self.key = key
        self.raw = raw
        self.times = times
        self.kind = kind
        self.parent = parent
        self.origin = origin

    @property
    def id(self) -> str:
        """The object's id."""
        return self.key[1]

    def record(self) -> dict[str, Any]:
        """The record, decoded anew at each call, so that the caller may change it."""
        record: dict[str, Any] = orjson.loads(self.raw)
        return record


class View:
    """Versions by id, in order of creation, with an index for each time that is searched by."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        """`fields` are the names of the times to index."""
        self.versions: dict[str, Version] = {}
        self.order: list[Key] = []
        self.times: dict[str, list[tuple[int, Key]]] = {name: [] for name in fields}
        self.generation = 0

    def load(self, versions: list[Version]) -> None:
        """Fills an empty view at once."""
        self.versions = {version.id: version for version in versions}
        self.order = sorted(version.key for version in versions)
        for name, index in self.times.items():
            index.extend((version.times[name], version.key) for version in versions if name in version.times)
            index.sort()
        self.generation += 1

    def put(self, version: Version) -> None:
        """Adds an object or replaces its version."""
        self.drop(version.id)
        self.versions[version.id] = version
        insort(self.order, version.key)
        for name, index in self.times.items():
            if name in version.times:
                insort(index, (version.times[name], version.key))

    def drop(self, identity: str) -> None:
        """Removes an object, if it is there."""
        self.generation += 1
        old = self.versions.pop(identity, None)
        if old is None:
            return
        del self.order[bisect_left(self.order, old.key)]
        for name, index in self.times.items():
            if name in old.times:
                del index[bisect_left(index, (old.times[name], old.key))]

    def keys_within(self, name: str, low: float, high: float) -> list[Key]:
        """The keys of what has its time `name` from one bound on and before another, in the order of that time."""
        index = self.times[name]
        return [key for _, key in index[bisect_left(index, low, key=_time) : bisect_left(index, high, key=_time)]]

    def sorted(self, keys: list[Key]) -> list[Key]:
        """Some of the keys in the order of creation."""
        if len(keys) == len(self.order):
            return self.order
        if len(keys) < len(self.order) // 4:
            return sorted(keys)
        # Picking many from a sorted list beats sorting them.
        chosen = set(keys)
        return [key for key in self.order if key in chosen]


def _time(entry: tuple[int, Key]) -> float:
    return entry[0]


class Collection:
    """All objects of one kind.

    `live` is what single reads and plain lists show. `searchable` is what searches show: each change reaches it
    when its time has come. `ids` are the ids of all that ever was, in the order in which they came. Times are
    milliseconds of the sandbox's clock.
    """

    def __init__(self, fields: Iterable[str], versions: list[Version]) -> None:
        """Starts with `versions`, all of which searches know already."""
        self.live = View()
        self.live.load(versions)
        self.searchable = View(fields)
        self.searchable.load(versions)
        self.children: dict[str, list[str]] = {}
        self.ids: list[str] = [version.id for version in versions]
        self.known: set[str] = set(self.ids)
        self._pending: deque[tuple[int, str, Version | None]] = deque()
        for identity in self.live.order:
            self._adopt(self.live.versions[identity[1]])

    def put(self, version: Version, visible_at: int) -> None:
        """Adds or replaces an object; searches show it from `visible_at` on."""
        if version.id not in self.known:
            self.ids.append(version.id)
            self.known.add(version.id)
            self._adopt(version)
        self.live.put(version)
        self._pending.append((visible_at, version.id, version))

    def delete(self, identity: str, visible_at: int) -> None:
        """Removes an object; searches still show it until `visible_at`."""
        self.live.drop(identity)
        self._pending.append((visible_at, identity, None))

    def search_view(self, now: int) -> View:
        """What searches know at a time."""
        while self._pending and self._pending[0][0] <= now:
            _, identity, version = self._pending.popleft()
            if version is None:
                self.searchable.drop(identity)
            else:
                self.searchable.put(version)
        return self.searchable

    def children_of(self, parent: str) -> list[Version]:
        """The objects that belong to one parent, oldest first."""
        found = (self.live.versions.get(identity) for identity in self.children.get(parent, ()))
        return sorted((version for version in found if version is not None), key=lambda version: version.key)

    def newest_first(self) -> list[Version]:
        """All objects as they are now, newest created first."""
        return [self.live.versions[identity] for _, identity in reversed(self.live.order)]

    def _adopt(self, version: Version) -> None:
        if version.parent is not None:
            self.children.setdefault(version.parent, []).append(version.id)

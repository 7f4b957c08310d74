"""Stored objects, and two views of them: the current state, and what searches know so far."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

Key = tuple[int, str]
"""Creation time (milliseconds) and id: the order of every list and the content of every cursor."""


MISSING: Any = object()
"""As the value of a field: removes the field."""


def merged(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A record with other values for some of its fields."""
    return {name: value for name, value in {**record, **fields}.items() if value is not MISSING}


def encode(record: dict[str, Any]) -> bytes:
    """Encode a record as JSON; a copy, because the bytes that orjson returns keep a much larger buffer alive."""
    return bytes(memoryview(orjson.dumps(record)))


@dataclass(slots=True, eq=False)
class Version:
    """One state of one object; never changed, only replaced.

    `times` holds, in the server's hidden milliseconds, every time that a search can filter on, under the filter's
    name. `kind` is an issue's type in lower case. `parent` is the id (or slug) of what the object belongs to.
    `raw` is the record as JSON, with placeholders where a signature stands.
    """

    key: Key
    raw: bytes
    times: dict[str, int]
    kind: str | None = None
    parent: str | None = None

    @property
    def id(self) -> str:
        """The object's id."""
        return self.key[1]

    def record(self) -> dict[str, Any]:
        """The record, decoded again at each call, so that the caller may change it."""
        record: dict[str, Any] = orjson.loads(self.raw)
        return record


class View:
    """Versions by id, and their keys in order of creation."""

    def __init__(self, versions: list[Version]) -> None:
        self.versions = {version.id: version for version in versions}
        self.order = sorted(version.key for version in versions)

    def put(self, version: Version) -> None:
        """Adds an object or replaces its version."""
        self.drop(version.id)
        self.versions[version.id] = version
        insort(self.order, version.key)

    def drop(self, identity: str) -> None:
        """Removes an object, if it is there."""
        old = self.versions.pop(identity, None)
        if old is not None:
            del self.order[bisect_left(self.order, old.key)]


class Collection:
    """All objects of one kind.

    `live` is what single reads and plain lists show. `searchable` is what searches show: each change reaches it when
    its time has come. `ids` are the ids of all that ever was, in the order in which they came. Times are milliseconds
    of the sandbox's clock.
    """

    def __init__(self, versions: list[Version]) -> None:
        self.live = View(versions)
        self.searchable = View(versions)
        self.ids = {version.id: None for version in versions}
        self._pending: deque[tuple[int, str, Version | None]] = deque()

    def put(self, version: Version, visible_at: int) -> None:
        """Adds or replaces an object; searches show it from `visible_at` on."""
        self.ids[version.id] = None
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

    def newest_first(self) -> list[Version]:
        """All objects as they are now, newest created first."""
        return [self.live.versions[identity] for _, identity in reversed(self.live.order)]

"""All objects of the organisation, as they are now and as searches know them."""

from __future__ import annotations

import gc
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import SECOND, SandboxClock
from integration_tests.sandbox.dataset import KINDS, PARENTS, Dataset
from integration_tests.sandbox.issues import Message
from integration_tests.sandbox.operations import not_found
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.versions import Collection, Version, View

_LARGE = 200
"""A collection with more objects is made at the start."""

_PRIVATE = ("threads", "task_comments")
"""Kinds whose records may hold something private."""
_MARKER = re.compile(re.escape(text.PRIVATE) + "[0-9a-f]{16}")


@contextmanager
def _without_collector() -> Iterator[None]:
    # Making a data set creates no garbage, but scanning a million new objects for some takes half the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def sign(raw: bytes) -> bytes:
    """Puts a fresh signature into every file URL, as Pylon does at each read."""
    return raw.replace(text.SIGNATURE.encode(), secrets.token_hex(16).encode())


class Store:
    """The data, with the methods that read it; `MutableStore` adds those that change it.

    `search_lag` is how many seconds of the sandbox's clock pass before a search knows a change. All methods may be
    called from any thread; `lock` makes several calls one.
    """

    def __init__(
        self,
        clock: SandboxClock,
        *,
        seed: int,
        size: Size,
        behaviour: Behaviour,
        search_lag: float,
        base: int | None,
    ) -> None:
        """Makes the data set; `base` (milliseconds) is the end of its history, by default now."""
        self.clock = clock
        self.seed = seed
        self.behaviour = behaviour
        self.search_lag = search_lag
        self.lock = threading.RLock()
        self.base = (clock.millis() if base is None else base) // SECOND * SECOND
        self.dataset = Dataset(seed, size, self.base, behaviour)
        self.markers = set[str]()
        """Markers of internal notes that are not part of the data set."""
        self._threads: dict[str, list[Message]] = {}
        self._collections: dict[str, Collection] = {}
        for kind in KINDS.values():
            # The others are made when they are first asked for; these would keep a request waiting.
            if self.dataset.count(kind) > _LARGE:
                self.collection(kind)

    def collection(self, kind: str) -> Collection:
        """The collection of one kind of object, which is made when it is first asked for."""
        with self.lock:
            if kind not in self._collections:
                with _without_collector():
                    self._collections[kind] = Collection(self.dataset.versions(kind))
            return self._collections[kind]

    def search_view(self, kind: str) -> View:
        """What searches know about one kind of object now."""
        return self.collection(kind).search_view(self.clock.millis())

    def get(self, kind: str, identity: str) -> Version:
        """An object by its id; raises ApiError (404) if there is none."""
        version = self.collection(kind).live.versions.get(identity)
        if version is None:
            raise not_found(kind)
        return version

    def issue(self, reference: str) -> Version:
        """An issue by its id or its number; raises ApiError (404) if there is none."""
        ids = self.collection("issues").ids
        # Issues are numbered in the order in which they came.
        known_number = reference.isdecimal() and 0 < int(reference) <= len(ids)
        return self.get("issues", ids[int(reference) - 1] if known_number else reference)

    def thread(self, issue_id: str) -> list[Message]:
        """The messages of an issue as stored, oldest first; raises ApiError (404) if there is no such issue."""
        version = self.get("issues", issue_id)
        known = self._threads.get(issue_id)
        if known is not None:
            return known
        return self.dataset.issues.thread(version.origin) if version.origin >= 0 else []

    def messages(self, issue_id: str) -> list[dict[str, Any]]:
        """The messages of an issue as the API shows them now, oldest first."""
        with self.lock:
            records = [message.record for message in self.thread(issue_id)]
        signed: list[dict[str, Any]] = orjson.loads(sign(orjson.dumps(records)))
        return signed

    def expected(self, kind: str) -> list[Any]:
        """All records of a kind as the API shows them now, newest first.

        Kinds that are listed per parent come as pairs of the parent's id and the record.
        """
        with self.lock:
            versions = self.collection(kind).newest_first()
        if kind in PARENTS:
            return [(version.parent, orjson.loads(sign(version.raw))) for version in versions]
        return [orjson.loads(sign(version.raw)) for version in versions]

    def private_markers(self) -> set[str]:
        """The marker of every internal note that ever was, deleted ones too."""
        with self.lock:
            hidden = [version.raw.decode() for kind in _PRIVATE for version in self.collection(kind).newest_first()]
            return self.markers.union(self.dataset.issues.markers(), *map(_MARKER.findall, hidden))

    @property
    def long_thread_id(self) -> str | None:
        """The id of the issue with the long thread, if the size asked for one."""
        index = self.dataset.issues.long_thread
        return None if index is None else self.dataset.issues.id(index)

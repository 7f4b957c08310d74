"""All objects of the organisation, as they are now and as searches know them, and the ways to change them."""

from __future__ import annotations

import gc
import re
import secrets
import threading
from bisect import insort
from collections.abc import Iterable
from datetime import datetime
from random import Random
from typing import Any

import orjson

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import HOUR, SECOND, SandboxClock, millis, shown
from integration_tests.sandbox.dataset import KINDS, PARENTS, Dataset, blank, version_of
from integration_tests.sandbox.issues import Message, Record, activity, compose
from integration_tests.sandbox.operations import not_found
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.versions import Collection, Version, View, merged

_LARGE = 200
"""A collection with more objects is made at the start."""

_PRIVATE = ("threads", "task_comments")
"""Kinds whose records may hold something private."""
_MARKER = re.compile(re.escape(text.PRIVATE) + "[0-9a-f]{16}")


def sign(raw: bytes) -> bytes:
    """Puts a fresh signature into every file URL, as Pylon does at each read."""
    return raw.replace(text.SIGNATURE.encode(), secrets.token_hex(16).encode())


class Store:
    """The data. All methods may be called from any thread; `lock` makes several calls one.

    Changes carry the time `at`, by default now. Searches know a change `search_lag` seconds of the sandbox's clock
    after it is made, whatever time it carries. Fields are given as the API shows them; `MISSING` takes one away.
    Objects that do not exist raise ApiError (404).
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
        self._added = 0
        self._collections: dict[str, Collection] = {}
        for kind in KINDS.values():
            # The others are made when they are first requested; these would keep a request waiting.
            if self.dataset.count(kind) > _LARGE:
                self.collection(kind)

    def collection(self, kind: str) -> Collection:
        """The collection of one kind of object, which is made when it is first requested."""
        with self.lock:
            if kind not in self._collections:
                # Making a data set creates no garbage, but scanning a million new objects for some takes half the time.
                gc.disable()
                self._collections[kind] = Collection(self.dataset.versions(kind))
                gc.enable()
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
        ids = list(self.collection("issues").ids)
        # Issues are numbered in the order in which they came.
        known_number = reference.isdecimal() and 0 < int(reference) <= len(ids)
        return self.get("issues", ids[int(reference) - 1] if known_number else reference)

    def thread(self, issue_id: str) -> list[Message]:
        """The messages of an issue as stored, oldest first; raises ApiError (404) if there is no such issue."""
        issue = self.get("issues", issue_id)
        known = self._threads.get(issue_id)
        # Whatever has not been changed is made again; issues are numbered in the order in which they were made.
        return self.dataset.issues.thread(issue.record()["number"] - 1) if known is None else known

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

    def add_issue(self, *, at: datetime | None = None, **fields: Any) -> str:
        """Adds an issue without messages and returns its id."""
        with self.lock:
            created = self._stamp(at)
            identity, rng = self._next("issues")
            number = len(self.collection("issues").ids) + 1
            record = {
                **blank("issues"),
                "id": identity,
                "number": number,
                "number_of_touches": 0,
                "title": text.title(rng),
                "body_html": text.body(rng),
                "state": "new",
                "type": "conversation",
                "source": "slack",
                "link": f"https://app.usepylon.com/issues?issueNumber={number}",
                "created_at": shown(created),
                "updated_at": shown(created),
                "custom_fields": {},
                "attachment_urls": [],
                "customer_portal_visible": False,
                "is_issue_group": False,
            }
            self.put_issue(self.dataset.issues.wrap(merged(record, fields), created, created, []), [])
            return identity

    def put_issue(self, version: Version, thread: list[Message]) -> None:
        """Adds an issue, or replaces it, exactly as it is given, with its messages."""
        with self.lock:
            self._threads[version.id] = thread
            self.collection("issues").put(version, self._visible_at())

    def update_issue(self, issue_id: str, *, at: datetime | None = None, bump: bool = True, **fields: Any) -> None:
        """Changes fields of an issue; `updated_at` moves unless `bump` is false."""
        with self.lock:
            version = self.get("issues", issue_id)
            updated = self._stamp(at) if bump else version.times["updated_at"]
            self._change_issue(version, merged(version.record(), fields), updated, self.thread(issue_id))

    def close_issue(self, issue_id: str, *, at: datetime | None = None) -> None:
        """Closes an issue without a message."""
        resolved = shown(self._stamp(at))
        first = self.get("issues", issue_id).record().get("first_resolution_time") or resolved
        self.update_issue(issue_id, at=at, state="closed", resolution_time=resolved, first_resolution_time=first)

    def add_message(
        self,
        issue_id: str,
        *,
        html: str | None = None,
        private: bool = False,
        files: int = 0,
        author: Record | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> str:
        """Adds a message, or an internal note, to an issue and returns the message's id.

        `fields` are other fields of the record, such as a `thread_id` that contradicts `is_private`.
        """
        with self.lock:
            thread = list(self.thread(issue_id))
            moment = self._stamp(at)
            identity, rng = self._next("messages")
            marker = text.marker(self.seed, "added", identity) if private else None
            if marker:
                self.markers.add(marker)
            urls = [text.file_url(issue_id, marker or identity[:13], f"{n}-added.png") for n in range(files)]
            user = {"id": text.identity(self.seed, "users", 0), "email": "agent0@vendor.example"}
            author = author or {"name": "Ada Lovelace", "avatar_url": "", "user": user}
            html = text.body(rng) if html is None else html
            record = compose(rng, identity, moment, author, html, marker, urls)
            insort(thread, Message(moment, private, merged(record, fields)), key=lambda message: message.key)
            self._rethread(issue_id, thread, moment, attached=urls)
            return identity

    def delete_message(
        self, issue_id: str, message_id: str | None = None, *, redact: bool = False, at: datetime | None = None
    ) -> None:
        """Deletes a message, by default the latest, with its files; `redact` leaves it without text and files."""
        with self.lock:
            thread = list(self.thread(issue_id))
            places = [n for n, message in enumerate(thread) if message_id in (None, message.record["id"])]
            if not places:
                raise not_found("message")
            gone = thread.pop(places[-1])
            if redact:
                left = {**gone.record, "message_html": "", "file_urls": []}
                thread.insert(places[-1], gone._replace(record=left))
            self._rethread(issue_id, thread, self._stamp(at), detached=gone.record.get("file_urls") or ())

    def add(self, kind: str, *, parent: str | None = None, at: datetime | None = None, **fields: Any) -> str:
        """Adds an object of any kind except issues, by default to any parent, and returns its id."""
        with self.lock:
            identity, _ = self._next(kind)
            number = self.dataset.count(kind) + self._added
            made = self.dataset.new(kind, number, identity, self._stamp(at), parent, **fields)
            self.collection(kind).put(made, self._visible_at())
            return identity

    def update(self, kind: str, identity: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Changes an object of any kind except issues; its `updated_at`, if it has one, moves."""
        with self.lock:
            old, updated = self.get(kind, identity), self._stamp(at)
            record = old.record()
            if "updated_at" in record:
                record["updated_at"] = shown(updated)
            changed = version_of(kind, old.key, merged(record, fields), old.parent)
            if changed.times.get("updated_at", -1) // SECOND == updated // SECOND:
                changed.times["updated_at"] = updated
            self.collection(kind).put(changed, self._visible_at())

    def delete(self, kind: str, identity: str) -> None:
        """Deletes an object of any kind; searches still show it for `search_lag` seconds."""
        with self.lock:
            self.get(kind, identity)
            self.collection(kind).delete(identity, self._visible_at())

    def add_call_recording(
        self, *, start_time: datetime | None = None, at: datetime | None = None, **fields: Any
    ) -> str:
        """Adds a recording, which Pylon has since `at`, of a call that began at `start_time` (default: an hour ago)."""
        start = self._stamp(at) - HOUR if start_time is None else millis(start_time)
        call = {"start_time": shown(start), "end_time": shown(start + HOUR)}
        return self.add("call_recordings", at=at, **{**call, **fields})

    def add_survey_response(self, survey_id: str, *, at: datetime | None = None, **fields: Any) -> str:
        """Adds a response, submitted at `at`."""
        kind = self.get("surveys", survey_id).record()["type"]
        return self.add("survey_responses", parent=survey_id, at=at, **{"survey_type": kind, **fields})

    def _stamp(self, at: datetime | None) -> int:
        return self.clock.millis() if at is None else millis(at)

    def _visible_at(self) -> int:
        return self.clock.millis() + int(self.search_lag * SECOND)

    def _next(self, kind: str) -> tuple[str, Random]:
        self._added += 1
        return text.identity(self.seed, kind, "added", self._added), Random(f"{self.seed}/added/{self._added}")

    def _rethread(
        self,
        issue_id: str,
        thread: list[Message],
        moment: int,
        attached: Iterable[str] = (),
        detached: Iterable[str] = (),
    ) -> None:
        version = self.get("issues", issue_id)
        record = version.record()
        last = activity(thread, self.behaviour.private_in_record)
        record["latest_message_time"] = None if last is None else shown(last)
        if attached or record.get("attachment_urls"):
            kept = [url for url in record.get("attachment_urls") or () if url not in detached]
            record["attachment_urls"] = [*kept, *attached]
        self._change_issue(version, record, max(moment, version.times["updated_at"]), thread)

    def _change_issue(self, old: Version, record: Record, updated: int, thread: list[Message]) -> None:
        record["updated_at"] = shown(updated)
        record["number_of_touches"] = (record.get("number_of_touches") or 0) + 1
        self.put_issue(self.dataset.issues.wrap(record, old.key[0], updated, thread), thread)

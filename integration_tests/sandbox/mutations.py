"""Changes to the data, stamped with the sandbox's clock unless a test sets another time."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from datetime import datetime
from random import Random
from typing import Any

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import HOUR, SECOND, millis, shown
from integration_tests.sandbox.dataset import blank, version_of
from integration_tests.sandbox.issues import Message, Record, activity, compose
from integration_tests.sandbox.operations import not_found
from integration_tests.sandbox.store import Store
from integration_tests.sandbox.versions import Version, merged


class MutableStore(Store):
    """The data, with the methods that change it.

    `at` is the time that a change carries (default: now); searches know the change `search_lag` seconds after it is
    made, whatever time it carries. Fields are given as the API shows them; `MISSING` takes one away. Objects that do
    not exist raise ApiError (404).
    """

    _counter = 0

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

    def delete_message(self, issue_id: str, message_id: str | None = None, *, at: datetime | None = None) -> None:
        """Deletes a message, by default the latest, with its files; the issue's latest message time moves back."""
        with self.lock:
            thread = list(self.thread(issue_id))
            gone = thread.pop(_place(thread, message_id))
            self._rethread(issue_id, thread, self._stamp(at), detached=gone.record.get("file_urls") or ())

    def redact_message(self, issue_id: str, message_id: str | None = None, *, at: datetime | None = None) -> None:
        """Takes the text and the files of a message away and leaves its record."""
        with self.lock:
            thread = list(self.thread(issue_id))
            place = _place(thread, message_id)
            old = thread[place].record
            thread[place] = thread[place]._replace(record={**old, "message_html": "", "file_urls": []})
            self._rethread(issue_id, thread, self._stamp(at), detached=old.get("file_urls") or ())

    def add(self, kind: str, *, parent: str | None = None, at: datetime | None = None, **fields: Any) -> str:
        """Adds an object of any kind except issues, by default to any parent, and returns its id."""
        with self.lock:
            identity, _ = self._next(kind)
            number = self.dataset.count(kind) + self._counter
            made = self.dataset.new(kind, number, identity, self._stamp(at), parent, **fields)
            self.collection(kind).put(made, self._visible_at())
            return identity

    def update(self, kind: str, identity: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Changes an object of any kind; its `updated_at`, if it has one, moves."""
        if kind == "issues":
            self.update_issue(identity, at=at, **fields)
            return
        with self.lock:
            version = self.get(kind, identity)
            record, times = version.record(), dict(version.times)
            if "updated_at" in record:
                times["updated_at"] = self._stamp(at)
                record["updated_at"] = shown(times["updated_at"])
            changed = version_of(kind, version.key, merged(record, fields), version.parent, times)
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

    def merge_accounts(self, duplicate: str, into: str) -> None:
        """Moves the issues and contacts of one account to another and deletes it for good."""
        with self.lock:
            self.get("accounts", into)
            for kind in ("issues", "contacts"):
                for version in self.collection(kind).newest_first():
                    if (version.record().get("account") or {}).get("id") == duplicate:
                        self.update(kind, version.id, account={"id": into})
            self.delete("accounts", duplicate)

    def _stamp(self, at: datetime | None) -> int:
        return self.clock.millis() if at is None else millis(at)

    def _visible_at(self) -> int:
        return self.clock.millis() + int(self.search_lag * SECOND)

    def _next(self, kind: str) -> tuple[str, Random]:
        self._counter += 1
        return text.identity(self.seed, kind, "added", self._counter), Random(f"{self.seed}/added/{self._counter}")

    def _rethread(
        self,
        issue_id: str,
        thread: list[Message],
        moment: int,
        attached: Collection[str] = (),
        detached: Collection[str] = (),
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


def _place(thread: list[Message], message_id: str | None) -> int:
    places = [n for n, message in enumerate(thread) if message_id in (None, message.record["id"])]
    if not places:
        raise not_found("message")
    return places[-1]

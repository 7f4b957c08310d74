"""Changes to the data, stamped with the sandbox's clock unless a test sets another time."""

from __future__ import annotations

from datetime import datetime
from functools import partialmethod
from random import Random
from typing import Any

import usepylon

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import HOUR, SECOND, millis, parse, shown
from integration_tests.sandbox.dataset import times_of
from integration_tests.sandbox.errors import not_found
from integration_tests.sandbox.issues import Message, activity, compose
from integration_tests.sandbox.store import MARKER, Store
from integration_tests.sandbox.versions import Version, encode, merged


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
            number = self.size.issues + len(self._numbers) + 1
            self._numbers[number] = identity
            record: dict[str, Any] = {
                **dict.fromkeys(usepylon.Issue.model_fields),
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
                "custom_fields": {},
                "attachment_urls": [],
                "customer_portal_visible": False,
                "is_issue_group": False,
            }
            self._threads[identity] = []
            self._put_issue(merged(record, fields), created, created)
            return identity

    def put_issue(self, version: Version, thread: list[Message]) -> None:
        """Adds an issue, or replaces it, exactly as it is given, with its messages."""
        with self.lock:
            self._threads[version.id] = thread
            self._numbers[version.record()["number"]] = version.id
            self._added_markers.update(marker for message in thread for marker in MARKER.findall(str(message.record)))
            self.collection("issues").put(version, self._visible_at())

    def update_issue(self, issue_id: str, *, at: datetime | None = None, bump: bool = True, **fields: Any) -> None:
        """Changes fields of an issue; `updated_at` moves unless `bump` is false."""
        with self.lock:
            version = self.get("issues", issue_id)
            updated = self._stamp(at) if bump else version.times["updated_at"]
            self._put_issue(merged(version.record(), fields), version.key[0], updated)

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
        author: dict[str, Any] | None = None,
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
                self._added_markers.add(marker)
            urls = [text.file_url(issue_id, marker or identity[:13], f"{n}-added.png") for n in range(files)]
            user = {"id": text.identity(self.seed, "users", 0), "email": "agent0@vendor.example"}
            author = author or {"name": "Ada Lovelace", "avatar_url": "", "user": user}
            html = text.body(rng) if html is None else html
            record = compose(rng, identity, moment, author, html, marker, urls)
            thread.append(Message(moment, private, merged(record, fields)))
            thread.sort(key=lambda message: message.key)
            self._rethread(issue_id, thread, moment, urls)
            return identity

    def delete_message(self, issue_id: str, message_id: str | None = None, *, at: datetime | None = None) -> None:
        """Deletes a message, by default the latest, with its files; the issue's latest message time moves back."""
        with self.lock:
            thread = list(self.thread(issue_id))
            gone = thread.pop(_place(thread, message_id))
            self._rethread(issue_id, thread, self._stamp(at), [], gone)

    def redact_message(self, issue_id: str, message_id: str | None = None, *, at: datetime | None = None) -> None:
        """Takes the text and the files of a message away and leaves its record."""
        with self.lock:
            thread = list(self.thread(issue_id))
            place = _place(thread, message_id)
            old = thread[place]
            thread[place] = old._replace(record={**old.record, "message_html": "", "file_urls": []})
            self._rethread(issue_id, thread, self._stamp(at), [], old)

    def add(self, kind: str, *, parent: str | None = None, at: datetime | None = None, **fields: Any) -> str:
        """Adds an object of any kind except issues, by default to any parent, and returns its id."""
        return self._add(kind, parent, at, fields)

    def update(self, kind: str, identity: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Changes an object of any kind but issues; its `updated_at`, if it has one, moves."""
        with self.lock:
            version = self.get(kind, identity)
            record, times = version.record(), dict(version.times)
            if "updated_at" in record:
                times["updated_at"] = self._stamp(at)
                record["updated_at"] = shown(times["updated_at"])
            self._put(kind, version, merged(record, fields), times)

    def delete(self, kind: str, identity: str) -> None:
        """Deletes an object of any kind; searches still show it for `search_lag` seconds."""
        with self.lock:
            self.get(kind, identity)
            self.collection(kind).delete(identity, self._visible_at())

    add_account, add_contact = partialmethod(add, "accounts"), partialmethod(add, "contacts")
    update_account, update_contact = partialmethod(update, "accounts"), partialmethod(update, "contacts")
    update_call_recording = partialmethod(update, "call_recordings")
    delete_issue = partialmethod(delete, "issues")
    delete_account, delete_contact = partialmethod(delete, "accounts"), partialmethod(delete, "contacts")

    def add_call_recording(
        self, *, start_time: datetime | None = None, at: datetime | None = None, **fields: Any
    ) -> str:
        """Adds a recording, which Pylon has since `at`, of a call that began at `start_time` (default: an hour ago)."""
        start = self._stamp(at) - HOUR if start_time is None else millis(start_time)
        call = {"start_time": shown(start), "end_time": shown(start + HOUR)}
        return self._add("call_recordings", None, at, {**call, **fields}, start_time=start)

    def add_survey(self, *, name: str = "Added", type: str = "csat", at: datetime | None = None) -> str:
        """Adds a survey (type `nps`, `csat` or `custom`) without responses."""
        return self._add("surveys", None, at, {"name": name, "type": type})

    def add_survey_response(self, survey_id: str, *, at: datetime | None = None, **fields: Any) -> str:
        """Adds a response, submitted at `at`."""
        kind = self.get("surveys", survey_id).record()["type"]
        return self._add("survey_responses", survey_id, at, {"survey_type": kind, **fields})

    def merge_accounts(self, duplicate: str, into: str, *, at: datetime | None = None) -> None:
        """Moves the issues and contacts of one account to another and deletes it for good."""
        with self.lock:
            self.get("accounts", into)
            for kind, move in (("issues", self.update_issue), ("contacts", self.update_contact)):
                for version in self.collection(kind).newest_first():
                    if (version.record().get("account") or {}).get("id") == duplicate:
                        move(version.id, at=at, account={"id": into})
            self.delete("accounts", duplicate)

    def _add(self, kind: str, parent: str | None, at: datetime | None, fields: dict[str, Any], **times: int) -> str:
        with self.lock:
            identity, _ = self._next(kind)
            number = self.dataset.count(kind) + self._counter
            made = self.dataset.new(kind, number, identity=identity, created=self._stamp(at), parent=parent)
            self._put(kind, made, merged(made.record(), fields), made.times | times)
            return identity

    def _stamp(self, at: datetime | None) -> int:
        return self.clock.millis() if at is None else millis(at)

    def _visible_at(self) -> int:
        return self.clock.millis() + int(self.search_lag * SECOND)

    def _next(self, kind: str) -> tuple[str, Random]:
        self._counter += 1
        return text.identity(self.seed, kind, "added", self._counter), Random(f"{self.seed}/added/{self._counter}")

    def _rethread(
        self, issue_id: str, thread: list[Message], moment: int, urls: list[str], gone: Message | None = None
    ) -> None:
        version = self.get("issues", issue_id)
        self._threads[issue_id] = thread
        record = version.record()
        last = activity([(m.at, m.private) for m in thread], self.behaviour.private_in_record)
        record["latest_message_time"] = None if last is None else shown(last)
        if urls:
            record["attachment_urls"] = [*(record.get("attachment_urls") or []), *urls]
        if gone is not None and record.get("attachment_urls"):
            files = gone.record.get("file_urls") or ()
            record["attachment_urls"] = [url for url in record["attachment_urls"] if url not in files]
        bump = self.behaviour.messages_bump_updated_at
        updated = max(moment, version.times["updated_at"]) if bump else version.times["updated_at"]
        self._put_issue(record, version.key[0], updated)

    def _put_issue(self, record: dict[str, Any], created: int, updated: int) -> None:
        known = self.collection("issues").live.versions.get(record["id"])
        record["updated_at"] = shown(updated)
        origin, resolved, stamps = -1, None, []
        if known is not None:
            origin, resolved = known.origin, known.times.get("resolved_at")
            stamps = [(message.at, message.private) for message in self.thread(record["id"])]
            record["number_of_touches"] = (record.get("number_of_touches") or 0) + 1
        if record.get("resolution_time") and (resolved is None or shown(resolved) != record["resolution_time"]):
            resolved = int(parse(record["resolution_time"])) + updated % SECOND
        version = self.dataset.issues.wrap(record, created, updated, stamps, origin, resolved)
        self.collection("issues").put(version, self._visible_at())

    def _put(self, kind: str, old: Version, record: dict[str, Any], times: dict[str, int]) -> None:
        # A time given as a field becomes the hidden one, too.
        given = {name: record[name] for name in times_of(kind) if isinstance(record.get(name), str)}
        times = times | {name: int(parse(at)) for name, at in given.items() if at != shown(times.get(name, -1))}
        key = (times.get("happened_at", old.key[0]), old.id)
        self.collection(kind).put(Version(key, encode(record), times, parent=old.parent), self._visible_at())


def _place(thread: list[Message], message_id: str | None) -> int:
    places = [n for n, message in enumerate(thread) if message_id in (None, message.record["id"])]
    if not places:
        raise not_found("message")
    return places[-1]

"""The issues of the data set and their messages.

An issue and its messages depend only on the seed and the issue's number, so messages are generated when they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import usepylon

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, parse, shown
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.templates import TEMPLATES, roughen, template
from integration_tests.sandbox.versions import Key, Version, encode

SOURCES = ("slack", "email", "chat_widget", "form", "microsoft_teams", "manual", "discord", "google_chat")
STATES = ("new", "waiting_on_you", "waiting_on_customer", "on_hold", "closed", "escalated")
TAGS = ("billing", "bug", "vip", "très urgent", "日本")
_GROUP = 40
"""Every 40th issue is an issue group with the two issues before it as children."""
_BURST = 20
"""How many days before the end of the history the busy second lies."""
SPAN = 730 * DAY
"""How far the history reaches back."""
_QUIET = (520 * DAY, 400 * DAY)
"""The period before the end of the history in which nothing at all happened."""

Record = dict[str, Any]


class Planned(NamedTuple):
    """One message before it is written: its time (milliseconds), whether it is internal, how many files it has."""

    at: int
    private: bool
    files: int


class Outline(NamedTuple):
    """When an issue was created and last updated (milliseconds), and its messages, oldest first."""

    created: int
    updated: int
    messages: list[Planned]


class Message(NamedTuple):
    """One message: its time (milliseconds), whether it is internal, and its record as stored."""

    at: int
    private: bool
    record: Record

    @property
    def key(self) -> Key:
        """The place in the thread: by time, and by id where times are equal."""
        return self.at, self.record["id"]


Messages = Sequence[Planned | Message]
"""The messages of an issue, oldest first, written or not."""


def activity(messages: Messages, count_private: bool) -> int | None:
    """The time of the latest message that counts, of messages in order; None where there is none."""
    return next((one.at for one in reversed(messages) if count_private or not one.private), None)


class IssueFactory:
    """Makes the issues of one data set; `base` is the end of their history (milliseconds)."""

    def __init__(self, seed: int, size: Size, base: int, behaviour: Behaviour) -> None:
        self._seed = seed
        self._size = size
        self._behaviour = behaviour
        self._base = base
        self._burst = (base - _BURST * DAY) // SECOND * SECOND
        self.created = self._creations()
        self._rng = Random()
        self._templates = [template(usepylon.Issue, number) for number in range(TEMPLATES)]

    def id(self, index: int) -> str:
        """The id of an issue by its number in the data set."""
        return text.identity(self._seed, "issues", index)

    def version(self, index: int) -> Version:
        """An issue as it was at the end of the history."""
        outline, rng = self._outline(index), self._rng
        record = self._record(rng, index, outline)
        last = activity(outline.messages, self._behaviour.private_in_record)
        record["latest_message_time"] = None if last is None else shown(last)
        if rng.random() < self._behaviour.irregular:
            self._roughen(record, rng)
        return self.wrap(record, outline.created, outline.updated, outline.messages)

    def wrap(self, record: Record, created: int, updated: int, messages: Messages) -> Version:
        """The version of an issue's record; searches know milliseconds that the record does not show."""
        times = {"created_at": created, "updated_at": updated}
        last = activity(messages, self._behaviour.private_counts)
        if last is None and self._behaviour.match_without_messages:
            last = created
        if last is not None:
            times["latest_message_activity_at"] = last
        if record.get("resolution_time"):
            times["resolved_at"] = int(parse(record["resolution_time"])) + created % SECOND
        kind = record.get("type")
        kind = kind.lower() if kind else None
        return Version((created, record["id"]), encode(record), times, kind=kind)

    def thread(self, index: int) -> list[Message]:
        """The messages of an issue by its number in the data set, oldest first: the same each time."""
        rng = Random(self._seed << 40 | index << 1 | 1)
        planned = enumerate(self._outline(index).messages)
        return sorted((self._message(rng, index, *one) for one in planned), key=lambda message: message.key)

    def markers(self) -> Iterator[str]:
        """The markers of all internal notes."""
        for index in range(len(self.created)):
            for position, planned in enumerate(self._outline(index).messages):
                if planned.private:
                    yield text.marker(self._seed, self.id(index), position)

    def _creations(self) -> list[int]:
        rng = Random(f"{self._seed}/creations")
        imports = [self._age(rng) for _ in range(20)]
        burst = min(self._size.same_second, self._size.issues)
        ages = [
            imports[index % 20] if rng.random() < 0.05 else self._age(rng) for index in range(burst, self._size.issues)
        ]
        created = [self._base - age for age in ages]
        created.extend(self._burst - 1 - int(rng.random() * HOUR) for _ in range(burst))
        return sorted(created)

    def _age(self, rng: Random) -> int:
        while True:
            # The exponent draws activity towards the present.
            age = int(SPAN * rng.random() ** 1.5)
            if not _QUIET[1] <= age <= _QUIET[0]:
                return age

    def _outline(self, index: int) -> Outline:
        rng = self._rng
        rng.seed(self._seed << 40 | index << 1)
        created = self.created[index]
        ceiling = self._base - _QUIET[0] if created <= self._base - _QUIET[0] else self._base
        messages = self._messages(rng, created, ceiling, index)
        if rng.random() < self._behaviour.imported:
            # Brought over from another tool: created here long after the conversation ended.
            gap = created - messages[-1].at - DAY if messages else 0
            messages = [one._replace(at=one.at + gap) for one in messages]
        last = max(messages[-1].at, created) if messages else created
        updated = min(ceiling, last + int(rng.expovariate(1 / DAY))) if rng.random() < 0.4 else last
        return Outline(created, max(updated, last), messages)

    def _messages(self, rng: Random, created: int, ceiling: int, index: int) -> list[Planned]:
        draw = rng.random()
        in_burst = self._size.same_second and self._burst - HOUR <= created < self._burst
        if draw < 0.15 and not in_burst:
            return []
        only_private = draw < 0.20
        count = 1 + min(7, int(rng.expovariate(0.45)))
        at = created + int(rng.random() * 1500)
        times = [at]
        for _ in range(count - 1):
            at += int(rng.expovariate(1 / (6 * HOUR)))
            times.append(at)
        if rng.random() < 0.03:
            times[-1] += int(rng.random() * 60 * DAY)
        if in_burst:
            ceiling = self._burst + (int(rng.random() * SECOND * self._size.burst_seconds) if index % 2 else 0)
            times[-1] = max(times[-1], ceiling)
        if times[-1] > ceiling:
            reach, room = max(1, times[-1] - created), ceiling - created
            times = [created + (time - created) * room // reach for time in times]
        elif not in_burst and rng.random() < 0.15 and count > 1:
            # Many issues then share the second of their latest message, as after a bulk edit.
            times[-1] = max(times[-2], times[-1] // DAY * DAY)
        return [
            Planned(
                time,
                only_private or (position > 0 and rng.random() < 0.25),
                (1 + int(rng.random() * 2)) if rng.random() < 0.15 else 0,
            )
            for position, time in enumerate(times)
        ]

    def _record(self, rng: Random, index: int, outline: Outline) -> Record:
        draw = rng.random
        identity, (created, updated, messages) = self.id(index), outline
        closed = draw() < 0.6
        state = "closed" if closed else STATES[int(draw() * 4)] if draw() < 0.95 else "escalated"
        source = SOURCES[int(draw() * len(SOURCES))]
        elapsed = (updated - created) // SECOND
        resolved = shown(updated) if closed else None
        slack = {"channel_id": f"C{index % 50:08d}", "message_ts": f"{created / 1000:.6f}", "workspace_id": "T00000001"}
        group = self._group_of(index)
        is_group, teams = group == index, self._size.others
        return {
            **self._templates[index % TEMPLATES],
            "id": identity,
            "number": index + 1,
            "title": _title(index),
            "link": f"https://app.usepylon.com/issues?issueNumber={index + 1}",
            "body_html": text.body(rng) if draw() < 0.98 else "",
            "state": state,
            "source": source,
            "type": "conversation" if draw() < 0.6 else "ticket",
            "created_at": shown(created),
            "updated_at": shown(updated),
            "account": self._account(int(draw() * self._size.accounts)) if self._size.accounts else None,
            "requester": self._person(rng, "contacts", self._size.contacts),
            "assignee": self._person(rng, "users", self._size.users) if draw() < 0.8 else None,
            "team": {"id": _identity(self._seed, "teams", int(draw() * teams))} if teams else None,
            "tags": [TAGS[int(draw() * len(TAGS))]] if draw() < 0.4 else None,
            "custom_fields": _custom_fields(rng),
            "attachment_urls": self._attachments(identity, outline),
            "number_of_touches": len(messages),
            "time_in_status_seconds": {"new": elapsed // 2, state: elapsed},
            "csat_responses": [{"score": 1 + int(draw() * 5), "comment": text.sentence(rng)}] if draw() < 0.1 else [],
            "customer_portal_visible": draw() < 0.5 and not is_group,
            "resolution_time": resolved,
            "resolution_seconds": elapsed if closed else None,
            # A few were resolved, reopened, and perhaps resolved again.
            "first_resolution_time": shown((created + updated) // 2) if draw() < 0.05 else resolved,
            "is_issue_group": is_group,
            "child_issues": [self._mini(index - 1), self._mini(index - 2)] if is_group else [],
            "parent_issue_group": None if is_group or group is None else self._mini(group),
            "slack": slack if source == "slack" else None,
        }

    def _group_of(self, index: int) -> int | None:
        """The number of the group that an issue is, or belongs to."""
        group = index + (-index - 1) % _GROUP
        return group if group - index <= 2 and group < len(self.created) else None

    def _mini(self, index: int) -> Record:
        return {"id": self.id(index), "number": index + 1, "title": _title(index)}

    def _roughen(self, record: Record, rng: Random) -> None:
        roughen(record, rng)
        draw = rng.random()
        if draw < 0.3:
            record["type"] = None
        elif draw < 0.6:
            record.pop("type", None)
        elif record.get("type"):
            record["type"] = record["type"].capitalize()
        if record["latest_message_time"] is None and draw < 0.5:
            del record["latest_message_time"]

    def _account(self, number: int) -> Record:
        return {"id": _identity(self._seed, "accounts", number), "external_ids": text.external_ids(number)}

    def _person(self, rng: Random, kind: str, count: int) -> Record | None:
        if not count:
            return None
        number = int(rng.random() * count)
        email = f"agent{number}@vendor.example" if kind == "users" else f"person{number}@customer.example"
        return {"id": _identity(self._seed, kind, number), "email": email}

    def _attachments(self, identity: str, outline: Outline) -> list[str]:
        urls = [
            self._file(identity, position, planned.private, number)
            for position, planned in enumerate(outline.messages)
            for number in range(planned.files)
        ]
        if not urls and outline.created % 20 == 0:
            # A file of no message: it was uploaded with the form that opened the issue.
            urls.append(text.file_url(identity, "form", text.FILES[0]))
        return urls

    def _file(self, issue: str, position: int, private: bool, number: int) -> str:
        """The stored URL of one file of a message; an internal note's file carries its marker in the path."""
        token = text.marker(self._seed, issue, position) if private else text.identity(issue, position, number)[:13]
        return text.file_url(issue, token, f"{number}-{text.FILES[(position + number) % len(text.FILES)]}")

    def _message(self, rng: Random, index: int, position: int, planned: Planned) -> Message:
        issue = self.id(index)
        marker = text.marker(self._seed, issue, position) if planned.private else None
        html = text.body(rng)
        files = [self._file(issue, position, planned.private, number) for number in range(planned.files)]
        identity = text.identity(self._seed, issue, "messages", position)
        record = compose(rng, identity, planned.at, self._author(rng, marker), html, marker, files)
        return Message(planned.at, planned.private, record)

    def _author(self, rng: Random, marker: str | None) -> Record:
        draw = rng.random()
        by_user = marker is not None or draw < 0.4
        kind = "users" if by_user else "contacts"
        person = self._person(rng, kind, getattr(self._size, kind) or 1)
        # Posts by bots carry a user, too.
        bot = by_user and draw < 0.1
        name = f"Workflow Bot {marker or ''}".strip() if bot else text.NAMES[int(draw * 1000) % len(text.NAMES)]
        return {"name": name, "avatar_url": "", "user" if by_user else "contact": person}


def compose(
    rng: Random, identity: str, at: int, author: Record, html: str, marker: str | None, files: list[str]
) -> Record:
    """The record of one message; `marker` is set for an internal note and is in its text."""
    source = ("email", "slack", "chat_widget")[int(rng.random() * 3)]
    sender = author.get("contact") or author.get("user") or {}
    email_info = {
        "from_email": sender.get("email") or "nobody@customer.example",
        "to_emails": ["support@vendor.example"],
        "cc_emails": None,
        "bcc_emails": [],
        "message_id": f"<{identity}@mail.example>",
        "sender_authentication_status": "pass",
        "opens": [],
    }
    record = {
        "id": identity,
        "author": author,
        "author_unverified": rng.random() < 0.1,
        "email_info": email_info if source == "email" else None,
        "file_urls": files,
        "is_private": marker is not None,
        "message_html": f"{html}<p>{marker}</p>" if marker else html,
        "source": source,
        "timestamp": shown(at),
    }
    return {**record, "thread_id": text.identity(identity, "thread")} if marker else record


def _title(index: int) -> str:
    return f"{text.SENTENCES[index * 7 % len(text.SENTENCES)]} ({text.WORDS[index * 5 % len(text.WORDS)]})"


def _custom_fields(rng: Random) -> Record:
    fields: Record = {}
    if rng.random() < 0.7:
        fields["priority"] = {"slug": "priority", "value": ("low", "medium", "high")[int(rng.random() * 3)]}
    if rng.random() < 0.3:
        first = int(rng.random() * 11)
        fields["product_area"] = {"slug": "product_area", "value": "", "values": list(text.WORDS[first : first + 2])}
    return fields


@lru_cache(maxsize=65_536)
def _identity(seed: int, kind: str, number: int) -> str:
    return text.identity(seed, kind, number)

"""Issues of the data set: when each happened, what its record shows.

An issue's whole story is drawn from the seed and its number alone, so that its messages need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, shown
from integration_tests.sandbox.options import Behaviour, History, Size
from integration_tests.sandbox.versions import Version, encode

SOURCES = ("slack", "email", "chat_widget", "form", "microsoft_teams", "manual", "discord", "phone")
STATES = ("new", "waiting_on_you", "waiting_on_customer", "on_hold", "closed", "escalated")
TAGS = ("billing", "bug", "vip", "très urgent", "日本")
_OPTIONAL = (
    "account",
    "assignee",
    "team",
    "tags",
    "slack",
    "external_issues",
    "csat_responses",
    "child_issues",
    "parent_issue_group",
    "snoozed_until_time",
    "first_response_time",
    "team_slas",
    "chat_widget_info",
    "attachment_urls",
    "custom_fields",
    "active_time_by_user",
    "author_unverified",
    "customer_portal_visible",
)
_BURST = 20
"""How many days before the end of the history the busy second lies."""


@dataclass(slots=True)
class Planned:
    """One message before it is written: its time (milliseconds), whether it is internal, how many files it has."""

    at: int
    private: bool
    files: int


@dataclass(slots=True)
class Story:
    """When an issue was created and last updated (milliseconds), and its messages, oldest first."""

    created: int
    updated: int
    messages: list[Planned]
    closed: bool


def activity(messages: list[tuple[int, bool]], count_private: bool) -> int | None:
    """The time of the latest message (time, private) that counts; None where there is none."""
    return max((at for at, private in messages if count_private or not private), default=None)


class IssueFactory:
    """Makes the issues of one data set; `base` is the end of their history (milliseconds)."""

    def __init__(self, seed: int, size: Size, base: int, behaviour: Behaviour, history: History) -> None:
        """Draws the creation times; everything else is drawn issue by issue."""
        self._seed = seed
        self._size = size
        self._behaviour = behaviour
        self._base = base
        day = DAY / 86_400
        self._quiet_from = base - int(history.quiet_from.total_seconds() * day)
        self._quiet_until = base - int(history.quiet_until.total_seconds() * day)
        self._span = int(history.span.total_seconds() * day)
        self._burst = (base - _BURST * DAY) // SECOND * SECOND
        self.created = self._creations()
        self._rng = Random()

    @property
    def long_thread(self) -> int | None:
        """The number of the issue with the long thread; None if there is none."""
        return len(self.created) // 2 if self._size.long_thread and self.created else None

    @property
    def large_message(self) -> int | None:
        """The number of the issue with the large message; None if there is none."""
        return len(self.created) // 3 if self._size.large_message_bytes and self.created else None

    def id(self, index: int) -> str:
        """The id of an issue by its number in the data set."""
        return text.identity(self._seed, "issues", index)

    def story(self, index: int) -> Story:
        """The story of an issue by its number in the data set."""
        rng = self._rng
        rng.seed(self._seed << 40 | index << 1)
        created = self.created[index]
        ceiling = self._ceiling(created)
        messages = self._messages(rng, created, ceiling, index)
        last = messages[-1].at if messages else created
        closed = rng.random() < 0.6
        updated = last
        if rng.random() < 0.4:
            updated = min(ceiling, last + int(rng.expovariate(1 / DAY)))
        return Story(created, max(updated, last), messages, closed)

    def version(self, index: int) -> Version:
        """An issue as it was at the end of the history."""
        story = self.story(index)
        rng = self._rng
        identity = self.id(index)
        record = self._record(rng, index, identity, story)
        stamps = [(planned.at, planned.private) for planned in story.messages]
        shown_last = activity(stamps, self._behaviour.private_in_record)
        if shown_last is not None:
            record["latest_message_time"] = shown(shown_last)
        elif rng.random() < 0.5:
            record["latest_message_time"] = None
        return self.wrap(record, story.created, story.updated, stamps, index)

    def wrap(
        self,
        record: dict[str, Any],
        created: int,
        updated: int,
        stamps: list[tuple[int, bool]],
        origin: int,
        resolved: int | None = None,
    ) -> Version:
        """The version of an issue's record; `stamps` are the times of its messages and whether each is internal."""
        times = {"created_at": created, "updated_at": updated}
        last = activity(stamps, self._behaviour.private_counts)
        if last is None and self._behaviour.match_without_messages:
            last = created
        if last is not None:
            times["latest_message_activity_at"] = last
        if record.get("resolution_time"):
            times["resolved_at"] = updated if resolved is None else resolved
        kind = record.get("type")
        return Version(
            (created, record["id"]),
            encode(record),
            times,
            kind=kind.lower() if kind else None,
            origin=origin,
        )

    def _creations(self) -> list[int]:
        rng = Random(f"{self._seed}/creations")
        imports = [self._age(rng) for _ in range(20)]
        ages = []
        for index in range(self._size.issues):
            if index < self._size.same_second:
                continue
            ages.append(imports[index % 20] if rng.random() < 0.05 else self._age(rng))
        created = [self._base - age for age in ages]
        burst = min(self._size.same_second, self._size.issues)
        created.extend(self._burst - 1 - int(rng.random() * HOUR) for _ in range(burst))
        created.sort()
        return created

    def _age(self, rng: Random) -> int:
        while True:
            # The exponent draws activity towards the present.
            age = int(self._span * rng.random() ** 1.5)
            if not self._base - self._quiet_until <= age <= self._base - self._quiet_from:
                return age

    def _ceiling(self, created: int) -> int:
        return self._quiet_from if created <= self._quiet_from else self._base

    def _messages(self, rng: Random, created: int, ceiling: int, index: int) -> list[Planned]:
        if index == self.long_thread:
            step = max(1, (ceiling - created) // (self._size.long_thread + 1))
            return [Planned(created + n * step, n % 7 == 3, 0) for n in range(self._size.long_thread)]
        draw = rng.random()
        in_burst = self._size.same_second and self._burst - HOUR <= created < self._burst
        if draw < 0.15 and not in_burst and index != self.large_message:
            return []
        only_private = draw < 0.20 and index != self.large_message
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
        elif not in_burst and rng.random() < 0.15:
            self._snap(times)
        return [
            Planned(
                time,
                only_private or (position > 0 and rng.random() < 0.25),
                (1 + int(rng.random() * 2)) if rng.random() < 0.15 else 0,
            )
            for position, time in enumerate(times)
        ]

    def _snap(self, times: list[int]) -> None:
        # Many issues then share the second of their latest message, as after a bulk edit.
        whole = times[-1] // DAY * DAY
        if len(times) > 1 and whole >= times[-2]:
            times[-1] = whole

    def _record(self, rng: Random, index: int, identity: str, story: Story) -> dict[str, Any]:
        draw = rng.random
        kind = self._kind(rng)
        closed = story.closed
        state = "closed" if closed else STATES[int(draw() * 4)] if draw() < 0.95 else "escalated"
        elapsed = (story.updated - story.created) // SECOND
        record: dict[str, Any] = {
            "id": identity,
            "number": index + 1,
            "title": text.title(rng),
            "link": f"https://app.usepylon.com/issues?issueNumber={index + 1}",
            "body_html": self._body(rng),
            "state": state,
            "source": SOURCES[int(draw() * len(SOURCES))],
            "created_at": shown(story.created),
            "updated_at": shown(story.updated),
            "account": self._reference(rng, "accounts", self._size.accounts),
            "requester": self._reference(rng, "contacts", self._size.contacts),
            "assignee": self._reference(rng, "users", self._size.users) if draw() < 0.8 else None,
            "team": self._reference(rng, "teams", self._size.others) if draw() < 0.6 else None,
            "tags": [TAGS[int(draw() * len(TAGS))]] if draw() < 0.4 else None,
            "custom_fields": self._custom_fields(rng),
            "attachment_urls": self._attachments(identity, story),
            "first_response_seconds": int(draw() * 90_000),
            "business_hours_first_response_seconds": int(draw() * 30_000),
            "number_of_touches": len(story.messages),
            "time_in_status_seconds": {"new": elapsed // 2, state: elapsed},
            "business_hours_time_in_status_seconds": {},
            "active_time_seconds": int(draw() * 5_000),
            "active_time_by_user": [],
            "csat_responses": [{"score": 1 + int(draw() * 5), "comment": text.sentence(rng)}] if draw() < 0.1 else None,
            "customer_portal_visible": draw() < 0.5,
            "author_unverified": draw() < 0.1,
            "external_issues": [],
            "slack": None,
            "snoozed_until_time": None,
            "child_issues": None,
            "parent_issue_group": None,
            "team_slas": [],
            "chat_widget_info": None,
            "first_response_time": shown(story.created + HOUR) if draw() < 0.4 else None,
        }
        if closed:
            record["resolution_time"] = shown(story.updated)
            record["resolution_seconds"] = elapsed
        if record["source"] == "slack":
            record["slack"] = {
                "channel_id": f"C{index % 50:08d}",
                "message_ts": f"{story.created / 1000:.6f}",
                "workspace_id": "T00000001",
            }
        for _ in range(int(draw() * 5)):
            record.pop(_OPTIONAL[int(draw() * len(_OPTIONAL))], None)
        if kind != "missing":
            record["type"] = kind
        return record

    def _kind(self, rng: Random) -> str | None:
        draw, other_case = rng.random(), rng.random() < 0.1
        if draw >= 0.9:
            return "missing" if other_case or draw >= 0.95 else None
        kind = "conversation" if draw < 0.55 else "ticket"
        return kind.capitalize() if other_case else kind

    def _body(self, rng: Random) -> str | None:
        draw = rng.random()
        return text.body(rng) if draw < 0.97 else "" if draw < 0.985 else None

    def _reference(self, rng: Random, kind: str, count: int) -> dict[str, Any] | None:
        return {"id": _referred(self._seed, kind, int(rng.random() * count))} if count else None

    def _custom_fields(self, rng: Random) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if rng.random() < 0.7:
            fields["priority"] = {
                "slug": "priority",
                "value": ("low", "medium", "high")[int(rng.random() * 3)],
            }
        if rng.random() < 0.3:
            areas = sorted({text.WORDS[int(rng.random() * 12)] for _ in range(2)})
            fields["product_area"] = {"slug": "product_area", "value": "", "values": areas}
        return fields

    def _attachments(self, identity: str, story: Story) -> list[str] | None:
        urls = [
            file_of(self._seed, identity, position, planned.private, number)
            for position, planned in enumerate(story.messages)
            for number in range(planned.files)
        ]
        if not urls and story.created % 20 == 0:
            # A file that no message holds: it came with the form that opened the issue.
            urls.append(text.file_url(identity, "form", text.FILES[0]))
        return urls or ([] if story.created % 2 else None)


@lru_cache(maxsize=65_536)
def _referred(seed: int, kind: str, number: int) -> str:
    return text.identity(seed, kind, number)


def file_of(seed: int, issue: str, position: int, private: bool, number: int) -> str:
    """The stored URL of one file of a message; an internal note's file carries its marker in the path."""
    token = text.marker(seed, issue, position) if private else text.identity(seed, issue, position, number)[:13]
    return text.file_url(issue, token, f"{number}-{text.FILES[(position + number) % len(text.FILES)]}")

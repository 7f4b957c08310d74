"""A modelled Pylon: issues with all their versions, changed by others while they are read, behind a fake transport."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import orjson

from source_pylon.api import errors
from source_pylon.api.transport import Exchange
from source_pylon.timestamps import parse
from unit_tests.simulation.scenario import DAY, HOUR, MINUTE, SECOND, Scenario

BASE = datetime(2024, 1, 1, tzinfo=timezone.utc)
"""The model's time 0, at which the first sync begins."""
SECRET = "secret"
"""A word that is in every private text, and in no public one."""
_YEAR = 365 * DAY
_MAX_CHANGES = 150
"""Changes happen at requests: without a bound, some worlds grow faster than they are read."""


def moment(millis: int) -> datetime:
    """Return a moment of the model's time."""
    return BASE + timedelta(milliseconds=millis)


def millis(value: datetime) -> int:
    """Return the model's time of a moment."""
    return round((value - BASE) / timedelta(milliseconds=1))


@lru_cache(100_000)
def shown(value: int | None) -> str | None:
    """Return a time as records show it: in whole seconds."""
    return None if value is None else f"{moment(value).replace(microsecond=0, tzinfo=None).isoformat()}Z"


@dataclass(frozen=True)
class Message:
    """A message, or an internal note where it is private."""

    id: str
    at: int
    private: bool

    def as_record(self) -> dict[str, Any]:
        """Return the message as Pylon's API shows it."""
        return {
            "id": self.id,
            "message_html": self.html,
            "is_private": self.private,
            "thread_id": f"thread-{self.id}" if self.private else None,
            "timestamp": shown(self.at),
        }

    @property
    def html(self) -> str:
        """The text; private ones say so."""
        return f"<p>{SECRET if self.private else 'public'} text of message {self.id}, long enough to compare</p>"


@dataclass(frozen=True)
class Version:
    """What an issue was from `at` on. `activity` is what searches filter by, `latest` what records show."""

    at: int
    updated: int
    activity: int | None
    latest: int | None
    type: str
    messages: tuple[Message, ...]
    gone: str = ""
    """Empty, `deleted`, or `scrubbed`."""
    what: str = ""


@dataclass
class Issue:
    """An issue with all its versions, oldest first."""

    id: str
    number: int
    created: int
    body: str
    is_found_by_record: bool = False
    """Whether searches ignore their filter, so that the times of the record alone tell whether it changed."""
    versions: list[Version] = field(default_factory=list)
    ats: list[int] = field(default_factory=list)

    def add(self, version: Version) -> None:
        """Append a version."""
        self.versions.append(version)
        self.ats.append(version.at)

    @property
    def current(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def index_at(self, time: int) -> int | None:
        """Return the number of the version that was current at a time; None before the first."""
        found = bisect_right(self.ats, time) - 1
        return found if found >= 0 else None

    def searched(self, version: Version) -> int:
        """Return the latest of the times by which a version is found."""
        message = version.latest if self.is_found_by_record else version.activity
        return max(self.created, version.updated, self.created if message is None else message)

    def as_record(self, index: int) -> dict[str, Any]:
        """Return a version of the issue as Pylon's API shows it; `number_of_touches` tells which version it is."""
        version = self.versions[index]
        return {
            "id": self.id,
            "number": self.number,
            "type": version.type,
            "created_at": shown(self.created),
            "updated_at": shown(version.updated),
            "latest_message_time": shown(version.latest),
            "number_of_touches": index,
            "body_html": self.body,
        }


class World:
    """Pylon's data and the time in which it changes."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = 0
        self.issues: dict[str, Issue] = {}
        self.trace: list[str] | None = None
        self._rng = random.Random(f"changes {scenario.seed}")
        self._serial = 0
        self.changes = 0
        self._populate()

    def say(self, text: str) -> None:
        """Note something in the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{moment(self.now).isoformat(timespec='milliseconds')[:-6]} {text}")

    def monotonic(self) -> float:
        """Return the model's time in seconds."""
        return self.now / 1_000

    def pass_time(self, duration: int) -> None:
        """Let time go by without a change."""
        self.now += duration

    # --- what is there at the beginning -------------------------------------------------------------------------------

    def _populate(self) -> None:
        rng, scenario = self._rng, self.scenario
        second = -int(scenario.span * rng.random()) // SECOND * SECOND
        for _ in range(scenario.initial_issues):
            created = -int(scenario.span * rng.random()) - 20
            if scenario.same_second and rng.random() < 0.8:
                created = second - SECOND + rng.randrange(SECOND)
            issue = self._create(created, created, rng.random() < 0.8)
            times = sorted(rng.randint(created + 1, -10) for _ in range(rng.choice([0, 0, 1, 3])))
            for at in times:
                if at > issue.current.at:
                    self._change_issue(issue, rng.choice(["message", "message", "note", "edit", "unsend"]), at)

    def _create(self, at: int, created: int, with_message: bool, messages_at: int | None = None) -> Issue:
        rng = self._rng
        self._serial += 1
        issue_id = f"i{rng.randrange(16**4):04x}-{self._serial}"
        messages: tuple[Message, ...] = ()
        body = ""
        if with_message:
            first = Message(f"{issue_id}-m0", created if messages_at is None else messages_at, rng.random() < 0.15)
            messages, body = (first,), first.html
        issue = Issue(issue_id, self._serial, created, body, self.scenario.search_filter_ignored)
        updated = at if at == created or self.scenario.imports_move_updated else created
        kind = rng.choice(["conversation", "ticket", "Ticket"])
        issue.add(self._version(issue, at, updated, kind, messages, "created" if at == created else "imported"))
        self.issues[issue.id] = issue
        return issue

    def _version(
        self, issue: Issue, at: int, updated: int, kind: str, messages: tuple[Message, ...], what: str
    ) -> Version:
        scenario = self.scenario
        activity = [m.at for m in messages if scenario.notes_in_search or not m.private]
        latest = [m.at for m in messages if scenario.notes_in_record or not m.private]
        return Version(at, updated, max(activity, default=None), max(latest, default=None), kind, messages, what=what)

    # --- changes ------------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Let somebody change something now."""
        rng = self._rng
        self.now += 1
        number = self.changes
        self.changes += 1
        # Drawn whether the change happens or not, so that leaving one out leaves the others as they are.
        seed = rng.random()
        if number in self.scenario.skipped_changes:
            return
        self._rng = random.Random(seed)
        try:
            self._change(number)
        finally:
            self._rng = rng

    def _change(self, number: int) -> None:
        rng = self._rng
        alive = [issue for issue in self.issues.values() if not issue.current.gone]
        kinds = ["create"] * 3 + ["message"] * 5 + ["note"] * 3 + ["edit"] * 2
        kinds += ["close", "unsend", "delete", "import", "import", "retype"]
        if self.scenario.scrubs:
            kinds += ["scrub"] * 2
        kind = rng.choice(kinds)
        if kind == "create" or not alive:
            issue = self._create(self.now, self.now, rng.random() < 0.7)
        elif kind == "import":
            created = self.now - rng.choice([MINUTE, HOUR, DAY, 40 * DAY, 500 * DAY])
            messages_at = created - rng.choice([0, 0, HOUR, 3 * DAY, 100 * DAY])
            issue = self._create(self.now, created, rng.random() < 0.8, messages_at)
        else:
            # The newest issues change most.
            issue = alive[-1 - int(len(alive) * rng.random() ** 2)]
            self._change_issue(issue, kind, self.now)
        self.say(f"change {number}: {kind} {issue.id} (version {len(issue.versions) - 1})")

    def _change_issue(self, issue: Issue, kind: str, at: int) -> None:
        scenario, before = self.scenario, issue.current
        kind_of_issue, messages, moves = before.type, before.messages, True
        gone = ""
        if kind in ("message", "note"):
            moves = scenario.messages_move_updated if kind == "message" else scenario.notes_move_updated
            self._serial += 1
            messages = (*messages, Message(f"{issue.id}-m{self._serial}", at, kind == "note"))
        elif kind == "unsend":
            # The first message stays: a body that repeats a deleted note is not known to be private any more.
            if len(messages) > 1:
                messages = messages[:-1]
            moves = scenario.deletions_move_updated
        elif kind == "retype":
            kind_of_issue = "ticket" if before.type == "conversation" else "conversation"
        elif kind in ("delete", "scrub"):
            gone = "deleted" if kind == "delete" else "scrubbed"
        version = self._version(issue, at, at if moves else before.updated, kind_of_issue, messages, kind)
        issue.add(replace(version, gone=gone))


class FakeTransport:
    """Answers requests as Pylon does, out of a World, with the scenario's surprises."""

    def __init__(self, world: World, seed: str, date_skew: int | None, *, quiet: bool = False) -> None:
        """In a quiet sync nobody changes anything, and nothing is broken."""
        self._world = world
        self._scenario = world.scenario
        self._rng = random.Random(f"answers {seed}")
        self._date_skew = date_skew
        self._quiet = quiet
        self._troubles = 0
        self.broken: dict[str, tuple[int, int]] = {}
        self.refused: dict[str, int] = {}
        self.messages_read: dict[str, int] = {}
        """How often the messages of an issue were read whole in this sync."""

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: Mapping[str, Any] | None,
        on_large: Callable[[], None] | None = None,
        **_: Any,
    ) -> Exchange:
        """Answer one request."""
        world, scenario, rng = self._world, self._scenario, self._rng
        world.pass_time(rng.choice([5, 40, 300, 2_000]))
        while not self._quiet and world.changes < _MAX_CHANGES and rng.random() < scenario.change_share:
            world.change()
        answer = self._trouble() or self._answer(method, path, dict(query or {}), dict(content or {}))
        world.pass_time(rng.choice([1, 20, 500]))
        if world.trace is not None:
            world.say(f"{method} {path} {_brief(query, content)} -> {answer.status} {_summary(answer.body)}")
        return answer

    def _trouble(self) -> Exchange | None:
        scenario, rng = self._scenario, self._rng
        draw, which = rng.random(), rng.random()
        # The client gives up a request after some attempts; three failures in a row are always survived.
        if self._quiet or self._troubles >= 3:
            self._troubles = 0
            return None
        self._troubles += 1
        if draw < scenario.error_share:
            if which < 0.3:
                self._world.say("the connection breaks")
                raise errors.Unreachable("The connection to Pylon broke.", "simulated")
            return self._exchange(502, b"<html>bad gateway</html>", is_error=True)
        if draw < scenario.error_share + scenario.throttle_share:
            return self._exchange(429, b'{"errors": ["slow down"]}', headers={"Retry-After": "3"})
        if draw < scenario.error_share + scenario.throttle_share + scenario.glitch_share:
            return self._exchange(200, b'{"pagination": {"has_next_page": true, "cursor": "x"}, "request_id": "r"}')
        self._troubles = 0
        return None

    def _exchange(
        self, status: int, body: bytes, *, headers: dict[str, str] | None = None, is_error: bool = False
    ) -> Exchange:
        skew = self._date_skew
        if is_error and self._scenario.error_date_skew is not None:
            skew = self._scenario.error_date_skew
        result = dict(headers or {})
        if skew is not None:
            result["Date"] = format_datetime(moment(self._world.now + skew).replace(microsecond=0), usegmt=True)
        return Exchange(status, result, body)

    def _good(self, data: Any, cursor: str | None = None) -> Exchange:
        envelope: dict[str, Any] = {"data": data, "request_id": "r"}
        if cursor is not None:
            envelope["pagination"] = {"cursor": cursor, "has_next_page": True}
        return self._exchange(200, orjson.dumps(envelope))

    def _bad(self, status: int) -> Exchange:
        return self._exchange(status, b'{"errors": ["no"], "request_id": "r"}', is_error=status >= 500)

    # --- endpoints ----------------------------------------------------------------------------------------------------

    def _answer(self, method: str, path: str, query: dict[str, Any], body: dict[str, Any]) -> Exchange:
        if path == "/me":
            return self._good({"id": "org"})
        if (method, path) == ("POST", "/issues/search"):
            return self._search(body)
        if (method, path) == ("GET", "/issues"):
            return self._list(query)
        parts = path.split("/")
        issue = self._world.issues.get(parts[2])
        if issue is None or issue.current.gone == "deleted":
            return self._bad(404)
        if issue.current.gone == "scrubbed":
            return self._bad(400)
        if len(parts) == 3:
            return self._good(issue.as_record(len(issue.versions) - 1))
        assert parts[3] == "messages", path
        return self._messages(issue, query)

    def _messages(self, issue: Issue, query: dict[str, Any]) -> Exchange:
        begin, end = self.broken.get(issue.id, (0, 0))
        if begin <= self._world.now < end and not self._quiet:
            return self._bad(500)
        if issue.id in self.refused:
            return self._bad(self.refused[issue.id])
        messages = sorted(issue.current.messages, key=lambda message: (message.at, message.id))
        if not query:
            self.messages_read[issue.id] = self.messages_read.get(issue.id, 0) + 1
        size = min(int(query.get("limit", 1_000)), self._scenario.messages_per_page)
        after = query.get("cursor")
        rest = [one for one in messages if after is None or _message_cursor(one) > after]
        page = rest[:size]
        cursor = _message_cursor(page[-1]) if len(rest) > size else None
        return self._good([message.as_record() for message in page], cursor)

    def _list(self, query: dict[str, Any]) -> Exchange:
        scenario = self._scenario
        if scenario.list_mode != "ok":
            status = {"forbidden": 403, "missing": 404, "rejected": 400, "months": 0}[scenario.list_mode]
            if status:
                return self._bad(status)
        start, end = (_millis(query[name]) for name in ("start_time", "end_time"))
        if end - start > (30 * DAY if scenario.list_mode == "months" else _YEAR) or end <= start:
            return self._bad(400)
        found = [
            (issue, index)
            for issue, index in self._visible(scenario.list_lags)
            if scenario.list_bounds_ignored or start <= issue.created < end
        ]
        return self._page(found, int(query.get("limit", 20_000)), query.get("cursor"))

    def _search(self, body: dict[str, Any]) -> Exchange:
        limit = int(body.get("limit", 1_000))
        if not 1 <= limit <= 1_000:
            return self._bad(400)
        chosen = body.get("filter")
        found = [
            (issue, index)
            for issue, index in self._visible(True)
            if chosen is None or self._scenario.search_filter_ignored or self._matches(chosen, issue, index)
        ]
        if self._scenario.fresh_records:
            found = [(issue, len(issue.versions) - 1) for issue, _ in found if not issue.current.gone]
        return self._page(found, limit, body.get("cursor"))

    def _visible(self, lags: bool) -> Iterable[tuple[Issue, int]]:
        scenario = self._scenario
        lag = scenario.lag if lags else 0
        if lags and scenario.lag_varies:
            lag = self._rng.choice([0, lag // 2, lag])
        for issue in self._world.issues.values():
            index = issue.index_at(self._world.now - lag)
            if index is not None and not issue.versions[index].gone:
                yield issue, index

    def _page(self, found: list[tuple[Issue, int]], limit: int, cursor: str | None) -> Exchange:
        found.sort(key=lambda pair: (pair[0].created, pair[0].id), reverse=True)
        if cursor:
            created, _, issue_id = cursor.partition("|")
            found = [pair for pair in found if (pair[0].created, pair[0].id) < (int(created), issue_id)]
        page = found[: min(limit, self._scenario.page_cap)]
        more = f"{page[-1][0].created}|{page[-1][0].id}" if len(found) > len(page) else None
        return self._good([issue.as_record(index) for issue, index in page], more)

    def _matches(self, chosen: Mapping[str, Any], issue: Issue, index: int) -> bool:
        operator = chosen["operator"]
        if operator in ("or", "and"):
            parts = (self._matches(part, issue, index) for part in chosen["subfilters"])
            return any(parts) if operator == "or" else all(parts)
        version = issue.versions[index]
        if chosen["field"] == "issue_type":
            return bool(version.type.lower() == chosen["value"])
        value = {
            "created_at": issue.created,
            "updated_at": version.updated,
            "latest_message_activity_at": version.activity,
        }[chosen["field"]]
        if value is None:
            return False
        # A hidden millisecond makes a bound inclusive.
        slack = 0 if self._scenario.exclusive_bounds else 1
        if operator == "time_is_after":
            return value > _millis(chosen["value"]) - slack
        if operator == "time_is_before":
            return value < _millis(chosen["value"]) + slack
        assert operator == "time_range", operator
        lower, upper = map(_millis, chosen["values"])
        return lower - slack < value < upper + slack


def _message_cursor(message: Message) -> str:
    # Positive and of one length, so that cursors sort as times do.
    return f"{message.at + 10_000 * _YEAR:020}|{message.id}"


@lru_cache(10_000)
def _millis(text: str) -> int:
    value = parse(text)
    assert value is not None, text
    return millis(value)


def _brief(query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> str:
    text = orjson.dumps(query or body or {}).decode()
    return text.replace('"', "").replace("latest_message_activity_at", "activity").replace("operator:", "")


def _summary(body: bytes) -> str:
    if not body.startswith(b"{"):
        return body.decode()
    envelope = orjson.loads(body)
    data = envelope.get("data")
    more = " and more" if envelope.get("pagination") else ""
    if isinstance(data, list):
        listed = [f"{one['id']}/{one['number_of_touches']}" if "number" in one else one["id"] for one in data]
        return f"[{', '.join(listed)}]{more}"
    return f"{data['id']}" if data else more

"""Judges what a destination holds against what is stored in the modelled Pylon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from source_pylon.timestamps import parse
from unit_tests.simulation.model import SECRET, Issue, World, millis, moment
from unit_tests.simulation.scenario import DAY, MINUTE, SECOND, STREAMS, SyncPlan

LAG = 10 * MINUTE
"""The connector's consistency lag."""
_ROUNDING = 3 * SECOND
"""Records show whole seconds, `Date` headers too, and searches request a second more on both sides."""


@dataclass(frozen=True)
class Violation:
    """A broken promise."""

    rule: str
    """lost, stale, leaked, repeated, ahead, or failed."""
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass
class Held:
    """The newest emission of one issue by one stream. `version` is None where the record does not show it."""

    version: int | None
    messages: frozenset[str] | None
    read_at: str = ""


@dataclass
class Position:
    """A state of an issue stream, in the model's time."""

    until: int
    back_to: int | None
    complete: bool
    older_until: int | None
    older_complete: bool
    include_messages: bool
    unread: frozenset[str]

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> Position | None:
        """Read a state; None for none."""
        until = _millis(state.get("changes_read_until")) if state else None
        if not state or until is None:
            return None
        return cls(
            until,
            _millis(state.get("history_read_back_to")),
            state.get("history_read_back_to") == "complete",
            _millis(state.get("older_activity_read_until")),
            state.get("older_activity_read_until") == "complete",
            bool(state.get("include_messages")),
            frozenset(state.get("unread_issues", ())),
        )


def _millis(text: object) -> int | None:
    found = parse(text)
    return None if found is None else millis(found)


def _whole_second(value: int | None) -> int | None:
    return None if value is None else value // SECOND * SECOND


def accepts(stream: str, kind: str) -> bool:
    """Whether an issue of a type belongs to a stream."""
    return stream in ("issues", "issue_messages") or kind.lower() + "s" == stream


def required_version(issue: Issue) -> int | None:
    """Return the version that the times of the issue as it is now lead to; None where they lead to none.

    Changes after it moved none of the times that searches filter by. Where the deletion of a message moved them back,
    the issue may have left a range of time before it was searched, so nothing is required of it.
    """
    if issue.current.gone:
        return None
    found = issue.searched(issue.current)
    needed = issue.index_at(found)
    if needed is None or any(issue.searched(version) > found for version in issue.versions[needed:]):
        return None
    return needed


@dataclass
class Destination:
    """What a destination has committed: the newest emission of each issue, and the newest state of each stream."""

    held: dict[str, dict[str, Held]] = field(default_factory=lambda: {name: {} for name in STREAMS})
    states: dict[str, dict[str, Any]] = field(default_factory=dict)


class SyncOracle:
    """Judges the outputs of one sync, one after the other."""

    def __init__(self, world: World, destination: Destination, plan: SyncPlan, refused: Mapping[str, int]) -> None:
        self.world = world
        self.destination = destination
        self.plan = plan
        self.refused = refused
        self.begin = world.now
        skews = [plan.machine_skew] + ([] if plan.date_skew is None else [plan.date_skew])
        self.earliest, self.latest = self.begin + min(skews), self.begin + max(skews)
        self._before = {} if plan.full_refresh else dict(destination.states)
        self._emitted: dict[str, set[str]] = {name: set() for name in STREAMS}
        self.start = _whole_second(plan.start)
        self.violations: list[Violation] = []
        self._last_issue: tuple[str, Held | None] | None = None
        """The issue whose messages came last, and what was held of it before."""
        self.has_failed = False
        """Whether a stream of this sync ended INCOMPLETE."""

    # --- records ------------------------------------------------------------------------------------------------------

    def record(self, stream: str, record: Mapping[str, Any]) -> None:
        """A record has reached the destination."""
        if SECRET in orjson.dumps(record).decode():
            self._violated("leaked", f"{stream}: private text in the record of {record.get('id')}")
        if stream == "issue_messages":
            self._message(record)
            return
        issue_id, version = record["id"], record["number_of_touches"]
        messages = record.get("messages")
        if issue_id in self._emitted[stream]:
            self._violated("repeated", f"{stream}: {issue_id} is emitted twice in one sync")
        self._emitted[stream].add(issue_id)
        self._judge_need(stream, self.world.issues[issue_id])
        ids = None if messages is None else frozenset(message["id"] for message in messages)
        self.destination.held[stream][issue_id] = Held(version, ids)

    def _message(self, record: Mapping[str, Any]) -> None:
        stream, issue_id = "issue_messages", record["issue_id"]
        if record["id"] in self._emitted[stream]:
            self._violated("repeated", f"{stream}: {record['id']} is emitted twice in one sync")
        self._emitted[stream].add(record["id"])
        self._judge_need(stream, self.world.issues[issue_id])
        held = self.destination.held[stream].get(issue_id)
        if held is None or held.read_at != record["issue_read_at"]:
            self._last_issue = (issue_id, held)
            held = Held(None, frozenset(), record["issue_read_at"])
        held.messages = (held.messages or frozenset()) | {record["id"]}
        self.destination.held[stream][issue_id] = held

    def _judge_need(self, stream: str, issue: Issue) -> None:
        """An issue is emitted only if the state at the beginning of the sync does not cover it."""
        scenario = self.world.scenario
        position = Position.of(self._before.get(stream))
        if position is None or scenario.search_filter_ignored or issue.id in position.unread:
            return
        if self.plan.include_messages and not position.include_messages:
            return
        if not position.complete and (position.back_to is None or _whole_second(issue.created) < position.back_to):  # type: ignore[operator]
            return
        since = min(position.until, self.earliest - LAG) - self.plan.lookback_days * DAY - _ROUNDING
        first = issue.index_at(self.begin - scenario.lag) or 0
        if all(issue.searched(version) < since for version in issue.versions[first:]):
            self._violated("repeated", f"{stream}: {issue.id} is emitted again although nothing about it changed")

    def killed(self) -> None:
        """The sync ends here. What only a lookback or a wrong clock had read again need not be read once more."""
        position = Position.of(self._before.get("issue_messages"))
        if position is None or self._last_issue is None:
            return
        issue_id, before = self._last_issue
        issue = self.world.issues[issue_id]
        if before is not None and issue.searched(issue.current) <= position.until:
            self.destination.held["issue_messages"][issue_id] = before

    # --- states -------------------------------------------------------------------------------------------------------

    def state(self, stream: str, state: dict[str, Any]) -> None:
        """A state has reached the destination."""
        self.destination.states[stream] = state
        position = Position.of(state)
        if position is None:
            self._violated("failed", f"{stream}: an unreadable state {state}")
            return
        if position.until > self.earliest - LAG + 2 * SECOND:
            late = (position.until - self.earliest + LAG) / 1_000
            self._violated("ahead", f"{stream}: the state is {late:.0f} s later than the lag allows")
        latest = _millis(state.get("latest_message_time"))
        if latest is None or latest > position.until:
            self._violated("ahead", f"{stream}: latest_message_time is later than changes_read_until")
        self._judge_claim(stream, position)

    def _judge_claim(self, stream: str, position: Position) -> None:
        """Everything that the state claims has been emitted has been, in a version at least as new."""
        for issue in self.world.issues.values():
            if issue.id in position.unread:
                continue
            needed = required_version(issue)
            if needed is None or issue.searched(issue.current) > position.until:
                continue
            if position.complete or (position.back_to is not None and _whole_second(issue.created) >= position.back_to):  # type: ignore[operator]
                claimed = True
            else:
                done = self.start is not None and position.back_to is not None and position.back_to <= self.start
                claimed = done and position.older_complete and self._is_active(issue, needed, position.back_to)
            if claimed:
                self._judge_issue(stream, issue, needed, position.include_messages, "the state claims it")

    def _is_active(self, issue: Issue, needed: int, floor: int | None) -> bool:
        """Whether an issue created before the start date shows a message after it, and a search can find it so."""
        latest = min(-1 << 60 if one.latest is None else one.latest for one in issue.versions[needed:])
        if floor is None:
            return False
        return latest >= floor and issue.searched(issue.current) >= floor

    def _judge_issue(self, stream: str, issue: Issue, needed: int, with_messages: bool, why: str) -> None:
        versions = issue.versions[needed:]
        if not all(accepts(stream, version.type) for version in versions):
            return
        held = self.destination.held[stream].get(issue.id)
        public = [frozenset(one.id for one in version.messages if not one.private) for version in versions]
        if held is None:
            if stream == "issue_messages" and (not all(public) or issue.id in self.refused):
                return
            self._violated("lost", f"{stream}: {issue.id} has not been emitted, though {why}")
        elif held.version is not None and held.version < needed:
            self._violated(
                "stale", f"{stream}: {issue.id} was emitted in version {held.version}, not {needed}, though {why}"
            )
        elif with_messages and issue.id not in self.refused and held.messages not in public:
            if stream == "issue_messages" and not all(public):
                return
            text = "without" if held.messages is None else "with other"
            self._violated("stale", f"{stream}: {issue.id} was emitted {text} messages, though {why}")

    # --- the end ------------------------------------------------------------------------------------------------------

    def judge_end(self) -> None:
        """After quiet syncs, the destination holds everything in the version that its times lead to."""
        self._judge_completeness(self.world.now, "everything has been quiet")

    def judge_full_refresh(self) -> None:
        """After a full refresh, the destination holds everything that nobody has changed since it began.

        Where both clocks are days behind, the newest issues are beyond what it takes for the present.
        """
        if self.latest < self.begin - DAY:
            return
        self._judge_completeness(self.begin - self.world.scenario.lag, "the full refresh is complete")

    def _judge_completeness(self, changed_before: int, why: str) -> None:
        if self._all_refused():
            return
        for stream in self.plan.streams:
            if stream == "issue_messages" and not self.plan.include_messages:
                continue
            for issue in self.world.issues.values():
                needed = required_version(issue)
                if needed is None or issue.current.at > changed_before:
                    continue
                created = _whole_second(issue.created)
                if self.start is not None and created is not None and created < self.start:
                    if not self._is_active(issue, needed, self.start):
                        continue
                elif issue.searched(issue.current) < issue.ats[0] and issue.ats[0] > 0:
                    continue
                self._judge_issue(stream, issue, needed, self.plan.include_messages, why)

    def failed(self, stream: str, text: str) -> None:
        """A stream of a quiet sync ended INCOMPLETE."""
        if not self._all_refused():
            self._violated("failed", f"{stream}: {text}")

    def _all_refused(self) -> bool:
        """Whether the messages of all issues that are left are refused: then the endpoint counts as refused."""
        alive = {issue.id for issue in self.world.issues.values() if not issue.current.gone}
        return bool(alive) and alive <= set(self.refused)

    def messages_read(self, counts: Mapping[str, int]) -> None:
        """No issue's messages are read twice in a sync by streams whose states are equally far."""
        positions = [Position.of(self._before.get(stream)) for stream in self.plan.streams]
        if any(position != positions[0] for position in positions):
            return
        for issue_id, count in counts.items():
            # An issue whose type changes can come into a stream after others have emitted it.
            types = {version.type for version in self.world.issues[issue_id].versions}
            if count > 1 and len(types) == 1:
                self._violated("repeated", f"the messages of {issue_id} were read {count} times in one sync")

    def _violated(self, rule: str, text: str) -> None:
        violation = Violation(rule, text)
        self.world.say(f"VIOLATION {violation} (now {moment(self.world.now)})")
        self.violations.append(violation)

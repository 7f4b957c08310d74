"""How issues are divided into windows and partitions, and what a state says. Pure functions of plain values.

The invariant that everything here serves: every issue whose cursor value is at or before `latest_message_time` has
been emitted in a version at least as new as `updated_at`.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sys import intern
from typing import Any

import orjson

from source_pylon.extraction.time_windows import LONG_AGO, Window
from source_pylon.timestamps import SECOND, parse, render

LATEST = "latest_message_time"
UPDATED = "updated_at"


@dataclass(frozen=True)
class Marks:
    """The two marks of a state, in UTC."""

    latest: datetime
    updated: datetime

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Marks | None":
        """The marks in a state of this connector's; None for an empty, damaged or foreign one."""
        latest, updated = parse(state.get(LATEST)), parse(state.get(UPDATED))
        if latest is None or updated is None or min(latest, updated) < LONG_AGO:
            return None
        return cls(latest, updated)

    def as_state(self) -> dict[str, Any]:
        """The state message's content."""
        return {LATEST: render(self.latest), UPDATED: render(self.updated)}


@dataclass(frozen=True, slots=True)
class Listed:
    """An issue as a search showed it, with the times that decide where it belongs (None: not a time).

    `type` is `conversation`, `ticket` or empty; older documents of Pylon's write the types in another case.

    The issue itself is kept as JSON until it is needed: a busy window has thousands, and as JSON each takes a fifth of
    the memory.
    """

    id: str
    type: str
    cursor: datetime | None
    created: datetime | None
    updated: datetime | None
    json: bytes = b"{}"

    @classmethod
    def of(cls, issue: dict[str, Any]) -> "Listed":
        """Reads the times of an issue. An issue without a message has its creation as cursor value."""
        kind = issue.get("type")
        created = parse(issue.get("created_at"))
        return cls(
            id=str(issue.get("id")),
            type=intern(kind.lower()) if isinstance(kind, str) else "",
            cursor=parse(issue.get("latest_message_time")) or created,
            created=created,
            updated=parse(issue.get("updated_at")),
            # A copy, because what orjson gives holds on to the room in which it grew.
            json=bytes(memoryview(orjson.dumps(issue))),
        )

    def issue(self) -> dict[str, Any]:
        """The issue, as Pylon gave it."""
        issue: dict[str, Any] = orjson.loads(self.json)
        return issue


@dataclass(frozen=True)
class Cut:
    """Some issues in cursor order; once they and those before them are emitted, all up to `mark` are."""

    issues: list[Listed]
    mark: datetime


def cut(issues: list[Listed], window: Window, horizon: datetime, size: int) -> Iterator[Cut]:
    """Divides a window's issues into cuts of at most `size`, gapless, in cursor order. Uses `issues` up.

    Marks never pass `horizon`, not even where the window begins behind it. Where equal cursor values are split over
    two cuts, the first one's mark stays before them. There is always a last cut, an empty one if need be, which carries
    the mark to the window's end.
    """
    floor = min(window.after, horizon)
    end = min(window.until, horizon) if window.until else horizon

    def value(listed: Listed) -> datetime:
        return listed.cursor or floor

    # From the back, so that what has been given can go: a window's issues are the most that a sync keeps in memory.
    issues.sort(key=value, reverse=True)
    before = floor
    while True:
        part = [issues.pop() for _ in range(min(size, len(issues)))]
        if not issues:
            yield Cut(part, max(floor, end))
            return
        following = value(issues[-1])
        before = max([before, *(value(listed) for listed in part if value(listed) < following)])
        yield Cut(part, max(floor, min(before, end)))


@dataclass(frozen=True)
class Range:
    """What one stream wants of a sync.

    Cursor values after `after` (None: all), updates after `updated` (None: no update part), issues of `type` (None:
    every one), none whose cursor value lies before `start` (None: no bound).
    """

    after: datetime | None
    updated: datetime | None
    type: str | None
    start: datetime | None = None

    def covers(self, listed: Listed) -> bool:
        """Whether the issue belongs to the stream at all."""
        if self.start is not None and listed.cursor is not None and listed.cursor < self.start:
            return False
        return self.type is None or listed.type == self.type

    def is_behind(self, listed: Listed) -> bool:
        """Whether the issue lies before the message part of this sync, as its cursor value tells."""
        return self.after is not None and listed.cursor is not None and listed.cursor <= self.after

    def wants_update(self, listed: Listed) -> bool:
        """Whether the issue changed since the mark, so that the update part owes it unless the message part gave it.

        The cursor value alone does not tell that: records may show a time of messages that searches do not go by.
        """
        return (
            self.updated is not None
            and self.covers(listed)
            and (listed.updated is None or listed.updated > self.updated)
        )

    def wants_message(self, listed: Listed, window: Window, starts: Sequence[datetime]) -> bool:
        """Whether the message part owes this issue in `window`; `starts` are the starts of this sync's windows so far.

        A search answers by `latest_message_activity_at`, which may differ from the `latest_message_time` that
        records show (whether private notes count is not documented), and by `created_at`. So a window also gets
        issues that lie outside. Those after it are taken at first sight: the window that owns them may not get them.
        Those before it are taken where nothing else would: when the window that owns them cannot have got them.
        """
        if not self.covers(listed):
            return False
        cursor, created = listed.cursor, listed.created
        if cursor is not None and window.until is not None and cursor > window.until:
            return self.after is None or cursor > self.after
        if self.after is not None and window.after < self.after:
            return False
        if cursor is None or window.holds(cursor):
            return True
        if self.after is not None and cursor <= self.after:
            return created is not None and created > self.after
        owner = bisect_left(starts, cursor) - 1
        return owner < 0 or created is None or created <= starts[owner] - SECOND


def began_after(listed: Listed, until: datetime) -> bool:
    """Whether an issue in a search for what happened up to `until` proves that the server ignored the filter."""
    return listed.created is not None and listed.created > until + timedelta(days=1)

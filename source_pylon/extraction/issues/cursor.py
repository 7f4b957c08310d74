"""The state of an issue stream. Pure values.

The invariant: every issue created at or after `history_read_back_to` has been emitted, in a version at least as new as
`changes_read_until`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from source_pylon.extraction.cursors import parse_cursor
from source_pylon.timestamps import render

logger = logging.getLogger("airbyte")

LATEST_MESSAGE = "latest_message_time"
COMPLETE = "complete"
"""Stands in a state for BEGINNING and END."""
BEGINNING = datetime.min.replace(tzinfo=timezone.utc)
"""Before every issue: the value of `history_read_back_to` once the whole history has been read."""
END = datetime.max.replace(tzinfo=timezone.utc)
"""After every activity: the value of `older_activity_read_until` once all of it has been read."""

MAX_UNREAD_ISSUES = 100
"""Bounds the size of the state. If more issues cannot be read, the cause is not in single issues."""


@dataclass(frozen=True)
class IssueCursor:
    """The position of one issue stream. Times are in UTC."""

    changes_read_until: datetime
    history_read_back_to: datetime | None = None
    """None if nothing of the history has been read, BEGINNING if all of it has."""
    older_activity_read_until: datetime | None = None
    """How far issues created before `history_read_back_to`, but active since, have been read; END if all have. They are
    read once the history ends at a start date; until then, and without a start date, this is None."""
    latest_message_time: datetime | None = None
    """The newest `latest_message_time` emitted, not later than `changes_read_until`."""
    include_messages: bool = True
    unread_issues: tuple[str, ...] = ()
    """Ids of issues whose messages could not be read; the next sync tries them first."""

    def floor(self, start: datetime | None) -> datetime | None:
        """Return the creation time from which on issues belong to the stream; None for all of them.

        Moving the start date forward changes nothing: what was read once is kept up to date.
        """
        back_to = self.history_read_back_to
        return start if start is None or back_to is None else min(start, back_to)

    def after_changes(self, until: datetime) -> IssueCursor:
        """Return the cursor once all changes up to `until` have been emitted."""
        return replace(self, changes_read_until=max(self.changes_read_until, until))

    def after_history(self, back_to: datetime) -> IssueCursor:
        """Return the cursor once every issue created at or after `back_to` has been emitted."""
        reached = self.history_read_back_to
        if reached is not None and reached <= back_to:
            return self
        return replace(self, history_read_back_to=back_to, older_activity_read_until=None)

    def at_start_date(self, floor: datetime) -> IssueCursor:
        """Return the cursor once the list has been read down to the start date: older, active issues come next."""
        return replace(self, history_read_back_to=floor, older_activity_read_until=floor)

    def after_older_activity(self, until: datetime) -> IssueCursor:
        """Return the cursor once older issues with activity up to `until` have been emitted."""
        return replace(self, older_activity_read_until=until)

    def as_state(self) -> dict[str, Any]:
        """Return the content of the state message."""
        state: dict[str, Any] = {
            LATEST_MESSAGE: render(self.latest_message_time or self.changes_read_until),
            "changes_read_until": render(self.changes_read_until),
            "history_read_back_to": _render(self.history_read_back_to),
            "include_messages": self.include_messages,
        }
        if self.older_activity_read_until is not None:
            state["older_activity_read_until"] = _render(self.older_activity_read_until)
        if self.unread_issues:
            state["unread_issues"] = list(self.unread_issues)
        return state


def _render(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return COMPLETE if moment in (BEGINNING, END) else render(moment)


def parse_issue_cursor(name: str, state: Mapping[str, Any], include_messages: bool) -> IssueCursor | None:
    """Return the cursor in a state; None for one that this connector did not write.

    A state of version 0.1.0 (`latest_message_time` and `updated_at`) promises less: the changes continue from the
    earlier of its two times, and the history is read once more. The history is also read once more if messages were
    left out so far and are included now.
    """
    until = parse_cursor(state.get("changes_read_until"))
    if until is None:
        latest, updated = parse_cursor(state.get(LATEST_MESSAGE)), parse_cursor(state.get("updated_at"))
        if latest is None or updated is None:
            return None
        logger.info(f"Stream {name}: the saved state is from version 0.1.0. The history is read once more.")
        return IssueCursor(min(latest, updated), include_messages=include_messages)
    back_to, older = state.get("history_read_back_to"), state.get("older_activity_read_until")
    unread = state.get("unread_issues")
    cursor = IssueCursor(
        changes_read_until=until,
        history_read_back_to=BEGINNING if back_to == COMPLETE else parse_cursor(back_to),
        older_activity_read_until=END if older == COMPLETE else parse_cursor(older),
        latest_message_time=parse_cursor(state.get(LATEST_MESSAGE)),
        include_messages=include_messages,
        unread_issues=tuple(map(str, unread[:MAX_UNREAD_ISSUES])) if isinstance(unread, list) else (),
    )
    if include_messages and state.get("include_messages") is False:
        logger.info(
            f"Stream {name}: Include Messages was switched on, so the history is read once more, with messages."
        )
        return IssueCursor(until, latest_message_time=cursor.latest_message_time, unread_issues=cursor.unread_issues)
    return cursor

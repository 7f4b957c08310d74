"""The state of an issue stream. Pure values.

The invariant: every issue created at or after `history_read_back_to` has been emitted, in a version at least as new as
`changes_read_until`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from source_pylon.extraction.cursors import parse_cursor
from source_pylon.timestamps import render

logger = logging.getLogger("airbyte")

LATEST_MESSAGE = "latest_message_time"
COMPLETE = "complete"

MAX_UNREAD_ISSUES = 100
"""Bounds the size of the state. If more issues cannot be read, the cause is not in single issues."""


@dataclass(frozen=True)
class IssueCursor:
    """The position of one issue stream. Times are in UTC."""

    changes_read_until: datetime
    history_read_back_to: datetime | None = None
    """None if nothing of the history has been read, or all of it (`history_complete`)."""
    history_complete: bool = False
    older_activity_read_until: datetime | None = None
    """Set while issues created before `history_read_back_to`, but active since, are being read: how far that is. They
    are read once the history ends at a start date."""
    older_activity_complete: bool = False
    """Whether all of them have been read, for the present `history_read_back_to`."""
    latest_message_time: datetime | None = None
    """The newest `latest_message_time` emitted, not later than `changes_read_until`."""
    include_messages: bool = True
    unread_issues: tuple[str, ...] = ()
    """Ids of issues whose messages could not be read; the next sync tries them first."""

    def floor(self, start: datetime | None) -> datetime | None:
        """Return the creation time from which on issues belong to the stream; None for all of them.

        Moving the start date forward changes nothing: what was read once is kept up to date.
        """
        if start is None or self.history_complete:
            return None
        back_to = self.history_read_back_to
        return start if back_to is None else min(start, back_to)

    def after_changes(self, until: datetime) -> IssueCursor:
        """Return the cursor once all changes up to `until` have been emitted."""
        return replace(self, changes_read_until=max(self.changes_read_until, until))

    def after_history(self, back_to: datetime) -> IssueCursor:
        """Return the cursor once every issue created at or after `back_to` has been emitted."""
        reached = self.history_read_back_to
        if reached is not None and reached <= back_to:
            return self
        return replace(
            self, history_read_back_to=back_to, older_activity_read_until=None, older_activity_complete=False
        )

    def at_start_date(self, floor: datetime) -> IssueCursor:
        """Return the cursor once the list has been read down to the start date: older, active issues come next."""
        return replace(self, history_read_back_to=floor, older_activity_read_until=floor, older_activity_complete=False)

    def after_older_activity(self, until: datetime) -> IssueCursor:
        """Return the cursor once older issues with activity up to `until` have been emitted."""
        return replace(self, older_activity_read_until=until)

    def with_older_activity(self) -> IssueCursor:
        """Return the cursor once all older, active issues have been emitted."""
        return replace(self, older_activity_read_until=None, older_activity_complete=True)

    def completed(self) -> IssueCursor:
        """Return the cursor once the whole history has been emitted."""
        return replace(
            self,
            history_read_back_to=None,
            history_complete=True,
            older_activity_read_until=None,
            older_activity_complete=False,
        )

    def as_state(self) -> dict[str, Any]:
        """Return the content of the state message."""
        back_to = COMPLETE if self.history_complete else _render(self.history_read_back_to)
        state: dict[str, Any] = {
            LATEST_MESSAGE: render(self.latest_message_time or self.changes_read_until),
            "changes_read_until": render(self.changes_read_until),
            "history_read_back_to": back_to,
            "include_messages": self.include_messages,
        }
        if self.older_activity_complete:
            state["older_activity_read_until"] = COMPLETE
        elif self.older_activity_read_until is not None:
            state["older_activity_read_until"] = render(self.older_activity_read_until)
        if self.unread_issues:
            state["unread_issues"] = list(self.unread_issues)
        return state


def _render(moment: datetime | None) -> str | None:
    return render(moment) if moment else None


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
    back_to = state.get("history_read_back_to")
    unread = state.get("unread_issues")
    cursor = IssueCursor(
        changes_read_until=until,
        history_read_back_to=parse_cursor(back_to),
        history_complete=back_to == COMPLETE,
        older_activity_read_until=parse_cursor(state.get("older_activity_read_until")),
        older_activity_complete=state.get("older_activity_read_until") == COMPLETE,
        latest_message_time=parse_cursor(state.get(LATEST_MESSAGE)),
        include_messages=include_messages,
        unread_issues=tuple(str(one) for one in unread[:MAX_UNREAD_ISSUES]) if isinstance(unread, list) else (),
    )
    if include_messages and state.get("include_messages") is False:
        logger.info(
            f"Stream {name}: Include Messages was switched on, so the history is read once more, with messages."
        )
        return IssueCursor(until, latest_message_time=cursor.latest_message_time, unread_issues=cursor.unread_issues)
    return cursor

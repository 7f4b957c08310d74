"""One issue stream within a reading: its cursor, the issues that it emits, and those that it has emitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from source_pylon.api.errors import InvalidResponse, PylonError
from source_pylon.extraction.cursors import clamp_cursor
from source_pylon.extraction.issues.cursor import BEGINNING, END, MAX_UNREAD_ISSUES, IssueCursor
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.stream import Checkpoint, missing_primary_key

if TYPE_CHECKING:
    from source_pylon.extraction.issues.stream import IssueStream


class Recipient:
    """An issue stream that takes part in a reading.

    `cursor` is ahead of what has been emitted, by the few issues whose messages are being read. A checkpoint therefore
    carries the cursor of its own place in the order.
    """

    def __init__(
        self, stream: IssueStream, cursor: IssueCursor | None, start: datetime | None, include_messages: bool
    ) -> None:
        """`cursor` is None for a first sync and for a full refresh; `start` is the configured start date."""
        self.stream = stream
        self.cursor = cursor
        self.had_state = cursor is not None
        self.start = start
        self.floor = cursor.floor(start) if cursor else start
        self.missing_ids = 0
        self._history_from = cursor.history_read_back_to if cursor else None
        self._include_messages = include_messages
        self._seen: set[int] = set()
        self._latest: datetime | None = cursor.latest_message_time if cursor else None
        self.unread: dict[str, PylonError | None] = dict.fromkeys(cursor.unread_issues) if cursor else {}

    # --- which issues it emits ----------------------------------------------------------------------------------------

    def take_change(self, listed: ListedIssue) -> bool:
        """Return whether the stream emits a changed issue, which it does at most once per sync."""
        if not self.stream.accepts(listed) or not listed.is_active_since(self.floor):
            return False
        return self._take(listed)

    def take_history(self, listed: ListedIssue) -> bool:
        """Return whether the stream emits an issue of the history: not if it was read earlier, or among the changes."""
        if not self.stream.accepts(listed) or hash(listed.id) in self._seen:
            return False
        before = self._history_from
        return before is None or listed.created is None or listed.created < before

    def take_retry(self, listed: ListedIssue) -> bool:
        """Return whether the stream emits an issue that an earlier sync could not read."""
        return listed.id in self.unread and self.stream.accepts(listed) and self._take(listed)

    def _take(self, listed: ListedIssue) -> bool:
        # 64-bit hashes keep a million ids in some tens of megabytes.
        identity = hash(listed.id)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    @property
    def wants_history(self) -> bool:
        """Whether part of the history has not been read by any sync."""
        back_to = self.cursor.history_read_back_to if self.cursor else None
        return back_to is None or back_to > (self.start or BEGINNING)

    @property
    def older_activity(self) -> tuple[datetime, datetime] | None:
        """The end of the history and the time up to which the activity of older issues has been read.

        None unless the history ends at a start date, and older issues that have been active since are still to come.
        """
        cursor = self.cursor
        if cursor is None or self.start is None or self.wants_history or cursor.older_activity_read_until == END:
            return None
        floor = cursor.history_read_back_to
        return None if floor is None or floor == BEGINNING else (floor, cursor.older_activity_read_until or floor)

    # --- its cursor ---------------------------------------------------------------------------------------------------

    def advance(self, change: Callable[[IssueCursor], IssueCursor], horizon: datetime) -> IssueCursor | None:
        """Advance the cursor and return it; None if it must stay, because an issue came without its id."""
        cursor = self.cursor or IssueCursor(horizon, include_messages=self._include_messages)
        cursor = replace(cursor, changes_read_until=clamp_cursor(cursor.changes_read_until, horizon))
        self.cursor = change(cursor)
        return None if self.missing_ids else self.cursor

    def emitted(self, listed: ListedIssue) -> None:
        """Note that an issue was emitted."""
        self.unread.pop(listed.id, None)
        value = listed.cursor_value
        if value is not None and (self._latest is None or value > self._latest):
            self._latest = value

    def forget(self, issue_id: str) -> None:
        """Note that an issue was deleted in Pylon."""
        self.unread.pop(issue_id, None)

    def keep_unread(self, issue_id: str, error: PylonError) -> None:
        """Note that an issue could not be read; the next sync tries it first. Raises `error` if there are too many."""
        if len(self.unread) >= MAX_UNREAD_ISSUES and issue_id not in self.unread:
            raise error
        self.unread[issue_id] = error

    def checkpoint(self, cursor: IssueCursor) -> Checkpoint:
        """Return the checkpoint for a cursor, once everything before it has been emitted."""
        latest = min(self._latest, cursor.changes_read_until) if self._latest else None
        whole = replace(cursor, latest_message_time=latest, unread_issues=tuple(self.unread))
        return Checkpoint(self.stream.name, whole.as_state())

    def failure(self) -> PylonError | None:
        """Return the error with which the stream ends although reading continued; None if there is none."""
        if self.missing_ids:
            return missing_primary_key(self.missing_ids)
        if not self.unread:
            return None
        count = "1 issue" if len(self.unread) == 1 else f"{len(self.unread)} issues"
        ids = ", ".join(list(self.unread)[:5])
        more = f" and {len(self.unread) - 5} more" if len(self.unread) > 5 else ""
        reason = next((error for error in self.unread.values() if error is not None), None)
        return InvalidResponse(
            f"The messages of {count} could not be read: {ids}{more}. Everything else was read; the next "
            f"sync tries these issues first. {reason.user_message if reason else ''}".rstrip(),
            reason.detail if reason else "",
        )

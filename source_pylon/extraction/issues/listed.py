"""An issue as returned by the list or a search, with its times parsed. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from source_pylon.extraction.time_windows import TimeWindow
from source_pylon.timestamps import parse


@dataclass(frozen=True, slots=True)
class ListedIssue:
    """An issue and its times (None: missing or not a time)."""

    issue: dict[str, Any]
    id: str
    created: datetime | None
    updated: datetime | None
    latest_message: datetime | None

    @classmethod
    def of(cls, issue: dict[str, Any]) -> ListedIssue:
        """Read the times of an issue that has an id."""
        return cls(
            issue,
            str(issue["id"]),
            parse(issue.get("created_at")),
            parse(issue.get("updated_at")),
            parse(issue.get("latest_message_time")),
        )

    @property
    def type(self) -> str:
        """`conversation`, `ticket`, or another text in lower case; older records of Pylon's use capital letters."""
        kind = self.issue.get("type")
        return kind.lower() if isinstance(kind, str) else ""

    @property
    def cursor_value(self) -> datetime | None:
        """The value of the stream's cursor field: the time of the latest message, or of the creation without one."""
        return self.latest_message or self.created

    @property
    def times(self) -> list[datetime]:
        """Its known times."""
        return [moment for moment in (self.created, self.updated, self.latest_message) if moment is not None]

    def is_active_since(self, floor: datetime | None) -> bool:
        """Return whether the issue was created or got a message at or after `floor`; true if its times are unknown."""
        if floor is None:
            return True
        moments = [moment for moment in (self.created, self.latest_message) if moment is not None]
        return not moments or max(moments) >= floor

    def is_far_from(self, window: TimeWindow, tolerance: timedelta) -> bool:
        """Return whether all of its times are outside the window by more than `tolerance`."""
        times = self.times
        return bool(times) and all(window.is_far_from(moment, tolerance) for moment in times)

    def has_time_after(self, moment: datetime) -> bool:
        """Return whether one of its times is after `moment`, or none is known."""
        return not self.times or max(self.times) > moment

    def may_have_text_or_files(self) -> bool:
        """Return whether it may have messages, or a body or files that must be compared with its messages.

        An issue without messages has no `latest_message_time`; whether internal notes count there is not documented.
        A body or files may belong to an internal note, so they are not emitted unless the messages were read.
        """
        issue = self.issue
        return bool(issue.get("latest_message_time") or issue.get("attachment_urls") or issue.get("body_html"))

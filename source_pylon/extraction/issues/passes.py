"""The passes of one sync over the issues: earlier failures, then changes, then the history, then older activity."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from source_pylon.api import errors
from source_pylon.api.endpoints import ISSUE, ISSUE_LIST
from source_pylon.extraction.issues.changes import ChangeSearch
from source_pylon.extraction.issues.cursor import BEGINNING, END, IssueCursor
from source_pylon.extraction.issues.history import HistoryPage, IssueHistory
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.issues.messages import MessageReader
from source_pylon.extraction.issues.recipient import Recipient
from source_pylon.extraction.stream import Record, SyncContext
from source_pylon.timestamps import DAY, SECOND, TICK, parse

logger = logging.getLogger("airbyte")

_MIN_ISSUES_PER_CHECKPOINT, _MAX_ISSUES_PER_CHECKPOINT = 100, 1_000

ISSUE_ERRORS = (errors.Unavailable, errors.InvalidResponse, errors.Unreachable)
"""Errors that may concern one issue alone, after every retry."""
_ISSUE_REFUSALS = (errors.Forbidden, errors.NotFound, errors.Rejected)


@dataclass(frozen=True)
class WantedIssue:
    """An issue, and the streams that will emit it."""

    listed: ListedIssue
    recipients: Sequence[Recipient]


@dataclass(frozen=True)
class CursorUpdate:
    """New cursors, which are true once everything before them has been emitted."""

    cursors: Sequence[tuple[Recipient, IssueCursor]]


Step = WantedIssue | CursorUpdate


class IssuePasses:
    """Lists the issues that each stream still wants, in the order in which they are emitted.

    `messages_per_minute` is the rate limit for messages: a cursor update follows about a minute of such requests.
    `on_estimate` gets the estimated number of issues in Pylon, once, when the history begins.
    """

    def __init__(
        self,
        context: SyncContext,
        recipients: Sequence[Recipient],
        messages: MessageReader,
        messages_per_minute: int,
        on_estimate: Callable[[int], None],
    ) -> None:
        self._context = context
        self._recipients = recipients
        self._start = recipients[0].start
        self._messages = messages
        self._chunk = min(_MAX_ISSUES_PER_CHECKPOINT, max(_MIN_ISSUES_PER_CHECKPOINT, messages_per_minute))
        max_page = _MAX_ISSUES_PER_CHECKPOINT if context.config.include_messages else ISSUE_LIST.page_size
        self._changes = ChangeSearch(context.client, context.timing.search_window, self._chunk)
        self._history = IssueHistory(context.client, max_page, on_estimate)
        self.listed = 0
        """How many issues have been listed for at least one stream."""

    def steps(self) -> Iterator[Step]:
        """Yield issues and cursor updates in the order in which they are to be emitted."""
        yield from self._retry_pass()
        yield from self._change_pass()
        yield from self._history_pass()
        yield from self._older_activity_pass()

    def _retry_pass(self) -> Iterator[Step]:
        """Yield the issues that earlier syncs could not read."""
        for issue_id in dict.fromkeys(issue_id for recipient in self._recipients for issue_id in recipient.unread):
            concerned = [recipient for recipient in self._recipients if issue_id in recipient.unread]
            try:
                issue = self._issue(issue_id)
            except (*ISSUE_ERRORS, *_ISSUE_REFUSALS) as error:
                is_gone = self._is_gone(issue_id, error)
                for recipient in concerned:
                    if is_gone:
                        recipient.forget(issue_id)
                    else:
                        recipient.keep_unread(issue_id, error)
                continue
            # Pylon may return the issue that it was merged into, which has the messages of both.
            is_merged = str(issue["id"]) != issue_id
            for recipient in concerned:
                if is_merged or not recipient.stream.accepts(ListedIssue.of(issue)):
                    # Merged, or its type was changed in the meantime.
                    recipient.forget(issue_id)
            yield from self._wanted([issue], concerned, Recipient.take_change if is_merged else Recipient.take_retry)

    def _issue(self, issue_id: str) -> Record:
        issue = self._context.client.request(ISSUE, issue_id).get("data")
        if isinstance(issue, dict) and issue.get("id"):
            return issue
        raise errors.InvalidResponse(
            f"{ISSUE.key} returned no issue. If this happens again, report it to Pylon's support.", ISSUE.key
        )

    def _is_gone(self, issue_id: str, error: errors.PylonError) -> bool:
        if isinstance(error, errors.Rejected) and self._messages.is_gone(issue_id):
            logger.warning(f"Pylon refuses issue {issue_id}, but not others, so it is treated as deleted.")
            return True
        return isinstance(error, errors.NotFound)

    def _change_pass(self) -> Iterator[Step]:
        """Yield issues that were created, updated, or got a message since the state, oldest window first."""
        if after := self._changes_after():
            # Streams without a state get these issues too; their history skips them, so no messages are read twice.
            first_syncs = [recipient for recipient in self._recipients if recipient.cursor is None]
            yield from self._changed(after, IssueCursor.after_changes, others=first_syncs)

    def _changed(
        self,
        after: Mapping[Recipient, datetime],
        advance: Callable[..., IssueCursor],
        others: Sequence[Recipient] = (),
        created_before: datetime | None = None,
    ) -> Iterator[Step]:
        """Yield the issues that changed after the time of each recipient, oldest window first.

        `others` receive them, too. `advance` moves a cursor to the end of a window.
        """
        horizon = self._context.safe_horizon()
        for window, pages in self._changes.windows(min(after.values()), horizon, after.values(), created_before):
            active = [recipient for recipient in after if after[recipient] <= window.after]
            for page in pages:
                # Whether the bound on the creation is inclusive is not documented; the list holds that moment.
                issues = (issue for issue in page if not created_before or not _created_since(issue, created_before))
                yield from self._wanted(issues, [*active, *others], Recipient.take_change)
            until = min(self._context.safe_horizon(), window.until or END)
            yield self._cursor_update(active, partial(advance, until=until))

    def _changes_after(self) -> dict[Recipient, datetime]:
        lookback = timedelta(days=self._context.config.issues_lookback_days)
        horizon = self._context.safe_horizon()
        return {
            recipient: min(recipient.cursor.changes_read_until, horizon) - lookback
            for recipient in self._recipients
            if recipient.cursor is not None
        }

    def _history_pass(self) -> Iterator[Step]:
        """Yield issues that were never read, newest first, back to the start date or the oldest issue."""
        recipients = [recipient for recipient in self._recipients if recipient.wants_history]
        if not recipients:
            return
        start = self._start
        for page in self._history_pages(recipients):
            chunks = [page.issues[at : at + self._chunk] for at in range(0, len(page.issues), self._chunk)] or [[]]
            for number, chunk in enumerate(chunks, 1):
                yield from self._wanted(chunk, recipients, Recipient.take_history)
                back_to = page.read_back_to
                if back_to is not None and number < len(chunks):
                    back_to = _oldest(chunk, back_to)
                # At the start date itself, the state has to say at once that older, active issues come next.
                if back_to is not None and (start is None or back_to > start):
                    yield self._cursor_update(recipients, partial(IssueCursor.after_history, back_to=back_to))
        if start is None:
            yield self._cursor_update(recipients, partial(IssueCursor.after_history, back_to=BEGINNING))
        else:
            yield self._cursor_update(recipients, partial(IssueCursor.at_start_date, floor=start))

    def _history_pages(self, recipients: Sequence[Recipient]) -> Iterator[HistoryPage]:
        """Yield the pages of the history, begun anew if a response shows that this machine's clock is far behind."""
        while True:
            before = max(map(self._history_from, recipients))
            pages = self._history.pages(before, self._start)
            first = next(pages, None)
            if first is None:
                # Nothing was asked for: by this machine's clock, the start date is in the future.
                self._context.client.ask_time()
            if before >= max(map(self._history_from, recipients)) - DAY:
                break
        if first is not None:
            yield first
            yield from pages

    def _history_from(self, recipient: Recipient) -> datetime:
        cursor = recipient.cursor
        if cursor is not None and cursor.history_read_back_to is not None:
            return cursor.history_read_back_to
        # Later than the present by either clock, so that a wrong clock hides no issue.
        return self._context.client.clock.latest().replace(microsecond=0) + DAY

    def _older_activity_pass(self) -> Iterator[Step]:
        """Issues created before the end of the history, at the start date or earlier, that have been active since."""
        groups: dict[datetime, dict[Recipient, datetime]] = {}
        for recipient in self._recipients:
            if older := recipient.older_activity:
                floor, since = older
                groups.setdefault(floor, {})[recipient] = since
        for floor, group in groups.items():
            if self._history.newest_before(floor) is not None:
                after = {recipient: since - TICK for recipient, since in group.items()}
                yield from self._changed(after, IssueCursor.after_older_activity, created_before=floor)
            yield self._cursor_update(group, partial(IssueCursor.after_older_activity, until=END))

    def _wanted(
        self,
        issues: Iterable[Record],
        recipients: Sequence[Recipient],
        takes: Callable[[Recipient, ListedIssue], bool],
    ) -> Iterator[WantedIssue]:
        """Yield the issues that at least one of the recipients takes."""
        for issue in issues:
            if not issue.get("id"):
                for recipient in recipients:
                    recipient.missing_ids += 1
                continue
            listed = ListedIssue.of(issue)
            if takers := [recipient for recipient in recipients if takes(recipient, listed)]:
                self.listed += 1
                yield WantedIssue(listed, takers)

    def _cursor_update(
        self, recipients: Iterable[Recipient], change: Callable[[IssueCursor], IssueCursor]
    ) -> CursorUpdate:
        horizon = self._context.safe_horizon()
        moved = [(recipient, recipient.advance(change, horizon)) for recipient in recipients]
        return CursorUpdate([(recipient, cursor) for recipient, cursor in moved if cursor is not None])


def _oldest(issues: Sequence[Record], back_to: datetime) -> datetime | None:
    """Return the moment from which on everything has been listed once these issues, a part of a page, are emitted."""
    created = [moment for issue in issues if (moment := parse(issue.get("created_at"))) is not None]
    return max(back_to, min(created) + SECOND) if created else None


def _created_since(issue: Record, moment: datetime) -> bool:
    created = parse(issue.get("created_at"))
    return created is not None and created >= moment

"""Reads issues once for all issue streams: earlier failures first, then changes, then the history."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from source_pylon.api import errors
from source_pylon.extraction.cursors import is_in_future, warn_future_state, warn_unknown_state
from source_pylon.extraction.issues.changes import ChangeSearch
from source_pylon.extraction.issues.cursor import IssueCursor, parse_issue_cursor
from source_pylon.extraction.issues.endpoints import ISSUE, LIST, MESSAGES
from source_pylon.extraction.issues.history import HistoryPage, IssueHistory
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.issues.messages import IssueDeleted, MessageReader
from source_pylon.extraction.issues.recipient import Recipient
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.prefetch import Prefetch, Turn
from source_pylon.extraction.stream import (
    ConfiguredStream,
    Event,
    Failure,
    Page,
    Reading,
    ReadingProgress,
    Record,
    State,
    SyncContext,
)
from source_pylon.timestamps import SECOND, TICK, parse
from source_pylon.transform import feedback, privacy

logger = logging.getLogger("airbyte")

_MAX_FAILURES_IN_A_ROW = 3
"""Single issues may be broken at Pylon. After so many in a row, another issue tells whether it is the endpoint."""
_MAX_RECORDS_PER_PAGE = 200
_MAX_BYTES_PER_PAGE = 1_000_000
_MIN_ISSUES_PER_CHECKPOINT, _MAX_ISSUES_PER_CHECKPOINT = 100, 1_000
_DAY = timedelta(days=1)

_ISSUE_ERRORS = (errors.Unavailable, errors.InvalidResponse, errors.Unreachable)
"""Errors that may concern one issue alone, after every retry."""


@dataclass(frozen=True)
class _Issue:
    """An issue, and the streams that will emit it."""

    listed: ListedIssue
    recipients: Sequence[Recipient]


@dataclass(frozen=True)
class _CursorUpdate:
    """New cursors, which are true once everything before them has been emitted."""

    cursors: Sequence[tuple[Recipient, IssueCursor]]


@dataclass(frozen=True)
class _Finished:
    """An issue with its record and public messages, or with the error that prevented reading them."""

    work: _Issue
    record: Record | None = None
    public_messages: Sequence[Record] = ()
    weight: int = 0
    error: errors.PylonError | None = None


class IssueReading(Reading):
    """One reading of issues for all selected issue streams."""

    def __init__(self, streams: Sequence[ConfiguredStream]) -> None:
        self.streams = streams

    def read(self, context: SyncContext) -> Iterator[Event]:
        """Read the issue streams. Raises PylonError for an error that affects all of them."""
        recipients = []
        for configured in self.streams:
            stream = configured.stream
            assert isinstance(stream, IssueStream)
            try:
                stream.check_config(context.config)
            except errors.PylonError as error:
                yield Failure(stream.name, error)
                continue
            cursor = _cursor_of(stream, configured.state, context)
            if cursor is not None and is_in_future(context, cursor.changes_read_until):
                warn_future_state(stream.name, cursor.changes_read_until)
                continue
            recipients.append(Recipient(stream, cursor, _whole_second(context.config.start), _messages(context)))
        if recipients:
            yield from IssueReader(context, recipients).read()


def _cursor_of(stream: IssueStream, state: State | None, context: SyncContext) -> IssueCursor | None:
    if not state:
        return None
    cursor = parse_issue_cursor(stream.name, state, _messages(context))
    if cursor is None:
        warn_unknown_state(stream.name, state)
    return cursor


def _messages(context: SyncContext) -> bool:
    return context.config.include_messages


def _whole_second(moment: datetime | None) -> datetime | None:
    # Pylon keeps milliseconds, but records show whole seconds.
    return moment.replace(microsecond=0) if moment else None


class IssueReader:
    """Runs the passes of one sync over the issues.

    The passes yield issues and cursor updates in the order in which they are emitted. A prefetch reads the messages of
    a few issues ahead. Its results, in the same order, become pages and checkpoints.
    """

    def __init__(self, context: SyncContext, recipients: Sequence[Recipient]) -> None:
        self._context = context
        self._recipients = recipients
        self._start = recipients[0].start
        self._messages = MessageReader(context.client)
        # A checkpoint is about a minute of message requests away.
        per_minute = context.client.limiter(MESSAGES).limit.limit
        self._chunk = min(_MAX_ISSUES_PER_CHECKPOINT, max(_MIN_ISSUES_PER_CHECKPOINT, per_minute))
        self._per_minute = per_minute
        wide = LIST.page_size if not _messages(context) else _MAX_ISSUES_PER_CHECKPOINT
        self._changes = ChangeSearch(context.client, context.timing.search_window, self._chunk)
        self._history = IssueHistory(context.client, wide, self._estimate)
        self._listed = self._done = self._deleted = self._expected = 0
        self._failures_in_a_row = 0
        self._warned_of_contradiction = False

    def read(self) -> Iterator[Event]:
        """Read everything that the recipients have not read yet."""
        self._context.on_reading(self._progress)
        prefetch = Prefetch(
            self._finish,
            self._context.config.num_workers,
            needs_thread=self._needs_messages,
            make_threads=self._context.make_threads,
        )
        pages = _Pages()
        for result in prefetch.results(self._work()):
            if isinstance(result, _Finished):
                yield from self._emit(result, pages)
                continue
            yield from pages.flush()
            if isinstance(result, _CursorUpdate):
                for recipient, cursor in result.cursors:
                    if not recipient.missing_ids:
                        yield recipient.checkpoint(cursor)
        yield from pages.flush()
        if self._deleted:
            noun = "issue was" if self._deleted == 1 else "issues were"
            logger.info(f"{self._deleted} {noun} deleted in Pylon during the sync and left out.")
        for recipient in self._recipients:
            if error := recipient.failure():
                yield Failure(recipient.stream.name, error)

    # --- the passes, in order -----------------------------------------------------------------------------------------

    def _work(self) -> Iterator[_Issue | _CursorUpdate]:
        yield from self._retry_pass()
        yield from self._change_pass()
        yield from self._history_pass()
        yield from self._older_activity_pass()

    def _retry_pass(self) -> Iterator[_Issue | _CursorUpdate]:
        """Yield the issues that earlier syncs could not read."""
        for issue_id in dict.fromkeys(one for recipient in self._recipients for one in recipient.unread):
            try:
                issue = self._context.client.request(ISSUE, issue_id).get("data")
            except errors.NotFound:
                for recipient in self._recipients:
                    recipient.forget(issue_id)
                continue
            except (*_ISSUE_ERRORS, errors.Forbidden, errors.Rejected) as error:
                if isinstance(error, errors.Rejected) and self._messages.is_gone(issue_id):
                    logger.warning(f"Pylon refuses issue {issue_id}, but not others, so it is treated as deleted.")
                    for recipient in self._recipients:
                        recipient.forget(issue_id)
                    continue
                for recipient in self._recipients:
                    if issue_id in recipient.unread:
                        recipient.keep_unread(issue_id, error)
                continue
            if isinstance(issue, dict) and issue.get("id"):
                for recipient in self._recipients:
                    if not recipient.stream.accepts(ListedIssue.of(issue)):
                        # Its type was changed in the meantime.
                        recipient.forget(issue_id)
                yield from self._issues([issue], self._recipients, Recipient.take_retry)

    def _change_pass(self) -> Iterator[_Issue | _CursorUpdate]:
        """Yield issues that were created, updated, or got a message since the state, oldest window first."""
        after = self._changes_after()
        if not after:
            return
        # Streams without a state get these issues too; their history skips them, so no messages are read twice.
        fresh = [recipient for recipient in self._recipients if recipient.cursor is None]
        horizon = self._context.safe_horizon()
        for part in self._changes.windows(min(after.values()), horizon, after.values()):
            active = [recipient for recipient in after if after[recipient] <= part.window.after]
            yield from self._issues(part.issues, [*active, *fresh], Recipient.take_change)
            if part.last:
                until = self._context.safe_horizon()
                if part.window.until is not None:
                    until = min(until, part.window.until)
                yield self._cursor_update(active, lambda cursor, until=until: cursor.after_changes(until))  # type: ignore[misc]

    def _changes_after(self) -> dict[Recipient, datetime]:
        lookback = timedelta(days=self._context.config.issues_lookback_days)
        horizon = self._context.safe_horizon()
        return {
            recipient: min(recipient.cursor.changes_read_until, horizon) - lookback
            for recipient in self._recipients
            if recipient.cursor is not None
        }

    def _history_pass(self) -> Iterator[_Issue | _CursorUpdate]:
        """Yield issues that were never read, newest first, back to the start date or the oldest issue."""
        wanting = [recipient for recipient in self._recipients if recipient.wants_history]
        if not wanting:
            return
        start = self._start
        for page in self._history_pages(wanting):
            chunks = [page.issues[at : at + self._chunk] for at in range(0, len(page.issues), self._chunk)] or [[]]
            for number, chunk in enumerate(chunks, 1):
                yield from self._issues(chunk, wanting, Recipient.take_history)
                back_to = page.read_back_to
                if back_to is not None and number < len(chunks):
                    back_to = _oldest(chunk, back_to)
                # At the start date itself, the state has to say at once that older, active issues come next.
                if back_to is not None and (start is None or back_to > start):
                    yield self._cursor_update(wanting, lambda cursor, back_to=back_to: cursor.after_history(back_to))  # type: ignore[misc]
        if start is None:
            yield self._cursor_update(wanting, IssueCursor.completed)
        else:
            yield self._cursor_update(wanting, lambda cursor: cursor.at_start_date(start))

    def _history_pages(self, wanting: Sequence[Recipient]) -> Iterator[HistoryPage]:
        """Yield the pages of the history, begun anew if an answer shows that this machine's clock is far behind."""
        while True:
            before = max(self._history_from(recipient) for recipient in wanting)
            pages = self._history.pages(before, self._start)
            first = next(pages, None)
            if first is None:
                # Nothing was asked for: by this machine's clock, the start date lies in the future.
                self._context.client.ask_time()
            if before >= max(self._history_from(recipient) - _DAY for recipient in wanting):
                break
        if first is not None:
            yield first
            yield from pages

    def _history_from(self, recipient: Recipient) -> datetime:
        cursor = recipient.cursor
        if cursor is not None and cursor.history_read_back_to is not None:
            return cursor.history_read_back_to
        # Later than the present by either clock, so that a wrong clock hides no issue.
        return self._context.client.clock.latest().replace(microsecond=0) + _DAY

    def _older_activity_pass(self) -> Iterator[_Issue | _CursorUpdate]:
        """Issues created before the end of the history, at the start date or earlier, that have been active since."""
        for floor, group in _by_floor(self._recipients).items():
            if self._history.newest_before(floor) is not None:
                after = {recipient: since - TICK for recipient, since in group.items()}
                for part in self._changes.windows(
                    min(after.values()), self._context.safe_horizon(), after.values(), created_before=floor
                ):
                    active = [recipient for recipient in group if after[recipient] <= part.window.after]
                    # Whether the bound on the creation is inclusive is not documented; the list holds that moment.
                    older = [issue for issue in part.issues if not _created_since(issue, floor)]
                    yield from self._issues(older, active, Recipient.take_change)
                    until = part.window.until
                    if part.last and until is not None:
                        yield self._cursor_update(
                            active,
                            lambda cursor, until=until: cursor.after_older_activity(until),  # type: ignore[misc]
                        )
            yield self._cursor_update(list(group), IssueCursor.with_older_activity)

    def _issues(
        self,
        issues: Iterable[Record],
        recipients: Sequence[Recipient],
        takes: Callable[[Recipient, ListedIssue], bool],
    ) -> Iterator[_Issue]:
        for issue in issues:
            if not issue.get("id"):
                for recipient in recipients:
                    recipient.missing_ids += 1
                continue
            listed = ListedIssue.of(issue)
            taking = [recipient for recipient in recipients if takes(recipient, listed)]
            if taking:
                self._listed += 1
                yield _Issue(listed, taking)

    def _cursor_update(
        self, recipients: Iterable[Recipient], change: Callable[[IssueCursor], IssueCursor]
    ) -> _CursorUpdate:
        horizon = self._context.safe_horizon()
        moved = [(recipient, recipient.advance(change, horizon)) for recipient in recipients]
        return _CursorUpdate([(recipient, cursor) for recipient, cursor in moved if cursor is not None])

    # --- reading one issue --------------------------------------------------------------------------------------------

    def _needs_messages(self, work: _Issue | _CursorUpdate) -> bool:
        return isinstance(work, _Issue) and _messages(self._context) and work.listed.may_have_text_or_files()

    def _finish(self, work: _Issue | _CursorUpdate, turn: Turn) -> _Finished | _CursorUpdate:
        if isinstance(work, _CursorUpdate):
            return work
        messages: list[Record] | None = [] if _messages(self._context) else None
        if self._needs_messages(work):
            try:
                messages = self._messages.read(work.listed.id, on_large=turn.wait)
            except IssueDeleted:
                return _Finished(work)
            except _ISSUE_ERRORS as error:
                return _Finished(work, error=error)
        self._warn_of_contradictions(messages)
        config = self._context.config
        record, public = feedback.issue_record(
            work.listed.issue, messages, trust_issue_body=config.trust_issue_body, read_at=self._context.client.now()
        )
        turn.weight = feedback.weight(record)
        return _Finished(work, record, public or (), turn.weight)

    def _warn_of_contradictions(self, messages: Iterable[Record] | None) -> None:
        """Log once in a sync that Pylon contradicts itself, or does not say, whether a message is private."""
        if self._warned_of_contradiction:
            return
        if any(privacy.contradicts_itself(message) or "is_private" not in message for message in messages or ()):
            self._warned_of_contradiction = True
            logger.warning(
                "Pylon sent messages that do not say clearly whether they are private (no is_private, or public with "
                "the thread of internal notes). Such messages are treated as private and left out."
            )

    def _emit(self, finished: _Finished, pages: _Pages) -> Iterator[Event]:
        listed, recipients = finished.work.listed, finished.work.recipients
        self._done += 1
        if finished.error is not None:
            self._failures_in_a_row += 1
            if self._failures_in_a_row > _MAX_FAILURES_IN_A_ROW:
                if not self._messages.can_read_another(listed.id):
                    raise finished.error
                self._failures_in_a_row = 0
            logger.warning(f"Issue {listed.id} could not be read and is left for the next sync: {finished.error}")
            for recipient in recipients:
                recipient.keep_unread(listed.id, finished.error)
            return
        self._failures_in_a_row = 0
        if finished.record is None:
            self._deleted += 1
            for recipient in recipients:
                recipient.forget(listed.id)
            return
        for recipient in recipients:
            recipient.emitted(listed)
            records = recipient.stream.records(finished.record, finished.public_messages)
            named = [record for record in records if record.get("id")]
            recipient.missing_ids += len(records) - len(named)
            yield from pages.add(recipient.stream.name, named, finished.weight)

    # --- progress -----------------------------------------------------------------------------------------------------

    def _estimate(self, issues: int) -> None:
        self._expected = issues
        if _messages(self._context) and issues > self._per_minute:
            logger.info(
                f"This organisation has about {issues:,} issues. Pylon allows about {self._per_minute} requests for "
                f"messages a minute, so reading all of them takes {duration(issues / self._per_minute)} at most."
            )
        for recipient in self._recipients:
            # How many issues have a type, or how many messages there are, is not known.
            is_counted = recipient.stream.emits_every_issue
            if is_counted and not recipient.had_state and self._start is None:
                self._context.on_estimate(recipient.stream.name, issues)

    def _progress(self) -> ReadingProgress:
        expected = max(self._expected, self._listed)
        is_timed = _messages(self._context) and expected > self._done
        return ReadingProgress(
            done=f"{self._done:,} of about {expected:,} issues read",
            left=f"{duration((expected - self._done) / self._per_minute)} left" if is_timed else "",
        )


class _Pages:
    """Collects records into pages of a few hundred, or of a megabyte."""

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._count = self._weight = 0

    def add(self, stream: str, records: Sequence[Record], weight: int) -> Iterator[Page]:
        """Add records of one stream; yields pages when there is enough."""
        self._records.setdefault(stream, []).extend(records)
        self._count += len(records)
        self._weight += weight
        if self._count >= _MAX_RECORDS_PER_PAGE or self._weight >= _MAX_BYTES_PER_PAGE:
            yield from self.flush()

    def flush(self) -> Iterator[Page]:
        """Yield what has been collected."""
        collected, self._records = self._records, {}
        self._count = self._weight = 0
        for stream, records in collected.items():
            if records:
                yield Page(stream, records)


def _oldest(issues: Sequence[Record], back_to: datetime) -> datetime | None:
    """Return the moment from which on everything has been listed once these issues, a part of a page, are emitted."""
    created = [moment for issue in issues if (moment := parse(issue.get("created_at"))) is not None]
    return max(back_to, min(created) + SECOND) if created else None


def _created_since(issue: Record, moment: datetime) -> bool:
    created = parse(issue.get("created_at"))
    return created is not None and created >= moment


def _by_floor(recipients: Sequence[Recipient]) -> Mapping[datetime, dict[Recipient, datetime]]:
    """Group the streams that still want older, active issues by the moment before which those were created."""
    groups: dict[datetime, dict[Recipient, datetime]] = {}
    for recipient in recipients:
        cursor = recipient.cursor
        if cursor is None or cursor.history_read_back_to is None or not recipient.wants_older_activity:
            continue
        floor = cursor.history_read_back_to
        groups.setdefault(floor, {})[recipient] = cursor.older_activity_read_until or floor
    return groups


def duration(minutes: float) -> str:
    """Return minutes in words."""
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} minutes" if minutes < 100 else f"about {minutes / 60:.0f} hours"

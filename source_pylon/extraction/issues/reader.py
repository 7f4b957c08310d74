"""Reads issues once for all issue streams: earlier failures first, then changes, then the history."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from source_pylon.api import errors
from source_pylon.extraction.cursors import is_in_future, warn_future_state, warn_unknown_state
from source_pylon.extraction.issues.cursor import IssueCursor, parse_issue_cursor
from source_pylon.extraction.issues.endpoints import MESSAGES
from source_pylon.extraction.issues.messages import IssueDeleted, MessageReader
from source_pylon.extraction.issues.passes import ISSUE_ERRORS, CursorUpdate, IssuePasses, WantedIssue
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
from source_pylon.transform import feedback, privacy

logger = logging.getLogger("airbyte")

_MAX_FAILURES_IN_A_ROW = 3
"""Single issues may be broken at Pylon. After so many in a row, another issue tells whether it is the endpoint."""
_MAX_RECORDS_PER_PAGE = 200
_MAX_BYTES_PER_PAGE = 1_000_000


@dataclass(frozen=True)
class _Finished:
    """An issue with its record, or with the error that prevented reading its messages; neither if it was deleted."""

    issue: WantedIssue
    record: Record | None = None
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
        self._per_minute = context.client.limiter(MESSAGES).limit.limit
        self._passes = IssuePasses(context, recipients, self._messages, self._per_minute, self._estimate)
        self._done = self._deleted = self._expected = 0
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
        for result in prefetch.results(self._passes.work()):
            if isinstance(result, _Finished):
                yield from self._emit(result, pages)
                continue
            yield from pages.flush()
            if isinstance(result, CursorUpdate):
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

    # --- reading one issue --------------------------------------------------------------------------------------------

    def _needs_messages(self, work: WantedIssue | CursorUpdate) -> bool:
        return isinstance(work, WantedIssue) and _messages(self._context) and work.listed.may_have_text_or_files()

    def _finish(self, work: WantedIssue | CursorUpdate, turn: Turn) -> _Finished | CursorUpdate:
        if isinstance(work, CursorUpdate):
            return work
        messages: list[Record] | None = [] if _messages(self._context) else None
        if self._needs_messages(work):
            try:
                messages = self._messages.read(work.listed.id, on_large=turn.wait)
            except IssueDeleted:
                return _Finished(work)
            except ISSUE_ERRORS as error:
                return _Finished(work, error=error)
        self._warn_of_contradictions(messages)
        config = self._context.config
        record = feedback.issue_record(
            work.listed.issue, messages, trust_issue_body=config.trust_issue_body, read_at=self._context.client.now()
        )
        turn.weight = feedback.weight(record)
        return _Finished(work, record, turn.weight)

    def _warn_of_contradictions(self, messages: Iterable[Record] | None) -> None:
        """Log once in a sync that Pylon contradicts itself, or does not say, whether a message is private."""
        if self._warned_of_contradiction:
            return
        if any(map(privacy.is_unclear, messages or ())):
            self._warned_of_contradiction = True
            logger.warning(
                "Pylon sent messages that do not say clearly whether they are private (no is_private, or public with "
                "the thread of internal notes). Such messages are treated as private and left out."
            )

    def _emit(self, finished: _Finished, pages: _Pages) -> Iterator[Event]:
        listed, recipients = finished.issue.listed, finished.issue.recipients
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
            records = recipient.stream.records(finished.record)
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
        expected = max(self._expected, self._passes.listed)
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


def duration(minutes: float) -> str:
    """Return minutes in words."""
    if minutes < 1:
        return "less than a minute"
    if minutes < 1.5:
        return "about a minute"
    return f"about {minutes:.0f} minutes" if minutes < 100 else f"about {minutes / 60:.0f} hours"

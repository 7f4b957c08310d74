"""Reads issues once for all issue streams: earlier failures first, then changes, then the history."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from source_pylon.api import errors
from source_pylon.api.endpoints import MESSAGES
from source_pylon.config import Config
from source_pylon.extraction.cursors import is_in_future, warn_unknown_state
from source_pylon.extraction.issues.cursor import IssueCursor, parse_issue_cursor
from source_pylon.extraction.issues.messages import IssueDeleted, MessageReader
from source_pylon.extraction.issues.passes import ISSUE_ERRORS, CursorUpdate, IssuePasses, Step, WantedIssue
from source_pylon.extraction.issues.recipient import Recipient
from source_pylon.extraction.prefetch import Prefetch, Turn
from source_pylon.extraction.stream import (
    ConfiguredStream,
    Event,
    Failure,
    Page,
    ReadingProgress,
    Record,
    State,
    SyncContext,
)
from source_pylon.timestamps import duration_text
from source_pylon.transform import privacy
from source_pylon.transform.issue_record import approximate_size, issue_record
from source_pylon.transform.truncation import MAX_LINE_BYTES

if TYPE_CHECKING:
    from source_pylon.extraction.issues.stream import IssueStream

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
    size: int = 0
    error: errors.PylonError | None = None


def read_issues(context: SyncContext, streams: Sequence[ConfiguredStream]) -> Iterator[Event]:
    """Read the issue streams, all from the same requests. Raises PylonError for an error that affects all of them."""
    config = context.config
    # Pylon keeps milliseconds, but records show whole seconds.
    start = config.start.replace(microsecond=0) if config.start else None
    recipients = []
    for configured in streams:
        stream = cast("IssueStream", configured.stream)
        try:
            stream.check_config(config)
        except errors.PylonError as error:
            yield Failure(stream.name, error)
            continue
        cursor = _cursor_of(stream, configured.state, config)
        if cursor is None or not is_in_future(context, stream.name, cursor.changes_read_until):
            recipients.append(Recipient(stream, cursor, start, config.include_messages))
    if recipients:
        yield from IssueReader(context, recipients).read()


def _cursor_of(stream: IssueStream, state: State | None, config: Config) -> IssueCursor | None:
    if not state:
        return None
    cursor = parse_issue_cursor(stream.name, state, config.include_messages)
    if cursor is None:
        warn_unknown_state(stream.name, state)
    return cursor


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
        self._include_messages = context.config.include_messages
        self._messages_per_minute = context.client.limiter(MESSAGES).limit.limit
        self._passes = IssuePasses(context, recipients, self._messages, self._messages_per_minute, self._estimate)
        self._done = self._deleted = self._expected = 0
        self._failures_in_a_row = 0

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
        for result in prefetch.results(self._passes.steps()):
            if isinstance(result, _Finished):
                yield from self._emit(result, pages)
            else:
                yield from pages.flush()
            if isinstance(result, CursorUpdate):
                for recipient, cursor in result.cursors:
                    if not recipient.missing_ids:
                        yield recipient.checkpoint(cursor)
            # Do not keep a large record alive while the next one is made.
            del result
        yield from pages.flush()
        if self._deleted:
            noun = "issue was" if self._deleted == 1 else "issues were"
            logger.info(f"{self._deleted} {noun} deleted in Pylon during the sync and left out.")
        for recipient in self._recipients:
            if error := recipient.failure():
                yield Failure(recipient.stream.name, error)

    # --- reading one issue --------------------------------------------------------------------------------------------

    def _needs_messages(self, step: Step) -> bool:
        return isinstance(step, WantedIssue) and self._include_messages and step.listed.may_have_text_or_files()

    def _finish(self, step: Step, turn: Turn) -> _Finished | CursorUpdate:
        if isinstance(step, CursorUpdate):
            return step
        messages: list[Record] | None = [] if self._include_messages else None
        if self._needs_messages(step):
            try:
                messages = self._messages.read(step.listed.id, on_large=turn.wait)
            except IssueDeleted:
                return _Finished(step)
            except ISSUE_ERRORS as error:
                return _Finished(step, error=error)
        if any(map(privacy.is_unclear, messages or ())):
            self._context.warn_once(
                "Pylon sent messages that do not say clearly whether they are private (no is_private, or public with "
                "the thread of internal notes). Such messages are treated as private and left out."
            )
        config = self._context.config
        record = issue_record(
            step.listed.issue, messages, trust_issue_body=config.trust_issue_body, read_at=self._context.client.now()
        )
        turn.size = approximate_size(record)
        return _Finished(step, record, turn.size)

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
            if finished.size > MAX_LINE_BYTES:
                # The runner cuts records whose line is too long, but that line takes several times the memory.
                records = [recipient.stream.fit(dict(record)) for record in records]
            named = [record for record in records if record.get("id")]
            recipient.missing_ids += len(records) - len(named)
            yield from pages.add(recipient.stream.name, named, finished.size)

    # --- progress -----------------------------------------------------------------------------------------------------

    def _estimate(self, issues: int) -> None:
        self._expected = issues
        if self._include_messages and issues > self._messages_per_minute:
            logger.info(
                f"There are about {issues:,} issues to read at most. Pylon allows about {self._messages_per_minute} "
                f"requests for messages a minute, so reading them takes {self._time_for(issues)} at most."
            )
        for recipient in self._recipients:
            # How many issues have a type, or how many messages there are, is not known.
            is_counted = recipient.stream.emits_every_issue
            if is_counted and not recipient.had_state and self._start is None:
                self._context.on_estimate(recipient.stream.name, issues)

    def _progress(self) -> ReadingProgress:
        expected = max(self._expected, self._passes.listed)
        is_timed = self._include_messages and expected > self._done
        return ReadingProgress(
            done=f"{self._done:,} of about {expected:,} issues read",
            left=f"{self._time_for(expected - self._done)} left" if is_timed else "",
        )

    def _time_for(self, issues: int) -> str:
        return duration_text(issues / self._messages_per_minute)


class _Pages:
    """Collects records into pages of a few hundred, or of a megabyte."""

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._count = self._size = 0

    def add(self, stream: str, records: Sequence[Record], size: int) -> Iterator[Page]:
        """Add records of one stream; yields pages when there is enough."""
        self._records.setdefault(stream, []).extend(records)
        self._count += len(records)
        self._size += size
        if self._count >= _MAX_RECORDS_PER_PAGE or self._size >= _MAX_BYTES_PER_PAGE:
            yield from self.flush()

    def flush(self) -> Iterator[Page]:
        """Yield what has been collected."""
        collected, self._records = self._records, {}
        self._count = self._size = 0
        for stream, records in collected.items():
            if records:
                yield Page(stream, records)

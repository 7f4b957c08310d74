"""The issue streams: issues of every type, or of one."""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import MESSAGES, Endpoint
from source_pylon.config import Config
from source_pylon.extraction.issues.feed import Delivery, Finished, IssueFeed
from source_pylon.extraction.issues.listing import SEARCH, IssueSearch
from source_pylon.extraction.issues.messages import MessageReader
from source_pylon.extraction.issues.parts import IssueParts
from source_pylon.extraction.issues.plan import LATEST, Marks, Range
from source_pylon.extraction.list import is_ahead
from source_pylon.extraction.stream import Record, Slice, State, Stream, Sync, ahead_of_time, foreign_state
from source_pylon.extraction.time_windows import kept, settled
from source_pylon.timestamps import TICK

logger = logging.getLogger("airbyte")

MOST_ISSUES_PER_PARTITION = 300
LEAST_ISSUES_PER_PARTITION = 20
_MOST_ISSUES_LISTED = 3_000
_SHARED = "issues"


class IssueReading:
    """What the issue streams of one sync share."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self.marks: dict[str, Marks | None] = {}
        # One moment for all: windows are cut where the streams' ranges begin.
        now = sync.client.now()
        ranges = {}
        for selection in sync.selections:
            if isinstance(selection.definition, IssueStream):
                marks = selection.definition.marks(selection.state)
                self.marks[selection.name] = marks
                if marks is None or not is_ahead(sync, marks.latest):
                    ranges[selection.name] = selection.definition.range(sync, marks, now)
        search = IssueSearch(sync.client, self._count_keyless, self._estimate)
        # Where messages are read, their allowance decides, and searches have plenty.
        most_listed = _MOST_ISSUES_LISTED if sync.config.include_messages else None
        self.parts = IssueParts(search, sync.client, sync.timing, ranges, most_listed)
        # A checkpoint is then about a minute of message requests away, however busy the period was.
        size = min(MOST_ISSUES_PER_PARTITION, max(LEAST_ISSUES_PER_PARTITION, self._calls_per_minute()))
        self.feed = IssueFeed(
            self.parts.batches(size),
            MessageReader(sync.client),
            ranges,
            include_messages=sync.config.include_messages,
            keep_messages=any(getattr(selection.definition, "emits_messages", False) for selection in sync.selections),
            num_workers=sync.config.num_workers,
            about_to_wait=sync.progress.about_to_wait,
            on_listed=self._tell_rows,
        )
        self._expected = 0
        sync.progress.details = self._details

    @classmethod
    def of(cls, sync: Sync) -> "IssueReading":
        """The one of this sync, made when the first stream asks."""
        with sync.lock:
            reading = sync.shared.get(_SHARED)
            if not isinstance(reading, cls):
                reading = sync.shared[_SHARED] = cls(sync)
            return reading

    def _calls_per_minute(self) -> int:
        return self._sync.client.gate(MESSAGES).window.limit

    def _count_keyless(self, count: int) -> None:
        for name in self.feed.streams:
            self._sync.count_unlistable(name, count)

    def _estimate(self, issues: int) -> None:
        self._expected = issues
        config = self._sync.config
        allowed = self._calls_per_minute()
        if config.include_messages and issues > allowed:
            logger.info(
                f"This organisation has about {issues:,} issues. Pylon allows about {allowed} message requests a "
                f"minute, so reading all of them takes {_duration(issues / allowed)} at most."
            )
        for name in self.feed.streams:
            if self.marks[name] is None and config.start is None:
                self._sync.progress.estimate(name, issues)

    def _tell_rows(self, rows: Mapping[str, int]) -> None:
        self._expected = self.feed.listed
        for name, count in rows.items():
            self._sync.progress.estimate(name, count)

    def _details(self) -> str:
        feed = self.feed
        expected = max(self._expected, feed.listed)
        text = f"{feed.finished:,} issues done of {feed.listed:,} listed"
        if expected > feed.listed:
            text += f" and about {expected:,} in all"
        left = expected - feed.finished
        if self._sync.config.include_messages and left > 0:
            text += f", {_duration(left / self._calls_per_minute())} left"
        return text


def _duration(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes:.0f} minutes" if minutes < 100 else f"about {minutes / 60:.0f} hours"


class IssueStream(Stream):
    """Issues with their public messages: all of them, or those of one type."""

    cursor_field = LATEST
    in_order = True
    emits_messages = False
    """Whether its records are made of all messages, instead of the issue's record."""

    def __init__(self, name: str, model: type[BaseModel], issue_type: str | None = None, *, main: bool = True) -> None:
        self.name = name
        self.model = model
        self.issue_type = issue_type
        self.main = main

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Search and messages."""
        return (SEARCH, MESSAGES)

    def marks(self, state: State | None) -> Marks | None:
        """The marks of a state; None for a full refresh, a first sync, and a state that is not ours."""
        marks = Marks.of(state) if state else None
        if state and marks is None:
            foreign_state(self.name, state)
        return marks

    def range(self, sync: Sync, marks: Marks | None, now: datetime) -> Range:
        """What this stream wants of a sync."""
        start = sync.config.start
        if marks is None:
            return Range(start - TICK if start else None, None, self.issue_type, start)
        # State that runs a little ahead of this clock was written by a clock that ran ahead: reread what it skipped.
        after = min(marks.latest, now - sync.timing.settling) - timedelta(days=sync.config.issues_lookback_days)
        updated = min(marks.updated, now - sync.timing.settling)
        return Range(max(after, start - TICK) if start else after, updated, self.issue_type, start)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """One slice for each batch of the shared reading."""
        reading = IssueReading.of(sync)
        marks = reading.marks[self.name]
        if marks is not None and self.name not in reading.feed.streams:
            ahead_of_time(self.name, marks.latest)
            return
        for delivery in reading.feed.deliveries(self.name):
            marks = self._advance(marks, delivery, reading, sync)
            yield Slice(self._label(delivery), partial(self._records, sync, delivery), marks.as_state)

    def _records(self, sync: Sync, delivery: Delivery) -> Iterator[Record]:
        for finished in delivery.issues():
            yield from self.emit(sync, finished)

    def emit(self, sync: Sync, finished: Finished) -> Iterator[Record]:
        """The records that this stream makes of an issue: the issue."""
        yield finished.record

    def _advance(self, marks: Marks | None, delivery: Delivery, reading: IssueReading, sync: Sync) -> Marks:
        batch = delivery.batch
        assert reading.parts.started_at is not None
        reached = settled(reading.parts.started_at, sync.timing.settling)
        if marks is None:
            # From the first checkpoint on, whatever changes behind the moving mark is found by the update part.
            assert batch.latest is not None
            return Marks(batch.latest, reached)
        latest, updated = kept(marks.latest, reached), kept(marks.updated, reached)
        return Marks(max(latest, batch.latest or latest), max(updated, batch.updated or updated))

    @staticmethod
    def _label(delivery: Delivery) -> dict[str, str]:
        batch = delivery.batch
        if batch.updated is not None:
            return {"updated_until": batch.updated.isoformat()}
        return {"latest_message_until": batch.latest.isoformat() if batch.latest else ""}

    def probe(self, client: PylonClient, config: Config) -> None:
        """Asks for one issue, and for one of its messages where they are wanted."""
        body: Record = {"limit": 1}
        if self.issue_type:
            body["filter"] = {"field": "issue_type", "operator": "equals", "value": self.issue_type}
        issues = responses.items(SEARCH, client.request(SEARCH, body=body))
        for issue in issues[:1] if config.include_messages else ():
            try:
                client.request(MESSAGES, str(issue.get("id")), query={"limit": 1})
            except errors.NotFound:
                logger.debug("The issue was deleted while it was looked at.")

    def done(self, sync: Sync) -> None:
        """Lets the other issue streams go on without this one."""
        reading = IssueReading.of(sync)
        reading.feed.leave(self.name)

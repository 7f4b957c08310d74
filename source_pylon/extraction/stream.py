"""The base classes of streams: a declaration of what Pylon has, and a generator of pages, checkpoints and failures.

Nothing here knows threads, Airbyte messages or standard output: `output/runner.py` drives the generators.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.api.errors import InvalidResponse, PylonError
from source_pylon.config import Config
from source_pylon.extraction.cursors import is_in_future, lookback_start, next_cursor, parse_cursor, read_cursor
from source_pylon.extraction.prefetch import Threads, Turn
from source_pylon.timestamps import render
from source_pylon.timing import Timing
from source_pylon.transform.truncation import record_within

logger = logging.getLogger("airbyte")

Record = dict[str, Any]
State = dict[str, Any]

START_DATE = "start_date"
"""The key in a state for the date from which on a stream was read."""


@dataclass(frozen=True)
class Page:
    """Finished records of one stream, in the order in which they are emitted."""

    stream: str
    records: list[Record]


@dataclass(frozen=True)
class Checkpoint:
    """The state of one stream that is true once everything before it has been emitted."""

    stream: str
    state: State


@dataclass(frozen=True)
class Failure:
    """The error with which one stream ends INCOMPLETE, while the reading continues for its other streams."""

    stream: str
    error: PylonError


Event = Page | Checkpoint | Failure


@dataclass(frozen=True)
class ConfiguredStream:
    """One stream as a sync selected it. `state` is None for a full refresh and empty for a first sync."""

    stream: Stream
    state: State | None
    namespace: str | None = None

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.stream.name


class ReadingProgress(NamedTuple):
    """The progress of a long reading, in words; both fields are empty if it is not known."""

    done: str
    """How much has been read, of how much."""
    left: str
    """How much time is left."""


@dataclass
class SyncContext:
    """What all streams of a sync share."""

    client: PylonClient
    config: Config
    timing: Timing
    started_at: datetime = field(init=False)
    """When the sync began, by this machine's clock."""
    on_estimate: Callable[[str, int], None] = lambda stream, rows: None
    """Called with the name of a stream and an estimate of its records, if there is one before it is read."""
    on_reading: Callable[[Callable[[], ReadingProgress]], None] = lambda reading: None
    """Called with a function that returns the progress of a long reading."""

    make_threads: Callable[[int, Callable[[Turn], None]], Threads] = Threads
    """Creates the threads of a prefetch; a simulation passes its own."""

    def __post_init__(self) -> None:
        self.started_at = self.client.now()
        self._warnings: set[str] = set()

    def warn_once(self, text: str) -> None:
        """Log a warning, unless this sync has logged the same one."""
        if text not in self._warnings:
            self._warnings.add(text)
            logger.warning(text)

    def safe_horizon(self) -> datetime:
        """Return the latest time that a state of this sync may claim to cover, in whole seconds.

        Pylon's search may show a change some time after its timestamp, so a state stays `consistency_lag` behind the
        beginning of the sync, by whichever of the two clocks, this machine's and Pylon's, is behind. Records show
        whole seconds: one that shows the second in which the lag begins may be younger than it.
        """
        elapsed = self.client.now() - self.started_at
        started_at = self.client.clock.earliest() - elapsed
        return (started_at - self.timing.consistency_lag).replace(microsecond=0) - timedelta(seconds=1)


class Stream(ABC):
    """One stream of records. Subclasses declare what it is and inherit how it is read from their kind."""

    name: ClassVar[str]
    model: ClassVar[type[BaseModel]]
    primary_key: ClassVar[tuple[str, ...]] = ("id",)
    cursor_field: ClassVar[str | None] = None
    group: ClassVar[str | None] = None
    """Streams with the same group are read together; None for a stream that is read by itself."""
    checked: ClassVar[bool] = False
    """Whether `check` requests one of its records."""

    @property
    @abstractmethod
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that are called to read the stream."""

    @abstractmethod
    def read(self, context: SyncContext, state: State | None) -> Iterator[Event]:
        """Read the stream. `state` is None for a full refresh and empty when there is none yet. Raises PylonError."""

    @abstractmethod
    def probe(self, client: PylonClient, config: Config) -> None:
        """Request one record; raises PylonError when the token or the endpoint does not allow it."""

    def transform(self, record: Record) -> Record | None:
        """Return the record as it is emitted, None to leave it out; by default, it is emitted as Pylon gave it."""
        return record

    def fit(self, record: Record) -> Record:
        """Return a record that exceeds what destinations take, cut to size."""
        return record_within(record, self.name)

    def transformed(self, records: Iterable[Record]) -> list[Record]:
        """Return the records of a page as they are emitted."""
        return [changed for record in records if (changed := self.transform(record)) is not None]

    def read_group(self, context: SyncContext, streams: Sequence[ConfiguredStream]) -> Iterator[Event]:
        """Read this stream and the others of its group, if it has one."""
        (configured,) = streams
        return self.read(context, configured.state)


class EndpointStream(Stream):
    """A stream of what one endpoint returns. With a cursor field, its state is the time up to which it was read.

    A stream that begins at a start date also keeps the date from which on it was read; a state without one covers
    everything. If the configured date is moved back, the stream is read again from there.
    """

    endpoint: ClassVar[Endpoint]
    begins_at_start_date: ClassVar[bool] = False
    """Whether a first sync reads only records whose cursor field is at or after the configured start date."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The one endpoint."""
        return (self.endpoint,)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Request one record, or all where the endpoint takes no limit."""
        next(client.pages(self.endpoint, limit=1), None)

    def lookback(self, config: Config) -> timedelta:
        """Return how far before its cursor a sync starts to read."""
        return timedelta(0)

    @abstractmethod
    def pages(self, context: SyncContext, guard: KeyGuard, after: datetime | None) -> Iterator[Page | datetime]:
        """Read everything that is newer than `after`, or all if it is None.

        A time that is yielded among the pages says that everything up to it was read; the end of the stream needs none.
        """

    def read(self, context: SyncContext, state: State | None) -> Iterator[Event]:
        """Read the stream; at its end, the state advances unless a record came without its primary key."""
        cursor = read_cursor(self.name, self.cursor_field, state) if self.cursor_field else None
        if cursor is not None and is_in_future(context, self.name, cursor):
            return
        start = since = context.config.start if self.begins_at_start_date else None
        if cursor is not None and self.begins_at_start_date:
            read_since = parse_cursor((state or {}).get(START_DATE))
            if read_since is not None and (since is None or since < read_since):
                logger.info(f"Stream {self.name}: the start date was moved back, so everything since it is read again.")
                cursor = None
            elif since is None or since <= cursor:
                # Otherwise what lies between the state and the start date is skipped, and the state has to say so.
                since = read_since
        guard = KeyGuard(self.primary_key)
        after = lookback_start(start, cursor, context.safe_horizon(), self.lookback(context.config))
        for found in self.pages(context, guard, after):
            if isinstance(found, Page):
                yield found
            elif not guard.missing:
                # A lookback does not move the state back.
                yield self._checkpoint(max(found, cursor or found), since)
        guard.raise_if_missing()
        if self.cursor_field:
            yield self._checkpoint(next_cursor(context.safe_horizon(), cursor), since)

    def _checkpoint(self, reached: datetime, since: datetime | None) -> Checkpoint:
        assert self.cursor_field is not None
        covered = {START_DATE: render(since)} if since else {}
        return Checkpoint(self.name, {self.cursor_field: render(reached), **covered})


@dataclass(frozen=True)
class Reading:
    """What one thread of the runner reads: a stream, or several that come out of the same requests."""

    streams: Sequence[ConfiguredStream]

    def read(self, context: SyncContext) -> Iterator[Event]:
        """Read all streams of the reading. A PylonError that it raises fails every one of them."""
        return self.streams[0].stream.read_group(context, self.streams)


def readings(streams: Sequence[ConfiguredStream]) -> list[Reading]:
    """Group the streams of a sync into readings, in the order in which they are selected."""
    groups: dict[str, list[ConfiguredStream]] = {}
    for configured in streams:
        groups.setdefault(configured.stream.group or configured.name, []).append(configured)
    return list(map(Reading, groups.values()))


class KeyGuard:
    """Leaves out records without a primary key, and fails their stream at its end.

    No destination could update such a record. The state does not advance past it, so the next sync requests it again.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are the fields of the primary key."""
        self._names = names
        self.missing = 0

    def keep(self, page: list[Record]) -> list[Record]:
        """Return the records of a page that have their primary key, and count the others."""
        kept = [record for record in page if all(map(record.get, self._names))]
        self.missing += len(page) - len(kept)
        return kept

    def key(self, record: Record) -> object:
        """Return the record's primary key, or None if a part of it is missing."""
        values = tuple(map(record.get, self._names))
        return values if all(values) else None

    def raise_if_missing(self) -> None:
        """Raise InvalidResponse if any record came without its primary key."""
        if self.missing:
            raise missing_primary_key(self.missing, self._names)


def missing_primary_key(count: int, names: Sequence[str] = ("id",)) -> InvalidResponse:
    """Return the error for records that came without their primary key."""
    return InvalidResponse(
        f"Pylon sent {count} records without {' and '.join(names)}. They were left out; all others were read. "
        "If this happens again, report it to Pylon's support.",
        "the state does not advance past them",
    )

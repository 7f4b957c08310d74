"""Streams that are read from a list, all of it at every sync."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint, Paging
from source_pylon.api.errors import PylonError
from source_pylon.api.pagination import Page
from source_pylon.config import Config
from source_pylon.extraction.stream import (
    Record,
    Slice,
    State,
    Stream,
    Sync,
    ahead_of_time,
    foreign_state,
)
from source_pylon.extraction.time_windows import FAR_FUTURE, LONG_AGO, kept, settled
from source_pylon.timestamps import TICK, parse, render

Derive = Callable[[Record], Record]


class ListStream(Stream):
    """A list without a time filter. With a cursor field, only records changed since the last sync are emitted."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        model: type[BaseModel],
        *,
        derive: Derive = dict,
        primary_key: tuple[str, ...] = ("id",),
        cursor_field: str | None = None,
        query: Mapping[str, Any] | None = None,
        main: bool = False,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.model = model
        self.derive = derive
        self.primary_key = primary_key
        self.cursor_field = cursor_field
        self.query = query
        self.main = main

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list."""
        return (self.endpoint,)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """One slice: a list sorted by creation says nothing about changes before it is read whole."""
        if self.cursor_field is None:
            yield Slice({}, lambda: self._records(sync, None))
            return
        mark = read_mark(self, state)
        asked = sync.client.now()
        if mark is not None and is_ahead(sync, mark):
            ahead_of_time(self.name, mark)
            return

        def next_state() -> State:
            return {str(self.cursor_field): render(settled_mark(sync, asked, mark))}

        # A mark ahead of what is settled was written by a clock that ran ahead.
        after = min(mark, asked - sync.timing.settling) if mark else None
        yield Slice({}, lambda: self._records(sync, after), next_state)

    def _records(self, sync: Sync, after: datetime | None) -> Iterator[Record]:
        for page in sync.client.pages(self.endpoint, query=self.query, key=partial(primary_key, self)):
            for record in with_key(self, sync, page):
                if after is not None:
                    changed = parse(record.get(str(self.cursor_field)))
                    if changed is not None and changed <= after and not _is_created_after(record, after):
                        continue
                yield self.derive(record)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Asks for one record."""
        limit = {"limit": 1} if self.endpoint.paging is Paging.QUERY else {}
        client.request(self.endpoint, query={**(self.query or {}), **limit})


def _is_created_after(record: Record, after: datetime) -> bool:
    # What was never changed may have a time of change from before it was made, such as the year 1.
    created = parse(record.get("created_at"))
    return created is not None and created > after


def is_ahead(sync: Sync, mark: datetime) -> bool:
    """Whether a state lies in the future, by Pylon's clock where this machine's own would say so."""
    if mark <= sync.client.now() + FAR_FUTURE:
        return False
    try:
        return mark > sync.client.ask_time() + FAR_FUTURE
    except PylonError:
        # Reading will tell what is wrong.
        return False


def reread_after(
    sync: Sync, start: datetime | None, mark: datetime | None, asked: datetime, lookback: timedelta
) -> datetime | None:
    """After which moment a stream is read: `lookback` before its mark, not before its start; None for everything.

    A mark ahead of what was settled when the sync `asked` was written by a clock that ran ahead.
    """
    after = start - TICK if start else None
    if mark is None:
        return after
    reread = min(mark, asked - sync.timing.settling) - lookback
    return max(reread, after) if after else reread


def settled_mark(sync: Sync, asked: datetime, mark: datetime | None) -> datetime:
    """The mark of a stream that has read everything which was there when it `asked`; not behind its earlier `mark`."""
    reached = settled(sync.client.server_time(asked), sync.timing.settling)
    return reached if mark is None else max(reached, kept(mark, reached))


def read_mark(stream: Stream, state: State | None) -> datetime | None:
    """The moment in a state with one cursor; None for a full refresh, a first sync, or a state that is not ours."""
    if not state:
        return None
    mark = parse(state.get(str(stream.cursor_field)))
    if mark is None or mark < LONG_AGO:
        foreign_state(stream.name, state)
        return None
    return mark


def primary_key(stream: Stream, record: Record) -> object:
    """The record's primary key; None where it has none."""
    names = stream.primary_key
    if len(names) == 1:
        # Most streams, and every record: a tuple of one would cost a tenth of reading a list.
        return record.get(names[0]) or None
    values = tuple(record.get(name) for name in names)
    return values if all(values) else None


def with_key(stream: Stream, sync: Sync, page: Page) -> Page:
    """The records of a page that have their primary key; the others are counted."""
    kept = [record for record in page if primary_key(stream, record) is not None]
    if len(kept) < len(page):
        sync.count_keyless(stream.name, len(page) - len(kept))
    return kept

"""Streams whose endpoint lists everything; every sync reads the whole list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint, Paging
from source_pylon.config import Config
from source_pylon.extraction.cursors import is_in_future, next_cursor, read_cursor, warn_future_state
from source_pylon.extraction.stream import Checkpoint, Event, KeyGuard, Page, Record, State, Stream, SyncContext
from source_pylon.timestamps import parse, render


class ListStream(Stream):
    """A list without a time filter. With a cursor field, only records changed since the last sync are emitted."""

    endpoint: ClassVar[Endpoint]
    query: ClassVar[Mapping[str, Any]] = {}
    created_field: ClassVar[str] = "created_at"
    """The field that says when a record was created."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list."""
        return (self.endpoint,)

    def read(self, context: SyncContext, state: State | None) -> Iterator[Event]:
        """Read the list; the state advances only at its end, because the list is not sorted by time of change."""
        cursor = read_cursor(self.name, self.cursor_field, state) if self.cursor_field else None
        if cursor is not None and is_in_future(context, cursor):
            warn_future_state(self.name, cursor)
            return
        unchanged_since = min(cursor, context.safe_horizon()) if cursor else None
        guard = KeyGuard(self)
        for page in context.client.pages(self.endpoint, query=self.query, key=guard.key):
            new = (record for record in guard.keep(page) if self._is_new(record, unchanged_since))
            yield Page(self.name, self.transformed(new))
        guard.raise_if_missing()
        if self.cursor_field:
            yield Checkpoint(self.name, {self.cursor_field: render(next_cursor(context.safe_horizon(), cursor))})

    def _is_new(self, record: Record, unchanged_since: datetime | None) -> bool:
        if unchanged_since is None or self.cursor_field is None:
            return True
        changed = parse(record.get(self.cursor_field))
        if changed is None or changed > unchanged_since:
            return True
        # A record that was never changed may have a time of change from before its creation, such as the year 1.
        created = parse(record.get(self.created_field))
        return created is not None and created > unchanged_since

    def probe(self, client: PylonClient, config: Config) -> None:
        """Ask for one record."""
        limit = {"limit": 1} if self.endpoint.paging is Paging.QUERY else {}
        client.request(self.endpoint, query={**self.query, **limit})

"""Streams whose endpoint lists everything; every sync reads the whole list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from source_pylon.extraction.stream import EndpointStream, KeyGuard, Page, Record, SyncContext
from source_pylon.timestamps import parse


class ListStream(EndpointStream):
    """A list without a time filter. With a cursor field, only records changed since the last sync are emitted."""

    query: ClassVar[Mapping[str, Any]] = {}
    created_field: ClassVar[str] = "created_at"
    """The field that says when a record was created."""

    def pages(self, context: SyncContext, guard: KeyGuard, after: datetime | None) -> Iterator[Page]:
        """Read the list; there is no checkpoint before its end, because it is not sorted by time of change."""
        for page in context.client.pages(self.endpoint, query=self.query, key=guard.key):
            new = (record for record in guard.keep(page) if self._is_new(record, after))
            yield Page(self.name, self.transformed(new))

    def _is_new(self, record: Record, after: datetime | None) -> bool:
        if after is None or self.cursor_field is None:
            return True
        changed = parse(record.get(self.cursor_field))
        if changed is None or changed > after:
            return True
        # A record that was never changed may have a time of change from before its creation, such as the year 1.
        created = parse(record.get(self.created_field))
        return created is not None and created > after

"""Streams that are read by searches over a time field."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from source_pylon.extraction.stream import EndpointStream, KeyGuard, Page, SyncContext
from source_pylon.extraction.time_windows import TimeWindow, time_filter, windows_after
from source_pylon.timestamps import parse

logger = logging.getLogger("airbyte")


class SearchStream(EndpointStream):
    """A search that filters by its cursor field. Without a cursor field, every sync reads all results.

    A first sync without a start date searches without a filter, which saves requests for empty months. Later syncs, and
    those with a start date, search one time window after the other.
    """

    def pages(self, context: SyncContext, guard: KeyGuard, after: datetime | None) -> Iterator[Page | datetime]:
        """Read one time window after the other; the state advances after each."""
        if self.cursor_field is None:
            yield from self._read_unfiltered(context, guard)
            return
        if after is None:
            yield from self._matches(context, guard, {})
            return
        for window in windows_after(after, context.safe_horizon(), context.timing.search_window):
            yield from self._read_window(context, guard, window)
            if window.until is not None:
                yield window.until

    def _read_unfiltered(self, context: SyncContext, guard: KeyGuard) -> Iterator[Page]:
        count = 0
        for page in self._matches(context, guard, {}):
            count += len(page.records)
            yield page
        if count + guard.missing == self.endpoint.page_size:
            # A search without pages ends at its limit and does not say whether there was more.
            logger.warning(
                f"Stream {self.name}: Pylon returned {count} records, the most that {self.endpoint.key} returns. "
                "There may be more that its API does not show."
            )

    def _read_window(self, context: SyncContext, guard: KeyGuard, window: TimeWindow) -> Iterator[Page]:
        assert self.cursor_field is not None
        for page in self._matches(context, guard, {"filter": time_filter(self.cursor_field, window)}):
            moments = [parse(record.get(self.cursor_field)) for record in page.records]
            if any(moment and window.is_far_from(moment) for moment in moments):
                context.warn_once(
                    f"Stream {self.name}: Pylon ignores the time filter of {self.endpoint.key}, so each search returns "
                    "everything. The sync is slower; nothing is lost."
                )
            records = [
                record
                for record, moment in zip(page.records, moments, strict=True)
                if moment is None or window.holds(moment)
            ]
            if records:
                yield Page(self.name, records)

    def _matches(self, context: SyncContext, guard: KeyGuard, body: dict[str, Any]) -> Iterator[Page]:
        for page in context.client.pages(self.endpoint, body=body, key=guard.key):
            yield Page(self.name, self.transformed(guard.keep(page)))

"""Streams whose records belong to other objects and are listed one parent after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.config import Config
from source_pylon.extraction.prefetch import Prefetch, Turn
from source_pylon.extraction.stream import EndpointStream, KeyGuard, Page, Record, SyncContext
from source_pylon.timestamps import SECOND, parse, render

_PARENTS_AHEAD = 4
"""Parents whose first page is requested at once: enough to reach the rate limit where Pylon takes a second."""


class SubStream(EndpointStream):
    """Records that are listed per parent. Every sync lists the records of every parent, including new ones.

    `since_parameter` names the query parameter that takes the cursor, where the endpoint has one.
    """

    parents: ClassVar[Endpoint]
    since_parameter: ClassVar[str | None] = None
    reads_changed_parents: ClassVar[bool] = False
    """Whether `parent_pages` yields only parents changed since the cursor; all of their records are emitted."""

    def transform_child(self, record: Record, parent: Record) -> Record | None:
        """Return the record as it is emitted, with what it takes from its parent; None leaves it out."""
        return record

    def parent_pages(self, context: SyncContext, after: datetime | None) -> Iterator[list[Record]]:
        """Yield the parents to read, page by page; `after` is the time after which to read, None for everything."""
        return context.client.pages(self.parents)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list of parents, and the list of one parent's records."""
        return (self.parents, self.endpoint)

    def pages(self, context: SyncContext, guard: KeyGuard, after: datetime | None) -> Iterator[Page]:
        """Read the records of one parent after the other; the state advances when all have been read."""
        parent_guard = KeyGuard(("id",))
        parents = (parent for page in self.parent_pages(context, after) for parent in parent_guard.keep(page))
        # Only the first page of a parent is read ahead: a survey may have any number of responses.
        prefetch = Prefetch(partial(self._first_page, context, guard, after), _PARENTS_AHEAD)
        for opened in prefetch.results(parents):
            if opened is not None:
                yield from self._read_parent(opened, guard, after)
        guard.missing += parent_guard.missing

    def _first_page(
        self, context: SyncContext, guard: KeyGuard, after: datetime | None, parent: Record, turn: Turn
    ) -> tuple[Record, list[Record], Iterator[list[Record]]]:
        query: dict[str, Any] = {}
        if self.since_parameter and after:
            query[self.since_parameter] = render((after - SECOND).replace(microsecond=0))
        pages = context.client.pages(self.endpoint, str(parent["id"]), query=query, key=guard.key)
        try:
            # Copied, because a page is emptied when the next one is requested.
            return parent, list(next(pages, [])), pages
        except errors.NotFound:
            # A parent that was deleted after it was listed takes its records with it. If it is still listed, the
            # endpoint itself is missing.
            if self._is_listed(context.client, parent):
                raise
            return parent, [], iter(())

    def _read_parent(
        self, opened: tuple[Record, list[Record], Iterator[list[Record]]], guard: KeyGuard, after: datetime | None
    ) -> Iterator[Page]:
        parent, page, further = opened
        while page:
            records = []
            for record in guard.keep(page):
                if not self._is_new(record, after):
                    continue
                if (changed := self.transform_child(record, parent)) is not None:
                    records.append(changed)
            yield Page(self.name, records)
            page = next(further, [])

    def _is_new(self, record: Record, after: datetime | None) -> bool:
        if after is None or self.cursor_field is None or self.reads_changed_parents:
            return True
        moment = parse(record.get(self.cursor_field))
        return moment is None or moment > after

    def _is_listed(self, client: PylonClient, parent: Record) -> bool:
        return any(other.get("id") == parent["id"] for page in client.pages(self.parents) for other in page)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Request one record of the first parent."""
        for parent in next(client.pages(self.parents, limit=1), [])[:1]:
            # The parent may have been deleted in the meantime.
            with contextlib.suppress(errors.NotFound):
                next(client.pages(self.endpoint, str(parent.get("id")), limit=1), None)

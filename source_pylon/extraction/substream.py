"""Streams whose records hang on other objects and are listed one parent after the other."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint, Paging
from source_pylon.config import Config
from source_pylon.extraction.list import is_ahead, primary_key, read_mark, reread_after, settled_mark, with_key
from source_pylon.extraction.stream import Record, Slice, State, Stream, Sync, ahead_of_time
from source_pylon.timestamps import SECOND, parse, render


class ChildStream(Stream):
    """Records listed per parent. Every sync asks for every parent, also for those that are new.

    `since` names the query parameter that takes the cursor, where there is one; `lookback` is how far a later sync
    reads back over what an earlier one has read.
    """

    def __init__(
        self,
        name: str,
        parents: Endpoint,
        endpoint: Endpoint,
        model: type[BaseModel],
        *,
        derive: Callable[[Record, Record], Record],
        cursor_field: str | None = None,
        since: str | None = None,
        lookback: timedelta = timedelta(0),
        primary_key: tuple[str, ...] = ("id",),
        begins_at_start_date: bool = False,
        main: bool = False,
    ) -> None:
        self.name = name
        self.parents = parents
        self.endpoint = endpoint
        self.model = model
        self.derive = derive
        self.cursor_field = cursor_field
        self.since = since
        self.lookback = lookback
        self.primary_key = primary_key
        self.begins_at_start_date = begins_at_start_date
        self.main = main

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list of parents, and the list of one parent's records."""
        return (self.parents, self.endpoint)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """One slice for each parent; the state moves when all have been read."""
        mark = read_mark(self, state)
        asked = sync.client.now()
        if mark is not None and is_ahead(sync, mark):
            ahead_of_time(self.name, mark)
            return
        start = sync.config.start if self.begins_at_start_date else None
        after = reread_after(sync, start, mark, asked, self.lookback)
        for page in sync.client.pages(self.parents):
            for parent in page:
                if not parent.get("id"):
                    sync.count_unlistable(self.name, 1)
                    continue
                yield Slice(
                    {"parent": str(parent.get("id"))},
                    lambda parent=parent: self._records(sync, parent, after),  # type: ignore[misc]
                )
        if self.cursor_field is not None:
            settled = {self.cursor_field: render(settled_mark(sync, asked, mark))}
            yield Slice({}, lambda: (), lambda: settled)

    def _records(self, sync: Sync, parent: Record, after: datetime | None) -> Iterator[Record]:
        query: dict[str, Any] = {}
        if self.since and after:
            query[self.since] = render((after - SECOND).replace(microsecond=0))
        key = partial(primary_key, self)
        try:
            for page in sync.client.pages(self.endpoint, str(parent["id"]), query=query, key=key):
                for record in with_key(self, sync, page):
                    moment = parse(record.get(self.cursor_field)) if after and self.cursor_field else None
                    if moment and after and moment <= after:
                        continue
                    yield self.derive(record, parent)
        except errors.NotFound:
            # A parent that was deleted after it had been listed takes its records along; one that is still there does
            # not, and then it is the endpoint that is missing.
            if self._is_listed(sync.client, parent):
                raise
            return

    def _is_listed(self, client: PylonClient, parent: Record) -> bool:
        return any(other.get("id") == parent["id"] for page in client.pages(self.parents) for other in page)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Asks for one record of the first parent."""
        limit = {"limit": 1} if self.parents.paging is Paging.QUERY else {}
        parents = responses.items(self.parents, client.request(self.parents, query=limit))
        for parent in parents[:1]:
            try:
                client.request(self.endpoint, str(parent.get("id")), query={"limit": 1})
            except errors.NotFound:
                return

"""Streams that are read by searches over a time field."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from pydantic import BaseModel

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.config import Config
from source_pylon.extraction.list import Derive, is_ahead, primary_key, read_mark, reread_after, settled_mark, with_key
from source_pylon.extraction.stream import Record, Slice, State, Stream, Sync, ahead_of_time
from source_pylon.extraction.time_windows import Window, next_window, time_filter
from source_pylon.timestamps import parse, render

logger = logging.getLogger("airbyte")

Lookback = Callable[[Config], timedelta]


class SearchStream(Stream):
    """A search that filters on its cursor field. Without a cursor field, all of it at every sync.

    A first sync without a start date needs no filter and so asks for no empty month; later ones, and those with
    a start date, ask for windows of time.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        model: type[BaseModel],
        *,
        derive: Derive = dict,
        cursor_field: str | None = None,
        lookback: Lookback = lambda config: timedelta(0),
        begins_at_start_date: bool = False,
        main: bool = False,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.model = model
        self.derive = derive
        self.cursor_field = cursor_field
        self.lookback = lookback
        self.begins_at_start_date = begins_at_start_date
        self.main = main
        self._warned = False

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The search."""
        return (self.endpoint,)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """One slice for each window; one for everything where there is no time to begin at."""
        mark = read_mark(self, state)
        asked = sync.client.now()
        if mark is not None and is_ahead(sync, mark):
            ahead_of_time(self.name, mark)
            return
        start = sync.config.start if self.begins_at_start_date else None
        after = reread_after(sync, start, mark, asked, self.lookback(sync.config))

        def settled() -> State:
            return {str(self.cursor_field): render(settled_mark(sync, asked, mark))}

        if self.cursor_field is None or after is None:
            yield Slice({}, lambda: self._records(sync, None), settled if self.cursor_field else None)
            return
        while True:
            window = next_window(after, asked - sync.timing.settling, sync.timing.window)
            yield Slice(
                {"after": render(window.after)},
                lambda window=window: self._records(sync, window),  # type: ignore[misc]
                settled if window.until is None else self._reached(window.until, mark),
            )
            if window.until is None:
                return
            after = window.until

    def _reached(self, until: datetime, mark: datetime | None) -> Callable[[], State]:
        # Reading back over what an earlier sync has read does not take its state back.
        reached = max(until, mark or until)
        return lambda: {str(self.cursor_field): render(reached)}

    def _records(self, sync: Sync, window: Window | None) -> Iterator[Record]:
        body = {"filter": time_filter(str(self.cursor_field), window)} if window else {}
        count = 0
        for page in sync.client.pages(self.endpoint, body=body, key=partial(primary_key, self)):
            count += len(page)
            for record in with_key(self, sync, page):
                moment = parse(record.get(str(self.cursor_field))) if window else None
                if window and moment and not window.holds(moment):
                    self._notice(window, moment)
                    continue
                yield self.derive(record)
        if self.cursor_field is None and count == self.endpoint.page_size:
            # A search without pages ends at its limit and does not say whether there was more.
            logger.warning(
                f"Stream {self.name}: Pylon gave {count} records, which is the most that {self.endpoint.key} lists. "
                "There may be more that its API does not show."
            )

    def _notice(self, window: Window, moment: datetime) -> None:
        far = timedelta(days=1)
        outside = moment < window.after - far or (window.until is not None and moment > window.until + far)
        if outside and not self._warned:
            self._warned = True
            logger.warning(
                f"Pylon ignores the time filter of {self.endpoint.key}, so each search lists everything: "
                f"stream {self.name} is slower, nothing is lost."
            )

    def probe(self, client: PylonClient, config: Config) -> None:
        """Asks for one record."""
        client.request(self.endpoint, body={"limit": 1})

"""Cursors of streams with one time field: reading a state, where to start, and the next state."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from source_pylon.api.errors import PylonError
from source_pylon.timestamps import SECOND, TICK, parse

if TYPE_CHECKING:
    from source_pylon.extraction.stream import State, SyncContext

logger = logging.getLogger("airbyte")

_FAR_FUTURE = timedelta(days=1)
"""Further ahead than clock skew explains."""
_EARLIEST_STATE = datetime(1999, 1, 1, tzinfo=timezone.utc)
"""Treat older states as missing; subtracting a lookback from year 1 would overflow."""


def parse_cursor(value: object) -> datetime | None:
    """Return the time in a state; None if there is none, or one that no sync can have written."""
    moment = parse(value)
    return None if moment is None or moment < _EARLIEST_STATE else moment


def read_cursor(name: str, cursor_field: str, state: State | None) -> datetime | None:
    """Return the cursor in a state; None for a full refresh, a first sync, and a state of another connector."""
    if not state:
        return None
    cursor = parse_cursor(state.get(cursor_field))
    if cursor is None:
        warn_unknown_state(name, state)
    return cursor


def warn_unknown_state(name: str, state: State) -> None:
    """Log that a state is not this connector's, so that the stream is read from its beginning."""
    keys = ", ".join(sorted(map(str, state))) or "nothing"
    logger.warning(
        f"Stream {name}: the saved state is not one that this connector wrote (it contains: {keys}). "
        "The stream is read from its beginning."
    )


def is_in_future(context: SyncContext, name: str, cursor: datetime) -> bool:
    """Return whether a state is further in the future than clock skew explains, by both clocks; if so, log that."""
    if cursor <= context.client.now() + _FAR_FUTURE:
        return False
    try:
        if cursor <= context.client.ask_time() + _FAR_FUTURE:
            return False
    except PylonError:
        # Ignore the error here: the requests of the sync itself will report it.
        return False
    logger.warning(
        f"Stream {name}: the saved state is in the future ({cursor:%Y-%m-%d}), so no record is newer and nothing is "
        "read. If the state is wrong, reset the stream in Airbyte."
    )
    return True


def clamp_cursor(cursor: datetime, horizon: datetime) -> datetime:
    """Return the cursor of an earlier sync, moved back to `horizon` if it is later.

    A later cursor was written while a clock was ahead. One that is at most two seconds later is kept, because Pylon's
    `Date` header has whole seconds.
    """
    return cursor if cursor <= horizon + 2 * SECOND else horizon


def next_cursor(horizon: datetime, cursor: datetime | None) -> datetime:
    """Return the cursor of a stream that has read everything up to `horizon`; it never falls behind `cursor`."""
    return horizon if cursor is None else max(horizon, clamp_cursor(cursor, horizon))


def lookback_start(
    start: datetime | None, cursor: datetime | None, horizon: datetime, lookback: timedelta
) -> datetime | None:
    """Return the time after which to read: `lookback` before the cursor, not before `start`; None for everything.

    A cursor says that everything up to and including its second has been read.
    """
    after_start = start - TICK if start else None
    if cursor is None:
        return after_start
    reread = min(cursor, horizon) - lookback
    return max(reread, after_start) if after_start else reread

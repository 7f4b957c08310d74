"""Time windows that are searched one after the other. Pure functions of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from source_pylon.timestamps import DAY, SECOND, render


@dataclass(frozen=True)
class TimeWindow:
    """The times after `after`, up to and including `until`; no upper bound if `until` is None."""

    after: datetime
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Return whether a time belongs to the window."""
        return moment > self.after and (self.until is None or moment <= self.until)

    def is_far_from(self, moment: datetime, tolerance: timedelta = DAY) -> bool:
        """Whether a moment lies further outside than `tolerance`; a day is more than clocks and rounding explain."""
        return moment < self.after - tolerance or (self.until is not None and moment > self.until + tolerance)


def next_window(after: datetime, horizon: datetime, width: timedelta) -> TimeWindow:
    """Return the window that follows `after`: `width` wide, or without an end where that would pass `horizon`.

    The newest window has no end, so that neither a wrong clock nor a time in the future hides a record.
    """
    return TimeWindow(after, None if horizon - after <= width else after + width)


def windows_after(after: datetime, horizon: datetime, width: timedelta) -> Iterator[TimeWindow]:
    """Yield windows without gap or overlap from `after` on; the last one has no end."""
    while True:
        window = next_window(after, horizon, width)
        yield window
        if window.until is None:
            return
        after = window.until


def cut_at(window: TimeWindow, bounds: Iterable[datetime]) -> TimeWindow:
    """Return `window`, cut short at the first of `bounds` inside it."""
    inside = [bound for bound in bounds if bound > window.after and (window.until is None or bound < window.until)]
    return TimeWindow(window.after, min(inside)) if inside else window


def time_filter(field: str, window: TimeWindow) -> dict[str, Any]:
    """Return Pylon's filter for the moments of `window`, wider by a second before and by two after.

    Whether the bounds of Pylon's search operators are exclusive is not documented, and records show whole seconds of
    times that Pylon keeps to the millisecond: what comes back is checked against the window.
    """
    lower = render((window.after - SECOND).replace(microsecond=0))
    if window.until is None:
        return {"field": field, "operator": "time_is_after", "value": lower}
    upper = render((window.until + 2 * SECOND).replace(microsecond=0))
    return {"field": field, "operator": "time_range", "values": [lower, upper]}

"""Ranges of time that are asked for one after the other. Pure functions of plain values, and their filters."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from source_pylon.timestamps import SECOND, render

_NARROWEST = timedelta(hours=1)
FAR_FUTURE = timedelta(days=1)
"""A state that lies further ahead than this is no clock's error."""
LONG_AGO = datetime(1999, 1, 1, tzinfo=timezone.utc)
"""A state before this is none: no sync begins to read before 2000, and from year 1 nothing can be looked back."""


@dataclass(frozen=True)
class Window:
    """The moments after `after`, up to and including `until`; without an end when `until` is None."""

    after: datetime
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether the window owns a moment."""
        return moment > self.after and (self.until is None or moment <= self.until)


def next_window(after: datetime, settled: datetime, width: timedelta) -> Window:
    """The window that follows `after`, closed only where it ends before `settled`.

    The newest has no end, so no clock and no far-future time hides an issue.
    """
    return Window(after, None) if settled - after <= width else Window(after, after + width)


def next_width(window: Window, found: int, most: int, widest: timedelta) -> timedelta:
    """How wide the window after a closed one should be, so that it holds about `most` where this one held `found`.

    At most twice as wide as the last, because a quiet stretch may be followed by a busy one; never less than an hour.
    """
    assert window.until is not None
    width = window.until - window.after
    fitting = width * (most / found) if found else widest
    return max(_NARROWEST, min(fitting, 2 * width, widest))


def up_to(window: Window, bounds: Iterable[datetime]) -> Window:
    """`window`, cut short at the first of `bounds` inside it."""
    inside = [bound for bound in bounds if bound > window.after and (window.until is None or bound < window.until)]
    return Window(window.after, min(inside)) if inside else window


def settled(moment: datetime, settling: timedelta) -> datetime:
    """The latest time, in whole seconds, of which everything counts as visible at `moment`.

    Records show whole seconds: one that shows the second in which the settling time begins may be younger than it.
    """
    return (moment - settling).replace(microsecond=0) - SECOND


def kept(mark: datetime, reached: datetime) -> datetime:
    """What an earlier sync's mark is worth where only what lies before `reached` counts as read.

    A mark ahead of it was written by a clock that ran ahead, and is taken back. One that is ahead by a moment is not:
    Pylon's `Date` header tells its time to the second.
    """
    return mark if mark <= reached + 2 * SECOND else reached


def time_filter(field: str, window: Window) -> dict[str, Any]:
    """Pylon's filter for the moments of `window`, wider by a second before and by two after.

    Whether Pylon's bounds are exclusive is not documented, and records show whole seconds of times that Pylon
    keeps to the millisecond: what comes back is to be checked against the window.
    """
    lower = render((window.after - SECOND).replace(microsecond=0))
    if window.until is None:
        return {"field": field, "operator": "time_is_after", "value": lower}
    upper = render((window.until + 2 * SECOND).replace(microsecond=0))
    return {"field": field, "operator": "time_range", "values": [lower, upper]}

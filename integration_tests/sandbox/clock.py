"""The sandbox's clock and its two time formats: milliseconds since 1970 inside, RFC 3339 outside.

Pylon's server keeps milliseconds that its records do not show (a recorded cursor has `...:58.871Z`, the record that it
points at `...:58Z`), so the two forms have a function each.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def millis(moment: datetime) -> int:
    """The milliseconds since 1970 of an aware datetime; fractions of a millisecond are cut off."""
    delta = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return delta // timedelta(milliseconds=1)


def shown(moment: float) -> str:
    """A time (milliseconds) as records show it: whole seconds, cut off, with `Z`."""
    return (_EPOCH + timedelta(seconds=moment // 1000)).isoformat() + "Z"


def precise(moment: int) -> str:
    """A time (milliseconds) as cursors hold it: with all three decimals."""
    return f"{shown(moment)[:-1]}.{moment % 1000:03d}Z"


def parse(text: str) -> float:
    """The milliseconds since 1970 of an RFC 3339 date-time.

    Raises ValueError for anything else, a time without an offset among it.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 date-time: {text!r}")
    day, clock, fraction, offset = match.groups()
    offset = "+00:00" if offset in "Zz" else offset
    moment = datetime.fromisoformat(f"{day}T{clock}{offset}")
    return millis(moment) + float(fraction or 0) * 1000


class SandboxClock:
    """The sandbox's own time: real time plus an offset that only grows, so that time never runs backwards."""

    def __init__(self, start: datetime | None = None) -> None:
        """A clock that shows the real time, or runs from another one."""
        self._offset = timedelta() if start is None else start - datetime.now(timezone.utc)

    def now(self) -> datetime:
        """The time as an aware UTC datetime."""
        return datetime.now(timezone.utc) + self._offset

    def millis(self) -> int:
        """The time in milliseconds since 1970."""
        return millis(self.now())

    def advance(self, by: timedelta) -> datetime:
        """Moves the clock forward and returns the new time; raises ValueError if asked to move back."""
        if by < timedelta():
            raise ValueError("the sandbox's clock moves forward only")
        self._offset += by
        return self.now()

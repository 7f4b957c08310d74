"""The time of this machine, and Pylon's as the `Date` headers of its answers tell it."""

import email.utils
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

_MAX_AHEAD = timedelta(days=7)
"""A `Date` further ahead of this machine is ignored: no clock that TLS certificates still work with is that wrong."""


def utc_now() -> datetime:
    """This machine's time in UTC."""
    return datetime.now(timezone.utc)


def http_date(text: str | None) -> datetime | None:
    """Parse an HTTP date header; returns the time in UTC, or None where there is no date."""
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except OverflowError:
        return None


class Clock:
    """Two opinions about the present: this machine's and Pylon's. Thread-safe.

    The wall clock is read once; after that the time advances with the monotonic clock, so setting the wall clock
    while a sync runs changes nothing. `learn` is to be called only for good (2xx) answers: a gateway's own error page
    carries the gateway's time.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began, self._began_at = now(), monotonic()
        self._offset: timedelta | None = None
        self.has_learned = False
        """Whether a good answer has come yet, with or without a usable date."""

    def machine(self) -> datetime:
        """This machine's time in UTC."""
        return self._began + timedelta(seconds=self._monotonic() - self._began_at)

    def learn(self, date_header: str | None) -> None:
        """Learn Pylon's time from the `Date` header of an answer that has just arrived.

        The smallest offset of all answers counts. An answer out of a cache can make Pylon's time too early, which
        costs reading something again; a time that is too late would lose records.
        """
        self.has_learned = True
        date = http_date(date_header)
        if date is None:
            return
        offset = date - self.machine()
        if offset <= _MAX_AHEAD and (self._offset is None or offset < self._offset):
            self._offset = offset

    def earliest(self) -> datetime:
        """The earlier of the two times. A state that is not later than this is later than neither clock."""
        return self.machine() + min(self._offset or timedelta(0), timedelta(0))

    def latest(self) -> datetime:
        """The later of the two times. What is later than this lies in the future by both clocks."""
        return self.machine() + max(self._offset or timedelta(0), timedelta(0))

"""The time of this machine, and Pylon's time from the `Date` headers of its responses."""

import email.utils
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_MAX_AHEAD = timedelta(days=7)
"""Ignore a `Date` further ahead of this machine: with a clock that wrong, TLS certificates would not be valid."""


def utc_now() -> datetime:
    """This machine's time in UTC."""
    return datetime.now(timezone.utc)


@lru_cache(maxsize=4)  # the responses of one second have the same date, and parsing one takes as long as a short text
def http_date(text: str | None) -> datetime | None:
    """Parse an HTTP date header; returns the time in UTC, or None if there is no date."""
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)
    except OverflowError:
        return None


class Clock:
    """The current time, by this machine's clock and by Pylon's. Thread-safe.

    The wall clock is read once; after that the time advances with the monotonic clock, so setting the wall clock
    while a sync runs changes nothing. Call `learn` for successful (2xx) responses only: a gateway's own error
    page has the gateway's time.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began, self._began_at = now(), monotonic()
        self._offset: timedelta | None = None
        self.has_learned = False
        """Whether a successful response was received, with or without a usable date."""

    def machine(self) -> datetime:
        """This machine's time in UTC."""
        return self._began + timedelta(seconds=self._monotonic() - self._began_at)

    def learn(self, date_header: str | None) -> None:
        """Learn Pylon's time from the `Date` header of a response that has just arrived.

        The smallest offset of all responses counts. A cached response can make Pylon's time too early, which only means
        that records are read again; a time that is too late would lose records.
        """
        self.has_learned = True
        date = http_date(date_header)
        if date is None:
            return
        offset = date - self.machine()
        if offset <= _MAX_AHEAD and (self._offset is None or offset < self._offset):
            self._offset = offset

    def earliest(self) -> datetime:
        """Return the earlier of the two times. A state up to this time is in the past by both clocks."""
        return self.machine() + min(self._offset or timedelta(0), timedelta(0))

    def latest(self) -> datetime:
        """Return the later of the two times. Anything later is in the future by both clocks."""
        return self.machine() + max(self._offset or timedelta(0), timedelta(0))

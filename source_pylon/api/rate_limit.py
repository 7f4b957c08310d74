"""The rate limit of an endpoint: starts from Pylon's table and adapts to what Pylon accepts.

The CDK's `HttpAPIBudget` counts a call when it is sent, so two calls a minute apart can reach Pylon less than a
minute apart and be refused; it cannot change its limits; and a refusal without a reset time fills its bucket for
every thread.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

BURST_SHARE = 0.25
"""The share of a minute's calls that may be sent at once after a pause; the others are spaced evenly."""

_MAX_LATE_INTERVALS = 2.0
"""How far behind its schedule a busy client may catch up without using up its burst."""

_FIRST_TRIAL_MINUTES = 1.0
_TRIAL_PAUSE_MINUTES = 5.0
_MAX_TRIAL_PAUSE_MINUTES = 60.0
_CALLS_AFTER_FAILED_TRIAL = 200
"""A trial that fails costs a refusal or two: at most one call in a hundred."""
_STEP_MINUTES = 0.25
_STEP_GROWTH = 1.35
"""A trial grows by half in a quarter of a minute, fiftyfold in less than four minutes."""
_SUCCESS = 1.1
"""A trial that raises the limit by less than this factor has failed."""
_NOTABLE = 0.95
"""A trial that meets a rate below this share of the limit before it shows that less is allowed than before."""
_FULL_SHARE = 0.8
"""A step of a trial is taken only if this share of the previous one was used."""

_MAX_CUT = 0.25
"""One refusal does not lower the limit below this share of it: it may come from a burst of another client."""
_SAFE_SHARE = 0.1
"""The limit does not fall below this share of the rate that a refusal's own wait means."""
_CAUTION = 0.03
"""A refusal without a cause that is understood lowers the limit by this share, and by one call at least."""


class AdaptiveLimit:
    """Decides when the next call of one endpoint may be sent. Not thread-safe.

    Pure: the time is passed in, in seconds of any clock.

    Three rules hold a call back:

    - A call occupies a place from when it is sent until a minute after it was answered, and there are `limit` places.
      Pylon counted it somewhere in between, so however it counts minutes, it never sees more than `limit` in one.
    - Calls are spaced evenly over the minute, except for a burst of a quarter of the limit after a pause.
    - After a 429, no call is sent until the time that Pylon asked for has passed.

    What is learned:

    - A refusal says how many calls were accepted within the last minute, and when the next one would be; this
      gives the rate that Pylon allows. If that is not lower than the limit, the burst was too large for Pylon
      and is given up; if there was none, calls are spaced a little wider.
    - When nothing but the limit has held calls back for a while, it grows in quick steps until Pylon refuses or the
      calls stop using it (a trial). After a trial that failed, the next one waits longer, up to an hour; below the
      table's limit it waits five minutes and 200 calls at most, since another client may have stopped.
    """

    def __init__(self, table: int, minute: float, share: float = 1.0) -> None:
        """`table` is the number of calls in `minute` seconds that Pylon publishes; `share` (0 to 1) of it is used."""
        self._table = max(1, int(table * share))
        self._share = share
        self._minute = minute
        self._ceiling = math.inf if share == 1 else float(self._table)
        self._places = float(self._table)
        self.refusals = 0
        """The number of refused calls."""
        self.learned: int | None = None
        """The limit as it was last learned from a refusal; None as long as only the table is known."""

        self._answered: deque[float] = deque()
        self._in_flight = 0
        self._blocked_until = -math.inf

        self._next_at = -math.inf
        self._has_burst = True
        self._burst_left = self._burst_size
        self._bursts: deque[float] = deque()
        self._held_until = -math.inf

        self._full_since: float | None = None
        self._accepted_since = 0
        self._before_trial: float | None = None
        self._next_trial = -math.inf
        self._failed_trials = 0
        self._accepted_since_trial = 0

    @property
    def limit(self) -> int:
        """The calls per minute that are assumed to be allowed."""
        return max(1, int(self._places))

    @property
    def _burst_size(self) -> float:
        return max(1.0, int(self._places * BURST_SHARE)) if self._has_burst else 0.0

    # --- sending ---

    def wait(self, now: float) -> float:
        """Return the seconds until a call may be sent; infinity until a call in flight is answered."""
        seconds = self._seconds_to_wait(now)
        if seconds > 0:
            self._held_until = now + (seconds if seconds < math.inf else 0.0)
            if self._full_since is None and now >= self._blocked_until:
                self._full_since, self._accepted_since = now, 0
        return seconds

    def _seconds_to_wait(self, now: float) -> float:
        if now < self._blocked_until:
            return self._blocked_until - now
        self._forget(now)
        self._grow(now)
        if self._in_flight + len(self._answered) >= self.limit:
            return self._answered[0] + self._minute - now if self._answered else math.inf
        if now < self._next_at and self._burst_left < 1:
            return self._next_at - now
        return 0.0

    def send(self, now: float) -> None:
        """Note that a call is sent."""
        interval = self._minute / max(1.0, self._places - len(self._bursts))
        late = now - self._next_at
        if late < 0:
            self._burst_left -= 1
            self._bursts.append(now)
        else:
            idle = now - max(self._next_at, self._held_until)
            if idle > _MAX_LATE_INTERVALS * interval:
                # There was nothing to send: unused calls refill the burst.
                self._burst_left = min(self._burst_size, self._burst_left + idle / interval)
                self._full_since = None
            if late > _MAX_LATE_INTERVALS * interval:
                self._next_at = now
            self._next_at += interval
        self._in_flight += 1

    def complete(self, now: float) -> None:
        """Note that a call was answered, or failed in a way that Pylon may have counted."""
        self._in_flight -= 1
        self._accepted_since += 1
        self._accepted_since_trial += 1
        self._answered.append(now)
        self._forget(now)

    def _forget(self, now: float) -> None:
        for moments in (self._answered, self._bursts):
            while moments and moments[0] + self._minute <= now:
                moments.popleft()

    # --- learning ---

    def refuse(self, now: float, wait: float) -> None:
        """Note that a call was refused with 429, and that Pylon asked to wait for `wait` seconds."""
        self._in_flight -= 1
        self._forget(now)
        first = now >= self._blocked_until
        self._blocked_until = max(self._blocked_until, now + wait)
        self.refusals += 1
        if first:
            self._learn(now, wait)
        # A refusal ends the current schedule and burst.
        self._next_at = max(self._next_at, self._blocked_until)
        self._burst_left = 0.0
        self._full_since = None

    def _learn(self, now: float, wait: float) -> None:
        allowed = self._allowed_rate(now, wait) * self._share
        if self._before_trial is not None:
            self._end_trial(self._before_trial, allowed, wait)
        elif allowed >= self._places and self._bursts and self._has_burst:
            self._has_burst = False
            return
        else:
            before = self._places
            self._lower(allowed, wait)
            if self._places < before / 2:
                # Much lower than in earlier trials: another client has started, and it may stop again.
                self._failed_trials = 0
        longest = _TRIAL_PAUSE_MINUTES if self._places < self._table else _MAX_TRIAL_PAUSE_MINUTES
        self._next_trial = now + min(_TRIAL_PAUSE_MINUTES * 2.0**self._failed_trials, longest) * self._minute

    def _end_trial(self, before: float, allowed: float, wait: float) -> None:
        self._before_trial, self._accepted_since_trial = None, 0
        self._places = max(before, min(self._places, allowed))
        self._failed_trials = self._failed_trials + 1 if self._places < _SUCCESS * before else 0
        if self._places > before:
            self.learned = self.limit
        elif allowed < _NOTABLE * before:
            self._lower(allowed, wait)

    def _lower(self, allowed: float, wait: float) -> None:
        careful = min(self._places - 1, self._places * (1 - _CAUTION))
        # A server that accepts the next call in two seconds allows at least thirty a minute. Without a lower bound, a
        # client that is refused because of another client's calls would become slower and slower.
        safe = min(self._places, _SAFE_SHARE * self._minute / max(wait, self._minute / 60))
        self._places = max(min(allowed, careful), self._places * _MAX_CUT, safe, 1.0)
        self.learned = self.limit

    def _allowed_rate(self, now: float, wait: float) -> float:
        """Return the calls per minute that Pylon allows, as shown by a refusal: the calls that it accepted, divided by
        the time until it accepts the next one. Infinite if that time is too short to tell."""
        if not self._answered:
            return math.inf if wait < self._minute / 4 else self._places * _MAX_CUT
        # Waits are rounded up to a whole second.
        span = min(self._minute, now - self._answered[0] + wait - self._minute / 60)
        return len(self._answered) * self._minute / span if span > 0 else math.inf

    def _grow(self, now: float) -> None:
        if self._full_since is None or self._places >= self._ceiling or now < self._next_trial:
            return
        if (
            self._failed_trials
            and self._before_trial is None
            and self._accepted_since_trial < _CALLS_AFTER_FAILED_TRIAL
        ):
            return
        minutes = (now - self._full_since) / self._minute
        if minutes < (_FIRST_TRIAL_MINUTES if self._before_trial is None else _STEP_MINUTES):
            return
        if self._accepted_since < _FULL_SHARE * self._places * minutes:
            self._full_since = None
            self._before_trial = None
            return
        if self._before_trial is None:
            self._before_trial = self._places
        self._places = min(self._ceiling, max(self._places + 1, self._places * _STEP_GROWTH))
        self._full_since, self._accepted_since = now, 0


class RateLimiter:
    """Delays the calls of one endpoint, from any number of threads, as its `AdaptiveLimit` requires."""

    def __init__(self, limit: AdaptiveLimit, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._condition = threading.Condition()
        self.waiting_since: float | None = None
        """When the call that is waiting now began to wait (monotonic); None if none is waiting."""

    def enter(self, timeout: float = math.inf) -> bool:
        """Block until a call may be sent, and count it as sent. Each must be followed by `leave` or `refuse`.

        Returns False, with nothing counted, if that takes longer than `timeout` seconds.
        """
        until = self._monotonic() + timeout
        # One thread at a time waits for the limit, the others for that thread; otherwise all of them would wake up
        # for each call.
        if not self._turn.acquire(timeout=min(max(0.0, timeout), threading.TIMEOUT_MAX)):
            return False
        try:
            with self._condition:
                while wait := self.limit.wait(self._monotonic()):
                    left = until - self._monotonic()
                    if left <= 0:
                        self.waiting_since = None
                        return False
                    if self.waiting_since is None:
                        self.waiting_since = self._monotonic()
                    self._condition.wait(min(wait, left, threading.TIMEOUT_MAX))
                self.waiting_since = None
                self.limit.send(self._monotonic())
                return True
        finally:
            self._turn.release()

    def leave(self) -> None:
        """Note that the call was answered or failed."""
        with self._condition:
            self.limit.complete(self._monotonic())
            self._condition.notify_all()

    def refuse(self, wait: float) -> None:
        """Note that the call was refused; no call of this endpoint is sent for `wait` seconds."""
        with self._condition:
            self.limit.refuse(self._monotonic(), wait)
            self._condition.notify_all()

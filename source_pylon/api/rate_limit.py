"""How many calls an endpoint may get, learned from what Pylon accepts.

The CDK's `HttpAPIBudget` counts a call when it is sent, so two calls a minute apart can reach Pylon less than a
minute apart and be refused; it cannot change its limits; and a refusal without a reset time fills its bucket for
every thread. `AdaptiveLimit` below counts a call until a minute after it was answered, and learns.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

_TRIAL_AFTER_MINUTES = 5
_TRIAL_ABOVE_TABLE_AFTER_MINUTES = 10
_CALLS_BETWEEN_TRIALS = 200
"""A refused trial costs a call or two: at most one in a hundred."""
_NEXT_STEP_MINUTES = 1
_STEP_GROWTH = 4
"""From one call more a minute to hundreds in five steps."""
_REFUSED_AGAIN_WITHIN_MINUTES = 3
_LONGEST_TRIAL_PAUSE_MINUTES = 60


class AdaptiveLimit:
    """The calls of one endpoint in the last minute, and how many there may be. Pure: time is passed in, in seconds.

    A call occupies its place from when it is sent until a minute after it was answered. Pylon counted it somewhere
    in between, so it can never see more calls in a minute than `limit`.

    What is learned: calls accepted within a minute are what this client may make of the real limit, if it is then
    refused twice within some minutes (one refusal alone may be another integration's burst). After some minutes at
    the limit without a refusal one call more is tried, then in growing steps, minute after minute, until Pylon
    refuses. Above the published table, trials that were refused come ever more seldom; below it they go on,
    because another integration that took its part may have ended.
    """

    def __init__(self, table: int, minute: float, share: float = 1.0) -> None:
        """`table` calls in `minute` seconds are believed to be allowed; `share` (0 to 1) of what is allowed is used."""
        self.limit = max(1, int(table * share))
        self.refusals = 0
        self.learned: int | None = None
        """The limit as it was last learned from refusals; None as long as nothing is known but the table."""
        self._table = self.limit
        self._share = share
        self._allowed = float("inf")
        self._ceiling = float("inf") if share == 1 else self.limit
        self._minute = minute
        self._answered: deque[float] = deque()
        self._under_way = 0
        self._blocked_until = float("-inf")
        self._refused: tuple[float, int] | None = None
        self._changed_at: float | None = None
        self._was_full = False
        self._accepted_since_change = 0
        self._before_trial: int | None = None
        self._step = 0
        self._failed_trials = 0

    def wait(self, now: float) -> float:
        """Seconds until a call may be sent: 0 for at once, infinity while only an answer under way can tell."""
        if now < self._blocked_until:
            return self._blocked_until - now
        self._forget(now)
        self._maybe_try_more(now)
        if self._under_way + len(self._answered) < self.limit:
            return 0.0
        self._was_full = True
        return self._answered[0] + self._minute - now if self._answered else float("inf")

    def send(self, now: float) -> None:
        """A call leaves."""
        if self._changed_at is None:
            self._changed_at = now
        self._under_way += 1

    def answer(self, now: float) -> None:
        """A call came back, or failed in a way that Pylon may have counted."""
        self._under_way -= 1
        self._accepted_since_change += 1
        self._answered.append(now)
        self._forget(now)
        if len(self._answered) > self._allowed:
            # It was under way when the limit was learned, and so it is part of it.
            self._learn(len(self._answered))

    def refuse(self, now: float, wait: float) -> None:
        """A call was refused with 429; Pylon wants none for `wait` seconds."""
        self._under_way -= 1
        self._forget(now)
        first_of_its_burst = now >= self._blocked_until
        self._blocked_until = max(self._blocked_until, now + wait)
        self.refusals += 1
        if not first_of_its_burst:
            return
        accepted = len(self._answered)
        if self._before_trial is not None:
            self._learn(max(self._before_trial, accepted))
            self._failed_trials += 1
        elif accepted:
            before = self._refused
            if before and now - before[0] < _REFUSED_AGAIN_WITHIN_MINUTES * self._minute:
                # One less than what was refused: a place counts here a little longer or shorter than at Pylon.
                self._learn(min(self.limit - 1, max(accepted, before[1])))
            self._refused = (now, accepted)
        self._before_trial = None
        self._step = 0
        self._begin_anew(now)

    def _learn(self, allowed: int) -> None:
        self._allowed = allowed
        if self._share < 1:
            # Until the sync ends: whoever leaves room for others does not try whether they use it.
            allowed = int(allowed * self._share)
            self._ceiling = max(1, allowed)
        self.limit = self.learned = max(1, allowed)

    def _begin_anew(self, now: float) -> None:
        self._changed_at = now
        self._was_full = False
        self._accepted_since_change = 0

    def _forget(self, now: float) -> None:
        answered = self._answered
        while answered and answered[0] + self._minute <= now:
            answered.popleft()

    def _maybe_try_more(self, now: float) -> None:
        if self._changed_at is None or not self._was_full:
            return
        minutes = (now - self._changed_at) / self._minute
        if minutes < self._trial_pause() or self.limit >= self._ceiling:
            return
        if self._before_trial is None and self._accepted_since_change < _CALLS_BETWEEN_TRIALS:
            return
        self._before_trial = self.limit
        self._allowed = float("inf")
        self._step = self._step * _STEP_GROWTH or 1
        self.limit = int(min(self.limit + self._step, self._ceiling))
        self._begin_anew(now)

    def _trial_pause(self) -> float:
        if self._before_trial is not None:
            return _NEXT_STEP_MINUTES
        if self.limit < self._table:
            return _TRIAL_AFTER_MINUTES
        return float(min(_TRIAL_ABOVE_TABLE_AFTER_MINUTES * 2**self._failed_trials, _LONGEST_TRIAL_PAUSE_MINUTES))


class RateLimiter:
    """Holds back the calls of one endpoint, from any number of threads, until its `AdaptiveLimit` lets them pass."""

    def __init__(self, window: AdaptiveLimit, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.window = window
        self._monotonic = monotonic
        self._condition = threading.Condition()
        self.waiting_since: float | None = None

    def enter(self) -> None:
        """Blocks until a call may be sent, and counts it as sent. Each must be followed by `leave` or `refuse`."""
        with self._condition:
            while wait := self.window.wait(self._monotonic()):
                if self.waiting_since is None:
                    self.waiting_since = self._monotonic()
                self._condition.wait(None if wait == float("inf") else wait)
            self.waiting_since = None
            self.window.send(self._monotonic())

    def leave(self) -> None:
        """The call was answered, or broke off."""
        with self._condition:
            self.window.answer(self._monotonic())
            self._condition.notify_all()

    def refuse(self, wait: float) -> None:
        """The call was refused; none of this endpoint leaves for `wait` seconds."""
        with self._condition:
            self.window.refuse(self._monotonic(), wait)
            self._condition.notify_all()

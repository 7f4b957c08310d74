"""How many calls an endpoint may get, learned from what Pylon accepts.

The CDK's `HttpAPIBudget` counts a call when it is sent, so two calls a minute apart can reach Pylon less than a
minute apart and be refused; it cannot change its limits; and a refusal without a reset time fills its bucket for
every thread. `CallWindow` below counts a call until a minute after it was answered, and learns.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

_TRIAL_AFTER_MINUTES = 5
_TRIAL_ABOVE_TABLE_AFTER_MINUTES = 15
_LONGEST_TRIAL_PAUSE_MINUTES = 60
_TRIAL_SHARE = 0.05


class CallWindow:
    """The calls of one endpoint in the last minute, and how many there may be. Pure: time is passed in, in seconds.

    A call occupies its place from when it is sent until a minute after it was answered. Pylon counted it somewhere
    in between, so it can never see more calls in a minute than `limit`.

    What is learned: calls accepted within a minute are a lower bound of the real limit. A refusal in two
    minutes running means that the limit is what was accepted then (one refusal alone may be another
    integration's burst). After some minutes at the limit without a refusal a small rise is tried; if Pylon
    refuses it, the next trial waits twice as long, so that trials stay below one refused call in a hundred.
    """

    def __init__(self, limit: int, minute: float, ceiling: int | None = None) -> None:
        """`limit` calls in `minute` seconds to begin with; never more than `ceiling` where one is given."""
        self.limit = limit
        self.refusals = 0
        self._table = limit
        self._ceiling = ceiling
        self._minute = minute
        self._answered: deque[float] = deque()
        self._under_way = 0
        self._blocked_until = float("-inf")
        self._accepted_at_refusal: tuple[float, int] | None = None
        self._changed_at: float | None = None
        self._was_full = False
        self._confirmed: int | None = None
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
        self._answered.append(now)
        self._forget(now)
        accepted = len(self._answered)
        if self._accepted_at_refusal and accepted > self.limit:
            self.limit = self._bounded(accepted)

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
        if self._confirmed is not None:
            self.limit, self._confirmed = self._confirmed, None
            self._failed_trials += 1
        elif accepted:
            before = self._accepted_at_refusal
            if before and now - before[0] < 3 * self._minute:
                self.limit = max(1, min(self.limit, max(accepted, before[1])))
            self._accepted_at_refusal = (now, accepted)
        self._step = 0
        self._changed_at = now
        self._was_full = False

    def _forget(self, now: float) -> None:
        answered = self._answered
        while answered and answered[0] + self._minute <= now:
            answered.popleft()

    def _maybe_try_more(self, now: float) -> None:
        if self._changed_at is None or not self._was_full:
            return
        minutes = (now - self._changed_at) / self._minute
        if self._confirmed is not None:
            pause: float = 1
        else:
            first = _TRIAL_AFTER_MINUTES if self.limit < self._table else _TRIAL_ABOVE_TABLE_AFTER_MINUTES
            pause = min(first * 2**self._failed_trials, _LONGEST_TRIAL_PAUSE_MINUTES)
        if minutes < pause:
            return
        self._confirmed = self.limit
        self._step = self._step * 2 or max(1, int(self.limit * _TRIAL_SHARE))
        self.limit = self._bounded(self.limit + self._step)
        self._changed_at = now
        self._was_full = False

    def _bounded(self, limit: int) -> int:
        return limit if self._ceiling is None else min(limit, self._ceiling)


class Gate:
    """Holds back the calls of one endpoint, from any number of threads, until its `CallWindow` lets them pass."""

    def __init__(self, window: CallWindow, monotonic: Callable[[], float] = time.monotonic) -> None:
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

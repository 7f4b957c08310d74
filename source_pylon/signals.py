"""Handles SIGTERM and SIGINT: a sync writes its last states before it stops, anything else stops at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

LAST_WORDS = 5.0
"""Seconds that a sync has after a signal to write its last states. Docker sends SIGKILL ten seconds after SIGTERM."""
_AGAIN = 1.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """Raised when a signal asks the process to end. Not an Exception, so that error handlers do not catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopSignals:
    """Listens to SIGTERM and SIGINT within `with`.

    At first a signal raises Stopped in the main thread. Within `graceful` it only sets `requested`, and Stopped follows
    if the sync has not ended after LAST_WORDS, which happens when nobody reads its output.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        """The signal that was received."""
        self._is_graceful = False

    def __enter__(self) -> StopSignals:
        self._handlers = {signum: signal.getsignal(signum) for signum in (*_SIGNALS, signal.SIGALRM)}
        self._unraisable_hook = sys.unraisablehook
        for signum in _SIGNALS:
            signal.signal(signum, self._stop)
        signal.signal(signal.SIGALRM, self._raise)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        sys.unraisablehook = self._unraisable_hook

    def requested(self) -> bool:
        """Return whether a signal was received."""
        return self.signum is not None

    @contextmanager
    def graceful(self) -> Iterator[None]:
        """Let the caller stop on its own; it must call `requested` often."""
        self._is_graceful = True
        try:
            yield
        finally:
            self._is_graceful = False

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        is_first, self.signum = self.signum is None, signum
        if self._is_graceful and is_first:
            signal.setitimer(signal.ITIMER_REAL, LAST_WORDS, _AGAIN)
            return
        # Python discards an exception that is raised within a destructor, so raise it again until one gets through. It
        # would also print the discarded one to the CDK's print buffer, among the messages.
        sys.unraisablehook = lambda unraisable: None
        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        self._raise(signum, frame)

    def _raise(self, signum: int, frame: FrameType | None) -> NoReturn:
        raise Stopped(self.signum or signum)


def end_by(signum: int) -> NoReturn:
    """End the process by a signal, as if it were not handled. PyAirbyte accepts that as a normal stop."""
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    # The kernel ignores the signal for process 1 of a container; exit with the code that shells use for it.
    os._exit(128 + signum)

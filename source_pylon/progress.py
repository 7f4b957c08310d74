"""How far a sync is, and what it waits for: logged, shown on a terminal, told to Airbyte."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from source_pylon.client.endpoints import Endpoint
from source_pylon.client.errors import PylonError
from source_pylon.timing import Timing

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger("airbyte")

_TICK = 1.0


class Progress:
    """Counts records, and observes the client. Thread-safe enough for figures that are only shown."""

    def __init__(
        self,
        timing: Timing,
        *,
        flush: Callable[[], None] = lambda: None,
        tell_rate_limited: Callable[[str], None] = lambda stream: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`flush` makes buffered output leave; `tell_rate_limited` reports that a stream waits for a rate limit."""
        self._timing = timing
        self._flush = flush
        self._tell_rate_limited = tell_rate_limited
        self._monotonic = monotonic
        self._records: dict[str, int] = {}
        self._users: dict[str, set[str]] = {}
        self._running: set[str] = set()
        self._told: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._waiting: dict[str, float] = {}
        self._stop = threading.Event()
        self._started = monotonic()
        self.details: Callable[[], str] = lambda: ""
        """What the issue streams add to each line: how many of how many, and how long yet."""

    def begin(self, endpoints: Mapping[str, Iterable[Endpoint]]) -> None:
        """A sync of these streams, each with the endpoints that it calls, begins."""
        for stream, used in endpoints.items():
            self._records[stream] = 0
            self._running.add(stream)
            for endpoint in used:
                self._users.setdefault(endpoint.key, set()).add(stream)
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def end(self) -> None:
        """The sync is over."""
        self._stop.set()

    def record(self, stream: str) -> None:
        """A record of a stream has been handed over."""
        self._records[stream] += 1

    def finished(self, stream: str) -> None:
        """A stream is done, or has failed."""
        self._running.discard(stream)

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Logs a refusal by Pylon at most once a minute and endpoint, and tells Airbyte which streams it concerns."""
        now = self._monotonic()
        self._waiting[endpoint.key] = now + seconds
        if now - self._told.get(endpoint.key, float("-inf")) < self._timing.minute:
            return
        self._told[endpoint.key] = now
        logger.info(
            f"Pylon's rate limit of {endpoint.key} is used up, by this connector or another integration; the next call "
            f"leaves in {seconds:.0f} s. About {limit} calls a minute seem to be allowed."
        )
        for stream in sorted(self._users.get(endpoint.key, set()) & self._running):
            self._tell_rate_limited(stream)

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """Logs that Pylon allows another number of calls than was believed."""
        logger.info(f"Pylon allows about {limit} calls a minute of {endpoint.key}; {before} were expected.")

    def retrying(self, endpoint: Endpoint, seconds: float, error: PylonError) -> None:
        """Logs a failed call that is tried again."""
        logger.warning(f"{error} Trying {endpoint.key} again in {seconds:.0f} s.")

    def line(self) -> str:
        """One line that says how far the sync is and what it waits for."""
        now = self._monotonic()
        counts = ", ".join(f"{stream} {count:,}" for stream, count in self._records.items() if count)
        parts = [f"{now - self._started:.0f} s: {counts or 'no record yet'}"]
        if details := self.details():
            parts.append(details)
        waits = [f"{key} ({until - now:.0f} s)" for key, until in list(self._waiting.items()) if until > now]
        if waits:
            parts.append(f"waiting for the rate limit of {', '.join(waits)}")
        if self._running:
            parts.append(f"still reading {', '.join(sorted(self._running))}")
        return "; ".join(parts)

    def _beat(self) -> None:
        bar = self._bar()
        logged = self._monotonic()
        while not self._stop.wait(_TICK):
            # The CDK's print buffer only empties when the next message is written, which may be minutes away.
            self._flush()
            if bar is not None:
                bar.set_description_str(self.line(), refresh=True)
            if self._monotonic() - logged >= self._timing.heartbeat:
                logged = self._monotonic()
                logger.info(f"After {self.line()}.")
        if bar is not None:
            bar.set_description_str(self.line(), refresh=True)
            bar.close()

    @staticmethod
    def _bar() -> "tqdm[Any] | None":
        terminal = sys.__stderr__
        if terminal is None or not terminal.isatty():
            return None
        from tqdm import tqdm

        return tqdm(file=terminal, bar_format="{desc}", dynamic_ncols=True)

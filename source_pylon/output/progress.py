"""How far a sync is, and what it waits for: logged, shown on a terminal, told to Airbyte."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from source_pylon.api.endpoints import Endpoint
from source_pylon.api.errors import PylonError
from source_pylon.timing import Timing

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger("airbyte")

_TICK = 1.0
_LATE = 5.0


class Outlet:
    """Where progress goes, apart from the log. What tells Airbyte is the CDK's business, so it is handed in."""

    def flush(self) -> None:
        """Makes buffered output leave."""

    def hand_over(self) -> None:
        """Makes the records leave that the calling thread has read and that still wait."""

    def rate_limited(self, stream: str) -> None:
        """Tells Airbyte that a stream waits for a rate limit."""

    def estimate(self, stream: str, rows: int) -> None:
        """Tells Airbyte about how many records a stream will give."""

    def signs_of_life(self) -> None:
        """Repeats the states of the streams that are being read."""


class Progress:
    """Counts records, and observes the client. Thread-safe enough for figures that are only shown."""

    def __init__(
        self, timing: Timing, outlet: Outlet | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._timing = timing
        self._outlet = outlet or Outlet()
        self._monotonic = monotonic
        self._records: dict[str, int] = {}
        self._users: dict[str, set[str]] = {}
        self._running: set[str] = set()
        self._told: dict[str, float] = {}
        self._waits: dict[str, tuple[float, str]] = {}
        self._stop = threading.Event()
        self._started = self._last_sign = monotonic()
        self.details: Callable[[], str] = lambda: ""
        """What the issue streams add to each line: how many of how many, and how long yet."""
        self.held_back: Callable[[], Iterable[str]] = tuple
        """The endpoints whose calls the client itself holds back now."""
        self.unanswered: Callable[[], Iterable[tuple[str, float]]] = tuple
        """The endpoints with calls that have no answer yet, and for how many seconds."""

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

    def checkpoint(self) -> None:
        """A state has been emitted."""
        self._last_sign = self._monotonic()

    def finished(self, stream: str) -> None:
        """A stream is done, or has failed."""
        if stream in self._running:
            self._running.discard(stream)
            logger.info(f"{self._records[stream]:,} records of stream {stream} have been read.")

    def estimate(self, stream: str, rows: int) -> None:
        """A stream will give about this many records."""
        self._outlet.estimate(stream, rows)

    def about_to_wait(self) -> None:
        """To be called by a thread that reads before it waits: what it has read is not kept back meanwhile."""
        self._outlet.hand_over()

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Logs a refusal by Pylon at most once a minute and endpoint, and tells Airbyte which streams it concerns."""
        now = self._monotonic()
        self._waits[endpoint.key] = (now + seconds, "its rate limit, as Pylon asks")
        if now - self._told.get(endpoint.key, float("-inf")) < self._timing.minute:
            return
        self._told[endpoint.key] = now
        logger.info(
            f"Pylon's rate limit of {endpoint.key} is used up, by this connector or another integration; the next call "
            f"leaves in {seconds:.0f} s. About {limit} calls a minute seem to be allowed."
        )
        for stream in sorted(self._users.get(endpoint.key, set()) & self._running):
            self._outlet.rate_limited(stream)

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """Logs that Pylon allows another number of calls than was believed."""
        logger.info(f"Pylon allows about {limit} calls a minute of {endpoint.key}; {before} were expected.")

    def retrying(self, endpoint: Endpoint, seconds: float, error: PylonError) -> None:
        """Logs a failed call that is tried again."""
        self._waits[endpoint.key] = (self._monotonic() + seconds, "another try")
        logger.warning(f"{error} Trying {endpoint.key} again in {seconds:.0f} s.")

    def line(self) -> str:
        """One line that says how far the sync is and what it waits for."""
        now = self._monotonic()
        parts = [f"{now - self._started:.0f} s: {sum(self._records.values()):,} records"]
        if details := self.details():
            parts.append(details)
        waits = [
            f"{key} waits {until - now:.0f} s for {reason}"
            for key, (until, reason) in list(self._waits.items())
            if until > now
        ]
        waits += [f"{key} waits for its share of the rate limit" for key in self.held_back()]
        longest: dict[str, float] = {}
        for key, seconds in self.unanswered():
            longest[key] = max(seconds, longest.get(key, 0.0))
        late = min(_LATE, self._timing.heartbeat)
        waits += [f"{key} has not answered for {s:.0f} s" for key, s in longest.items() if s >= late]
        parts.extend(waits)
        if counts := ", ".join(f"{stream} {count:,}" for stream, count in self._records.items() if count):
            parts.append(f"so far {counts}")
        if self._running:
            parts.append(f"still reading {', '.join(sorted(self._running))}")
        return "; ".join(parts)

    def _beat(self) -> None:
        bar = self._bar()
        logged = self._monotonic()
        seen = 0
        while not self._stop.wait(min(_TICK, self._timing.heartbeat)):
            # The CDK's print buffer only empties when the next message is written, which may be minutes away.
            self._outlet.flush()
            if bar is not None:
                bar.set_description_str(self.line(), refresh=True)
            now = self._monotonic()
            if (total := sum(self._records.values())) != seen:
                seen, self._last_sign = total, now
            if now - logged >= self._timing.heartbeat:
                logged = now
                logger.info(f"After {self.line()}.")
            if now - self._last_sign >= self._timing.silence:
                self._last_sign = now
                self._outlet.signs_of_life()
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

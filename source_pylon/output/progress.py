"""Reports the progress of a sync and what it waits for: in the log, on a terminal, and to Airbyte."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from source_pylon.api.client import Observer
from source_pylon.api.endpoints import Endpoint
from source_pylon.api.errors import PylonError
from source_pylon.extraction.stream import ReadingProgress
from source_pylon.timing import Timing

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger("airbyte")

_TICK = 1.0
_SLOW_RESPONSE = 5.0


class ProgressSink:
    """Receives progress besides the log and the terminal. This class ignores it; the runner passes it to Airbyte."""

    def flush(self) -> None:
        """Write buffered output."""

    def rate_limited(self, stream: str) -> None:
        """Report that a stream waits for a rate limit."""

    def repeat_states(self) -> None:
        """Repeat the states of the streams that are being read."""


class Progress(Observer):
    """Counts records, observes the client, and reports both. Its figures are only displayed, so they need no lock."""

    def __init__(
        self, timing: Timing, sink: ProgressSink | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._timing = timing
        self.sink = sink or ProgressSink()
        self._monotonic = monotonic
        self._records: dict[str, int] = {}
        self._streams_by_endpoint: dict[str, set[str]] = {}
        self._running: set[str] = set()
        self._refusal_logged: dict[str, float] = {}
        self._waits: dict[str, tuple[float, str]] = {}
        self._stop = threading.Event()
        self._started = self._logged = self._last_sign = monotonic()
        self._total_reported = 0
        self._reading: Callable[[], ReadingProgress] = lambda: ReadingProgress("", "")
        self.waiting_endpoints: Callable[[], Iterable[str]] = tuple
        """Returns the endpoints whose requests the client holds back now to keep their rate limit."""
        self.in_flight: Callable[[], Iterable[tuple[str, float]]] = tuple
        """Returns the endpoints with requests that have no response yet, and for how many seconds."""

    # --- what the runner and the streams report -------------------------------------------------------------------

    def begin(self, endpoints: Mapping[str, Iterable[Endpoint]]) -> None:
        """Start reporting a sync of these streams, each with the endpoints that it calls."""
        for stream, used in endpoints.items():
            self._records[stream] = 0
            self._running.add(stream)
            for endpoint in used:
                self._streams_by_endpoint.setdefault(endpoint.key, set()).add(stream)
        threading.Thread(target=self._report, name="progress", daemon=True).start()

    def end(self) -> None:
        """Stop reporting."""
        self._stop.set()

    def records(self, stream: str, count: int) -> None:
        """Count records of a stream that are ready to be written."""
        self._records[stream] += count

    def checkpoint(self) -> None:
        """Note that a state was emitted."""
        self._last_sign = self._monotonic()

    def finished(self, stream: str) -> None:
        """Log that a stream is complete or has failed."""
        if stream in self._running:
            self._running.discard(stream)
            logger.info(f"Read {self._records[stream]:,} records of stream {stream}.")

    def follow(self, reading: Callable[[], ReadingProgress]) -> None:
        """Show what `reading` returns in each report: how far a long reading is."""
        self._reading = reading

    # --- what the client reports ----------------------------------------------------------------------------------

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Log a refusal by Pylon at most once a minute and endpoint, and report the streams that it holds up."""
        now = self._monotonic()
        self._waits[endpoint.key] = (now + seconds, "for its rate limit")
        if now - self._refusal_logged.get(endpoint.key, float("-inf")) < self._timing.minute:
            return
        self._refusal_logged[endpoint.key] = now
        logger.info(
            f"Pylon's rate limit for {endpoint.key} is used up, by this connector or another integration. "
            f"The next request is sent in {seconds:.0f} s. Pylon seems to allow about {limit} requests a minute."
        )
        for stream in sorted(self._streams_by_endpoint.get(endpoint.key, set()) & self._running):
            self.sink.rate_limited(stream)

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """Log that Pylon allows another number of requests than assumed."""
        logger.info(f"Pylon allows about {limit} requests a minute for {endpoint.key}, not {before} as assumed.")

    def retrying(self, endpoint: Endpoint, seconds: float, error: PylonError) -> None:
        """Log a failed request that will be retried."""
        self._waits[endpoint.key] = (self._monotonic() + seconds, "before another try")
        logger.warning(f"{error} Retrying {endpoint.key} in {seconds:.0f} s.")

    # --- what is shown --------------------------------------------------------------------------------------------

    def line(self) -> str:
        """Return one line for the log."""
        reading = self._reading()
        parts = [f"{self._elapsed()}: {self._total():,} records", ", ".join(filter(None, (reading.done, reading.left)))]
        parts += self._waiting()
        if counts := self._counts():
            parts.append(f"so far {counts}")
        if self._running:
            parts.append(f"still reading {', '.join(sorted(self._running))}")
        return "; ".join(filter(None, parts))

    def terminal_lines(self) -> tuple[str, str]:
        """Return two lines for a terminal, the most important first in each, because narrow ones cut their ends."""
        reading = self._reading()
        urgent = [reading.left, *self._waiting()] if self._running else []
        first = "; ".join(filter(None, urgent)) or ("Reading" if self._running else "Done")
        second = [f"{self._total():,} records in {self._elapsed()}", reading.done, self._counts()]
        return first[:1].upper() + first[1:], "; ".join(filter(None, second))

    def report(self) -> None:
        """Log a line and repeat the states if it is time to; a thread calls this every second."""
        # The CDK's print buffer only empties when the next message is written, which may be minutes away.
        self.sink.flush()
        now = self._monotonic()
        if (total := self._total()) != self._total_reported:
            self._total_reported, self._last_sign = total, now
        if now - self._logged >= self._timing.heartbeat:
            self._logged = now
            logger.info(f"After {self.line()}.")
        if now - self._last_sign >= self._timing.max_silence:
            self._last_sign = now
            self.sink.repeat_states()

    def _elapsed(self) -> str:
        return f"{self._monotonic() - self._started:.0f} s"

    def _total(self) -> int:
        return sum(self._records.values())

    def _counts(self) -> str:
        return ", ".join(f"{stream} {count:,}" for stream, count in self._records.items() if count)

    def _waiting(self) -> list[str]:
        now = self._monotonic()
        waits = {
            key: f"{key} waits {until - now:.0f} s {reason}"
            for key, (until, reason) in list(self._waits.items())
            if until > now
        }
        for key in self.waiting_endpoints():
            waits.setdefault(key, f"{key} waits for its rate limit")
        slow = min(_SLOW_RESPONSE, self._timing.heartbeat)
        longest: dict[str, float] = {}
        for key, seconds in self.in_flight():
            longest[key] = max(seconds, longest.get(key, 0.0))
        return [*waits.values(), *(f"{key} has not responded for {s:.0f} s" for key, s in longest.items() if s >= slow)]

    def _report(self) -> None:
        bars = self._bars()
        while not self._stop.wait(min(_TICK, self._timing.heartbeat)):
            self.report()
            self._show(bars)
        self._show(bars)
        for bar in bars:
            bar.close()

    def _show(self, bars: Iterable[tqdm[Any]]) -> None:
        for bar, text in zip(bars, self.terminal_lines(), strict=False):
            bar.set_description_str(text, refresh=True)

    @staticmethod
    def _bars() -> list[tqdm[Any]]:
        """Return one bar per line of the display; no bars if standard error is not a terminal."""
        terminal = sys.__stderr__
        if terminal is None or not os.isatty(2) or not terminal.isatty():
            return []
        from tqdm import tqdm

        return [tqdm(file=terminal, bar_format="{desc}", dynamic_ncols=True, position=line) for line in (0, 1)]

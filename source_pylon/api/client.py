"""The client of Pylon's API: rate limits, retries, checks of responses, and pagination."""

import contextlib
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from operator import methodcaller
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.clock import Clock, utc_now
from source_pylon.api.endpoints import ME, Endpoint, Paging, calls_per_minute
from source_pylon.api.errors import Action
from source_pylon.api.pagination import Page, paginate
from source_pylon.api.rate_limit import AdaptiveLimit, RateLimiter
from source_pylon.api.transport import Exchange, Transport
from source_pylon.timing import Timing

logger = logging.getLogger("airbyte")

_MAX_INVALID_RESPONSES = 4
_MAX_GLITCHES = 11
"""The stream fails at this many responses without data for one page. A production client of 2026 retries ten times."""
_GLITCH_PAUSE = 0.1
"""The first pause after a glitched page, as a share of `retry_base`; the n-th pause is n times as long."""
_NOTABLE_CHANGE = 0.25
"""Log a learned limit again only after it changed by this fraction: with two integrations it varies all the time."""


class Observer:
    """Receives the reasons for which the client waits. This class ignores them."""

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Pylon refused a request to `endpoint`; the next is sent in `seconds`; about `limit` a minute seem allowed."""

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """About `limit` requests a minute to `endpoint` are allowed, not `before` as assumed."""

    def retrying(self, endpoint: Endpoint, seconds: float, error: errors.PylonError) -> None:
        """A request to `endpoint` failed with `error` and is retried in `seconds`."""


identity: Callable[[Mapping[str, Any]], object] = methodcaller("get", "id")
"""A record's `id`, or None where it has none."""


class PylonClient:
    """Pylon's API for one token. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        *,
        region: str = "us",
        timing: Timing | None = None,
        share_percent: int = 100,
        limits: Callable[[Endpoint], int] = calls_per_minute,
        observer: Observer | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Each endpoint is used at `share_percent` of the requests per minute that `limits` returns."""
        self._transport = transport
        self._region = region
        self._timing = timing or Timing()
        self._share_percent = share_percent
        self._limits = limits
        self.observer = observer or Observer()
        self._sleep = sleep
        self.clock = Clock(now)
        """The current time, by this machine and by Pylon."""
        self._deadline = time.monotonic() + self._timing.time_limit
        self._in_flight: dict[int, tuple[str, float]] = {}
        self._limiters: dict[str, RateLimiter] = {}
        self._reported: dict[str, int] = {}
        self._lock = threading.Lock()

    def limiter(self, endpoint: Endpoint) -> RateLimiter:
        """Return the rate limiter of `endpoint`."""
        with self._lock:
            limiter = self._limiters.get(endpoint.key)
            if limiter is None:
                limit = AdaptiveLimit(self._limits(endpoint), self._timing.minute, self._share_percent / 100)
                limiter = self._limiters[endpoint.key] = RateLimiter(limit)
                self._reported[endpoint.key] = limit.limit
            return limiter

    def waiting_endpoints(self) -> list[str]:
        """Return the keys of the endpoints whose requests are waiting for their rate limit."""
        with self._lock:
            return [key for key, limiter in self._limiters.items() if limiter.waiting_since is not None]

    def in_flight(self) -> list[tuple[str, float]]:
        """Return, for each request without a response, the endpoint's key and the seconds since it was sent."""
        now = time.monotonic()
        return [(key, now - since) for key, since in list(self._in_flight.values())]

    def now(self) -> datetime:
        """Return this machine's time in UTC: the clock when the client was made, plus the time elapsed since."""
        return self.clock.machine()

    def ask_time(self) -> datetime:
        """Return the later of this machine's time and Pylon's; makes a request if Pylon's time is not known.

        Raises PylonError.
        """
        if not self.clock.has_learned:
            with contextlib.suppress(errors.Forbidden):
                self.request(ME)
        return self.clock.latest()

    def request(
        self,
        endpoint: Endpoint,
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        on_large: Callable[[], None] | None = None,
        page: int | None = None,
    ) -> dict[str, Any]:
        """Send a request, with retries, and return the envelope of its successful response.

        `ids` fill the path's placeholders; for `on_large` see `Transport.exchange`; `page` is only logged.

        What each failure leads to is in the error table (`errors.py`): 429 is obeyed without counting as an attempt,
        5xx and broken connections are retried with growing, jittered waits (or longer, if a 503 says so), a
        glitched page is requested up to ten times more, and everything else raises its PylonError.
        """
        path = endpoint.path_for(*ids)
        cursor = (body or query or {}).get("cursor")
        failures: Counter[type[errors.PylonError]] = Counter()
        attempts = 0
        refused_since: float | None = None
        while True:
            wait: float | None = None
            try:
                exchange = self._send(endpoint, path, query, body, on_large, page=page)
                if 200 <= exchange.status < 300:
                    return responses.envelope(endpoint, exchange.body, cursor)
                error = responses.failure(endpoint, exchange.status, exchange.body, self._region)
                action = responses.action_for(exchange)
                if action is Action.WAIT:
                    now = time.monotonic()
                    refused_since = now if refused_since is None else refused_since
                    if now - refused_since > self._timing.rate_limit_patience:
                        raise error
                    self._raise_if_out_of_time(error)
                    continue
                if action is not Action.RETRY:
                    raise error
                wait = self._requested_wait(exchange)
            except errors.ReadStalled:
                continue
            except errors.GlitchedPage as glitch:
                failures[errors.GlitchedPage] += 1
                if failures[errors.GlitchedPage] >= _MAX_GLITCHES:
                    raise
                self._pause(endpoint, self._timing.retry_base * _GLITCH_PAUSE * failures[errors.GlitchedPage], glitch)
                continue
            except errors.InvalidResponse as invalid:
                failures[errors.InvalidResponse] += 1
                if failures[errors.InvalidResponse] >= _MAX_INVALID_RESPONSES:
                    raise
                error = invalid
            except errors.Unreachable as unreachable:
                error = unreachable
            attempts += 1
            if attempts >= self._timing.retry_attempts:
                raise error
            self._pause(endpoint, max(self._backoff(attempts), wait or 0.0), error)

    def pages(
        self,
        endpoint: Endpoint,
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        limit: int | None = None,
        key: Callable[[dict[str, Any]], object] = identity,
    ) -> Iterator[Page]:
        """Yield the records of a list, page by page; `cursor` and `limit` go where the endpoint expects them."""
        size = limit or endpoint.page_size
        number = 0

        def fetch(cursor: str | None) -> dict[str, Any]:
            nonlocal number
            number += 1
            paging = {"limit": size} if cursor is None else {"limit": size, "cursor": cursor}
            in_query = {**(query or {}), **paging} if endpoint.paging is Paging.QUERY else query
            in_body = {**(body or {}), **paging} if endpoint.paging is Paging.BODY else body
            return self.request(endpoint, *ids, query=in_query, body=in_body, page=number)

        return paginate(endpoint, fetch, key)

    def _send(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        on_large: Callable[[], None] | None,
        *,
        page: int | None,
    ) -> Exchange:
        limiter = self.limiter(endpoint)
        if not limiter.enter(self._time_left()):
            raise self._out_of_time(f"Requests to {endpoint.key} have to wait for its rate limit.", endpoint.key)
        wait: float | None = None
        began = time.monotonic()
        self._in_flight[threading.get_ident()] = (endpoint.key, began)
        outcome = "no response"
        try:
            exchange = self._transport.exchange(
                endpoint.method, path, query, body, on_large, time_limit=self._time_left()
            )
            outcome = f"status {exchange.status}, {len(exchange.body)} bytes"
            if 200 <= exchange.status < 300:
                # Only from successful responses: a gateway's own error page has the gateway's time.
                self.clock.learn(exchange.headers.get("Date"))
            elif responses.action_for(exchange) is Action.WAIT:
                wait = self._requested_wait(exchange)
                # The requests of the last minute expire one by one; a quarter of a minute frees some of them.
                wait = self._timing.minute / 4 if wait is None else wait
        except errors.PylonError as error:
            outcome = f"{type(error).__name__} ({error.detail})"
            raise
        finally:
            self._in_flight.pop(threading.get_ident(), None)
            if wait is None:
                limiter.leave()
            if logger.isEnabledFor(logging.DEBUG):
                paging = "" if page is None else f", page {page}"
                logger.debug(f"{endpoint.key}{paging}: {outcome}, {time.monotonic() - began:.3f} s")
        if wait is not None:
            limiter.refuse(wait)
            self.observer.rate_limited(endpoint, wait, limiter.limit.limit)
            self._report_learned(endpoint, limiter.limit.learned)
        return exchange

    def _report_learned(self, endpoint: Endpoint, learned: int | None) -> None:
        with self._lock:
            before = self._reported[endpoint.key]
            if learned is None or abs(learned - before) <= _NOTABLE_CHANGE * before:
                return
            self._reported[endpoint.key] = learned
        self.observer.learned(endpoint, before, learned)

    def _requested_wait(self, exchange: Exchange) -> float | None:
        asked = responses.retry_after(exchange.headers, self.clock.earliest())
        return None if asked is None else min(asked, self._timing.longest_rate_limit_wait)

    def _backoff(self, attempt: int) -> float:
        longest = min(self._timing.retry_cap, self._timing.retry_base * 2.0 ** (attempt - 1))
        return longest * (0.5 + random.random() / 2)  # noqa: S311 jitter, not a secret

    def _pause(self, endpoint: Endpoint, seconds: float, error: errors.PylonError) -> None:
        self.observer.retrying(endpoint, seconds, error)
        self._raise_if_out_of_time(error, seconds)
        self._sleep(seconds)

    def _time_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _raise_if_out_of_time(self, error: errors.PylonError, seconds: float = 0.0) -> None:
        if seconds >= self._time_left():
            raise self._out_of_time(error.user_message, error.detail)

    def _out_of_time(self, reason: str, detail: str) -> errors.TimeLimitReached:
        return errors.TimeLimitReached(
            f"Pylon gave no usable response within {self._timing.time_limit:.0f} seconds. {reason}", detail
        )

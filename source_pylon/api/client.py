"""Requests to Pylon, as the streams make them: within the allowance, tried again, judged, page by page."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from source_pylon.api import errors, responses
from source_pylon.api.endpoints import ME, Endpoint, Paging, calls_per_minute
from source_pylon.api.pagination import Page, paginate
from source_pylon.api.rate_limit import AdaptiveLimit, RateLimiter
from source_pylon.api.responses import Action
from source_pylon.api.transport import Exchange, Transport
from source_pylon.timing import Timing

_ATTEMPTS_AT_A_BAD_ANSWER = 4
_WORTH_TELLING = 0.25
"""A limit is told again when it changes by this share; what two integrations take from each other is not."""


class Observer(Protocol):
    """Who wants to know why the client waits."""

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Pylon refused a call of `endpoint`; the next leaves in `seconds`; `limit` calls a minute seem allowed."""

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """`endpoint` may be called `limit` times a minute; `before` was what was believed."""

    def retrying(self, endpoint: Endpoint, seconds: float, error: errors.PylonError) -> None:
        """A call of `endpoint` failed with `error` and is tried again in `seconds`."""

    def about_to_wait(self) -> None:
        """This thread is going to wait for an answer."""


class NullObserver:
    """An observer that does nothing."""

    def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
        """Does nothing."""

    def learned(self, endpoint: Endpoint, before: int, limit: int) -> None:
        """Does nothing."""

    def retrying(self, endpoint: Endpoint, seconds: float, error: errors.PylonError) -> None:
        """Does nothing."""

    def about_to_wait(self) -> None:
        """Does nothing."""


def identity(record: Mapping[str, Any]) -> object:
    """A record's `id`, or None where it has none."""
    return record.get("id")


class PylonClient:
    """Pylon's API for one token. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        *,
        region: str = "us",
        timing: Timing | None = None,
        share_percent: int = 100,
        allowance: Callable[[Endpoint], int] = calls_per_minute,
        observer: Observer | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """`share_percent` of what `allowance` says (calls a minute) is used of each endpoint."""
        self._transport = transport
        self._region = region
        self._timing = timing or Timing()
        self._share_percent = share_percent
        self._allowance = allowance
        self.observer: Observer = observer or NullObserver()
        self._sleep = sleep
        # The wall clock is looked at once: a step of it while a sync runs would take the marks of states along.
        self._began, self._began_at = now(), time.monotonic()
        self._unanswered: dict[int, tuple[str, float]] = {}
        self._gates: dict[str, RateLimiter] = {}
        self._believed: dict[str, int] = {}
        self._lock = threading.Lock()
        self._clock_offset: timedelta | None = None

    def gate(self, endpoint: Endpoint) -> RateLimiter:
        """What holds back the calls of `endpoint`."""
        with self._lock:
            gate = self._gates.get(endpoint.key)
            if gate is None:
                window = AdaptiveLimit(self._allowance(endpoint), self._timing.minute, self._share_percent / 100)
                gate = self._gates[endpoint.key] = RateLimiter(window)
                self._believed[endpoint.key] = window.limit
            return gate

    def held_back(self) -> list[str]:
        """The endpoints, by their keys, whose calls wait for their allowance now."""
        with self._lock:
            return [key for key, gate in self._gates.items() if gate.waiting_since is not None]

    def unanswered(self) -> list[tuple[str, float]]:
        """The endpoints, by their keys, with calls that have no answer yet, and for how many seconds."""
        now = time.monotonic()
        return [(key, now - since) for key, since in list(self._unanswered.values())]

    def now(self) -> datetime:
        """This machine's time in UTC, as its clock showed it when the client was made, and what has passed since."""
        return self._began + timedelta(seconds=time.monotonic() - self._began_at)

    def server_time(self, moment: datetime) -> datetime:
        """Pylon's time when this machine's clock showed `moment`, by the `Date` header of Pylon's first answer.

        Where a sync stops must not depend on a machine whose clock runs minutes ahead. Before an answer, and
        where it has no such header, this machine's time stands.
        """
        return moment + (self._clock_offset or timedelta(0))

    def ask_time(self) -> datetime:
        """Pylon's time now, asked for if no answer has told it yet. Raises PylonError."""
        if self._clock_offset is None:
            with contextlib.suppress(errors.Forbidden):
                self.request(ME)
        return self.server_time(self.now())

    def request(
        self,
        endpoint: Endpoint,
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        on_large: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """The envelope of one good answer. `ids` fill the path's placeholders; `on_large` as of `Transport.exchange`.

        Obeys 429 without counting it as an attempt, tries again after 5xx and broken connections with growing,
        jittered waits, and raises a PylonError when that does not help.
        """
        self.observer.about_to_wait()
        path = endpoint.path_for(*ids)
        attempts = 0
        bad_answers = 0
        refusals = 0
        refused_since: float | None = None
        while True:
            try:
                exchange = self._send(endpoint, path, query, body, on_large)
                action = responses.action_for(exchange.status)
                if action is Action.USE:
                    return responses.envelope(endpoint, exchange.body)
                if action is Action.WAIT:
                    refusals += 1
                    refused_since = refused_since or time.monotonic()
                    if time.monotonic() - refused_since > self._timing.rate_limit_patience:
                        raise errors.Unavailable(
                            f"Pylon has refused every call of {endpoint.key} for too many requests. Another "
                            "integration may use up your organisation's rate limit.",
                            f"{endpoint.key}, status 429, {refusals} times",
                        )
                    continue
                error = responses.failure(endpoint, exchange.status, exchange.body, self._region)
                if action is Action.FAIL:
                    raise error
            except errors.ReadStalled:
                continue
            except errors.InvalidResponse as bad:
                bad_answers += 1
                if bad_answers >= _ATTEMPTS_AT_A_BAD_ANSWER:
                    raise
                error = bad
            except errors.Unreachable as unreachable:
                error = unreachable
            attempts += 1
            if attempts >= self._timing.retry_attempts:
                raise error
            seconds = self._backoff(attempts)
            self.observer.retrying(endpoint, seconds, error)
            self._sleep(seconds)

    def pages(
        self,
        endpoint: Endpoint,
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        limit: int | None = None,
        key: Callable[[dict[str, Any]], object] = identity,
    ) -> Iterator[Page]:
        """The records of a list, page by page; `cursor` and `limit` go where the endpoint takes them."""
        size = limit or endpoint.page_size

        def fetch(cursor: str | None) -> dict[str, Any]:
            paging: dict[str, Any] = {"limit": size}
            if cursor is not None:
                paging["cursor"] = cursor
            if endpoint.paging is Paging.BODY:
                return self.request(endpoint, *ids, query=query, body={**(body or {}), **paging})
            if endpoint.paging is Paging.QUERY:
                return self.request(endpoint, *ids, query={**(query or {}), **paging}, body=body)
            return self.request(endpoint, *ids, query=query, body=body)

        return paginate(endpoint, fetch, key)

    def _send(
        self,
        endpoint: Endpoint,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        on_large: Callable[[], None] | None,
    ) -> Exchange:
        gate = self.gate(endpoint)
        gate.enter()
        wait: float | None = None
        self._unanswered[threading.get_ident()] = (endpoint.key, time.monotonic())
        try:
            exchange = self._transport.exchange(endpoint.method, path, query, body, on_large)
            self._learn_clock(exchange)
            if responses.action_for(exchange.status) is Action.WAIT:
                wait = self._wait_for(exchange)
        finally:
            self._unanswered.pop(threading.get_ident(), None)
            if wait is None:
                gate.leave()
        if wait is not None:
            gate.refuse(wait)
            self.observer.rate_limited(endpoint, wait, gate.window.limit)
            self._tell_learned(endpoint, gate.window.learned)
        return exchange

    def _tell_learned(self, endpoint: Endpoint, learned: int | None) -> None:
        with self._lock:
            before = self._believed[endpoint.key]
            if learned is None or abs(learned - before) <= _WORTH_TELLING * before:
                return
            self._believed[endpoint.key] = learned
        self.observer.learned(endpoint, before, learned)

    def _wait_for(self, exchange: Exchange) -> float:
        asked = responses.rate_limit_wait(exchange.headers, self.server_time(self.now()))
        if asked is None:
            # Places in a window of a minute free up one by one; a quarter of a minute finds some of them.
            return self._timing.minute / 4
        return min(asked, self._timing.longest_rate_limit_wait)

    def _learn_clock(self, exchange: Exchange) -> None:
        if self._clock_offset is None:
            date = responses.http_date(exchange.headers.get("Date"))
            self._clock_offset = date - self.now() if date else timedelta(0)

    def _backoff(self, attempt: int) -> float:
        longest = min(self._timing.retry_cap, self._timing.retry_base * 2.0 ** (attempt - 1))
        return longest * (0.5 + random.random() / 2)  # noqa: S311 jitter, not a secret

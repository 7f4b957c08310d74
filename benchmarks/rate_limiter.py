"""How well the rate limiter uses what a server allows, simulated.

python -m benchmarks.rate_limiter
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, product
from random import Random
from typing import Protocol

from benchmarks.report import Report, table
from source_pylon.api.rate_limit import AdaptiveLimit

MINUTE = 60.0


class Server(Protocol):
    """Grants or refuses calls."""

    def wait(self, now: float) -> float:
        """0 where a call is granted, else the seconds until one would be."""


@dataclass
class SlidingWindow:
    """Grants `limit` calls in any minute, of which other clients take some; refused calls do not count."""

    limit: int
    taken: Callable[[float], int] = lambda now: 0
    granted: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """See Server."""
        allowed = max(1, self.limit - self.taken(now))
        while self.granted and self.granted[0] <= now - MINUTE:
            self.granted.popleft()
        if len(self.granted) < allowed:
            self.granted.append(now)
            return 0.0
        return self.granted[len(self.granted) - allowed] + MINUTE - now


@dataclass
class FixedWindow:
    """Grants `limit` calls in each minute of the clock, of which other clients take some."""

    limit: int
    taken: Callable[[float], int] = lambda now: 0
    minute: int = -1
    granted: int = 0

    def wait(self, now: float) -> float:
        """See Server."""
        if int(now // MINUTE) != self.minute:
            self.minute, self.granted = int(now // MINUTE), 0
        if self.granted < self.limit - self.taken(now):
            self.granted += 1
            return 0.0
        return (self.minute + 1) * MINUTE - now


@dataclass
class TokenBucket:
    """Grants `limit` calls a minute, and up to `burst` at once; the bucket is full at first."""

    limit: int
    burst: int
    tokens: float = math.nan
    filled_at: float = 0.0

    def wait(self, now: float) -> float:
        """See Server."""
        tokens = self.burst if math.isnan(self.tokens) else self.tokens
        self.tokens = min(self.burst, tokens + (now - self.filled_at) * self.limit / MINUTE)
        self.filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * MINUTE / self.limit


@dataclass
class EvenClient:
    """Another integration: calls evenly, `calls` a minute, and drops what is refused."""

    calls: float
    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


@dataclass
class Outcome:
    """When each client's calls were granted and refused."""

    granted: list[list[float]]
    refused: list[list[float]]
    limits: list[AdaptiveLimit]
    other: EvenClient | None

    def used(self, since: float = 0.0, until: float = math.inf) -> int:
        """Granted calls between two minutes, of all clients with a limiter."""
        return sum(since * MINUTE <= at < until * MINUTE for moments in self.granted for at in moments)

    def refused_share(self, since: float = 0.0, until: float = math.inf) -> float:
        """The share of refused calls between two minutes."""
        refused = sum(since * MINUTE <= at < until * MINUTE for moments in self.refused for at in moments)
        return refused / max(1, refused + self.used(since, until))


def simulate(
    server: Server,
    limits: list[AdaptiveLimit],
    minutes: float,
    *,
    latency: float = 0.3,
    workers: int = 10,
    seed: int = 1,
    other: EvenClient | None = None,
) -> Outcome:
    """Every client has `workers` that call as often as its limiter lets them.

    A call takes up to `latency` seconds to the server and as long back, evenly distributed. A refusal says its wait in
    whole seconds, rounded up, as HTTP headers do.
    """
    rng, order = Random(seed), count()
    events: list[tuple[float, int, str, int, float]] = [(0.0, next(order), "wake", i, 0.0) for i in range(len(limits))]
    if other is not None:
        events.append((0.0, next(order), "other", 0, 0.0))
    idle = [workers] * len(limits)
    outcome = Outcome([[] for _ in limits], [[] for _ in limits], limits, other)
    woken: list[float | None] = [None] * len(limits)
    heapq.heapify(events)
    while events:
        now, _, kind, client, wait = heapq.heappop(events)
        if now > minutes * MINUTE:
            break
        if kind == "other" and other is not None:
            (other.refused if server.wait(now) else other.granted).append(now)
            heapq.heappush(events, (now + MINUTE / other.calls, next(order), "other", 0, 0.0))
            continue
        limit = limits[client]
        if kind == "arrive":
            heapq.heappush(events, (now + latency * rng.random(), next(order), "back", client, server.wait(now)))
            continue
        if kind == "back":
            idle[client] += 1
            if wait:
                limit.refuse(now, float(math.ceil(wait)))
                outcome.refused[client].append(now)
            else:
                limit.complete(now)
                outcome.granted[client].append(now)
        else:
            woken[client] = None
        while idle[client]:
            pause = limit.wait(now)
            if not pause:
                limit.send(now)
                idle[client] -= 1
                heapq.heappush(events, (now + latency * rng.random(), next(order), "arrive", client, 0.0))
                continue
            due, planned = now + pause + 1e-6, woken[client]
            if pause < math.inf and (planned is None or due < planned):
                woken[client] = due
                heapq.heappush(events, (due, next(order), "wake", client, 0.0))
            break
    return outcome


BELIEFS = (30, 120, 300)
ALLOWANCES = (20, 60, 120, 300, 1000)
SERVERS: dict[str, Callable[[int], Server]] = {
    "fixed window": FixedWindow,
    "sliding window": SlidingWindow,
    "token bucket, full": lambda limit: TokenBucket(limit, limit),
    "token bucket, 10": lambda limit: TokenBucket(limit, 10),
    "token bucket, 1": lambda limit: TokenBucket(limit, 1),
}


def rows() -> Iterator[list[str]]:
    """The table: one row for each server, limit, belief, and with or without a second client."""
    for (name, make), allowed, second in product(SERVERS.items(), ALLOWANCES, (False, True)):
        for belief in BELIEFS:
            other = EvenClient(allowed / 3) if second else None
            workers = max(10, allowed // 20)
            outcome = simulate(make(allowed), [AdaptiveLimit(belief, MINUTE)], 60, workers=workers, other=other)
            possible = allowed - (allowed / 3 if second else 0)
            shares = [outcome.used(a, b) / (possible * (b - a)) for a, b in ((0, 10), (10, 60))]
            refused_to_other = len(other.refused) / (len(other.refused) + len(other.granted)) if other else None
            yield [
                name, f"{allowed}", f"{belief}", "yes" if second else "", *(f"{share:.0%}" for share in shares),
                f"{outcome.refused_share(0, 10):.1%}", f"{outcome.refused_share(10, 60):.1%}",
                "" if refused_to_other is None else f"{refused_to_other:.0%}",
            ]  # fmt: skip


def main() -> None:
    """Simulates all rows and writes the section."""
    report = Report("rate_limiter", "The rate limiter against servers of all kinds")
    found = list(rows())
    report.add(
        "Simulated, with the limiter's own code, in virtual time: a client that always has another call to make, for "
        "an hour; latency between 0 and 0.3 s each way. *Allowed* is what the server grants in a minute, *believed* "
        "what the connector's table says. The second client calls evenly, a third of what is allowed, and drops what "
        "is refused; *used* is then measured against the remaining two thirds.",
        "A bucket with a burst of 1 refuses every call that arrives earlier than the last one plus its interval. With "
        "latencies that vary by more than the interval, a client has the choice between refusals and a lower rate; "
        "beside a second client it is refused a third of its calls at any rate.",
        table(
            ["Server", "Allowed", "Believed", "Second client", "Used, min 0-10", "Used, min 10-60",
             "Refused, min 0-10", "Refused, min 10-60", "Refused to the second"],
            found,
        ),
    )  # fmt: skip
    report.save()


if __name__ == "__main__":
    main()

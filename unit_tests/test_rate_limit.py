"""The allowance is used up, hardly ever overdrawn, and learned where Pylon's table is another: in virtual time."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from source_pylon.api.rate_limit import AdaptiveLimit, RateLimiter

MINUTE = 60.0
FIRST_MINUTES = 3


@dataclass
class SlidingServer:
    """Accepts `limit` calls in any minute, of which others take some; refused calls do not count."""

    limit: int
    taken: Callable[[float], int] = lambda now: 0
    accepted: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """0 where a call is accepted, else the seconds until one would be."""
        allowed = max(1, self.limit - self.taken(now))
        while self.accepted and self.accepted[0] <= now - MINUTE:
            self.accepted.popleft()
        if len(self.accepted) < allowed:
            self.accepted.append(now)
            return 0.0
        return self.accepted[len(self.accepted) - allowed] + MINUTE - now


@dataclass
class CalendarServer:
    """Accepts `limit` calls in each minute of the clock, of which others take some."""

    limit: int
    taken: Callable[[float], int] = lambda now: 0
    minute: int = -1
    accepted: int = 0

    def wait(self, now: float) -> float:
        """0 where a call is accepted, else the seconds to the next minute."""
        if int(now // MINUTE) != self.minute:
            self.minute, self.accepted = int(now // MINUTE), 0
        if self.accepted < self.limit - self.taken(now):
            self.accepted += 1
            return 0.0
        return (self.minute + 1) * MINUTE - now


@dataclass
class Outcome:
    """When each client's calls were accepted and refused, and the windows as they are in the end."""

    accepted: list[list[float]]
    refused: list[list[float]]
    windows: list[AdaptiveLimit]

    def used(self) -> int:
        """All accepted calls."""
        return sum(map(len, self.accepted))

    def refused_later(self) -> float:
        """The share of refused calls after the first minutes."""
        late = [
            sum(moment > FIRST_MINUTES * MINUTE for moments in kind for moment in moments)
            for kind in (self.refused, self.accepted)
        ]
        return late[0] / max(1, sum(late))


def simulate(
    server: SlidingServer | CalendarServer,
    windows: list[AdaptiveLimit],
    minutes: float,
    *,
    latency: float = 0.3,
    workers: int = 10,
    seed: int = 1,
) -> Outcome:
    """Every client has `workers` that call as often as its window lets them."""
    rng, order = Random(seed), count()
    events: list[tuple[float, int, str, int, float]] = [(0.0, next(order), "wake", i, 0.0) for i in range(len(windows))]
    idle = [workers] * len(windows)
    outcome = Outcome([[] for _ in windows], [[] for _ in windows], windows)
    woken: list[float | None] = [None] * len(windows)
    while events:
        now, _, kind, client, wait = heapq.heappop(events)
        if now > minutes * MINUTE:
            break
        window = windows[client]
        if kind == "arrive":
            heapq.heappush(events, (now + latency * rng.random(), next(order), "back", client, server.wait(now)))
            continue
        if kind == "back":
            idle[client] += 1
            if wait:
                window.refuse(now, float(-(-wait // 1)))
                outcome.refused[client].append(now)
            else:
                window.answer(now)
                outcome.accepted[client].append(now)
        else:
            woken[client] = None
        while idle[client]:
            pause = window.wait(now)
            if not pause:
                window.send(now)
                idle[client] -= 1
                heapq.heappush(events, (now + latency * rng.random(), next(order), "arrive", client, 0.0))
                continue
            due, planned = now + pause + 1e-6, woken[client]
            if pause < float("inf") and (planned is None or due < planned):
                woken[client] = due
                heapq.heappush(events, (due, next(order), "wake", client, 0.0))
            break
    return outcome


def half_taken(limit: int) -> Callable[[float], int]:
    return lambda now: limit // 2


SERVERS = pytest.mark.parametrize("server_kind", [SlidingServer, CalendarServer])


@SERVERS
@pytest.mark.parametrize(
    ("believed", "allowed", "taken", "minutes"),
    [
        pytest.param(300, 20, False, 60, id="messages, October in the client, July in the server"),
        pytest.param(120, 20, False, 60, id="searches, October in the client, July in the server"),
        pytest.param(120, 10, False, 120, id="audit logs, October in the client, July in the server"),
        pytest.param(300, 120, False, 60, id="messages at 120"),
        pytest.param(300, 300, True, 60, id="half of the messages taken by another"),
        pytest.param(120, 120, True, 60, id="half of the searches taken by another"),
        pytest.param(20, 300, False, 180, id="messages, July in the client, October in the server"),
        pytest.param(20, 120, False, 180, id="searches, July in the client, October in the server"),
        pytest.param(300, 1000, False, 240, id="an allowance that Pylon raised"),
    ],
)
def test_a_wrong_table_costs_at_most_a_tenth_of_the_time_and_two_refusals_in_a_hundred_calls(
    server_kind: type[SlidingServer | CalendarServer], believed: int, allowed: int, taken: bool, minutes: int
) -> None:
    server = server_kind(allowed, half_taken(allowed)) if taken else server_kind(allowed)
    outcome = simulate(server, [AdaptiveLimit(believed, MINUTE)], minutes)
    possible = (allowed // 2 if taken else allowed) * minutes
    assert outcome.used() >= 0.9 * possible
    assert outcome.refused_later() <= 0.02


@SERVERS
@pytest.mark.parametrize("limit", [20, 120, 300])
def test_the_right_table_is_used_whole_and_hardly_ever_overdrawn(
    server_kind: type[SlidingServer | CalendarServer], limit: int
) -> None:
    outcome = simulate(server_kind(limit), [AdaptiveLimit(limit, MINUTE)], 240)
    assert outcome.used() >= 0.97 * limit * 240
    assert not [moment for moment in outcome.refused[0] if moment < 10 * MINUTE]
    # Afterwards one call more is tried ever more seldom: how else would a raised allowance be found?
    assert len(outcome.refused[0]) <= 8 + 0.001 * outcome.used()


@SERVERS
@pytest.mark.parametrize("clients", [2, 3])
def test_clients_that_share_an_allowance_use_it_up_without_quarrelling(
    server_kind: type[SlidingServer | CalendarServer], clients: int
) -> None:
    outcome = simulate(server_kind(300), [AdaptiveLimit(300, MINUTE) for _ in range(clients)], 60)
    assert outcome.used() >= 0.9 * 300 * 60
    assert outcome.refused_later() <= 0.02
    shares = [len(moments) / outcome.used() for moments in outcome.accepted]
    assert min(shares) > 0.6 / clients


def test_what_another_integration_no_longer_takes_is_found_again() -> None:
    server = SlidingServer(300, lambda now: 200 if now < 30 * MINUTE else 0)
    outcome = simulate(server, [AdaptiveLimit(300, MINUTE)], 60)
    last = [moment for moment in outcome.accepted[0] if moment > 45 * MINUTE]
    assert len(last) >= 0.95 * 300 * 15


@pytest.mark.parametrize(("allowed", "most"), [(300, 150), (20, 10)])
def test_a_share_of_the_allowance_is_never_exceeded(allowed: int, most: int) -> None:
    outcome = simulate(SlidingServer(allowed), [AdaptiveLimit(300, MINUTE, 0.5)], 120)
    settled = [moment for moment in outcome.accepted[0] if moment > FIRST_MINUTES * MINUTE]
    busiest = max(sum(1 for other in settled if moment <= other < moment + MINUTE) for moment in settled[::25])
    assert busiest <= most
    assert outcome.used() >= 0.85 * most * 120


def test_one_refusal_alone_teaches_nothing() -> None:
    window = AdaptiveLimit(300, MINUTE)
    for _ in range(50):
        window.send(0.0)
        window.answer(0.1)
    window.send(1.0)
    window.refuse(1.1, 5.0)
    assert (window.limit, window.learned) == (300, None)


def test_a_second_refusal_teaches_what_was_accepted() -> None:
    window = AdaptiveLimit(300, MINUTE)
    for _ in range(50):
        window.send(0.0)
        window.answer(0.1)
    for moment in (1.0, 10.0):
        window.send(moment)
        window.refuse(moment + 0.1, 5.0)
    assert (window.limit, window.learned) == (50, 50)


def test_nothing_leaves_while_pylon_wants_no_call() -> None:
    window = AdaptiveLimit(300, MINUTE)
    window.send(0.0)
    window.refuse(1.0, 30.0)
    assert window.wait(10.0) == pytest.approx(21.0)
    assert window.wait(31.0) == 0


def test_a_call_holds_its_place_until_a_minute_after_its_answer() -> None:
    window = AdaptiveLimit(1, MINUTE)
    window.send(0.0)
    assert window.wait(50.0) == float("inf")
    window.answer(50.0)
    assert window.wait(61.0) == pytest.approx(49.0)
    assert window.wait(110.0) == 0


def test_threads_pass_a_gate_only_as_its_window_allows() -> None:
    clock = [0.0]
    gate = RateLimiter(AdaptiveLimit(2, MINUTE), monotonic=lambda: clock[0])
    passed = threading.Semaphore(0)

    def call() -> None:
        gate.enter()
        passed.release()

    for _ in range(3):
        threading.Thread(target=call, daemon=True).start()
    assert passed.acquire(timeout=5)
    assert passed.acquire(timeout=5)
    assert not passed.acquire(timeout=0.1)
    gate.leave()
    assert not passed.acquire(timeout=0.1)
    clock[0] = MINUTE + 1
    gate.leave()
    assert passed.acquire(timeout=5)

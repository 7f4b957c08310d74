"""The rate limit is used, hardly ever exceeded, and learned where Pylon's table is another: in virtual time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from itertools import count, pairwise

import pytest

from benchmarks.rate_limiter import EvenClient, FixedWindow, Outcome, SlidingWindow, TokenBucket, simulate
from source_pylon.api.rate_limit import AdaptiveLimit, RateLimiter

MINUTE = 60.0


def half_taken(limit: int) -> Callable[[float], int]:
    return lambda now: limit // 2


WINDOWS = pytest.mark.parametrize("window", [SlidingWindow, FixedWindow])


@WINDOWS
@pytest.mark.parametrize(
    ("believed", "allowed", "taken"),
    [
        pytest.param(120, 20, False, id="messages, October in the client, July in the server"),
        pytest.param(300, 60, False, id="other lists, October in the client, July in the server"),
        pytest.param(30, 10, False, id="audit logs, October in the client, July in the server"),
        pytest.param(300, 120, False, id="messages at 120, believed to be 300"),
        pytest.param(300, 300, True, id="half of a list's limit taken by another"),
        pytest.param(120, 120, True, id="half of the messages' limit taken by another"),
    ],
)
def test_a_table_that_promises_too_much_costs_no_time_and_few_refusals(
    window: type[SlidingWindow | FixedWindow], believed: int, allowed: int, taken: bool
) -> None:
    server = window(allowed, half_taken(allowed)) if taken else window(allowed)
    outcome = simulate(server, [AdaptiveLimit(believed, MINUTE)], 60)
    assert outcome.used() >= 0.95 * (allowed // 2 if taken else allowed) * 60
    assert outcome.refused_share(since=10) <= 0.02


@WINDOWS
@pytest.mark.parametrize(("believed", "allowed"), [(20, 300), (30, 300), (120, 300), (120, 1000), (300, 1000)])
def test_nine_tenths_of_a_raised_limit_are_found_within_five_minutes(
    window: type[SlidingWindow | FixedWindow], believed: int, allowed: int
) -> None:
    outcome = simulate(window(allowed), [AdaptiveLimit(believed, MINUTE)], 60, workers=50)
    assert outcome.used(5, 10) >= 0.9 * allowed * 5
    assert outcome.used(10, 60) >= 0.95 * allowed * 50
    assert outcome.refused_share() <= 0.01


@WINDOWS
@pytest.mark.parametrize("limit", [20, 30, 120, 300])
def test_a_correct_table_is_used_fully_and_hardly_ever_exceeded(
    window: type[SlidingWindow | FixedWindow], limit: int
) -> None:
    outcome = simulate(window(limit), [AdaptiveLimit(limit, MINUTE)], 240)
    assert outcome.used(0, 5) >= 0.97 * limit * 5
    assert outcome.used() >= 0.97 * limit * 240
    assert outcome.refused_share() <= 0.01


@pytest.mark.parametrize("allowed", [20, 60, 120, 300, 1000])
@pytest.mark.parametrize("burst", ["full", "10"])
def test_a_token_bucket_is_used_fully_whatever_burst_it_allows(burst: str, allowed: int) -> None:
    server = TokenBucket(allowed, allowed if burst == "full" else 10)
    outcome = simulate(server, [AdaptiveLimit(allowed, MINUTE)], 60, workers=50)
    assert outcome.used(10, 60) >= 0.9 * allowed * 50
    assert outcome.refused_share(since=10) <= 0.02
    assert len(outcome.refused[0]) <= 2 * 60, "two refused calls a minute, however many calls are allowed"


@pytest.mark.parametrize("burst", [1, 10])
def test_a_burst_that_a_token_bucket_refuses_is_not_tried_after_the_next_pause(burst: int) -> None:
    server, limit, now = TokenBucket(120, burst), AdaptiveLimit(120, MINUTE), 0.0
    for _ in range(10):
        answered = 0
        while answered < 40:
            if wait := limit.wait(now):
                now += wait
                continue
            limit.send(now)
            if wait := server.wait(now):
                limit.refuse(now, float(math.ceil(wait)))
            else:
                limit.complete(now)
                answered += 1
        now += 5 * MINUTE
    assert limit.refusals == 1


def test_a_token_bucket_without_a_burst_is_used_fully_if_latency_is_steady() -> None:
    outcome = simulate(TokenBucket(120, 1), [AdaptiveLimit(120, MINUTE)], 60, latency=0.02)
    assert outcome.used(10, 60) >= 0.85 * 120 * 50
    assert outcome.refused_share(since=10) <= 0.02


@WINDOWS
def test_an_even_client_that_needs_a_third_gets_it(window: type[SlidingWindow | FixedWindow]) -> None:
    other = EvenClient(100)
    outcome = simulate(window(300), [AdaptiveLimit(300, MINUTE)], 60, other=other)
    assert len(other.refused) <= 0.1 * 100 * 60
    assert outcome.used() >= 0.95 * 200 * 60


@WINDOWS
@pytest.mark.parametrize("clients", [2, 3])
def test_clients_that_share_a_limit_use_it_up_and_leave_each_other_a_share(
    window: type[SlidingWindow | FixedWindow], clients: int
) -> None:
    outcome = simulate(window(300), [AdaptiveLimit(300, MINUTE) for _ in range(clients)], 60)
    assert outcome.used() >= 0.9 * 300 * 60
    assert outcome.refused_share(since=3) <= 0.02
    assert min(len(moments) / outcome.used() for moments in outcome.granted) > 0.5 / clients


def test_calls_that_another_integration_gives_up_are_found_again() -> None:
    server = SlidingWindow(300, lambda now: 200 if now < 30 * MINUTE else 0)
    outcome = simulate(server, [AdaptiveLimit(300, MINUTE)], 60)
    assert outcome.used(45, 60) >= 0.95 * 300 * 15


def test_a_share_of_the_table_is_never_exceeded() -> None:
    outcome = simulate(SlidingWindow(300), [AdaptiveLimit(300, MINUTE, 0.5)], 120)
    (moments,) = outcome.granted
    assert max(sum(1 for other in moments if one <= other < one + MINUTE) for one in moments[::25]) <= 150
    assert outcome.used() >= 0.97 * 150 * 120


def test_a_share_applies_to_a_smaller_limit_too() -> None:
    outcome = simulate(SlidingWindow(20), [AdaptiveLimit(300, MINUTE, 0.5)], 120)
    assert 0.95 * 10 * 120 <= outcome.used() <= 1.15 * 10 * 120


def test_a_share_returns_to_its_ceiling_after_another_clients_burst() -> None:
    server = SlidingWindow(300, lambda now: 291 if 5 * MINUTE < now < 10 * MINUTE else 0)
    outcome = simulate(server, [AdaptiveLimit(300, MINUTE, 0.5)], 60)
    assert outcome.used(7, 10) < 30
    assert outcome.used(20, 60) >= 0.97 * 150 * 40


# --- spacing ---


def sent(limit: AdaptiveLimit, until: float, since: float = 0.0) -> list[float]:
    """When calls leave if there is always one more, and each is answered at once."""
    now, moments = since, []
    while now < until:
        if wait := limit.wait(now):
            now += wait
            continue
        limit.send(now)
        limit.complete(now)
        moments.append(now)
    return moments


def test_a_quarter_is_sent_at_once_and_the_rest_is_spaced_over_the_minute() -> None:
    moments = sent(AdaptiveLimit(120, MINUTE), 59.9)
    assert sum(moment == 0 for moment in moments) in (30, 31)
    assert len(moments) in (120, 121)
    gaps = [after - before for before, after in pairwise(moments[31:])]
    assert max(gaps) <= 1.05 * 60 / 90


def test_calls_stay_evenly_spaced_minute_after_minute() -> None:
    limit = AdaptiveLimit(120, MINUTE, 0.999)
    moments = sent(limit, 600)
    gaps = [after - before for before, after in pairwise(moment for moment in moments if moment > 61)]
    assert max(gaps) <= 1.5 * 60 / 119
    assert min(gaps) >= 0.5 * 60 / 119


def test_a_pause_earns_a_burst_again() -> None:
    limit = AdaptiveLimit(120, MINUTE)
    sent(limit, 61)
    moments = sent(limit, 300.001, since=300)
    assert 25 <= len(moments) <= 32


def spaced_at_twenty_a_minute(until: float) -> AdaptiveLimit:
    """A limit of 20 whose burst of 5 was used up at once, so that the other calls leave every four seconds."""
    limit = AdaptiveLimit(20, MINUTE)
    moments = sent(limit, until)
    assert sum(moment == 0 for moment in moments) == 6
    assert moments[-1] - moments[-2] == pytest.approx(4)
    return limit


def test_a_pause_refills_the_burst_by_the_unused_calls() -> None:
    limit = spaced_at_twenty_a_minute(until=22.0)
    assert len(sent(limit, 36.001, since=36.0)) == 4, "the call that was due at 24, and three for twelve seconds"


def test_calls_that_are_late_by_one_interval_are_caught_up_without_a_burst() -> None:
    limit = spaced_at_twenty_a_minute(until=22.0)
    assert len(sent(limit, 28.001, since=28.0)) == 2


def use_up_and_complete_after_a_minute(limit: AdaptiveLimit) -> None:
    """Send as many calls as may be sent at once, so that the next one has to wait, and then complete them all."""
    now = 0.0
    while (wait := limit.wait(now)) < math.inf:
        now += wait
        if not wait:
            limit.send(now)
    assert now < MINUTE
    for _ in range(limit.limit):
        limit.complete(MINUTE)


def test_waiting_for_a_place_is_not_a_pause_that_refills_the_burst() -> None:
    limit = AdaptiveLimit(20, MINUTE, 0.999)
    use_up_and_complete_after_a_minute(limit)
    assert limit.wait(MINUTE) == MINUTE
    assert len(sent(limit, 2 * MINUTE + 0.001, since=2 * MINUTE)) == 1


def test_a_pause_refills_the_burst_after_calls_have_waited_for_a_response() -> None:
    limit = AdaptiveLimit(20, MINUTE, 0.999)
    use_up_and_complete_after_a_minute(limit)
    assert len(sent(limit, 300.001, since=300)) == 5


def test_a_refusal_ends_the_burst_and_what_follows_is_spaced() -> None:
    limit = AdaptiveLimit(120, MINUTE)
    for _ in range(12):
        limit.send(0.0)
    for _ in range(10):
        limit.complete(0.2)
    limit.refuse(0.2, 1.0)
    limit.refuse(0.3, 1.0)
    assert limit.limit == 120
    moments = sent(limit, 10.0, since=0.3)
    assert moments[0] == pytest.approx(1.3)
    assert min(after - before for before, after in pairwise(moments)) >= 0.4
    assert limit.learned is None, "the number of calls was not the cause"
    assert len(sent(limit, 300.001, since=300)) == 1, "no burst after a pause either"


# --- learning ---


def refused(limit: AdaptiveLimit, now: float, wait: float) -> None:
    limit.send(now)
    limit.refuse(now, wait)


@pytest.mark.parametrize(("table", "limit"), [(300, 291), (20, 19)])
def test_an_unexplained_refusal_costs_three_percent_of_the_limit_or_one_call(table: int, limit: int) -> None:
    window = AdaptiveLimit(table, MINUTE)
    refused(window, 0.0, 1.0)
    assert (window.limit, window.learned, window.refusals) == (limit, limit, 1)


def test_each_unexplained_refusal_costs_a_small_limit_one_call() -> None:
    window = AdaptiveLimit(10, MINUTE)
    limits = []
    for number in range(3):
        refused(window, number * 10 * MINUTE, 1.0)
        limits.append(window.limit)
    assert limits == [9, 8, 7]


@pytest.mark.parametrize(("wait", "limit"), [(14.9, 291), (15.0, 75)])
def test_a_wait_of_a_quarter_of_a_minute_before_any_accepted_call_means_a_quarter_of_the_limit(
    wait: float, limit: int
) -> None:
    window = AdaptiveLimit(300, MINUTE)
    refused(window, 0.0, wait)
    assert window.limit == limit


def test_refusals_lower_the_limit_by_three_quarters_each_down_to_one_call_a_minute() -> None:
    window = AdaptiveLimit(300, MINUTE)
    limits = []
    for number in range(5):
        refused(window, number * 30.0, 30.0)
        limits.append(window.limit)
    assert limits == [75, 18, 4, 1, 1]


def test_the_limit_does_not_fall_below_a_tenth_of_what_the_wait_means() -> None:
    """Two seconds until the next call mean thirty calls a minute."""
    window = AdaptiveLimit(300, MINUTE)
    limits = []
    for number in range(5):
        window.send(number * 120.0)
        window.complete(number * 120.0)
        refused(window, number * 120.0 + 58, 2.0)
        limits.append(window.limit)
    assert limits == [75, 18, 4, 3, 3]


def test_the_calls_accepted_and_the_wait_for_the_next_one_give_the_rate_that_pylon_allows() -> None:
    """Ten calls were accepted at once, and the next one is twenty seconds later; waits are rounded up by a second."""
    window = AdaptiveLimit(100, MINUTE)
    for _ in range(11):
        window.send(100.0)
    for _ in range(10):
        window.complete(100.0)
    window.refuse(110.0, 11.0)
    assert window.limit == 30


def test_refusals_of_one_burst_are_counted_and_learned_from_once() -> None:
    window = AdaptiveLimit(300, MINUTE)
    for _ in range(3):
        window.send(0.0)
    for moment in (0.1, 0.2, 0.3):
        window.refuse(moment, 30.0)
    assert (window.limit, window.refusals) == (75, 3)


def test_a_limit_that_holds_calls_back_for_a_minute_grows_in_steps_of_a_quarter_minute() -> None:
    window = AdaptiveLimit(120, MINUTE)
    now, grown = 0.0, [(0.0, window.limit)]
    while now < 3.1 * MINUTE:
        if wait := window.wait(now):
            if window.limit != grown[-1][1]:
                grown.append((now, window.limit))
            now += wait
            continue
        window.send(now)
        window.complete(now)
    assert [limit for _, limit in grown] == [120, 162, 218, 295, 398, 538]
    assert MINUTE <= grown[1][0] <= 2 * MINUTE + 1
    assert all(15 <= after[0] - before[0] < 16 for before, after in pairwise(grown[1:]))


def limits_of_calls_answered_late(limit: AdaptiveLimit, until: float) -> list[int]:
    """The limits that follow each other while another call always waits, and each is answered after a second."""
    now, limits = 0.0, [limit.limit]
    answers: list[float] = []
    while now < until:
        while answers and answers[0] <= now:
            limit.complete(answers.pop(0))
        wait = limit.wait(now)
        if limit.limit != limits[-1]:
            limits.append(limit.limit)
        if not wait:
            limit.send(now)
            answers.append(now + 1)
            continue
        now = min(now + wait, *answers[:1], until)
    return limits


def test_a_limit_of_one_call_grows_by_one_call_in_each_step() -> None:
    limits = limits_of_calls_answered_late(AdaptiveLimit(1, MINUTE), 5 * MINUTE)
    assert limits[:4] == [1, 2, 3, 4]


def test_a_refusal_in_a_trial_that_shows_a_much_lower_rate_lowers_the_limit_below_the_one_before() -> None:
    window, now, accepted = AdaptiveLimit(20, MINUTE), 0.0, []
    while window.limit == 20:
        now += window.wait(now)
        window.send(now)
        window.complete(now)
        accepted.append(now)
    now += 40
    refused(window, now, 59.0)
    last_minute = sum(moment > now - MINUTE for moment in accepted)
    assert last_minute < 0.95 * 20
    assert window.limit == window.learned == last_minute


def test_a_share_at_its_ceiling_is_not_on_trial_so_a_refusal_lowers_it() -> None:
    window = AdaptiveLimit(120, MINUTE, 0.999)
    sent(window, 5 * MINUTE)
    assert window.limit == 119
    refused(window, 5 * MINUTE, 1.0)
    assert window.limit == 115


def test_a_trial_teaches_the_limit_at_which_it_was_refused() -> None:
    outcome = simulate(SlidingWindow(60), [AdaptiveLimit(20, MINUTE)], 5)
    (window,) = outcome.limits
    assert window.learned == window.limit
    assert 54 <= window.limit <= 60


def pauses(outcome: Outcome) -> list[float]:
    """The minutes between trials, each of which ends with one refusal or a few in a row."""
    (moments,) = outcome.refused
    ends = [after for before, after in pairwise([float("-inf"), *moments]) if after - before > MINUTE]
    return [round((after - before) / MINUTE) for before, after in pairwise(ends)]


def test_each_trial_that_failed_doubles_the_pause_before_the_next_up_to_an_hour() -> None:
    outcome = simulate(SlidingWindow(20), [AdaptiveLimit(20, MINUTE)], 360)
    assert pauses(outcome) == [10, 20, 40, 60, 60, 60, 60]
    assert outcome.refused[0][0] < 2 * MINUTE


def test_after_a_trial_that_raised_the_limit_the_next_one_follows_in_five_minutes() -> None:
    outcome = simulate(SlidingWindow(60), [AdaptiveLimit(20, MINUTE)], 60)
    assert pauses(outcome)[:3] == [5, 10, 20]


@pytest.mark.parametrize(("allowed", "minutes"), [(60, {5, 6}), (20, {5, 6, 10, 11})])
def test_below_the_tables_limit_a_trial_follows_after_five_minutes_or_two_hundred_calls(
    allowed: int, minutes: set[int]
) -> None:
    found = pauses(simulate(SlidingWindow(allowed), [AdaptiveLimit(300, MINUTE)], 60))
    assert set(found[1:]) <= minutes
    assert len(found) >= 5


def test_a_refusal_far_below_the_limit_lowers_it_by_a_bounded_step() -> None:
    window = AdaptiveLimit(300, MINUTE)
    window.send(0.0)
    window.complete(0.1)
    window.send(1.0)
    window.refuse(1.1, 58.0)
    assert (window.limit, window.learned) == (75, 75)


def test_refusals_teach_how_many_calls_were_accepted_in_a_minute() -> None:
    window = AdaptiveLimit(300, MINUTE)
    for moment in (0.0, 61.0, 122.0):
        for _ in range(50):
            window.send(moment)
            window.complete(moment + 0.1)
        window.send(moment + 1)
        window.refuse(moment + 1.1, 59.0)
    assert window.limit == window.learned == 50


def test_no_call_is_sent_while_pylon_asks_to_wait() -> None:
    window = AdaptiveLimit(300, MINUTE)
    window.send(0.0)
    window.refuse(1.0, 30.0)
    assert window.wait(10.0) == pytest.approx(21.0)
    assert window.wait(31.0) == 0


def test_a_call_holds_its_place_until_a_minute_after_its_response() -> None:
    window = AdaptiveLimit(1, MINUTE)
    window.send(0.0)
    assert window.wait(50.0) == float("inf")
    window.complete(50.0)
    assert window.wait(61.0) == pytest.approx(49.0)
    assert window.wait(110.0) == 0


def test_every_call_in_flight_holds_a_place() -> None:
    window = AdaptiveLimit(2, MINUTE)
    window.send(0.0)
    window.send(0.0)
    assert window.wait(50.0) == float("inf")


@pytest.mark.parametrize(("table", "share", "limit"), [(300, 1.0, 300), (300, 0.5, 150), (20, 0.01, 1)])
def test_a_share_of_the_table_is_one_call_at_least(table: int, share: float, limit: int) -> None:
    assert AdaptiveLimit(table, MINUTE, share).limit == limit


def test_threads_pass_a_limiter_only_as_its_limit_allows() -> None:
    clock = [0.0]
    limiter = RateLimiter(AdaptiveLimit(2, MINUTE), monotonic=lambda: clock[0])
    passed = threading.Semaphore(0)

    def call() -> None:
        limiter.enter()
        passed.release()

    for _ in range(3):
        threading.Thread(target=call, daemon=True).start()
    assert passed.acquire(timeout=5)
    assert passed.acquire(timeout=5)
    assert not passed.acquire(timeout=0.1)
    assert limiter.waiting_since == 0.0
    limiter.leave()
    assert not passed.acquire(timeout=0.1)
    clock[0] = MINUTE + 1
    limiter.leave()
    assert passed.acquire(timeout=5)
    assert limiter.waiting_since is None


def test_a_refused_call_holds_back_the_others_for_as_long_as_pylon_asks() -> None:
    clock = [0.0]
    limiter = RateLimiter(AdaptiveLimit(100, MINUTE), monotonic=lambda: clock[0])
    assert limiter.enter(timeout=0.0)
    limiter.refuse(30.0)
    assert limiter.limit.refusals == 1
    clock[0] = 29.9
    assert not limiter.enter(timeout=0.0)
    clock[0] = 30.0
    assert limiter.enter(timeout=0.0)


def test_a_call_that_is_not_sent_in_time_is_not_counted() -> None:
    limiter = RateLimiter(AdaptiveLimit(1, MINUTE))
    assert limiter.waiting_since is None
    assert limiter.enter(timeout=0.0)
    began = time.monotonic()
    assert not limiter.enter(timeout=0.05)
    assert time.monotonic() - began < MINUTE / 3
    assert limiter.waiting_since is None
    holder = threading.Thread(target=limiter.enter, args=(0.5,))
    holder.start()
    assert not limiter.enter(timeout=0.05)
    holder.join()
    limiter.leave()
    assert limiter.limit.wait(time.monotonic()) > MINUTE - 1


def test_a_thread_behind_another_gives_up_when_its_own_time_is_over() -> None:
    limiter = RateLimiter(AdaptiveLimit(1, MINUTE), monotonic=lambda: 0.0)
    assert limiter.enter()
    holder = threading.Thread(target=limiter.enter, daemon=True)
    holder.start()
    give_up = time.monotonic() + 30
    while limiter.waiting_since is None and time.monotonic() < give_up:
        time.sleep(0.001)
    through: list[bool] = []
    waiter = threading.Thread(target=lambda: through.append(limiter.enter(timeout=0.01)), daemon=True)
    waiter.start()
    waiter.join(timeout=30)
    assert through == [False]
    assert holder.is_alive()


def test_a_place_that_becomes_free_within_the_timeout_is_taken() -> None:
    readings = count()
    limiter = RateLimiter(AdaptiveLimit(1, 0.05), monotonic=lambda: next(readings) / 100)
    assert limiter.enter()
    limiter.leave()
    assert limiter.enter(timeout=0.9)


def test_a_waiting_call_is_sent_when_its_place_becomes_free_even_if_no_other_call_wakes_it() -> None:
    limiter = RateLimiter(AdaptiveLimit(1, 0.05))
    assert limiter.enter()
    limiter.leave()
    waiter = threading.Thread(target=limiter.enter, daemon=True)
    waiter.start()
    waiter.join(timeout=30)
    assert not waiter.is_alive()

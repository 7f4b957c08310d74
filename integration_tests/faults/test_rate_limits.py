"""Pylon allows another number of calls than its published table says: over HTTP, with a minute that lasts seconds.

`unit_tests/test_rate_limit.py` proves with a model how much of a limit is used; here a busy machine may be the one that
is too slow, so shares of refused calls, what is learned and said, and the data are what is asserted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.limits import calls_per_minute_july_2026
from integration_tests.support.assertions import assert_synced
from integration_tests.support.connector import Output
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import fault_timing, read
from integration_tests.support.faults import MESSAGES
from source_pylon.api.endpoints import Endpoint, calls_per_minute

FIRST_MINUTES = 3
LEARNED = re.compile(r"Pylon allows about (\d+) requests a minute for (.+), not (\d+) as assumed\.")


class Usage(NamedTuple):
    """What became of the calls of one endpoint."""

    granted: int
    refused_later: float
    """The share of refused calls after the first minutes."""
    utilisation: float
    """The share of the rate limit that was used after the first minutes."""
    busiest: int
    """The most calls that were granted within a minute."""


def usage(pylon: Sandbox, template: str = MESSAGES) -> Usage:
    """What the sandbox's log tells."""
    minute, allowed = pylon.limiter.minute, pylon.limiter.allowed(template)
    assert allowed is not None
    calls = [seen for seen in pylon.log if seen.template == template]
    granted = [seen.monotonic for seen in calls if seen.status == 200]
    since = calls[0].monotonic + FIRST_MINUTES * minute
    late = [seen.status for seen in calls if seen.monotonic >= since]
    # What is left in the end may be less than a minute's worth, so only whole minutes are counted.
    minutes = max(1, int((granted[-1] - since) // minute))
    within = sum(since <= moment < since + minutes * minute for moment in granted)
    busiest = max(sum(moment <= other < moment + minute for other in granted) for moment in granted[::10])
    return Usage(len(granted), late.count(429) / max(1, len(late)), within / (allowed * minutes), busiest)


def told(run: Output, template: str = MESSAGES) -> list[tuple[int, int]]:
    """What the log says was learned of an endpoint: (calls a minute, those that were expected)."""
    found = [LEARNED.fullmatch(text) for text in run.logs]
    return [(int(match[1]), int(match[3])) for match in found if match and match[2] == template]


def synced(
    pylon: Sandbox, minute: float, believed: Callable[[Endpoint], int] = calls_per_minute
) -> tuple[Output, Usage]:
    """A sync that is complete, however many calls Pylon refuses; its use of the rate limit is printed."""
    run = read(pylon, timing=fault_timing(minute=minute, rate_limit_patience=60.0), limits=believed)
    assert_synced(pylon, run)
    used = usage(pylon)
    print(used)
    return run, used


class Case(NamedTuple):
    """A limit that is smaller than October's table."""

    issues: int
    minute: float
    limits: str | dict[str, int]
    taken: float
    allowed: int


SMALLER = {
    "July's table": Case(260, 1.5, "2026-07", 0.0, 20),
    "half of it taken by another client": Case(600, 2.0, {MESSAGES: 120}, 0.5, 60),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLER)
def test_a_smaller_limit_than_published_is_learned_logged_and_hardly_exceeded(name: str) -> None:
    case = SMALLER[name]
    with Sandbox(
        size=Size(issues=case.issues), limits=case.limits, minute=case.minute, taken=case.taken, base_time=ago(hours=1)
    ) as pylon:
        run, used = synced(pylon, case.minute)
    said = told(run)
    assert len(said) <= 3
    assert said[0][1] == 120
    assert abs(said[-1][0] - case.allowed) <= 0.25 * case.allowed
    assert used.refused_later <= 0.02
    assert used.utilisation >= 0.75


@pytest.mark.slow
def test_a_larger_limit_than_assumed_is_found_and_logged() -> None:
    # Forty calls a second at most: a machine that cannot make them never meets the limit.
    with Sandbox(size=Size(issues=1000), limits={MESSAGES: 60}, minute=1.5, base_time=ago(hours=1)) as pylon:
        run, used = synced(pylon, 1.5, calls_per_minute_july_2026)
    said = told(run)
    assert said[0][1] == 20
    assert abs(said[-1][0] - 60) <= 0.25 * 60
    assert used.busiest > 50
    assert used.refused_later <= 0.02


@pytest.mark.slow
def test_a_share_of_the_rate_limit_is_kept_over_http() -> None:
    minute = 2.0
    with Sandbox(size=Size(issues=150), limits={MESSAGES: 120}, minute=minute, base_time=ago(hours=1)) as pylon:
        run = read(pylon, timing=fault_timing(minute=minute), rate_limit_percent=50)
        assert_synced(pylon, run)
        used = usage(pylon)
    assert used.refused_later == 0
    assert 30 <= used.busiest <= 60

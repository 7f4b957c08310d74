"""Progress says how far a sync is and what it waits for, to a person and to Airbyte, and not too often."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from source_pylon.api.endpoints import get_paginated, search
from source_pylon.api.errors import Unavailable
from source_pylon.output.progress import Outlet, Progress
from source_pylon.timing import Timing

SEARCH, ACCOUNTS = search("/issues/search"), get_paginated("/accounts")


class Told(Outlet):
    """Keeps what Airbyte is told."""

    def __init__(self) -> None:
        self.limited: list[str] = []
        self.estimates: dict[str, int] = {}
        self.handed_over = 0

    def rate_limited(self, stream: str) -> None:
        self.limited.append(stream)

    def estimate(self, stream: str, rows: int) -> None:
        self.estimates[stream] = rows

    def hand_over(self) -> None:
        self.handed_over += 1


class Harness:
    """A progress at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told = Told()
        self.progress = Progress(Timing(), self.told, monotonic=lambda: self.now)
        self.progress.begin({"issues": [SEARCH], "tickets": [SEARCH], "accounts": [ACCOUNTS]})


@pytest.fixture
def harness() -> Any:
    made = Harness()
    yield made
    made.progress.end()


def test_a_line_counts_records_and_names_the_streams_that_are_still_read(harness: Harness) -> None:
    for _ in range(1_234):
        harness.progress.record("issues")
    harness.progress.finished("accounts")
    harness.now += 65
    line = harness.progress.line()
    assert line.startswith("65 s: 1,234 records")
    assert "issues 1,234" in line
    assert "still reading issues, tickets" in line


def test_a_line_says_what_is_waited_for_until_it_is_over(harness: Harness) -> None:
    harness.progress.rate_limited(SEARCH, 30, 20)
    assert "POST /issues/search waits 30 s" in harness.progress.line()
    harness.now += 31
    assert "waits" not in harness.progress.line()


def test_a_line_says_which_calls_the_client_itself_holds_back(harness: Harness) -> None:
    harness.progress.held_back = lambda: ["GET /accounts"]
    assert "GET /accounts waits for its share of the rate limit" in harness.progress.line()


def test_a_refusal_is_logged_once_a_minute_and_endpoint(harness: Harness, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(5):
        harness.progress.rate_limited(SEARCH, 30, 20)
        harness.now += 10
    harness.progress.rate_limited(ACCOUNTS, 3, 300)
    assert len(caplog.records) == 2
    harness.now += 60
    harness.progress.rate_limited(SEARCH, 30, 20)
    assert len(caplog.records) == 3


def test_airbyte_is_told_which_running_streams_a_refusal_concerns(harness: Harness) -> None:
    harness.progress.finished("tickets")
    harness.progress.rate_limited(SEARCH, 30, 20)
    assert harness.told.limited == ["issues"]


def test_a_learned_limit_and_another_try_are_logged(harness: Harness, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    harness.progress.learned(SEARCH, 120, 20)
    harness.progress.retrying(ACCOUNTS, 4, Unavailable("Pylon answered with 503.", "detail"))
    first, second = [record.getMessage() for record in caplog.records]
    assert "about 20 calls a minute of POST /issues/search; 120 were expected" in first
    assert "503" in second
    assert "GET /accounts again in 4 s" in second
    assert "GET /accounts waits 4 s for another try" in harness.progress.line()


def test_an_estimate_goes_to_airbyte(harness: Harness) -> None:
    harness.progress.estimate("issues", 5_000)
    assert harness.told.estimates == {"issues": 5_000}


def test_what_a_thread_has_read_leaves_before_it_waits(harness: Harness) -> None:
    harness.progress.about_to_wait()
    assert harness.told.handed_over == 1

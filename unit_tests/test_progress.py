"""Progress says how far a sync is and what it waits for, to a person and to Airbyte, and not too often."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from source_pylon.api.endpoints import get_paginated, search
from source_pylon.api.errors import Unavailable
from source_pylon.extraction.stream import ReadingProgress
from source_pylon.output.progress import Progress, ProgressSink
from source_pylon.timing import Timing

SEARCH, ACCOUNTS = search("/issues/search"), get_paginated("/accounts")


class RecordingSink(ProgressSink):
    """Records what is reported to Airbyte."""

    def __init__(self) -> None:
        self.limited: list[str] = []
        self.repeats = 0

    def repeat_states(self) -> None:
        self.repeats += 1

    def rate_limited(self, stream: str) -> None:
        self.limited.append(stream)


class Clock:
    """A progress at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sink = RecordingSink()
        self.progress = Progress(Timing(), self.sink, monotonic=lambda: self.now)
        self.progress.begin({"issues": [SEARCH], "tickets": [SEARCH], "accounts": [ACCOUNTS]})
        # The tests report at their own times, not when a thread does.
        self.progress.end()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_counts_records_and_names_the_streams_that_are_still_read(clock: Clock) -> None:
    clock.progress.records("issues", 1_234)
    clock.progress.finished("accounts")
    clock.now += 65
    line = clock.progress.line()
    assert line.startswith("65 s: 1,234 records")
    assert "issues 1,234" in line
    assert "still reading issues, tickets" in line


def test_a_line_says_how_far_a_long_reading_has_come(clock: Clock) -> None:
    clock.progress.follow(lambda: ReadingProgress("5 of about 90 issues read", "about 3 minutes left"))
    assert "; 5 of about 90 issues read, about 3 minutes left;" in clock.progress.line()


def test_a_line_says_what_is_waited_for_until_it_is_over(clock: Clock) -> None:
    clock.progress.rate_limited(SEARCH, 30, 20)
    assert "POST /issues/search waits 30 s for its rate limit" in clock.progress.line()
    clock.now += 31
    assert "waits" not in clock.progress.line()


def test_a_line_says_which_requests_the_client_itself_holds_back(clock: Clock) -> None:
    clock.progress.waiting_endpoints = lambda: ["GET /accounts"]
    assert "GET /accounts waits for its rate limit" in clock.progress.line()


def test_an_endpoint_that_waits_is_named_once(clock: Clock) -> None:
    clock.progress.waiting_endpoints = lambda: [SEARCH.key]
    clock.progress.rate_limited(SEARCH, 30, 20)
    assert clock.progress.line().count(SEARCH.key) == 1


def test_a_line_says_which_responses_are_slow(clock: Clock) -> None:
    clock.progress.in_flight = lambda: [("GET /accounts", 12.0), ("GET /accounts", 7.0), ("GET /users", 1.0)]
    line = clock.progress.line()
    assert "GET /accounts has not responded for 12 s" in line
    assert "GET /users" not in line


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_shows_the_time_left_and_the_beginning_of_the_reason_for_waiting(
    width: int, clock: Clock
) -> None:
    clock.progress.follow(lambda: ReadingProgress("1,234 of about 98,765 issues read", "about 14 hours left"))
    for stream in ("issues", "tickets", "accounts"):
        clock.progress.records(stream, 1_234)
    clock.progress.rate_limited(SEARCH, 30, 20)
    first, second = (line[:width] for line in clock.progress.terminal_lines())
    assert first.startswith("About 14 hours left; POST /issues/search"[:width])
    assert second.startswith("3,702 records in 0 s; 1,234 of about 98,765"[:width])


def test_on_a_terminal_of_80_columns_the_reason_for_waiting_is_whole(clock: Clock) -> None:
    clock.progress.follow(lambda: ReadingProgress("1,234 of about 98,765 issues read", "about 14 hours left"))
    clock.progress.rate_limited(get_paginated("/issues/{id}/messages"), 30, 20)
    first, second = clock.progress.terminal_lines()
    assert first == "About 14 hours left; GET /issues/{id}/messages waits 30 s for its rate limit"
    assert len(first) <= 80
    assert len(second) <= 80


def test_a_refusal_is_logged_once_a_minute_and_endpoint(clock: Clock, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(5):
        clock.progress.rate_limited(SEARCH, 30, 20)
        clock.now += 10
    clock.progress.rate_limited(ACCOUNTS, 3, 300)
    assert len(caplog.records) == 2
    clock.now += 60
    clock.progress.rate_limited(SEARCH, 30, 20)
    assert len(caplog.records) == 3


def test_airbyte_learns_which_running_streams_a_refusal_affects(clock: Clock) -> None:
    clock.progress.finished("tickets")
    clock.progress.rate_limited(SEARCH, 30, 20)
    assert clock.sink.limited == ["issues"]


def test_a_learned_limit_and_a_retry_are_logged(clock: Clock, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    clock.progress.learned(SEARCH, 120, 20)
    clock.progress.retrying(ACCOUNTS, 4, Unavailable("Pylon responded with 503.", "detail"))
    first, second = [record.getMessage() for record in caplog.records]
    assert "about 20 requests a minute for POST /issues/search, not 120 as assumed" in first
    assert "503" in second
    assert "Retrying GET /accounts in 4 s" in second
    assert "GET /accounts waits 4 s before another try" in clock.progress.line()


def reports(clock: Clock, seconds: int) -> list[int]:
    """Let time pass, with a report every second, and return the seconds in which states were repeated."""
    repeated = []
    for second in range(1, seconds + 1):
        clock.now += 1
        before = clock.sink.repeats
        clock.progress.report()
        if clock.sink.repeats > before:
            repeated.append(second)
    return repeated


def test_a_line_is_logged_every_minute(clock: Clock, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, logger="airbyte"):
        reports(clock, 200)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("After ")]
    assert [line.partition(":")[0] for line in lines] == ["After 60 s", "After 120 s", "After 180 s"]


def test_states_are_repeated_after_five_silent_minutes(clock: Clock) -> None:
    assert reports(clock, 1_000) == [300, 600, 900]


def test_a_record_or_a_state_ends_the_silence(clock: Clock) -> None:
    assert reports(clock, 250) == []
    clock.progress.records("issues", 1)
    assert reports(clock, 290) == []
    clock.progress.checkpoint()
    assert reports(clock, 310) == [300]

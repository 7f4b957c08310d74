"""The benchmarks' count of the requests that no connector could avoid, for data whose count is known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from benchmarks.minimum_requests import minimum_requests, minutes, sliding_minutes
from integration_tests.sandbox import Sandbox, Size

LIST, SEARCH, MESSAGES = "GET /issues", "POST /issues/search", "GET /issues/{id}/messages"
NOW = datetime(2026, 10, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("ages", "lists", "searches"),
    [
        ([], 1, 1),
        ([1], 1, 1),
        ([1, 300], 1, 1),
        ([1, 300, 400], 2, 1),
        ([1, 300, 800], 2, 2),
        ([*range(1, 300)] * 4, 2, 1),
    ],
    ids=["nothing", "one issue", "a year", "two years", "a year of nothing between", "more than a page"],
)
def test_a_history_costs_its_pages_and_a_search_for_each_gap_and_for_the_end(
    ages: list[int], lists: int, searches: int
) -> None:
    with Sandbox(size=Size.empty(), limits=None, base_time=NOW) as pylon:
        for days in ages:
            pylon.store.add_issue(body_html="", at=NOW - timedelta(days=days))
        assert minimum_requests(pylon.store, ["issues"]) == {LIST: lists, SEARCH: searches, MESSAGES: 0}


def test_messages_are_counted_if_there_are_some_or_a_body_has_to_be_compared() -> None:
    with Sandbox(size=Size.empty(), limits=None, base_time=NOW) as pylon:
        day = timedelta(days=1)
        pylon.store.add_issue(body_html="", at=NOW - day)
        pylon.store.add_issue(body_html="<p>Body</p>", at=NOW - day)
        pylon.store.add_message(pylon.store.add_issue(body_html="", at=NOW - day), at=NOW - day)
        assert minimum_requests(pylon.store, ["issues", "tickets"])[MESSAGES] == 2
        assert MESSAGES not in minimum_requests(pylon.store, ["issues"], include_messages=False)


def test_the_slowest_endpoint_decides_how_long_the_requests_take() -> None:
    limits = {LIST: 30, MESSAGES: 120}
    assert minutes({LIST: 4, MESSAGES: 1_200}, limits) == 10
    assert sliding_minutes({LIST: 4, MESSAGES: 1_200}, limits) == 9

"""What the reader of issues asks Pylon for: the bounds, the sizes and the number of its requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import ISSUE_LIST, ISSUE_SEARCH, Endpoint
from source_pylon.api.errors import Forbidden, NotFound, Rejected
from source_pylon.extraction.issues.changes import ChangeSearch
from source_pylon.extraction.issues.history import BYTES_PER_PAGE, IssueHistory
from source_pylon.extraction.time_windows import TimeWindow
from source_pylon.timestamps import SECOND, parse, render
from source_pylon.transform.clean import size

NOW = datetime(2026, 10, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)
Answer = list[dict[str, Any]] | Exception
Sent = tuple[str, dict[str, Any]]


class ScriptedClient(PylonClient):
    """Returns prepared responses in order, then empty ones, and records the requests."""

    def __init__(self, *pages: Answer, more: tuple[int, ...] = ()) -> None:
        self.answers = list(pages)
        self.more = more
        self.sent: list[Sent] = []

    def request(
        self,
        endpoint: Endpoint,
        *ids: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        on_large: Callable[[], None] | None = None,
        page: int | None = None,
    ) -> dict[str, Any]:
        """Return the next response. The pages with the numbers in `more` announce another page."""
        number = len(self.sent)
        self.sent.append((endpoint.key, dict(query or body or {})))
        answer = self.answers[number] if number < len(self.answers) else []
        if isinstance(answer, Exception):
            raise answer
        cursor = str(number) if number in self.more else None
        return {"data": answer, "pagination": {"cursor": cursor, "has_next_page": cursor is not None}}

    def to(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        """What was sent to one endpoint."""
        return [sent for key, sent in self.sent if key == endpoint.key]


def issue(name: str, created: datetime | None, **fields: Any) -> dict[str, Any]:
    return {"id": name, "created_at": None if created is None else render(created), **fields}


def moments(*values: Any) -> list[datetime]:
    parsed = [parse(value) for value in values]
    assert None not in parsed
    return [moment for moment in parsed if moment is not None]


def read(history: IssueHistory, since: datetime | None, before: datetime = NOW) -> list[str]:
    return [one["id"] for page in history.pages(before, since) for one in page.issues]


# --- The history through the list -------------------------------------------------------------------------------------


def test_the_list_is_requested_year_by_year_down_to_the_start_date() -> None:
    client = ScriptedClient([issue("1", NOW - DAY)], [issue("2", NOW - YEAR - DAY)])
    assert read(IssueHistory(client, 1_000), NOW - YEAR - 9 * DAY) == ["1", "2"]
    asked = [(sent["start_time"], sent["end_time"]) for sent in client.to(ISSUE_LIST)]
    assert asked == [(render(NOW - YEAR), render(NOW)), (render(NOW - YEAR - 9 * DAY), render(NOW - YEAR))]
    assert client.to(ISSUE_SEARCH) == []


def test_an_empty_list_down_to_the_start_date_costs_one_request() -> None:
    client = ScriptedClient([])
    assert read(IssueHistory(client, 1_000), NOW - 30 * DAY) == []
    assert len(client.sent) == 1


def test_a_last_page_without_an_issue_of_its_year_does_not_make_the_year_empty() -> None:
    client = ScriptedClient([issue("1", NOW - DAY)], [issue("older", NOW - YEAR - SECOND)], more=(0,))
    assert read(IssueHistory(client, 1_000), NOW - YEAR - DAY) == ["1"]
    assert client.to(ISSUE_SEARCH) == []


def test_the_first_page_is_small_and_later_ones_are_as_large_as_their_issues_allow() -> None:
    first = [issue(f"{number}", NOW - DAY, text="x" * 40_000) for number in range(3)]
    tiny, huge = [issue("tiny", NOW - DAY)], [issue("huge", NOW - DAY, text="x" * BYTES_PER_PAGE)]
    fitting = BYTES_PER_PAGE // size(first[0])
    client = ScriptedClient(first, tiny, huge, more=(0, 1, 2))
    read(IssueHistory(client, 1_000), NOW - 2 * DAY)
    assert [sent["limit"] for sent in client.to(ISSUE_LIST)] == [100, fitting, 1_000, 1]
    assert [sent.get("cursor") for sent in client.to(ISSUE_LIST)] == [None, "0", "1", "2"]


def test_the_first_page_is_no_larger_than_the_largest_that_is_allowed() -> None:
    client = ScriptedClient()
    read(IssueHistory(client, 7), NOW - 2 * DAY)
    assert client.to(ISSUE_LIST)[0]["limit"] == 7


@pytest.mark.parametrize(("numbers", "estimate"), [((41, 73, 5), 73), ((None, "8", 3), 3), ((None, None, None), 0)])
def test_the_number_of_issues_is_estimated_once_by_the_largest_number(numbers: Any, estimate: int) -> None:
    page = [issue(str(place), NOW - DAY, number=number) for place, number in enumerate(numbers)]
    estimates: list[int] = []
    client = ScriptedClient(page, [issue("later", NOW - DAY, number=99)], more=(0,))
    read(IssueHistory(client, 1_000, estimates.append), NOW - 2 * DAY)
    assert estimates == [estimate]


def test_if_the_list_is_not_sorted_no_progress_is_claimed_before_its_end() -> None:
    client = ScriptedClient(
        [issue("1", NOW - 5 * SECOND), issue("2", NOW - 4 * SECOND)],  # one second may be a matter of rounding
        [issue("3", NOW - 9 * SECOND)],
        [issue("4", NOW - 7 * SECOND)],
        [issue("5", NOW - 9 * SECOND)],
        more=(0, 1, 2),
    )
    pages = list(IssueHistory(client, 1_000).pages(NOW, NOW - DAY))
    assert [page.read_back_to for page in pages] == [NOW - 4 * SECOND, NOW - 8 * SECOND, None, None, NOW - DAY]


def test_an_issue_without_a_creation_time_is_read_and_moves_no_cursor() -> None:
    client = ScriptedClient([issue("1", NOW - DAY), issue("odd", None)])
    page = next(IssueHistory(client, 1_000).pages(NOW, NOW - 2 * DAY))
    assert [one["id"] for one in page.issues] == ["1", "odd"]
    assert page.read_back_to == NOW - DAY + SECOND


@pytest.mark.parametrize("refusal", [Rejected("no"), Forbidden("no"), NotFound("no")])
def test_a_list_refused_after_its_first_issues_is_not_read_again_by_search(refusal: Exception) -> None:
    client = ScriptedClient([issue("1", NOW - DAY)], refusal, refusal, more=(0,))
    with pytest.raises(type(refusal)):
        read(IssueHistory(client, 1_000), NOW - 2 * DAY)
    assert client.to(ISSUE_SEARCH) == []


def test_issues_outside_the_range_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    client = ScriptedClient([issue("newer", NOW + 2 * DAY), issue("1", NOW - DAY)])
    with caplog.at_level(logging.WARNING, "airbyte"):
        assert read(IssueHistory(client, 1_000), NOW - 2 * DAY) == ["1"]
    assert "Pylon ignores the time range of GET /issues" in caplog.text
    assert ". The sync is slower; nothing is lost.\n" in caplog.text


# --- The history through the search -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusals", "said"),
    [
        ([Forbidden("no", "status 403")], ["The token may not use GET /issues (status 403)"]),
        ([NotFound("no", "status 404")], ["The token may not use GET /issues (status 404)"]),
        (
            [Rejected("no"), Rejected("no")],
            ["refuses a range of a year. The history is read in months", "refuses every request to GET /issues"],
        ),
    ],
)
def test_a_refused_list_is_not_requested_again_and_searched_in_months(
    refusals: list[Exception], said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = ScriptedClient(*refusals, [issue("1", NOW - DAY)], [issue("2", NOW - 40 * DAY)])
    with caplog.at_level(logging.INFO, "airbyte"):
        assert read(IssueHistory(client, 7), NOW - 50 * DAY) == ["1", "2"]
    assert all(text in caplog.text for text in said)
    assert "The history is read through POST /issues/search" in caplog.text
    assert len(client.to(ISSUE_LIST)) == len(refusals)
    searches = [sent for sent in client.to(ISSUE_SEARCH) if sent["filter"]["operator"] == "time_range"]
    assert {sent["filter"]["field"] for sent in searches} == {"created_at"}
    assert {sent["limit"] for sent in searches} == {7}
    upper = NOW
    for sent in searches:
        start, end = moments(*sent["filter"]["values"])
        assert end >= upper, "without a gap"
        assert end - start <= 29 * DAY + 5 * SECOND
        upper = start + 2 * SECOND
    assert upper <= NOW - 50 * DAY + SECOND
    assert len(searches) == 2


def test_if_the_list_refuses_a_year_it_is_requested_by_month() -> None:
    client = ScriptedClient(Rejected("no"), [issue("1", NOW - DAY)], [issue("2", NOW - 30 * DAY)])
    assert read(IssueHistory(client, 1_000), NOW - 40 * DAY) == ["1", "2"]
    assert [sent["start_time"] for sent in client.to(ISSUE_LIST)[1:]] == [
        render(NOW - 29 * DAY),
        render(NOW - 40 * DAY),
    ]


def test_a_search_that_ignores_its_bounds_is_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    client = ScriptedClient(Forbidden("no"), [issue("newer", NOW + 2 * DAY)])
    with caplog.at_level(logging.WARNING, "airbyte"):
        read(IssueHistory(client, 1_000), NOW - DAY)
    assert "Pylon ignores the time range of POST /issues/search" in caplog.text


# --- Empty years ------------------------------------------------------------------------------------------------------


def created_before(moment: datetime) -> dict[str, Any]:
    return {"field": "created_at", "operator": "time_is_before", "value": render(moment)}


@pytest.mark.parametrize(
    ("shown", "expected", "ignored"),
    [
        ([], None, False),
        ([issue("1", NOW - SECOND)], NOW - SECOND, False),
        ([issue("1", NOW)], NOW - SECOND, False),  # an inclusive bound
        ([issue("1", NOW + DAY)], NOW - SECOND, False),
        ([issue("1", NOW + DAY + SECOND)], NOW - SECOND, True),
        ([issue("1", None)], NOW - SECOND, True),
    ],
)
def test_the_newest_issue_before_a_moment_is_found_by_one_search(
    shown: list[dict[str, Any]], expected: datetime | None, ignored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = ScriptedClient(shown)
    with caplog.at_level(logging.WARNING, "airbyte"):
        assert IssueHistory(client, 1_000).newest_before(NOW) == expected
    assert client.to(ISSUE_SEARCH) == [{"filter": created_before(NOW), "limit": 1}]
    assert ("ignores the time range of POST /issues/search" in caplog.text) is ignored


def test_issues_older_than_any_organisation_are_found_by_one_search() -> None:
    lower = NOW - YEAR
    old = datetime(1970, 1, 1, tzinfo=timezone.utc)
    shown = [issue("read already", lower), issue("no time", None), issue("just before", lower - SECOND)]
    client = ScriptedClient([], [issue("old", old)], [*shown, issue("old", old)])
    assert read(IssueHistory(client, 7), None) == ["just before", "old"]
    assert client.to(ISSUE_SEARCH)[-1] == {"filter": created_before(lower), "limit": 7}
    assert len(client.sent) == 3


# --- Changes ----------------------------------------------------------------------------------------------------------


Found = list[tuple[TimeWindow, list[list[str | None]]]]
"""The windows of a search for changes, each with the ids on its pages."""


def found_by(search: ChangeSearch, after: datetime, *bounds: datetime) -> Found:
    return [
        (window, [[issue.get("id") for issue in page] for page in pages])
        for window, pages in search.windows(after, NOW, bounds)
    ]


def changed(client: PylonClient, after: datetime, *, widest: timedelta = 29 * DAY, most: int = 100) -> Found:
    return found_by(ChangeSearch(client, widest, most), after)


def test_changes_are_searched_by_all_three_times_of_an_issue() -> None:
    client = ScriptedClient()
    changed(client, NOW - DAY)
    (sent,) = client.to(ISSUE_SEARCH)
    lower = {"operator": "time_is_after", "value": render(NOW - DAY - SECOND)}
    fields = ("updated_at", "latest_message_activity_at", "created_at")
    assert sent["filter"] == {"operator": "or", "subfilters": [{"field": field, **lower} for field in fields]}
    assert sent["limit"] == 100


def test_older_active_issues_are_searched_by_creation_and_by_activity() -> None:
    client = ScriptedClient()
    list(ChangeSearch(client, 29 * DAY, 100).windows(NOW - DAY, NOW, (), NOW - 9 * DAY))
    (sent,) = client.to(ISSUE_SEARCH)
    lower = {"operator": "time_is_after", "value": render(NOW - DAY - SECOND)}
    active = [{"field": field, **lower} for field in ("latest_message_activity_at", "updated_at")]
    assert sent["filter"] == {
        "operator": "and",
        "subfilters": [created_before(NOW - 9 * DAY), {"operator": "or", "subfilters": active}],
    }


def test_no_search_asks_for_more_issues_than_pylon_returns_at_once() -> None:
    client = ScriptedClient()
    changed(client, NOW - DAY, most=5_000)
    assert client.to(ISSUE_SEARCH)[0]["limit"] == ISSUE_SEARCH.page_size


def widths(found: Found) -> list[timedelta]:
    return [(window.until or NOW) - window.after for window, _ in found]


def test_a_window_with_too_many_issues_is_quartered_and_later_ones_widen_again() -> None:
    client = ScriptedClient([issue("1", NOW)], more=(0,))
    found = changed(client, NOW - 64 * DAY, widest=16 * DAY)
    assert widths(found) == [4 * DAY, 8 * DAY, 16 * DAY, 16 * DAY, 16 * DAY, 4 * DAY]


def test_the_newest_window_is_narrowed_from_its_true_width() -> None:
    client = ScriptedClient([issue("1", NOW)], more=(0,))
    found = changed(client, NOW - 8 * DAY, widest=29 * DAY)
    assert widths(found) == [2 * DAY, 4 * DAY, 2 * DAY]


def test_a_window_of_two_seconds_is_read_page_by_page() -> None:
    client = ScriptedClient([issue("1", NOW)], [issue("2", NOW)], more=(0,))
    ((_, pages),) = changed(client, NOW - 2 * SECOND)
    assert pages == [["1"], ["2"]]
    first, second = client.to(ISSUE_SEARCH)
    assert second == {**first, "limit": ISSUE_SEARCH.page_size, "cursor": "0"}


def test_a_window_whose_cursor_is_refused_is_searched_again() -> None:
    first, second = [issue("1", NOW)], [issue("2", NOW)]
    client = ScriptedClient(first, Rejected("no"), first, second, more=(0, 2))
    ((_, pages),) = changed(client, NOW - 2 * SECOND)
    assert pages == [["1"], ["2"]]
    assert [sent.get("cursor") for sent in client.to(ISSUE_SEARCH)] == [None, "0", None, "2"]


def far(count: int, distance: timedelta) -> list[dict[str, Any]]:
    return [issue(f"far {number}", NOW - distance) for number in range(count)]


def near(count: int) -> list[dict[str, Any]]:
    return [issue(f"near {number}", NOW - SECOND) for number in range(count)]


@pytest.mark.parametrize(
    ("shown", "after", "ignored"),
    [
        (far(20, 9 * DAY), NOW - DAY, True),
        (far(19, 9 * DAY), NOW - DAY, False),
        ([*far(20, 9 * DAY), *near(19)], NOW - DAY, True),
        ([*far(20, 9 * DAY), *near(20)], NOW - DAY, False),
        (far(20, 2 * DAY), NOW - DAY, False),  # a day may be a matter of clocks
        (far(20, 2 * DAY + SECOND), NOW - DAY, True),
        ([*far(20, 9 * DAY), {"created_at": render(NOW - 9 * DAY)}], NOW - DAY, True),
    ],
)
def test_the_filter_counts_as_ignored_if_twenty_issues_and_most_of_them_are_far_outside(
    shown: list[dict[str, Any]], after: datetime, ignored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = ScriptedClient(shown, shown)
    search = ChangeSearch(client, 29 * DAY, 100)
    with caplog.at_level(logging.WARNING, "airbyte"):
        found_by(search, after)
    assert search.filter_ignored is ignored
    assert ("Pylon ignores the time filter of POST /issues/search" in caplog.text) is ignored
    assert (". The sync is slower; nothing is lost.\n" in caplog.text) is ignored
    assert len(client.sent) == (2 if ignored else 1)


def test_if_the_filter_is_ignored_one_search_reads_up_to_the_next_bound_and_keeps_possible_changes() -> None:
    bound = NOW - 4 * DAY
    old = far(20, 90 * DAY)
    shown = [*old, *near(1), issue("no time", None), {"created_at": render(NOW - 90 * DAY)}]
    client = ScriptedClient(old, *[shown] * 4)
    search = ChangeSearch(client, DAY, 100)
    found = found_by(search, NOW - 8 * DAY, bound)
    kept = [["near 0", "no time", None]]
    assert found == [(TimeWindow(NOW - 8 * DAY, bound), kept), (TimeWindow(bound, None), kept)]
    assert [sent["limit"] for sent in client.to(ISSUE_SEARCH)] == [100, *[ISSUE_SEARCH.page_size] * 2]

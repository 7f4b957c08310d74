"""Changes and history of issues, as searches and lists show them: complete, in order, and with few requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from source_pylon.api.errors import Forbidden
from source_pylon.extraction.issues import changes as changes_module
from source_pylon.extraction.issues.changes import ChangeSearch
from source_pylon.extraction.issues.history import HistoryPage, IssueHistory
from source_pylon.extraction.time_windows import TimeWindow
from source_pylon.timestamps import SECOND
from unit_tests.simulation.model import BASE, FakeTransport, Issue, Message, Version, World, moment
from unit_tests.simulation.scenario import DAY, HOUR, MINUTE, Scenario
from unit_tests.simulation.simulate import VirtualClient

SECONDS = 1_000
WIDEST = timedelta(days=29)
NOW = 100 * DAY


def world(issues: Sequence[Issue] = (), **scenario: Any) -> World:
    made = World(Scenario(initial_issues=0, **scenario))
    made.now = NOW
    made.trace = []
    made.issues = {issue.id: issue for issue in issues}
    return made


def issue(name: str, created: int, updated: int | None = None, message: int | None = None) -> Issue:
    """An issue whose times are given; `message` is when it got its only one."""
    made = Issue(name, 1, created, "")
    messages = (Message(f"{name}-m", message, False),) if message is not None else ()
    made.add(Version(created, created if updated is None else updated, message, message, "ticket", messages))
    return made


def client(made: World) -> VirtualClient:
    return VirtualClient(FakeTransport(made, "test", 0), made, 0)


def requests(made: World) -> list[str]:
    return [line.split(" ", 1)[1] for line in made.trace or () if " POST " in line or " GET " in line]


class Found(NamedTuple):
    """What a search for changes found in one window."""

    window: TimeWindow
    issues: list[dict[str, Any]]


def search(
    made: World, after: int, *, most: int = 1_000, bounds: Sequence[datetime] = (), created_before: int | None = None
) -> list[Found]:
    reader = ChangeSearch(client(made), WIDEST, most)
    before = None if created_before is None else moment(created_before)
    return [
        Found(window, [issue for page in pages for issue in page])
        for window, pages in reader.windows(moment(after), moment(NOW), bounds, before)
    ]


def ids(parts: Sequence[Found | HistoryPage]) -> list[str]:
    return [one["id"] for part in parts for one in part.issues]


def history(made: World, since: int | None = None, most: int = 1_000) -> Iterator[HistoryPage]:
    return IssueHistory(client(made), most).pages(moment(NOW + DAY), None if since is None else moment(since))


# --- Changes ----------------------------------------------------------------------------------------------------------


def test_whatever_was_created_updated_or_got_a_message_counts_as_changed() -> None:
    made = world(
        [
            issue("created", NOW - HOUR),
            issue("updated", 0, updated=NOW - HOUR),
            issue("message", 0, message=NOW - HOUR),
            issue("old", NOW - 3 * HOUR, message=NOW - 3 * HOUR),
        ]
    )
    assert sorted(ids(search(made, NOW - 2 * HOUR))) == ["created", "message", "updated"]
    assert len(requests(made)) == 1


def test_windows_follow_each_other_without_a_gap_and_the_last_has_no_end() -> None:
    parts = search(world(), 0, bounds=[moment(50 * DAY)])
    windows = [part.window for part in parts]
    assert windows[0].after == BASE
    assert [window.until for window in windows[:-1]] == [window.after for window in windows[1:]]
    assert windows[-1].until is None
    assert moment(50 * DAY) in [window.until for window in windows]
    assert all(window.until is None or window.until - window.after <= WIDEST for window in windows)


def test_an_issue_from_the_future_is_found_in_the_last_window() -> None:
    assert ids(search(world([issue("ahead", 0, updated=NOW + 500 * DAY)]), NOW - DAY)) == ["ahead"]


def test_a_window_with_more_issues_than_a_checkpoint_takes_is_narrowed() -> None:
    made = world([issue(f"{number}", 20 * DAY + number * HOUR) for number in range(40)])
    parts = search(made, 0, most=10)
    assert sorted(ids(parts), key=int) == list(map(str, range(40)))
    assert all(len(part.issues) <= 10 for part in parts)


def test_issues_of_one_second_are_all_read_before_the_window_ends() -> None:
    made = world([issue(f"{number}", 20 * DAY + number) for number in range(40)], page_cap=7)
    parts = search(made, 20 * DAY - HOUR, most=7)
    assert len({*ids(parts)}) == 40
    assert next(len(part.issues) for part in parts if part.issues) == 40


def test_older_active_issues_are_those_created_before_and_changed_since() -> None:
    made = world(
        [
            issue("older", 0, message=NOW - HOUR),
            issue("older, quiet", 0, message=DAY),
            issue("newer", NOW - 2 * HOUR, message=NOW - HOUR),
        ]
    )
    assert ids(search(made, NOW - DAY, created_before=NOW - DAY)) == ["older"]


def test_an_ignored_filter_is_logged_once_and_costs_no_search_per_window(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = world([issue(f"{number}", 90 * DAY + number) for number in range(30)], search_filter_ignored=True)
    with caplog.at_level(logging.WARNING, "airbyte"):
        parts = search(made, 0)
    assert len(ids(parts)) == len({*ids(parts)}) == 30
    assert caplog.text.count("ignores the time filter") == 1
    assert len(requests(made)) == 2


def test_an_ignored_filter_is_noticed_even_if_todays_issues_fill_a_page(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise a day is searched in steps of two seconds, each with all issues of the organisation."""
    made = world([issue(f"{number}", NOW - number * MINUTE) for number in range(200)], search_filter_ignored=True)
    with caplog.at_level(logging.WARNING, "airbyte"):
        found = ids(search(made, NOW - DAY, most=100))
    assert "ignores the time filter" in caplog.text
    assert len({*found}) == 200
    assert len(requests(made)) <= 15


def test_a_few_issues_found_by_a_hidden_time_do_not_look_like_an_ignored_filter() -> None:
    hidden = []
    for number in range(changes_module._IGNORED_FILTER_MIN_ISSUES - 1):
        made = issue(f"{number}", 0)
        made.versions[0] = Version(0, 0, NOW - HOUR, None, "ticket", ())
        hidden.append(made)
    assert len(ids(search(world(hidden), NOW - 2 * HOUR))) == len(hidden)


# --- History ----------------------------------------------------------------------------------------------------------


def test_the_history_is_newest_first_and_says_how_far_it_has_been_read() -> None:
    made = world([issue(f"{number}", number * DAY) for number in range(60)], page_cap=7)
    pages = list(history(made))
    assert ids(pages) == [str(number) for number in reversed(range(60))]
    read = 60
    for page in pages:
        read -= len(page.issues)
        assert page.read_back_to is not None
        assert all(moment(number * DAY) < page.read_back_to for number in range(read))


def test_no_page_covers_the_second_of_its_oldest_issue() -> None:
    """The next page may hold issues of the same second, which records show without their fraction."""
    made = world([issue(f"{number}", 10 * DAY + number) for number in range(10)], page_cap=3)
    pages = [page for page in history(made) if page.issues]
    assert len(pages) == 4
    assert [page.read_back_to for page in pages] == [moment(10 * DAY) + SECOND] * 4


def test_the_history_ends_at_the_start_date_and_includes_its_moment() -> None:
    made = world([issue("at", 50 * DAY), issue("before", 50 * DAY - 1), issue("after", 50 * DAY + 1)])
    pages = list(history(made, since=50 * DAY))
    assert ids(pages) == ["after", "at"]
    assert pages[-1].read_back_to == moment(50 * DAY)
    assert len(requests(made)) == 1


def test_one_request_skips_any_number_of_empty_years() -> None:
    made = world([issue("old", -9 * 365 * DAY), issue("new", NOW - DAY)])
    assert ids(list(history(made))) == ["new", "old"]
    # The year of the new one, an empty one, the jump; the year of the old one, an empty one, and nothing before.
    assert len(requests(made)) == 6


def test_an_empty_history_costs_two_requests() -> None:
    made = world()
    assert ids(list(history(made))) == []
    assert len(requests(made)) == 2


def test_an_issue_that_claims_to_be_older_than_any_organisation_is_read_once() -> None:
    made = world([issue("ancient", -60 * 365 * DAY), issue("new", NOW - DAY)])
    assert ids(list(history(made))) == ["new", "ancient"]


@pytest.mark.parametrize("mode", ["months", "forbidden", "missing", "rejected"])
def test_if_the_list_or_a_year_is_refused_the_history_is_the_same(mode: str) -> None:
    issues = [issue(f"{number}", NOW - number * 20 * DAY) for number in range(30)]
    assert ids(list(history(world(issues, list_mode=mode, page_cap=4)))) == ids(list(history(world(issues))))


def test_if_bounds_are_ignored_each_issue_is_emitted_once_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    issues = [issue(f"{number}", NOW - number * 100 * DAY) for number in range(10)]
    with caplog.at_level(logging.WARNING, "airbyte"):
        found = ids(list(history(world(issues, list_bounds_ignored=True))))
    assert found == [str(number) for number in range(10)]
    assert caplog.text.count("ignores the time range") == 1


def test_a_list_refused_halfway_fails_instead_of_starting_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world([issue(f"{number}", NOW - number * DAY) for number in range(10)], page_cap=4)
    pages = history(made)
    assert next(pages).issues
    monkeypatch.setattr(FakeTransport, "_list", lambda self, query: self._bad(403))
    with pytest.raises(Forbidden):
        list(pages)

"""Issues are divided so that a state never claims what was not given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pylon.extraction.issues.plan import Listed, Marks, Range, began_after, cut
from source_pylon.extraction.time_windows import Window
from source_pylon.timestamps import render

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(START, START + 29 * DAY)
LATER = START + 100 * DAY


def listed(
    latest: datetime | None, *, created: datetime = START, updated: datetime | None = None, **more: Any
) -> Listed:
    issue = {"id": "i", "created_at": render(created), "updated_at": render(updated or latest or created), **more}
    if latest is not None:
        issue["latest_message_time"] = render(latest)
    return Listed.of(issue)


offsets = st.lists(st.integers(1, 40), max_size=60)


def make(seconds: list[int]) -> list[Listed]:
    return [listed(START + timedelta(seconds=second), id=str(n)) for n, second in enumerate(seconds)]


@given(offsets, st.integers(1, 10))
def test_every_issue_is_in_exactly_one_cut_in_cursor_order(seconds: list[int], size: int) -> None:
    cuts = list(cut(make(seconds), WINDOW, LATER, size))
    ids = [one.id for part in cuts for one in part.issues]
    assert sorted(ids) == sorted(str(n) for n in range(len(seconds)))
    cursors = [one.cursor for part in cuts for one in part.issues]
    assert cursors == sorted(cursors, key=lambda cursor: cursor or START)
    assert all(len(part.issues) <= size for part in cuts)


@given(offsets, st.integers(1, 10), st.integers(0, 60))
def test_a_cuts_mark_covers_only_what_it_and_those_before_it_hold(seconds: list[int], size: int, horizon: int) -> None:
    issues = make(seconds)
    given_ids: set[str] = set()
    for part in cut(issues, WINDOW, START + timedelta(seconds=horizon), size):
        given_ids |= {one.id for one in part.issues}
        assert {one.id for one in issues if one.cursor is not None and one.cursor <= part.mark} <= given_ids
        assert part.mark <= START + timedelta(seconds=horizon)


@given(offsets, st.integers(1, 10))
def test_marks_never_go_back_and_end_with_the_window(seconds: list[int], size: int) -> None:
    marks = [part.mark for part in cut(make(seconds), WINDOW, LATER, size)]
    assert marks == sorted(marks)
    assert marks[-1] == WINDOW.until


def test_a_window_without_issues_still_carries_its_mark() -> None:
    (only,) = cut([], WINDOW, LATER, 10)
    assert (only.issues, only.mark) == ([], WINDOW.until)


def test_the_window_without_end_carries_its_mark_to_the_horizon() -> None:
    (only,) = cut([], Window(START, None), LATER, 10)
    assert only.mark == LATER


def test_marks_stay_at_the_horizon_where_the_window_begins_behind_it() -> None:
    (only,) = cut([], Window(LATER, None), START, 10)
    assert only.mark == START


def test_the_cursor_of_an_issue_is_its_latest_message_or_its_creation() -> None:
    assert listed(START + DAY).cursor == START + DAY
    assert listed(None).cursor == START
    assert Listed.of({"id": "x", "latest_message_time": None, "created_at": "nonsense"}).cursor is None


@pytest.mark.parametrize(("kind", "read"), [("Ticket", "ticket"), ("ticket", "ticket"), (None, ""), (7, ""), ("", "")])
def test_types_are_read_without_regard_to_case(kind: Any, read: str) -> None:
    assert listed(START, type=kind).type == read
    assert Range(None, None, "ticket").covers(listed(START, type=kind)) is (read == "ticket")
    assert Range(None, None, None).covers(listed(START, type=kind))


def test_the_state_is_read_back_as_it_was_written() -> None:
    marks = Marks(START + timedelta(microseconds=5), LATER)
    assert Marks.of(marks.as_state()) == marks


@pytest.mark.parametrize(
    "state",
    [{}, {"updated_at": "2026-01-01T00:00:00Z"}, {"latest_message_time": "2026-01-01T00:00:00Z"},
     {"latest_message_time": "x", "updated_at": "2026-01-01T00:00:00Z"},
     {"latest_message_time": None, "updated_at": None}],
)  # fmt: skip
def test_a_state_that_is_not_ours_gives_no_marks(state: dict[str, Any]) -> None:
    assert Marks.of(state) is None


def test_the_update_part_owes_what_changed_since_the_mark_wherever_its_messages_lie() -> None:
    wanted = Range(after=START, updated=START, type=None)
    before = START - DAY
    assert wanted.wants_update(listed(before, updated=START + DAY))
    assert not wanted.wants_update(listed(before, updated=START))
    assert wanted.wants_update(listed(START + DAY, updated=START + DAY))
    assert not Range(START, None, None).wants_update(listed(before, updated=START + DAY))


def test_an_issue_without_a_readable_change_time_counts_as_changed() -> None:
    one = replace(listed(START - DAY), updated=None)
    assert Range(after=START, updated=START, type=None).wants_update(one)


def test_nothing_before_the_start_belongs_to_a_stream() -> None:
    wanted = Range(after=START, updated=START, type=None, start=START - DAY)
    assert not wanted.wants_update(listed(START - 2 * DAY, updated=START + DAY))
    assert wanted.wants_update(listed(START - DAY, updated=START + DAY))


def test_an_issue_of_the_window_is_owed_and_one_before_it_is_not() -> None:
    wanted = Range(after=START, updated=None, type=None)
    assert wanted.wants_message(listed(START + DAY), WINDOW, [START])
    assert not wanted.wants_message(listed(START - DAY, created=START - 9 * DAY), WINDOW, [START])


def test_an_issue_whose_latest_message_lies_after_the_window_is_taken_at_first_sight() -> None:
    wanted = Range(after=None, updated=None, type=None)
    assert wanted.wants_message(listed(START + 60 * DAY), WINDOW, [START])


def test_an_issue_that_its_own_window_has_had_is_not_taken_again() -> None:
    second = Window(START + 29 * DAY, START + 58 * DAY)
    wanted = Range(after=None, updated=None, type=None)
    one = listed(START + 5 * DAY, created=START + 4 * DAY)
    assert not wanted.wants_message(one, second, [START, second.after])


def test_an_issue_without_any_readable_time_is_taken() -> None:
    assert Range(START, None, None).wants_message(Listed.of({"id": "x"}), WINDOW, [START])


def test_an_issue_that_began_after_what_was_asked_for_proves_an_ignored_filter() -> None:
    assert began_after(listed(None, created=START + 3 * DAY), START)
    assert not began_after(listed(None, created=START + timedelta(seconds=3)), START)

"""The state of an issue stream says what has been emitted, and never more."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pylon.api.errors import InvalidResponse, Unavailable
from source_pylon.extraction.issues.cursor import BEGINNING, END, MAX_UNREAD_ISSUES, IssueCursor, parse_issue_cursor
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.issues.recipient import Recipient
from source_pylon.extraction.time_windows import TimeWindow
from source_pylon.streams.issues import Conversations, Issues
from source_pylon.timestamps import SECOND, render

UTC = timezone.utc
NOW = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)
START = NOW - 30 * DAY

moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2026, 10, 1), timezones=st.just(UTC))
positions = st.one_of(
    st.just({}),
    st.just({"history_read_back_to": BEGINNING}),
    st.builds(lambda back_to: {"history_read_back_to": back_to}, moments),
    st.builds(
        lambda back_to, until: {"history_read_back_to": back_to, "older_activity_read_until": until}, moments, moments
    ),
    st.builds(lambda back_to: {"history_read_back_to": back_to, "older_activity_read_until": END}, moments),
)
cursors = st.builds(
    lambda position, **rest: IssueCursor(**position, **rest),
    positions,
    changes_read_until=moments,
    latest_message_time=moments,
    include_messages=st.booleans(),
    unread_issues=st.lists(st.text("abc", min_size=1), max_size=3).map(tuple),
)


def listed(**issue: Any) -> ListedIssue:
    return ListedIssue.of({"id": "1", "type": "conversation", "created_at": render(NOW - DAY), **issue})


def recipient(cursor: IssueCursor | None = None, start: datetime | None = None) -> Recipient:
    return Recipient(Issues(), cursor, start, True)


# --- The state --------------------------------------------------------------------------------------------------------


@given(cursors)
def test_a_state_survives_writing_and_reading(cursor: IssueCursor) -> None:
    assert parse_issue_cursor("issues", cursor.as_state(), cursor.include_messages) == cursor


@pytest.mark.parametrize(
    "state", [{"page": 3}, {"latest_message_time": render(NOW)}, {"changes_read_until": "0001-01-01T00:00:00Z"}]
)
def test_a_state_that_no_issue_stream_wrote_yields_no_cursor(state: dict[str, Any]) -> None:
    assert parse_issue_cursor("issues", state, True) is None


def test_after_a_state_of_version_0_1_0_changes_continue_from_the_earlier_time_and_the_history_is_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = {"latest_message_time": render(NOW), "updated_at": render(NOW - DAY)}
    with caplog.at_level(logging.INFO, "airbyte"):
        assert parse_issue_cursor("issues", state, True) == IssueCursor(NOW - DAY)
    assert "0.1.0" in caplog.text
    assert parse_issue_cursor("issues", state, False) == IssueCursor(NOW - DAY, include_messages=False)


@pytest.mark.parametrize(
    "position",
    [
        {"history_read_back_to": BEGINNING},
        {"history_read_back_to": START, "older_activity_read_until": END},
        {"history_read_back_to": START, "older_activity_read_until": NOW - DAY},
    ],
)
def test_switching_messages_on_again_reads_the_whole_history(
    position: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = IssueCursor(NOW, include_messages=False, **position).as_state()
    with caplog.at_level(logging.INFO, "airbyte"):
        assert parse_issue_cursor("issues", state, False) != IssueCursor(NOW, latest_message_time=NOW)
        assert caplog.text == ""
        assert parse_issue_cursor("issues", state, True) == IssueCursor(NOW, latest_message_time=NOW)
    assert "Stream issues: Include Messages was switched on, so the history is read once more" in caplog.text


def test_the_list_of_unread_issues_in_a_state_is_bounded() -> None:
    state = IssueCursor(NOW, unread_issues=tuple(map(str, range(1_000)))).as_state()
    cursor = parse_issue_cursor("issues", state, True)
    assert cursor is not None
    assert cursor.unread_issues == tuple(map(str, range(MAX_UNREAD_ISSUES)))
    broken = parse_issue_cursor("issues", {**state, "unread_issues": "all"}, True)
    assert broken is not None
    assert broken.unread_issues == ()


# --- Its moves --------------------------------------------------------------------------------------------------------


@given(cursors, moments)
def test_changes_only_move_forward_and_the_history_only_back(cursor: IssueCursor, moment: datetime) -> None:
    assert cursor.after_changes(moment).changes_read_until == max(cursor.changes_read_until, moment)
    back_to = cursor.after_history(moment).history_read_back_to
    before = cursor.history_read_back_to
    assert back_to == (moment if before is None else min(before, moment))


@given(cursors, moments)
def test_if_the_history_continues_older_activity_is_read_anew(cursor: IssueCursor, moment: datetime) -> None:
    moved = cursor.after_history(moment)
    if moved != cursor:
        assert moved.older_activity_read_until is None


@given(cursors, moments)
def test_a_cursor_never_covers_less_than_before(cursor: IssueCursor, created: datetime) -> None:
    if covers(cursor, created):
        assert covers(cursor.after_history(created - DAY), created)
        assert covers(cursor.after_history(BEGINNING), created)


def covers(cursor: IssueCursor, created: datetime) -> bool:
    """Whether the history read so far includes an issue created at that time."""
    back_to = cursor.history_read_back_to
    return back_to is not None and created >= back_to


@given(cursors, moments, moments)
def test_older_activity_is_read_from_the_start_date_on_until_it_is_complete(
    cursor: IssueCursor, floor: datetime, until: datetime
) -> None:
    def older(moved: IssueCursor) -> tuple[datetime | None, datetime | None]:
        return moved.history_read_back_to, moved.older_activity_read_until

    reached = cursor.at_start_date(floor)
    assert older(reached) == (floor, floor)
    halfway = reached.after_older_activity(until)
    assert older(halfway) == (floor, until)
    assert older(halfway.after_older_activity(END)) == (floor, END)
    assert halfway.after_older_activity(END).changes_read_until == cursor.changes_read_until


def test_older_activity_stays_read_if_the_history_ends_at_the_same_date_again() -> None:
    cursor = IssueCursor(NOW).at_start_date(START).after_older_activity(END)
    assert cursor == IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=END)
    assert cursor.after_history(START) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        IssueCursor(NOW, history_read_back_to=START),
        IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=END),
        IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=NOW),
    ],
)
def test_a_complete_history_leaves_no_older_activity_in_the_state(cursor: IssueCursor) -> None:
    assert cursor.after_history(BEGINNING) == IssueCursor(NOW, history_read_back_to=BEGINNING)


@pytest.mark.parametrize(
    ("cursor", "start", "floor"),
    [
        (IssueCursor(NOW), None, None),
        (IssueCursor(NOW), START, START),
        (IssueCursor(NOW, history_read_back_to=BEGINNING), START, BEGINNING),
        (IssueCursor(NOW, history_read_back_to=START), START + DAY, START),  # moved forward: nothing is taken back
        (IssueCursor(NOW, history_read_back_to=START), START - DAY, START - DAY),  # moved back
        (IssueCursor(NOW, history_read_back_to=START), None, None),  # removed
    ],
)
def test_issues_belong_to_a_stream_from_its_earliest_start_date_on(
    cursor: IssueCursor, start: datetime | None, floor: datetime | None
) -> None:
    assert cursor.floor(start) == floor


# --- One stream within a reading --------------------------------------------------------------------------------------


def test_a_changed_issue_is_emitted_once_in_a_sync_and_not_again_by_the_history() -> None:
    stream = recipient()
    assert stream.take_change(listed())
    assert not stream.take_change(listed())
    assert not stream.take_history(listed())


def test_the_history_emits_only_what_no_sync_has_read() -> None:
    stream = recipient(IssueCursor(NOW, history_read_back_to=START))
    assert stream.take_history(listed(created_at=render(START - SECOND)))
    assert not stream.take_history(listed(created_at=render(START)))
    assert stream.take_history(listed(created_at=None))


def test_a_stream_of_one_type_emits_no_issue_of_another() -> None:
    stream = Recipient(Conversations(), IssueCursor(NOW, unread_issues=("1",)), None, True)
    for take in (stream.take_change, stream.take_history, stream.take_retry):
        assert not take(listed(type="ticket"))
    assert stream.take_change(listed(type="Conversation"))


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ({"created_at": render(START)}, True),
        ({"created_at": render(START - SECOND)}, False),
        ({"created_at": render(START - DAY), "latest_message_time": render(START)}, True),
        ({"created_at": render(START - DAY), "latest_message_time": render(START - SECOND)}, False),
        ({"created_at": render(START - DAY), "updated_at": render(NOW)}, False),
        ({"created_at": None}, True),
    ],
)
def test_a_start_date_applies_to_the_creation_and_the_latest_message(times: dict[str, Any], taken: bool) -> None:
    assert recipient(start=START).take_change(listed(**times)) is taken


def test_after_the_start_date_moves_forward_older_issues_stay_up_to_date() -> None:
    stream = recipient(IssueCursor(NOW, history_read_back_to=START), start=START + 2 * DAY)
    assert stream.take_change(listed(created_at=render(START)))
    assert not stream.take_change(listed(id="2", created_at=render(START - SECOND)))


@pytest.mark.parametrize("cursor", [None, IssueCursor(NOW)])
def test_a_stream_knows_whether_an_earlier_sync_left_a_state(cursor: IssueCursor | None) -> None:
    assert recipient(cursor).had_state is (cursor is not None)


def test_only_an_issue_that_could_not_be_read_is_tried_again() -> None:
    stream = recipient(IssueCursor(NOW, unread_issues=("1",)))
    assert stream.take_retry(listed())
    assert not stream.take_change(listed())
    assert not recipient(IssueCursor(NOW)).take_retry(listed())


@pytest.mark.parametrize(
    ("cursor", "start", "history", "older"),
    [
        (None, None, True, False),
        (IssueCursor(NOW), None, True, False),
        (IssueCursor(NOW, history_read_back_to=BEGINNING), None, False, False),
        (IssueCursor(NOW, history_read_back_to=BEGINNING), START, False, False),
        (IssueCursor(NOW, history_read_back_to=START + DAY), START, True, False),
        (IssueCursor(NOW, history_read_back_to=START), START, False, True),
        (IssueCursor(NOW, history_read_back_to=START - DAY), START, False, True),
        (IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=NOW), START, False, True),
        (IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=END), START, False, False),
        (IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=END), START - DAY, True, False),
        (IssueCursor(NOW, history_read_back_to=START, older_activity_read_until=END), None, True, False),
    ],
)
def test_a_stream_wants_its_history_down_to_the_start_date_and_then_older_active_issues(
    cursor: IssueCursor | None, start: datetime | None, history: bool, older: bool
) -> None:
    stream = recipient(cursor, start)
    assert (stream.wants_history, stream.older_activity is not None) == (history, older)


def test_a_first_sync_claims_changes_up_to_the_horizon() -> None:
    stream = recipient()
    moved = stream.advance(lambda cursor: cursor.after_history(START), NOW)
    assert moved == IssueCursor(NOW, history_read_back_to=START)


@pytest.mark.parametrize("included", [True, False])
def test_the_state_of_a_first_sync_says_whether_messages_were_included(included: bool) -> None:
    stream = Recipient(Issues(), None, None, included)
    moved = stream.advance(lambda cursor: cursor.after_history(START), NOW)
    assert moved is not None
    assert stream.checkpoint(moved).state["include_messages"] is included


def test_a_state_ahead_of_the_horizon_is_moved_back_with_the_first_move() -> None:
    stream = recipient(IssueCursor(NOW + DAY, history_read_back_to=BEGINNING))
    moved = stream.advance(lambda cursor: cursor.after_changes(NOW), NOW)
    assert moved is not None
    assert moved.changes_read_until == NOW


def test_the_state_does_not_pass_an_issue_without_an_id() -> None:
    stream = recipient(IssueCursor(NOW - DAY, history_read_back_to=BEGINNING))
    stream.missing_ids += 3
    assert stream.advance(lambda cursor: cursor.after_changes(NOW), NOW) is None
    failure = stream.failure()
    assert isinstance(failure, InvalidResponse)
    assert "3 records without id" in failure.user_message


def test_the_latest_message_in_the_state_is_the_newest_emitted_and_never_later_than_the_changes() -> None:
    stream = recipient()
    cursor = IssueCursor(NOW, history_read_back_to=BEGINNING)
    stream.emitted(listed(latest_message_time=render(NOW - DAY)))
    stream.emitted(listed(latest_message_time=render(NOW - 2 * DAY)))
    checkpoint = stream.checkpoint(cursor)
    assert checkpoint.stream == "issues"
    assert checkpoint.state["latest_message_time"] == render(NOW - DAY)
    stream.emitted(listed(latest_message_time="2222-01-01T00:00:00Z"))
    assert stream.checkpoint(cursor).state["latest_message_time"] == render(NOW)


def test_the_latest_message_of_an_earlier_sync_stays_in_the_state() -> None:
    cursor = IssueCursor(NOW, latest_message_time=NOW - DAY)
    stream = recipient(cursor)
    stream.emitted(listed(latest_message_time=render(NOW - 2 * DAY)))
    assert stream.checkpoint(cursor).state["latest_message_time"] == render(NOW - DAY)


def test_an_unread_issue_stays_in_the_state_until_it_is_emitted_or_deleted() -> None:
    stream = recipient(IssueCursor(NOW, unread_issues=("1", "2")))
    error = Unavailable("Pylon responded with status 500.", "status 500")
    stream.keep_unread("3", error)
    assert stream.checkpoint(IssueCursor(NOW)).state["unread_issues"] == ["1", "2", "3"]
    failure = stream.failure()
    assert failure is not None
    assert "1, 2, 3" in failure.user_message
    assert "status 500" in failure.user_message
    assert failure.detail == "status 500"
    stream.emitted(listed())
    stream.forget("2")
    stream.forget("3")
    assert "unread_issues" not in stream.checkpoint(IssueCursor(NOW)).state
    assert stream.failure() is None


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (1, "1 issue could not be read: 0. Everything else"),
        (5, "5 issues could not be read: 0, 1, 2, 3, 4. Everything else"),
        (6, "6 issues could not be read: 0, 1, 2, 3, 4 and 1 more. Everything else"),
        (7, "7 issues could not be read: 0, 1, 2, 3, 4 and 2 more. Everything else"),
    ],
)
def test_the_error_for_unread_issues_names_the_first_five_and_counts_the_others(count: int, named: str) -> None:
    stream = recipient(IssueCursor(NOW, unread_issues=tuple(map(str, range(count)))))
    failure = stream.failure()
    assert failure is not None
    assert named in failure.user_message
    # No attempt was made in this sync, so there is no reason to add.
    assert failure.user_message.endswith("the next sync tries these issues first.")
    assert failure.detail == ""


def test_a_deleted_issue_does_not_affect_the_others() -> None:
    stream = recipient(IssueCursor(NOW, unread_issues=("1",)))
    stream.forget("2")
    assert stream.checkpoint(IssueCursor(NOW)).state["unread_issues"] == ["1"]


def test_more_unread_issues_than_a_state_can_hold_fail_the_stream() -> None:
    stream = recipient()
    error = Unavailable("Pylon responded with status 500.")
    for number in range(MAX_UNREAD_ISSUES):
        stream.keep_unread(str(number), error)
    stream.keep_unread("0", error)
    with pytest.raises(Unavailable):
        stream.keep_unread("one more", error)


# --- The times of an issue --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["created_at", "updated_at", "latest_message_time"])
def test_an_issue_has_a_time_after_a_moment_by_any_of_its_times(field: str) -> None:
    times = {"created_at": None, "updated_at": None, "latest_message_time": None, field: render(NOW)}
    assert listed(**times).has_time_after(NOW - SECOND)
    assert not listed(**times).has_time_after(NOW)
    assert listed(created_at=None).has_time_after(NOW) is True, "unknown times"


@pytest.mark.parametrize("field", ["created_at", "updated_at", "latest_message_time"])
def test_an_issue_is_far_from_a_window_only_if_all_of_its_times_are(field: str) -> None:
    window = TimeWindow(NOW - SECOND, NOW)
    far = dict.fromkeys(("created_at", "updated_at", "latest_message_time"), render(START))
    assert listed(**far).is_far_from(window, DAY)
    assert not listed(**{**far, field: render(NOW)}).is_far_from(window, DAY)
    assert not listed(created_at=None).is_far_from(window, DAY), "unknown times"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"latest_message_time": None, "body_html": "", "attachment_urls": []}, False),
        ({"latest_message_time": render(NOW)}, True),
        ({"body_html": "<p>text</p>"}, True),
        ({"attachment_urls": ["https://files.example/1"]}, True),
    ],
)
def test_an_issue_without_message_body_and_file_needs_no_request_for_its_messages(
    fields: dict[str, Any], expected: bool
) -> None:
    assert listed(**fields).may_have_text_or_files() is expected

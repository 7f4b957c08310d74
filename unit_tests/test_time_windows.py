"""Windows of time follow each other without a gap, and their filters ask for more than they own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from source_pylon.extraction.time_windows import TimeWindow, cut_at, next_window, time_filter, windows_after
from source_pylon.timestamps import SECOND, parse

UTC = timezone.utc
NOW = datetime(2026, 10, 1, tzinfo=UTC)
MONTH = timedelta(days=29)
moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2026, 9, 30), timezones=st.just(UTC))


def windows(after: datetime) -> list[TimeWindow]:
    return list(windows_after(after, NOW, MONTH))


@given(moments, moments)
def test_every_later_moment_belongs_to_exactly_one_window(after: datetime, moment: datetime) -> None:
    owners = [window for window in windows(after) if window.holds(moment)]
    assert len(owners) == (1 if moment > after else 0)


@given(moments)
def test_no_window_is_wider_than_allowed_and_only_the_last_has_no_end(after: datetime) -> None:
    *closed, last = windows(after)
    assert last.until is None
    assert NOW - last.after <= MONTH
    assert all(window.until is not None and window.until - window.after <= MONTH for window in closed)


def test_a_moment_in_the_far_future_belongs_to_the_last_window() -> None:
    assert next_window(NOW - MONTH, NOW, MONTH).holds(datetime(2222, 1, 1, tzinfo=UTC))


def test_a_start_in_the_future_yields_one_window_without_end() -> None:
    assert next_window(NOW + MONTH, NOW, MONTH) == TimeWindow(NOW + MONTH, None)


def test_a_window_is_cut_short_at_the_first_bound_inside_it() -> None:
    window = TimeWindow(NOW - MONTH, NOW)
    inside, later = NOW - timedelta(days=20), NOW - timedelta(days=3)
    assert cut_at(window, [later, inside]) == TimeWindow(window.after, inside)
    assert cut_at(window, [NOW - MONTH, NOW, NOW + MONTH]) == window
    assert cut_at(TimeWindow(window.after, None), [inside]) == TimeWindow(window.after, inside)


@given(moments, st.integers(0, 999_999))
def test_a_filter_covers_its_window_with_inclusive_and_exclusive_bounds(after: datetime, micros: int) -> None:
    after = after.replace(microsecond=micros)
    window = TimeWindow(after, after + MONTH)
    asked = time_filter("updated_at", window)
    lower, upper = map(parse, asked["values"])
    assert lower is not None
    assert upper is not None
    # Exclusive bounds, and times shown up to a second before they are.
    assert lower < after
    assert lower.microsecond == 0
    assert window.until is not None
    assert upper > window.until + SECOND
    assert (asked["field"], asked["operator"]) == ("updated_at", "time_range")


def test_a_window_without_end_is_requested_with_one_value() -> None:
    asked = time_filter("start_time", TimeWindow(datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC), None))
    assert asked == {"field": "start_time", "operator": "time_is_after", "value": "2025-12-31T23:59:59Z"}


def test_a_window_is_requested_in_whole_seconds_one_earlier_and_two_later() -> None:
    after = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    asked = time_filter("updated_at", TimeWindow(after, after + timedelta(minutes=1)))
    assert asked["values"] == ["2025-12-31T23:59:59Z", "2026-01-01T00:01:02Z"]


def test_a_window_includes_its_end_but_not_its_beginning() -> None:
    window = TimeWindow(NOW - MONTH, NOW)
    assert window.holds(NOW)
    assert not window.holds(NOW - MONTH)


def test_a_moment_is_far_from_a_window_if_more_than_a_day_outside() -> None:
    window, day, tick = TimeWindow(NOW - MONTH, NOW), timedelta(days=1), timedelta(microseconds=1)
    assert not window.is_far_from(NOW - MONTH - day)
    assert window.is_far_from(NOW - MONTH - day - tick)
    assert not window.is_far_from(NOW + day)
    assert window.is_far_from(NOW + day + tick)
    assert not TimeWindow(NOW - MONTH, None).is_far_from(NOW + 1_000 * day)

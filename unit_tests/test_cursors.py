"""Cursors of streams with one time field: no wrong clock, lookback or foreign state loses a record."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from source_pylon.api.errors import Unavailable
from source_pylon.extraction.cursors import (
    clamp_cursor,
    is_in_future,
    lookback_start,
    next_cursor,
    parse_cursor,
    read_cursor,
    warn_unknown_state,
)
from source_pylon.extraction.stream import SyncContext
from source_pylon.timestamps import SECOND, TICK, render

UTC = timezone.utc
NOW = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)
moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC))
lookbacks = st.timedeltas(timedelta(0), timedelta(days=90))


@given(moments)
def test_a_cursor_survives_writing_and_reading(moment: datetime) -> None:
    assert parse_cursor(render(moment)) == moment


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "1998-12-31T23:59:59Z", "soon", "", None, 5, {}])
def test_a_state_that_no_sync_can_have_written_yields_no_cursor(value: object) -> None:
    assert parse_cursor(value) is None


def test_a_state_may_be_as_old_as_1999() -> None:
    assert parse_cursor("1999-01-01T00:00:00Z") == datetime(1999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("state", [None, {}])
def test_without_a_state_there_is_neither_cursor_nor_warning(
    state: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_cursor("contacts", "created_at", state) is None
    assert caplog.text == ""


def test_the_cursor_is_read_from_the_streams_cursor_field() -> None:
    state = {"start_time": render(NOW), "created_at": render(NOW - DAY)}
    assert read_cursor("call_recordings", "start_time", state) == NOW


def test_an_unknown_state_is_described_by_its_keys_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "airbyte"):
        assert read_cursor("contacts", "created_at", {"page": "confidential", "cursor": "confidential"}) is None
    assert "Stream contacts: the saved state is not one that this connector wrote" in caplog.text
    assert "cursor, page" in caplog.text
    assert ". The stream is read from its beginning.\n" in caplog.text
    assert "confidential" not in caplog.text


def test_an_unknown_state_without_keys_is_described_as_empty(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "airbyte"):
        warn_unknown_state("contacts", {})
    assert "(it contains: nothing)" in caplog.text


def test_a_state_in_the_future_is_logged_with_its_date_and_a_remedy(caplog: pytest.LogCaptureFixture) -> None:
    context = cast(SyncContext, SimpleNamespace(client=Clocks(NOW - 2 * DAY, NOW - 2 * DAY)))
    with caplog.at_level(logging.WARNING, "airbyte"):
        is_in_future(context, "contacts", NOW - DAY)
        assert caplog.text == ""
        is_in_future(context, "contacts", NOW)
    assert "Stream contacts: the saved state is in the future (2026-10-01)" in caplog.text
    assert "nothing is read. If the state is wrong, reset the stream in Airbyte.\n" in caplog.text


@given(moments, moments)
def test_a_cursor_ahead_of_the_horizon_is_moved_back_to_it(cursor: datetime, horizon: datetime) -> None:
    clamped = clamp_cursor(cursor, horizon)
    assert clamped <= horizon + 2 * SECOND
    assert clamped == cursor or (clamped == horizon and cursor > horizon + 2 * SECOND)


def test_a_cursor_ahead_only_by_rounding_is_kept() -> None:
    assert clamp_cursor(NOW + 2 * SECOND, NOW) == NOW + 2 * SECOND
    assert clamp_cursor(NOW + 2 * SECOND + TICK, NOW) == NOW


@given(moments, st.none() | moments)
@example(NOW, NOW + SECOND)
@example(NOW, NOW + DAY)
def test_the_next_cursor_never_falls_behind_a_correct_cursor(horizon: datetime, cursor: datetime | None) -> None:
    following = next_cursor(horizon, cursor)
    assert horizon <= following <= horizon + 2 * SECOND
    if cursor is not None and cursor <= horizon + 2 * SECOND:
        assert following >= cursor


@given(st.none() | moments, st.none() | moments, moments, lookbacks)
@example(None, None, NOW, DAY)
@example(NOW, None, NOW, DAY)
@example(None, NOW, NOW, DAY)
@example(NOW - DAY, NOW, NOW, timedelta(0))
@example(NOW, NOW, NOW, DAY)
def test_reading_begins_at_the_start_date_or_at_the_cursor_minus_the_lookback(
    start: datetime | None, cursor: datetime | None, horizon: datetime, lookback: timedelta
) -> None:
    after = lookback_start(start, cursor, horizon, lookback)
    if start is None and cursor is None:
        assert after is None
        return
    assert after is not None
    if start is not None:
        assert after >= start - TICK
    if cursor is None:
        assert start is not None
        # A record of exactly the start date is read.
        assert after < start
    elif start is None or after > start:
        assert after == min(cursor, horizon) - lookback


class Clocks:
    """The two clocks of a client, as far as `is_in_future` asks them."""

    def __init__(self, machine: datetime, pylon: datetime | None) -> None:
        self.machine = machine
        self.pylon = pylon
        self.asked = 0

    def now(self) -> datetime:
        return self.machine

    def ask_time(self) -> datetime:
        self.asked += 1
        if self.pylon is None:
            raise Unavailable("Pylon does not answer.")
        return max(self.machine, self.pylon)


@pytest.mark.parametrize(
    ("machine", "pylon", "expected"),
    [
        (NOW, NOW, True),
        (NOW, NOW + DAY + SECOND, False),  # this machine's clock is behind
        (NOW, NOW + DAY, False),
        (NOW, NOW + DAY - SECOND, True),
        (NOW + 3 * DAY, NOW, False),
        (NOW, None, False),  # nobody knows
    ],
)
def test_a_state_is_in_the_future_only_if_both_clocks_say_so(
    machine: datetime, pylon: datetime | None, expected: bool
) -> None:
    context = cast(SyncContext, SimpleNamespace(client=Clocks(machine, pylon)))
    assert is_in_future(context, "contacts", NOW + 2 * DAY) is expected
    assert is_in_future(context, "contacts", NOW + DAY) is False


@pytest.mark.parametrize(("ahead", "asked"), [(-DAY, 0), (timedelta(0), 0), (DAY, 0), (DAY + SECOND, 1)])
def test_pylons_time_is_requested_only_if_a_state_is_ahead_of_this_machines_clock(ahead: timedelta, asked: int) -> None:
    clocks = Clocks(NOW, NOW)
    is_in_future(cast(SyncContext, SimpleNamespace(client=clocks)), "contacts", NOW + ahead)
    assert clocks.asked == asked

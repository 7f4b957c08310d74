"""Times are read in every form that Pylon, a person or an older state may use, and written in one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pylon.timestamps import parse, render

UTC = timezone.utc


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-08-26T16:11:58Z", datetime(2025, 8, 26, 16, 11, 58, tzinfo=UTC)),
        ("2025-08-26T16:11:58.871Z", datetime(2025, 8, 26, 16, 11, 58, 871000, tzinfo=UTC)),
        ("2025-08-26T16:11:58.123456789Z", datetime(2025, 8, 26, 16, 11, 58, 123456, tzinfo=UTC)),
        ("2025-08-26T16:11:58+05:30", datetime(2025, 8, 26, 10, 41, 58, tzinfo=UTC)),
        ("2025-08-26T16:11:58-0700", datetime(2025, 8, 26, 23, 11, 58, tzinfo=UTC)),
        ("2025-08-26 16:11:58", datetime(2025, 8, 26, 16, 11, 58, tzinfo=UTC)),
        ("2025-08-26T16:11", datetime(2025, 8, 26, 16, 11, tzinfo=UTC)),
        ("2025-08-26", datetime(2025, 8, 26, tzinfo=UTC)),
        (" 2025-08-26T16:11:58z ", datetime(2025, 8, 26, 16, 11, 58, tzinfo=UTC)),
    ],
)
def test_a_time_in_any_usual_form_is_read_as_utc(text: str, moment: datetime) -> None:
    assert parse(text) == moment


@pytest.mark.parametrize(
    "value",
    [None, 7, 1756224718.0, "", "yesterday", "2025-13-01", "2025-02-30", "2025-02-30T10:00:00Z", "26.08.2025",
     "2025-08-26T25:00:00Z", "0001-01-01T00:00:00+23:59", ["2025-08-26"], "2025-08-26T16:11:58Z; DROP"],
)  # fmt: skip
def test_what_is_not_a_time_becomes_none_and_never_raises(value: object) -> None:
    assert parse(value) is None


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)))
def test_what_is_written_is_read_back_to_the_microsecond(moment: datetime) -> None:
    assert parse(render(moment)) == moment


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse(text)


def test_a_time_is_written_in_utc_with_a_fraction_only_if_there_is_one() -> None:
    east = timezone(timedelta(hours=2))
    assert render(datetime(2025, 8, 26, 16, tzinfo=east)) == "2025-08-26T14:00:00Z"
    assert render(datetime(2025, 8, 26, 16, 0, 0, 500_000, tzinfo=UTC)) == "2025-08-26T16:00:00.500000Z"

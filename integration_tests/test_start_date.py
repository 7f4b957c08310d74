"""What a start date lets through: what lies exactly at it, what it keeps out of later syncs, and its time of day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import read, stream_state
from integration_tests.support.expected import ago
from source_pylon.timestamps import render

STREAMS = ("issues", "call_recordings", "survey_responses")
"""The streams that a start date limits."""
SECOND = timedelta(seconds=1)


@pytest.fixture
def start() -> datetime:
    return ago(days=3).replace(hour=13, minute=30, second=15, microsecond=0)


def add_one_of_each(pylon: Sandbox, at: datetime) -> dict[str, str]:
    """Adds a record of each stream whose cursor is this moment; returns their ids."""
    survey = pylon.store.add("surveys", type="csat", at=ago(days=30))
    issue = pylon.store.add_issue(at=at)
    pylon.store.add_message(issue, at=at)
    return {
        "issues": issue,
        "call_recordings": pylon.store.add_call_recording(start_time=at, at=at),
        "survey_responses": pylon.store.add_survey_response(survey, at=at),
    }


def test_a_record_exactly_at_the_start_date_is_emitted(empty_pylon: Sandbox, start: datetime) -> None:
    at = add_one_of_each(empty_pylon, start)
    output = read(empty_pylon, STREAMS, start_date=render(start))
    assert {stream: output.ids(stream) for stream in STREAMS} == {stream: [at[stream]] for stream in STREAMS}


def test_a_second_sync_emits_nothing_from_before_the_start_date(empty_pylon: Sandbox, start: datetime) -> None:
    before = add_one_of_each(empty_pylon, start - SECOND)
    at = add_one_of_each(empty_pylon, start)
    state = read(empty_pylon, STREAMS, start_date=render(start)).state
    # Neither a change without a message nor the lookbacks of seven days bring back what lies before the start date.
    empty_pylon.store.update_issue(before["issues"], tags=["changed"])
    empty_pylon.store.update_issue(at["issues"], tags=["changed"])
    second = read(empty_pylon, STREAMS, state=state, start_date=render(start))
    assert {stream: second.ids(stream) for stream in STREAMS} == {stream: [at[stream]] for stream in STREAMS}


def test_the_time_of_day_of_a_start_date_counts(empty_pylon: Sandbox, start: datetime) -> None:
    add_one_of_each(empty_pylon, start - SECOND)
    add_one_of_each(empty_pylon, start.replace(hour=0, minute=0, second=0))
    later = add_one_of_each(empty_pylon, start + SECOND)
    output = read(empty_pylon, STREAMS, start_date=render(start))
    assert {stream: output.ids(stream) for stream in STREAMS} == {stream: [later[stream]] for stream in STREAMS}


@pytest.mark.parametrize("earlier", [timedelta(days=100), None], ids=["moved back", "removed"])
def test_a_start_date_moved_back_reads_what_lies_before_the_old_one(
    empty_pylon: Sandbox, start: datetime, earlier: timedelta | None
) -> None:
    before = add_one_of_each(empty_pylon, start - timedelta(days=90))
    at = add_one_of_each(empty_pylon, start)
    first = read(empty_pylon, STREAMS, start_date=render(start))
    config: dict[str, Any] = {} if earlier is None else {"start_date": render(start - earlier)}
    second = read(empty_pylon, STREAMS, state=first.state, **config)
    third = read(empty_pylon, STREAMS, state=second.state, **config)
    for stream in STREAMS:
        assert first.ids(stream) == [at[stream]]
        assert before[stream] in second.ids(stream)
        assert before[stream] not in third.ids(stream), "what was read once is not read again"


def test_a_start_date_moved_forward_and_back_reads_nothing_again(empty_pylon: Sandbox, start: datetime) -> None:
    before = add_one_of_each(empty_pylon, start - timedelta(days=90))
    earlier = render(start - timedelta(days=100))
    output = read(empty_pylon, STREAMS, start_date=earlier)
    for start_date in (render(start), earlier):
        output = read(empty_pylon, STREAMS, state=output.state, start_date=start_date)
        assert not [stream for stream in STREAMS if before[stream] in output.ids(stream)]


def test_what_a_later_start_date_skipped_is_read_once_it_is_moved_back(empty_pylon: Sandbox, start: datetime) -> None:
    """No sync ran for weeks, and the start date was moved past all of them for one sync."""
    skipped = add_one_of_each(empty_pylon, start - timedelta(days=20))
    earliest, last_sync = render(start - timedelta(days=100)), render(start - timedelta(days=40))
    streams = {"call_recordings": "start_time", "survey_responses": "submitted_at"}
    state = [stream_state(name, {cursor: last_sync, "start_date": earliest}) for name, cursor in streams.items()]
    output = read(empty_pylon, streams, state=state, start_date=render(start))
    assert not any(output.ids(stream) for stream in streams)
    output = read(empty_pylon, streams, state=output.state, start_date=earliest)
    assert {stream: output.ids(stream) for stream in streams} == {stream: [skipped[stream]] for stream in streams}

"""A sync that has to wait says so: to the platform by states and statuses, to people by lines of the log."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import Action, delay, status, too_many
from integration_tests.support.assertions import assert_synced
from integration_tests.support.connector import ISSUE_STREAMS, Output, Record
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import fault_timing, read
from integration_tests.support.faults import LIST, MESSAGES, SEARCH

HEARTBEAT = 0.3
SILENCE = 0.5
SLACK = 0.7
"""A line written within a wait may appear so much later."""

AFTER_A_STATE = 120
"""After so many requests for messages, a first sync has put out the state for its first hundred issues."""

TIMING = fault_timing(
    heartbeat=HEARTBEAT, max_silence=SILENCE, longest_rate_limit_wait=0.6, retry_base=0.8, retry_cap=0.8
)


class Clocked:
    """When each line of a run was written."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, Record]] = []
        self._rest = ""

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        *whole, self._rest = (self._rest + text).split("\n")
        self.lines.extend((now, json.loads(line)) for line in whole if line)

    def within(self, since: float, until: float) -> list[Record]:
        """What was written in between."""
        return [line for at, line in self.lines if since <= at <= until]

    def beats(self, since: float, until: float) -> list[str]:
        """The lines of the log that say how far the sync is."""
        found = [line["log"]["message"] for line in self.within(since, until) if line["type"] == "LOG"]
        return [text for text in found if text.startswith("After ")]


class Spell:
    """A fault that lasts for some seconds from when it first strikes, after so many requests that match."""

    def __init__(self, pylon: Sandbox, match: str, action: Action, seconds: float, after: int) -> None:
        self.begun = 0.0
        self.ended = 0.0
        self._seconds = seconds
        self.fault = pylon.faults.add(Fault(match, action, times=None, after=after, when=lambda seen: self._now()))
        original = self.fault.meets

        def meets(seen: object) -> bool:
            struck = original(seen)  # type: ignore[arg-type]
            if struck and not self.begun:
                self.begun = time.monotonic()
                self.ended = self.begun + self._seconds
            return struck

        self.fault.meets = meets  # type: ignore[method-assign]

    def _now(self) -> bool:
        return not self.begun or time.monotonic() < self.ended


def assert_signs(clocked: Clocked, since: float, until: float, *said: str) -> None:
    """Within a wait, there were signs again and again for the platform and for people.

    The unit tests of the progress report show how often, with a clock of their own.
    """
    assert len(signs(clocked, since, until)) >= 2
    # By then, the records that were on their way when the wait began have been written.
    assert signs(clocked, since + SLACK, until)
    assert_beats(clocked, since, until, *said)


def signs(clocked: Clocked, since: float, until: float) -> list[Record]:
    """The records and states that were written in between."""
    return [line for line in clocked.within(since, until) if line["type"] in ("RECORD", "STATE")]


def assert_beats(clocked: Clocked, since: float, until: float, *said: str) -> None:
    """Lines were logged again and again within a wait; the last of them says all of these."""
    beats = clocked.beats(since, until)
    assert len(beats) >= 2
    assert all(word in beats[-1] for word in said), (said, beats)


def test_during_repeated_429s_the_sync_waits_and_emits_states_log_lines_and_a_status(pylon: Sandbox) -> None:
    clocked = Clocked()
    storm = Spell(pylon, MESSAGES, too_many({"X-Retry-After": "0.5"}), 3.0, after=AFTER_A_STATE)
    run = read(pylon, ISSUE_STREAMS, timing=TIMING, on_write=clocked)
    assert_synced(pylon, run, streams=ISSUE_STREAMS)
    assert_signs(clocked, storm.begun, storm.ended, MESSAGES, "issues read", "rate limit")
    (done, total) = re.findall(r"(\d+) of about (\d+) issues read", clocked.beats(storm.begun, storm.ended)[-1])[0]
    assert 0 < int(done) < int(total) <= 150
    assert re.search(r"waits \d+ s for its rate limit", "\n".join(clocked.beats(storm.begun, storm.ended)))
    limited = [
        line["trace"]["stream_status"]
        for line in clocked.within(storm.begun, storm.ended + SLACK)
        if line["type"] == "TRACE" and line["trace"]["type"] == "STREAM_STATUS"
    ]
    told = {item["stream_descriptor"]["name"] for item in limited if _is_rate_limited(item)}
    assert told == set(ISSUE_STREAMS)


def _is_rate_limited(item: Record) -> bool:
    return item["status"] == "RUNNING" and [one["type"] for one in item.get("reasons") or ()] == ["RATE_LIMITED"]


def test_without_refusals_no_status_reports_a_rate_limit(pylon: Sandbox) -> None:
    run = read(pylon, ISSUE_STREAMS, timing=TIMING)
    assert "RATE_LIMITED" not in run.text


def test_a_stream_of_another_endpoint_is_not_reported_as_rate_limited(pylon: Sandbox) -> None:
    Spell(pylon, MESSAGES, too_many({"X-Retry-After": "0.3"}), 1.0, after=20)
    run = read(pylon, ("issues", "contacts"), timing=TIMING)
    assert_synced(pylon, run, streams=("issues", "contacts"))
    limited = [line["trace"]["stream_status"] for line in run.lines if "RATE_LIMITED" in json.dumps(line)]
    assert {item["stream_descriptor"]["name"] for item in limited} == {"issues"}


def test_during_retries_the_sync_emits_states_and_log_lines_that_name_the_endpoint(pylon: Sandbox) -> None:
    clocked = Clocked()
    down = Spell(pylon, MESSAGES, status(503), 3.0, after=AFTER_A_STATE)
    run = read(pylon, timing=TIMING, on_write=clocked)
    assert_synced(pylon, run)
    assert_signs(clocked, down.begun, down.ended, "issues read")
    assert any(f"{MESSAGES} waits" in beat and "another try" in beat for beat in clocked.beats(down.begun, down.ended))
    assert run.said("Retrying GET /issues/{id}/messages in", "503")


@pytest.mark.parametrize("endpoint", [MESSAGES, LIST])
def test_during_a_slow_response_the_sync_emits_states_and_log_lines_that_name_the_endpoint(
    pylon: Sandbox, endpoint: str
) -> None:
    clocked = Clocked()
    slow = Spell(pylon, endpoint, delay(2.5), 0.2, after=AFTER_A_STATE if endpoint == MESSAGES else 2)
    run = read(pylon, timing=TIMING, on_write=clocked, num_workers=1)
    assert_synced(pylon, run)
    assert_signs(clocked, slow.begun, slow.begun + 2.4, "issues read", endpoint)


def test_before_the_first_record_there_are_log_lines_but_no_state(pylon: Sandbox) -> None:
    clocked = Clocked()
    slow = Spell(pylon, LIST, delay(2.0), 0.2, after=0)
    run = read(pylon, timing=TIMING, on_write=clocked)
    assert_synced(pylon, run)
    assert_beats(clocked, slow.begun, slow.begun + 1.9, "0 records", "still reading issues")
    assert not [line for line in clocked.within(0, slow.begun + 1.9) if line["type"] == "STATE"]


def test_a_later_sync_that_waits_repeats_its_initial_state(pylon: Sandbox) -> None:
    first = read(pylon)
    pylon.clock.advance(timedelta(minutes=20))
    pylon.evolve(1, 10, deletions=False)
    clocked = Clocked()
    slow = Spell(pylon, SEARCH, delay(2.0), 0.2, after=0)
    second = read(pylon, state=first.state, timing=TIMING, on_write=clocked)
    assert_synced(pylon, first, second)
    assert_signs(clocked, slow.begun, slow.begun + 1.9)
    repeated = [line["state"] for line in clocked.within(0, slow.begun + 1.9) if line["type"] == "STATE"]
    assert repeated
    assert all(item["stream"]["stream_state"] == first.states("issues")[-1] for item in repeated)


def test_requests_held_back_by_the_connector_are_logged_with_the_time_left() -> None:
    size = Size(issues=90)
    with Sandbox(size=size, limits={MESSAGES: 25}, minute=1.0, base_time=ago(hours=1)) as pylon:
        clocked = Clocked()
        begun = time.monotonic()
        run = read(pylon, timing=TIMING, on_write=clocked, limits=lambda endpoint: 25)
        ended = time.monotonic()
        assert_synced(pylon, run)
        # Twelve requests at once, and a pause of 40 ms between the others.
        assert ended - begun > 2.0
        beats = clocked.beats(begun, ended)
        assert any("waits for its rate limit" in beat and MESSAGES in beat for beat in beats)
        assert any(re.search(r"\d+ of about \d+ issues read.*(minute|minutes) left", beat) for beat in beats)


def estimates(run: Output, stream: str) -> list[int]:
    """The rows that were estimated for a stream, in order."""
    traces = [line["trace"] for line in run.lines if line["type"] == "TRACE"]
    found = [trace["estimate"] for trace in traces if trace["type"] == "ESTIMATE"]
    assert all(item["type"] == "STREAM" for item in found)
    return [item["row_estimate"] for item in found if item["name"] == stream]


def test_a_stream_of_unknown_size_gets_no_estimate(pylon: Sandbox) -> None:
    first = read(pylon, (*ISSUE_STREAMS, "issue_messages"))
    assert {stream for stream in (*ISSUE_STREAMS, "issue_messages") if estimates(first, stream)} == {"issues"}
    second = read(pylon, ISSUE_STREAMS, first.state)
    assert not [stream for stream in ISSUE_STREAMS if estimates(second, stream)]


def test_the_first_estimate_of_a_first_sync_comes_before_its_records(pylon: Sandbox) -> None:
    run = read(pylon)
    assert estimates(run, "issues")[0] == pytest.approx(150, rel=0.2)
    kinds = [
        "ESTIMATE" if line["type"] == "TRACE" and line["trace"]["type"] == "ESTIMATE" else line["type"]
        for line in run.lines
    ]
    assert kinds.index("ESTIMATE") < kinds.index("RECORD")

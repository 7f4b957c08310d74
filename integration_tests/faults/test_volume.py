"""Much of everything, or nothing at all: complete, once each, below what destinations take, and safe at every state."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import status
from integration_tests.support.all_streams import NAMES, expected_records, keys, sync
from integration_tests.support.assertions import assert_failed, assert_green, assert_state_never_ahead, assert_synced
from integration_tests.support.connector import Files, Output, Record, config_for, configured_catalog
from integration_tests.support.expected import ago, moment
from integration_tests.support.fault_runs import FAULT_TIMING, fault_timing, read, start
from integration_tests.support.faults import LIST, MESSAGES, add_long_thread
from integration_tests.support.streaming_assertions import StreamingAssertions, lines_of
from source_pylon.transform.html_to_text import html_to_text
from source_pylon.transform.truncation import MAX_LINE_BYTES


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    seconds: float
    peaks: list[tuple[int, int]]
    """How many bytes it had written, and the most memory that it had held until then, in KiB; 0 if not known."""

    def peak_kib(self, written: float = float("inf")) -> int:
        """The most memory that it held until it had written so many bytes."""
        return max((peak for size, peak in self.peaks if size <= written), default=0)


def ended(process: subprocess.Popen[bytes], out: IO[bytes], timeout: float) -> Ended:
    """Waits for a process of its own, with an eye on its memory and its output."""
    begun, peaks = time.monotonic(), []
    try:
        while process.poll() is None:
            assert time.monotonic() - begun < timeout, f"not done after {timeout} s"
            # Resource usage from `wait4` would count the memory of the process that forked.
            peaks.append((os.fstat(out.fileno()).st_size, _high_water_kib(process.pid)))
            time.sleep(0.1)
        return Ended(process.returncode, time.monotonic() - begun, peaks)
    finally:
        process.kill()
        process.wait()


def _high_water_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


# --- many issues ---


@pytest.mark.slow
@pytest.mark.serial
def test_two_hundred_thousand_issues_are_emitted_once_each_and_no_state_is_ahead(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count = 200_000
    with (
        Sandbox(size=Size(issues=count), limits=None, base_time=ago(hours=1)) as pylon,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        Files(config_for(pylon, include_messages=False), configured_catalog(["issues"])) as files,
    ):
        process = start(files.arguments("read"), timing=fault_timing(read_timeout=60.0), stdout=out, stderr=err)
        run = ended(process, out, 500)
        assert run.code == 0, _tail(err) + _tail(out)
        out.seek(0)
        emitted = StreamingAssertions(pylon, sample=2_000)
        assert emitted.follow(out) == count
        emitted.assert_complete_and_fresh()
        assert emitted.states_within > 100
        # Ids are kept, to emit no issue twice; a record takes more than a thousand bytes.
        later = run.peak_kib() - run.peak_kib(out.tell() / 4)
        assert run.peak_kib(out.tell() / 4) or sys.platform != "linux"
        assert later * 1024 < 300 * count * 3 / 4, run.peaks[:: len(run.peaks) // 20]
        assert pylon.count(MESSAGES) == 0
    with capsys.disabled():
        print(f"\n{count:,} issues in {run.seconds:.0f} s, peak of memory {run.peak_kib() / 1024:.0f} MiB")


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 3_000))
    return file.read().decode("utf-8", "replace")


CROWD = 20_000


@pytest.fixture(scope="module", params=[1, 60], ids=["in one second", "in one minute"])
def shared_crowd(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An organisation in which 20,000 issues were written to at once, as when a program changes them all."""
    size = Size(issues=CROWD + 500, same_second=CROWD, burst_seconds=request.param)
    with Sandbox(size=size, limits=None, base_time=ago(hours=1)) as pylon:
        times = Counter(issue.get("latest_message_time") for issue in pylon.expected("issues"))
        ((busiest, _),) = times.most_common(1)
        within = [
            abs(moment(busiest) - moment(time)).total_seconds() < request.param for time in times.elements() if time
        ]
        assert sum(within) >= CROWD * 0.99
        yield pylon


@pytest.fixture
def crowd(shared_crowd: Sandbox) -> Iterator[Sandbox]:
    """The same organisation for each test that only reads it."""
    yield shared_crowd
    shared_crowd.faults.clear()


def listed(pylon: Sandbox, state: object = None) -> Output:
    """A sync that lists issues and reads no messages."""
    return read(pylon, state=state, include_messages=False)


def follow(pylon: Sandbox, *runs: Output) -> StreamingAssertions:
    """The union of the runs is complete and fresh, and no state of theirs was ahead."""
    emitted = StreamingAssertions(pylon)
    for run in runs:
        emitted.follow(lines_of(run))
    emitted.assert_complete_and_fresh()
    return emitted


def test_twenty_thousand_issues_of_one_second_are_emitted_once_each_and_no_state_splits_them(
    crowd: Sandbox,
) -> None:
    run = listed(crowd)
    assert_green(run)
    assert len(run.ids("issues")) == CROWD + 500
    assert follow(crowd, run).states_within > 5
    again = listed(crowd, run.state)
    assert_green(again)
    assert again.ids("issues") == []


def test_a_sync_stopped_amid_twenty_thousand_issues_of_one_second_is_completed_by_the_next(crowd: Sandbox) -> None:
    lines = lines_of(listed(crowd))
    stopped = Output(1, "\n".join([*lines[: len(lines) // 2], ""]))
    assert 5_000 < len(stopped.ids("issues")) < CROWD
    assert stopped.states("issues")
    later = listed(crowd, stopped.state)
    assert_green(later)
    follow(crowd, stopped, later)


def test_a_list_that_breaks_off_amid_twenty_thousand_issues_of_one_second_is_completed_by_the_next_sync(
    crowd: Sandbox,
) -> None:
    broken = crowd.faults.add(Fault(LIST, status(503), times=None, when=lambda seen: "cursor" in seen.query, after=2))
    stopped = listed(crowd)
    assert broken.fired == FAULT_TIMING.retry_attempts
    assert_failed(stopped, "issues", kind="transient_error")
    crowd.faults.clear()
    later = listed(crowd, stopped.state)
    assert_green(later)
    follow(crowd, stopped, later)


# --- many messages, many surveys, nothing ---


def test_an_issue_of_five_thousand_messages_is_read_completely_in_one_request() -> None:
    with Sandbox(size=Size(issues=20), limits=None, base_time=ago(hours=1)) as pylon:
        long = add_long_thread(pylon, 5_000)
        run = read(pylon, ("issues", "issue_messages"))
        assert_green(run, "issues", "issue_messages")
        assert_synced(pylon, run)
        public = [message for message in pylon.messages(long) if not message["is_private"]]
        assert 4_000 < len(public) < 5_000
        assert [seen.params["id"] for seen in pylon.log if seen.template == MESSAGES].count(long) == 1
        record = next(record for record in run.records("issues") if record["id"] == long)
        assert [message["id"] for message in record["messages"]] == [message["id"] for message in public]
        times = [moment(message["timestamp"]) for message in record["messages"]]
        assert times == sorted(times)
        assert not record["messages_truncated"]
        own = [one for one in run.records("issue_messages") if one["issue_id"] == long]
        assert [one["id"] for one in own] == [message["id"] for message in public]
        assert not [marker for marker in pylon.private_markers() if marker in run.text]


def test_responses_of_three_hundred_surveys_name_their_survey_and_later_syncs_emit_only_new_ones() -> None:
    size = Size(issues=0, surveys=300, survey_responses=3_000)
    # Beyond the week that every sync reads again.
    with Sandbox(size=size, limits=None, base_time=ago(days=8)) as pylon:
        streams = ("survey_responses",)
        first = read(pylon, streams)
        assert_synced(pylon, first, streams=streams)
        assert {record["survey_id"] for record in first.records("survey_responses")} == {
            survey for survey, _ in pylon.expected("survey_responses")
        }
        old = [survey["id"] for survey in pylon.expected("surveys")]
        made = pylon.store.add("surveys", name="Made in between", type="csat")
        new = {pylon.store.add_survey_response(survey) for survey in (old[0], old[150], old[-1], made)}
        pylon.clock.advance(timedelta(hours=1))
        second = read(pylon, streams, first.state)
        assert set(second.ids("survey_responses")) == new
        assert_synced(pylon, first, second, streams=streams)


def test_an_empty_organisation_yields_a_state_for_every_stream_at_next_to_no_cost(
    empty_pylon: Sandbox,
) -> None:
    asked = 0
    state: object = None
    for _ in ("first", "second"):
        output = sync(empty_pylon, state=state)
        assert {name: output.statuses(name)[-1] for name in NAMES} == dict.fromkeys(NAMES, "COMPLETE")
        assert not [name for name in NAMES if keys(output, name) or expected_records(empty_pylon, name)]
        assert {name for name in NAMES if output.states(name)} == set(NAMES)
        requests, asked = len(empty_pylon.log) - asked, len(empty_pylon.log)
        assert requests <= len(NAMES) + 10
        state = output.state


# --- records that are too large ---

KEPT_WHOLE = 15_900_000


def filled(size: int, text: str = "A line of a log, repeated. ") -> str:
    """HTML of one paragraph of about so many bytes."""
    return f"<p>{text * (size // len(text.encode()))}</p>"


class Large(NamedTuple):
    """What makes an issue large."""

    messages: tuple[str, ...] = ()
    fields: Record | None = None


CASES = {
    "10 messages of 1 MB": Large(tuple(filled(1_000_000, f"{n} is part of it. ") for n in range(10))),
    "25 messages of 1 MB": Large(tuple(filled(1_000_000, f"{n} is part of it. ") for n in range(25))),
    "one message of 20 MB": Large((filled(20_000_000),)),
    "a message of 20 MB and small ones": Large(("<p>before</p>", filled(20_000_000), "<p>after</p>")),
    "25 MB of accents": Large(tuple(filled(5_000_000, f"{n}é") for n in range(5))),
    "25 MB of emoji": Large(tuple(filled(5_000_000, f"{n} 💬") for n in range(5))),
    "20 MB of quotes": Large(tuple(filled(5_000_000, f'{n}"\\') for n in range(4))),
    "a body of 20 MB": Large((), {"body_html": filled(20_000_000)}),
    "a body of 20 MB and messages": Large(("<p>said</p>",), {"body_html": filled(20_000_000)}),
    "a custom field of 20 MB": Large(
        ("<p>said</p>",), {"custom_fields": {"log": {"slug": "log", "value": "x" * 20_000_000}}}
    ),
    "a title of 20 MB": Large(("<p>said</p>",), {"title": "é" * 10_000_000}),
    "an unknown field of 20 MB": Large(("<p>said</p>",), {"brand_new": [{"n": n} for n in range(1_300_000)]}),
}


def with_large_issue(pylon: Sandbox, large: Large) -> str:
    """An issue that is made large, its messages a second apart."""
    issue = pylon.store.add_issue(at=ago(hours=2), **(large.fields or {}))
    for number, html in enumerate(large.messages):
        pylon.store.add_message(issue, html=html, at=ago(hours=1, seconds=-number))
    return issue


def longest_line(run: Output) -> int:
    """The bytes of the longest line of a run."""
    return max(len(line.encode()) for line in run.text.splitlines())


def said_of(run: Output, issue: str) -> list[str]:
    """The warnings that name an issue."""
    return [text for text in run.warnings if issue in text]


def _texts(messages: Iterable[Record]) -> list[str]:
    return [message["text"] for message in messages]


@pytest.fixture
def small_pylon() -> Iterator[Sandbox]:
    """A few issues of usual size."""
    with Sandbox(size=Size(issues=10), limits=None, base_time=ago(hours=1)) as pylon:
        yield pylon


@pytest.mark.parametrize("case", CASES)
def test_a_record_that_is_too_large_is_cut_to_16_mb_with_as_much_as_fits(small_pylon: Sandbox, case: str) -> None:
    large = CASES[case]
    issue = with_large_issue(small_pylon, large)
    streams = ("issues", "issue_messages")
    run = read(small_pylon, streams)
    assert_green(run, *streams)
    assert_state_never_ahead(small_pylon, run)
    assert longest_line(run) < MAX_LINE_BYTES
    assert set(run.ids("issues")) == {one["id"] for one in small_pylon.expected("issues")}
    (record,) = (one for one in run.records("issues") if one["id"] == issue)
    assert record["messages_truncated"] is True
    assert said_of(run, issue)
    # HTML goes first, then the oldest messages: those that stay are the newest, with their whole text.
    whole = [html_to_text(html) for html in large.messages]
    assert all(message["message_html"] is None for message in record["messages"])
    kept = _texts(record["messages"])
    assert kept == whole[len(whole) - len(kept) :]
    text = "\n\n".join(whole) or html_to_text((large.fields or {})["body_html"])
    # Texts stand twice in the record, so beside ten megabytes of feedback there is room for half of the messages.
    assert len(kept) == {"10 messages of 1 MB": 5, "a body of 20 MB and messages": 1}.get(case, len(kept))
    if record["feedback_text"] != text:
        assert text.startswith(record["feedback_text"])
        assert kept == []
        assert longest_line(run) > KEPT_WHOLE
    if large.messages and len(text.encode()) < 1_000:
        assert kept == whole
    own = [one for one in run.records("issue_messages") if one["issue_id"] == issue]
    assert len(own) == len(large.messages)
    for one, message in zip(own, whole, strict=True):
        assert one["text"] == message or (message.startswith(one["text"]) and len(message.encode()) > KEPT_WHOLE)


def test_an_issue_just_below_16_mb_is_not_cut(small_pylon: Sandbox) -> None:
    # HTML, text and feedback: each character is in the record three times.
    issue = with_large_issue(small_pylon, Large(tuple(filled(1_050_000) for _ in range(5))))
    run = read(small_pylon)
    assert_synced(small_pylon, run)
    assert KEPT_WHOLE - 500_000 < longest_line(run) < MAX_LINE_BYTES
    assert not said_of(run, issue)


def test_a_large_field_is_cut_where_messages_are_not_read(small_pylon: Sandbox) -> None:
    issue = with_large_issue(small_pylon, Large((), {"title": "x" * 20_000_000}))
    run = read(small_pylon, include_messages=False)
    assert_green(run)
    assert longest_line(run) < MAX_LINE_BYTES
    (record,) = (one for one in run.records("issues") if one["id"] == issue)
    assert (record["messages"], record["messages_truncated"]) == (None, True)
    assert "title" in said_of(run, issue)[0]


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        ("accounts", {"custom_fields": {"log": {"slug": "log", "value": "x" * 20_000_000}}}),
        ("call_recordings", {"summary": "é" * 10_000_000}),
        ("tasks", {"title": "x" * 20_000_000}),
    ],
    ids=["accounts", "call_recordings", "tasks"],
)
def test_a_record_of_any_stream_that_is_too_large_is_cut_to_16_mb_and_named(
    small_pylon: Sandbox, stream: str, field: Record
) -> None:
    large = small_pylon.expected(stream)[0]["id"]
    small_pylon.store.update(stream, large, **field)
    output = sync(small_pylon, [stream])
    assert set(output.ids(stream)) == {record["id"] for record in small_pylon.expected(stream)}
    assert KEPT_WHOLE < max(len(line.encode()) for line in output.text.splitlines()) < MAX_LINE_BYTES
    assert [text for text in output.warnings if large in text and next(iter(field)) in text]

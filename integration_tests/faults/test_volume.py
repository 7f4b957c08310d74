"""Organisations and records of unusual size: everything arrives, within bounds of size and memory."""

from __future__ import annotations

import gc
import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest

from integration_tests.faults.harness import Run, in_process, read, start
from integration_tests.faults.proof import assert_green, proven
from integration_tests.faults.test_platform import cut_short, resumable
from integration_tests.harness import (
    MESSAGES,
    SEARCH,
    STREAMS,
    Files,
    Record,
    ago,
    config_for,
    configured_catalog,
    expected,
    newest,
    public_messages,
)
from integration_tests.sandbox import Sandbox, Size
from source_pylon.text import html_to_text

MOST_BYTES = 16_000_000


def line_sizes(run: Run, stream: str) -> dict[str, int]:
    """The bytes of each record's own JSON, by id."""
    sizes = {}
    for line in run.text.splitlines():
        if line.startswith('{"type":"RECORD"'):
            record = json.loads(line)["record"]
            if record["stream"] == stream:
                data = json.dumps(record["data"], ensure_ascii=False, separators=(",", ":"))
                sizes[record["data"]["id"]] = len(data.encode())
    return sizes


def test_an_issue_with_thousands_of_messages_is_whole() -> None:
    size = Size(issues=60, long_thread=5000)
    with Sandbox(size=size, limits=None, base_time=ago(hours=1)) as pylon:
        run = read(pylon, ("issues", "issue_messages"))
        assert_green(run, "issues", "issue_messages")
        proven(pylon, run, streams=["issues"])
        issue = pylon.store.long_thread_id
        (record,) = [record for record in run.records("issues") if record["id"] == issue]
        assert len(record["messages"]) == len(public_messages(pylon, str(issue))) > 4000
        assert record["messages_truncated"] is False
        of_it = [one["id"] for one in run.records("issue_messages") if one["issue_id"] == issue]
        assert sorted(of_it) == sorted(message["id"] for message in record["messages"])


def test_thousands_of_issues_of_one_second_are_complete_and_not_read_again() -> None:
    size = Size(issues=2100, same_second=2000)
    with Sandbox(size=size, limits=None, base_time=ago(days=40)) as pylon:
        first = read(pylon)
        proven(pylon, first)
        times = [record["latest_message_time"] for record in first.records("issues")]
        # Half of them in the second before: records hide the milliseconds that put them on either side.
        assert max(map(times.count, set(times))) >= 900
        asked = pylon.count(MESSAGES)
        second = read(pylon, state=first.state)
        proven(pylon, first, second)
        assert second.ids("issues") == []
        assert pylon.count(MESSAGES) == asked


def test_a_sync_that_stops_within_thousands_of_issues_of_one_second_goes_on_without_losing_one() -> None:
    size = Size(issues=1300, same_second=1200)
    with Sandbox(size=size, limits=None, base_time=ago(days=40)) as pylon:
        runs: list[Run] = []
        for characters in (400_000, 900_000, 1_500_000):
            run, killed = cut_short(pylon, resumable(runs), characters, ("issues",))
            assert killed
            runs.append(run)
        proven(pylon, *runs, read(pylon, state=resumable(runs)))


def test_an_organisation_with_nothing_in_it_is_green_and_can_be_synced_again(empty_pylon: Sandbox) -> None:
    first = read(empty_pylon, STREAMS)
    assert_green(first, *STREAMS)
    assert not [line for line in first.lines if line["type"] == "RECORD"]
    empty_pylon.clock.advance(timedelta(hours=1))
    issue = empty_pylon.store.add_issue(type="ticket")
    empty_pylon.store.add_message(issue)
    second = read(empty_pylon, STREAMS, first.state)
    proven(empty_pylon, first, second, streams=STREAMS)
    assert second.ids("tickets") == [issue]


def test_hundreds_of_surveys_are_read_with_all_their_responses() -> None:
    size = Size(issues=5, surveys=300, survey_responses=1500)
    with Sandbox(size=size, limits=None, base_time=ago(hours=1)) as pylon:
        first = read(pylon, ("survey_responses",))
        proven(pylon, first, streams=["survey_responses"])
        assert len(first.ids("survey_responses")) == 1500
        assert len({record["survey_id"] for record in first.records("survey_responses")}) > 200
        pylon.clock.advance(timedelta(hours=1))
        new = {change.id for change in pylon.evolve(1, 60) if change.kind == "survey_responses"}
        second = read(pylon, ("survey_responses",), first.state)
        proven(pylon, first, second, streams=["survey_responses"])
        assert new
        assert set(second.ids("survey_responses")) == new


# --- records near what destinations take ---


@pytest.fixture
def few() -> Iterator[Sandbox]:
    """A few issues, to which tests add what is large."""
    with Sandbox(size=Size(issues=30), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


def grown(pylon: Sandbox, *htmls: str) -> str:
    """A new issue with these messages, oldest first."""
    issue = pylon.store.add_issue()
    for minutes, html in enumerate(htmls):
        pylon.store.add_message(issue, html=html, at=pylon.clock.now() - timedelta(minutes=30 - minutes))
    return issue


def emitted(run: Run, issue: str) -> Record:
    """The one record of an issue."""
    (record,) = [record for record in run.records("issues") if record["id"] == issue]
    return record


def page(character: str, megabytes: float) -> str:
    """A message's HTML of about that size."""
    count = int(megabytes * 1e6 / len(character.encode()))
    return f"<div>{character * count}</div>"


def test_a_record_just_below_the_limit_is_whole(few: Sandbox) -> None:
    # The HTML, the message's text and the feedback text: three times what was written.
    issue = grown(few, page("x", 5.2))
    run = read(few)
    proven(few, run)
    assert 15_000_000 < line_sizes(run, "issues")[issue] < MOST_BYTES
    assert emitted(run, issue)["messages_truncated"] is False


def test_of_a_record_that_is_too_large_the_html_goes_first(few: Sandbox) -> None:
    issue = grown(few, page("a", 2.0), page("b", 2.0), page("c", 2.0))
    run = read(few)
    assert_green(run)
    record = emitted(run, issue)
    assert line_sizes(run, "issues")[issue] <= MOST_BYTES
    assert record["messages_truncated"] is True
    stored = public_messages(few, issue)
    texts = [html_to_text(message["message_html"]) for message in stored]
    assert [message["id"] for message in record["messages"]] == [message["id"] for message in stored]
    assert [message["message_html"] for message in record["messages"]] == [None] * 3
    assert [message["text"] for message in record["messages"]] == texts
    assert record["feedback_text"] == "\n\n".join(texts)


def test_then_the_oldest_messages_go_and_the_feedback_text_stays_whole(few: Sandbox) -> None:
    issue = grown(few, *(page(character, 3.0) for character in "abc"))
    run = read(few)
    assert_green(run)
    record = emitted(run, issue)
    stored = public_messages(few, issue)
    texts = [html_to_text(message["message_html"]) for message in stored]
    assert line_sizes(run, "issues")[issue] <= MOST_BYTES
    assert record["messages_truncated"] is True
    # Nine megabytes of feedback text leave room for two of the three.
    assert [message["id"] for message in record["messages"]] == [message["id"] for message in stored[1:]]
    assert [message["text"] for message in record["messages"]] == texts[1:]
    assert record["feedback_text"] == "\n\n".join(texts)


@pytest.mark.parametrize("character", ["x", "é", "💬", '"'], ids=["ascii", "two bytes", "four bytes", "escaped"])
def test_at_last_the_feedback_text_is_cut_where_the_limit_is(few: Sandbox, character: str) -> None:
    issue = grown(few, *(page(character, 9.0) for _ in range(2)))
    run = read(few)
    assert_green(run)
    record = emitted(run, issue)
    assert record["messages"] == []
    assert record["messages_truncated"] is True
    size = line_sizes(run, "issues")[issue]
    # As whole as fits, and no character is cut in two.
    assert MOST_BYTES * 0.85 < size <= MOST_BYTES
    whole = "\n\n".join(html_to_text(message["message_html"]) for message in public_messages(few, issue))
    assert whole.startswith(record["feedback_text"])


def test_a_record_that_was_cut_is_named_in_the_log_and_its_messages_are_whole_elsewhere(few: Sandbox) -> None:
    issue = grown(few, *(page(character, 3.0) for character in "abc"))
    run = read(few, ("issues", "issue_messages"))
    assert_green(run, "issues", "issue_messages")
    assert run.said(issue, "16 MB") or run.said(issue, "too large") or run.said(issue, "left out")
    messages = [one for one in run.records("issue_messages") if one["issue_id"] == issue]
    assert [bool(one["message_html"]) and len(one["text"]) >= 2_900_000 for one in messages] == [True] * 3
    assert sum("16 MB" in line or issue in line for line in run.logs) == 1, "one line for each record that was cut"


def test_all_other_records_are_untouched_by_a_large_one(few: Sandbox) -> None:
    large = {grown(few, page("a", 8.0), page("b", 8.0)) for _ in range(2)}
    run = read(few)
    assert_green(run)
    kept, wanted = newest([run], "issues"), expected(few, "issues")
    assert kept.keys() == wanted.keys()
    assert {identity for identity, record in kept.items() if record["messages_truncated"]} == large


# --- memory ---


def test_memory_stays_bounded_with_large_messages() -> None:
    """Sixty issues of 6 MB each, 360 MB in all and three times that as records, in a fraction of it."""
    with (
        Sandbox(size=Size(issues=30), limits=None, base_time=ago(hours=1)) as pylon,
        Files(config_for(pylon), configured_catalog(["issues"])) as files,
    ):
        html = page("x", 4.0)
        issues = {grown(pylon, html) for _ in range(60)}
        process = start(files.arguments("read"), stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        peak = [0]
        watched = psutil.Process(process.pid)
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                try:
                    peak[0] = max(peak[0], watched.memory_info().rss)
                except psutil.Error:
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        seen, total, tail = set(), 0, b""
        for line in process.stdout:
            total += len(line)
            tail = line
            if line.startswith(b'{"type":"RECORD"'):
                seen.add(json.loads(line)["record"]["data"]["id"])
        process.stdout.close()
        code = process.wait(timeout=30)
        over.set()
        watcher.join()
        gc.collect()
    assert code == 0, tail[:500]
    assert issues <= seen
    assert total > 60 * 12_000_000
    assert peak[0] < 450e6, f"{peak[0] / 1e6:.0f} MB"


def test_a_list_of_thousands_of_accounts_is_read_page_by_page() -> None:
    with Sandbox(size=Size(issues=5, accounts=5000), limits=None, base_time=ago(hours=1)) as pylon:
        run = read(pylon, ("accounts",))
        proven(pylon, run, streams=["accounts"])
        assert pylon.count("GET /accounts") <= 8
        assert pylon.count(SEARCH) == 0


def test_a_stream_that_is_checked_and_discovered_asks_no_more_of_a_large_organisation() -> None:
    with Sandbox(size=Size(issues=3000), limits=None, base_time=ago(hours=1)) as pylon:
        with Files(config_for(pylon)) as files:
            run = in_process(files.arguments("check"))
        assert run.connection_status["status"] == "SUCCEEDED"
        assert len(pylon.log) < 20

"""What the platform does to a sync: it kills it, reads slowly, goes away, hands over odd states and catalogs."""

from __future__ import annotations

import gc
import io
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from airbyte_cdk.logger import PRINT_BUFFER

from integration_tests.faults.harness import FAST, Run, fast, in_process, read, start
from integration_tests.faults.proof import assert_complete_and_fresh, assert_green, assert_state_never_ahead, proven
from integration_tests.harness import (
    CURSORS,
    ISSUE_STREAMS,
    MESSAGES,
    Files,
    Record,
    ago,
    config_for,
    configured_catalog,
    expected,
    hook,
    stream_state,
)
from integration_tests.sandbox import Sandbox, Size

STREAMS = tuple(CURSORS)
ROUNDS = 13


class Killed(BaseException):
    """The process is gone."""


def resumable(runs: Iterable[Run]) -> list[Record] | None:
    """The last state of each stream that arrived whole in any run, as Airbyte hands it to the next."""
    last = {item["stream"]["stream_descriptor"]["name"]: item for run in runs for item in run.state}
    return list(last.values()) or None


def cut_short(pylon: Sandbox, state: Any, characters: int, streams: Iterable[str] = STREAMS) -> tuple[Run, bool]:
    """A read whose output ends after so many characters, wherever that is within a line, and whether it did."""
    chunks: list[str] = []
    killed = threading.Event()

    def take(text: str) -> None:
        if killed.is_set():
            return
        chunks.append(text)
        if sum(map(len, chunks)) >= characters:
            killed.set()
            raise Killed

    run = read(pylon, streams, state, on_write=take)
    if not killed.is_set():
        return run, False
    # What was read from is closed here as it would be by the end of its process, and what was still in it is lost.
    gc.collect()
    PRINT_BUFFER.buffer = io.StringIO()
    return Run(-signal.SIGKILL, "".join(chunks)[:characters]), True


def kill_again_and_again(pylon: Sandbox, seed: int, rounds: int) -> tuple[list[Run], int]:
    """Reads that are cut short at random places while data changes before, within and after them."""
    rng = Random(seed)
    runs: list[Run] = []
    killed = 0
    for number in range(rounds):
        # Within a read, too: when the request after so many others arrives.
        for part in range(2):
            turn = seed * 1000 + number * 10 + part
            hook(pylon, "*", lambda seen, turn=turn: pylon.evolve(turn, 3), after=rng.randrange(60))
        run, cut = cut_short(pylon, resumable(runs), int(10 ** rng.uniform(3.3, 5.7)))
        pylon.faults.clear()
        runs.append(run)
        killed += cut
        pylon.evolve(seed * 1000 + number * 10 + 5, rng.randrange(8))
        pylon.clock.advance(timedelta(seconds=rng.randrange(240)))
    return runs, killed


def folded(runs: Iterable[Run]) -> Run:
    """The newest emission of each record, as a destination keeps it: what changes within a sync may leave twice."""
    kept = {}
    for line in (line for run in runs for line in run.lines if line["type"] == "RECORD"):
        kept[line["record"]["stream"], line["record"]["data"]["id"]] = json.dumps(line)
    return Run(0, "".join(f"{line}\n" for line in kept.values()))


def without_states_of_recordings(run: Run) -> Run:
    """A start time promises nothing of later changes: a recording is read again as long as the look-back reaches."""
    lines = run.text.splitlines(keepends=True)
    kept = [line for line in lines if not ('"type":"STATE"' in line and '"name":"call_recordings"' in line)]
    return Run(run.code, "".join(kept))


def prove_after_kills(pylon: Sandbox, runs: list[Run], streams: Iterable[str] = STREAMS) -> None:
    """A last read that nobody kills makes the union complete and fresh, and no state was ever ahead."""
    streams = tuple(streams)
    # What is to be found has become visible to searches.
    pylon.clock.advance(timedelta(seconds=pylon.store.search_lag + 1))
    last = read(pylon, streams, resumable(runs))
    assert_green(last, *streams)
    assert_complete_and_fresh(pylon, folded([*runs, last]), streams=streams)
    assert_state_never_ahead(pylon, *(without_states_of_recordings(run) for run in [*runs, last]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_after_many_kills_at_random_places_while_data_changes_the_union_is_complete_and_fresh(seed: int) -> None:
    size = Size(issues=120, call_recordings=20, accounts=20, survey_responses=20)
    lag = 200.0 if seed % 2 else 0.0
    threads = threading.active_count()
    with Sandbox(size=size, limits=None, base_time=ago(hours=1), seed=seed, search_lag=lag) as pylon:
        runs, killed = kill_again_and_again(pylon, seed, ROUNDS)
        assert killed >= ROUNDS // 2
        # States of cut runs are what the next one began with, or else this would show no more than one full read.
        assert any(run.state for run in runs[: ROUNDS // 2])
        prove_after_kills(pylon, runs)
    deadline = time.monotonic() + 10
    while threading.active_count() > threads + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads + 2, "threads of a read whose reader left are still there"


def signalled(pylon: Sandbox, state: Any, sent: signal.Signals, lines: int, seed: int) -> Run:
    """A read in a process of its own that gets a signal once it has written so many lines; meanwhile data changes."""
    with Files(config_for(pylon, num_workers=3), configured_catalog(ISSUE_STREAMS), state) as files:
        process = start(files.arguments("read"), stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        out = []
        for number, line in enumerate(process.stdout):
            out.append(line)
            if number == lines:
                pylon.evolve(seed, 10)
                process.send_signal(sent)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        code = process.wait(timeout=30)
    return Run(code, b"".join(out).decode("utf-8", "replace"), err.decode("utf-8", "replace"))


@pytest.mark.slow
def test_signals_in_the_middle_of_reads_while_data_changes_lose_nothing() -> None:
    rng = Random(7)
    with Sandbox(size=Size(issues=400), limits=None, base_time=ago(hours=1), seed=9, latency=0.005) as pylon:
        runs: list[Run] = []
        for number in range(8):
            sent = signal.SIGKILL if number % 2 else signal.SIGTERM
            runs.append(signalled(pylon, resumable(runs), sent, rng.randrange(1, 250), number))
            if runs[-1].ended("issues") != "COMPLETE":
                assert runs[-1].code == (-sent if sent == signal.SIGKILL else 128 + sent)
            assert runs[-1].stderr == ""
            pylon.clock.advance(timedelta(seconds=rng.randrange(200)))
        assert sum(run.code != 0 for run in runs) >= 4
        assert [run for run in runs if run.state]
        prove_after_kills(pylon, runs, ISSUE_STREAMS)


# --- readers ---


def test_a_slow_reader_gets_everything_and_holds_the_requests_back() -> None:
    with (
        Sandbox(size=Size(issues=3000), limits=None, base_time=ago(hours=1)) as pylon,
        Files(config_for(pylon), configured_catalog(["issues"])) as files,
    ):
        process = start(files.arguments("read"), stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        first = process.stdout.readline()
        seen, since = -1, time.monotonic()
        # Until the pipe and all that waits behind it are full, so that no request leaves any more.
        while time.monotonic() - since < 1.0:
            if (count := pylon.count(MESSAGES)) != seen:
                seen, since = count, time.monotonic()
            time.sleep(0.05)
        assert 0 < seen < 2000, "a reader that does not read holds back what is asked for"
        out = [first]
        while chunk := process.stdout.read1(60_000):  # type: ignore[attr-defined]
            out.append(chunk)
            time.sleep(0.002)
        process.stdout.close()
        code = process.wait(timeout=30)
        proven(pylon, Run(code, b"".join(out).decode()))


@pytest.mark.parametrize("limits", [None, {MESSAGES: 5}], ids=["while records leave", "while it waits"])
def test_a_reader_that_goes_away_ends_the_sync_soon(limits: dict[str, int] | None) -> None:
    with (
        Sandbox(size=Size(issues=800), limits=limits, minute=2.0, base_time=ago(hours=1), latency=0.003) as pylon,
        Files(config_for(pylon), configured_catalog(ISSUE_STREAMS)) as files,
    ):
        process = start(files.arguments("read"), timing=fast(minute=2.0, heartbeat=0.5))
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(5):
            process.stdout.readline()
        process.stdout.close()
        try:
            code = process.wait(timeout=15)
        finally:
            process.kill()
        err = process.stderr.read().decode()
        process.stderr.close()
        assert code == 1
        assert pylon.token not in err
        assert "Traceback" not in err
        assert pylon.count(MESSAGES) < 700


# --- states ---


def sync_from(pylon: Sandbox, state: str, streams: Iterable[str] = ("issues",)) -> Run:
    """A read with a state file of exactly this text."""
    with Files(config_for(pylon), configured_catalog(streams), state) as files:
        return in_process(files.arguments("read"), FAST)


FORMS = {
    "a list": json.dumps,
    "one state": lambda states: json.dumps(states[0]),
    "a byte order mark": lambda states: "\ufeff" + json.dumps(states),
    "by stream": lambda states: json.dumps({"issues": states[0]["stream"]["stream_state"]}),
    "legacy": lambda states: json.dumps({"type": "LEGACY", "data": {"issues": states[0]["stream"]["stream_state"]}}),
    "global": lambda states: json.dumps(
        {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [states[0]["stream"]]}}
    ),
    "lines, the last cut off": lambda states: "\n".join(
        [json.dumps({"type": "STATE", "state": states[0]}), '{"type":"STATE","sta']
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_state_in_an_older_shape_is_gone_on_from(pylon: Sandbox, form: str) -> None:
    first = read(pylon)
    pylon.clock.advance(timedelta(hours=1))
    changed = {change.id for change in pylon.evolve(4, 12, deletions=False) if change.kind == "issues"}
    second = sync_from(pylon, FORMS[form](first.state))
    proven(pylon, first, second)
    assert set(second.ids("issues")) == changed


FOREIGN = {
    "of the official connector": {"updated_at": "2026-01-01T00:00:00Z"},
    "of its older versions": {"created_at": "2026-01-01T00:00:00Z"},
    "of a full refresh": {"__ab_full_refresh_sync_complete": True},
    "with times that are none": {"latest_message_time": "soon", "updated_at": 5},
    "with one time missing": {"latest_message_time": "2026-01-01T00:00:00Z"},
    "with nested nonsense": {"latest_message_time": {"x": [1]}, "updated_at": None},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_state_that_is_not_this_connectors_is_said_and_everything_is_read(pylon: Sandbox, what: str) -> None:
    run = read(pylon, state=[stream_state("issues", FOREIGN[what])])
    proven(pylon, run)
    assert run.said("state of stream issues", "read from its beginning")


def test_a_state_of_a_stream_that_no_longer_exists_is_no_hindrance(pylon: Sandbox) -> None:
    first = read(pylon, ("issues", "accounts"))
    gone = stream_state("issue_threads", {"updated_at": "2026-01-01T00:00:00Z"})
    second = read(pylon, ("issues", "accounts"), [gone, *first.state])
    proven(pylon, first, second, streams=("issues", "accounts"))
    assert second.ids("issues") == second.ids("accounts") == []
    assert {item["stream"]["stream_descriptor"]["name"] for item in second.state} == {"issues", "accounts"}


@pytest.mark.parametrize("text", ["", " \n", "[]", "{}", "null"], ids=repr)
def test_an_empty_state_is_a_first_sync(pylon: Sandbox, text: str) -> None:
    proven(pylon, sync_from(pylon, text))


@pytest.mark.parametrize("text", ['[{"type": "STREAM", "str', "7", '["issues"]', '{"issues": "2026"}', "\x00\x01"])
def test_a_damaged_state_is_refused_before_anything_is_read(pylon: Sandbox, text: str) -> None:
    run = sync_from(pylon, text)
    assert run.code == 1
    (error,) = run.errors
    assert error["failure_type"] == "config_error"
    assert "state file" in error["message"]
    assert pylon.log == []


def test_a_state_of_the_far_future_is_said_and_stays(pylon: Sandbox) -> None:
    time_ = "2999-01-01T00:00:00Z"
    far = {name: {CURSORS[name]: time_} for name in STREAMS}
    for name in ISSUE_STREAMS:
        far[name]["updated_at"] = time_
    run = read(pylon, STREAMS, [stream_state(name, state) for name, state in far.items()])
    assert_green(run, *STREAMS)
    for name in STREAMS:
        assert run.ids(name) == []
        assert run.said(f"stream {name} lies in the future", "2999", "reset")
        assert run.states(name)[-1] == far[name]


def test_a_state_that_is_ahead_by_a_clocks_error_loses_nothing(pylon: Sandbox) -> None:
    first = read(pylon)
    ahead = (pylon.clock.now() + timedelta(minutes=45)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pylon.evolve(3, 15, deletions=False)
    second = read(pylon, state=[stream_state("issues", {"latest_message_time": ahead, "updated_at": ahead})])
    assert_green(second)
    assert_complete_and_fresh(pylon, first, second)


# --- catalogs ---


def read_catalog(pylon: Sandbox, catalog: Record, state: Any = None) -> Run:
    """A read of a catalog as it is."""
    with Files(config_for(pylon), catalog, state) as files:
        return in_process(files.arguments("read"), FAST)


def test_an_unknown_stream_fails_by_name_and_all_others_are_complete(pylon: Sandbox) -> None:
    run = read_catalog(pylon, configured_catalog(["issues", "issue_threads", "accounts"]))
    assert run.code == 1
    assert run.ended("issue_threads") == "INCOMPLETE"
    (error,) = run.errors
    assert error["failure_type"] == "config_error"
    assert "issue_threads" in error["message"]
    for stream in ("issues", "accounts"):
        assert run.ended(stream) == "COMPLETE"
    assert_complete_and_fresh(pylon, run, streams=("issues", "accounts"))


def test_a_catalog_of_unknown_streams_alone_fails_without_a_request(pylon: Sandbox) -> None:
    run = read_catalog(pylon, configured_catalog(["issue_threads", "nothing"]))
    assert run.code == 1
    assert [error["failure_type"] for error in run.errors] == ["config_error", "config_error"]
    assert pylon.log == []


def test_incremental_where_there_is_no_cursor_reads_everything_each_time(pylon: Sandbox) -> None:
    catalog = configured_catalog(["contacts"])
    catalog["streams"][0].update(sync_mode="incremental", cursor_field=["updated_at"])
    first = read_catalog(pylon, catalog)
    second = read_catalog(pylon, catalog, first.state)
    for run in (first, second):
        proven(pylon, run, streams=["contacts"])


def test_a_full_refresh_reads_everything_whatever_the_state_says(pylon: Sandbox) -> None:
    first = read(pylon)
    second = read(pylon, state=first.state, full_refresh=["issues"])
    proven(pylon, second)


def test_a_cursor_field_that_is_not_the_streams_changes_nothing(pylon: Sandbox) -> None:
    catalog = configured_catalog(["issues"])
    catalog["streams"][0].update(cursor_field=["number"], primary_key=[["number"]])
    first = read_catalog(pylon, catalog)
    proven(pylon, first)
    assert read_catalog(pylon, catalog, first.state).ids("issues") == []


@pytest.mark.parametrize("mode", ["sometimes", None, 5])
def test_a_mode_that_does_not_exist_is_refused_before_anything_is_read(pylon: Sandbox, mode: Any) -> None:
    catalog = configured_catalog(["issues"])
    catalog["streams"][0]["sync_mode"] = mode
    run = read_catalog(pylon, catalog)
    assert run.code == 1
    assert [error["failure_type"] for error in run.errors] == ["config_error"]
    assert "catalog" in run.error_text()
    assert pylon.log == []


# --- two at once ---


@pytest.fixture
def shared() -> Iterator[Sandbox]:
    """An organisation whose message allowance does for one connector and not for two at a time."""
    with Sandbox(size=Size(issues=350), limits={MESSAGES: 150}, minute=2.0, base_time=ago(hours=1)) as sandbox:
        yield sandbox


@pytest.mark.slow
def test_two_connectors_that_share_the_allowance_both_complete(shared: Sandbox, tmp_path: Path) -> None:
    with Files(config_for(shared), configured_catalog(ISSUE_STREAMS)) as files:
        outputs = [(tmp_path / name).open("wb") for name in ("first", "second")]
        timing = fast(minute=2.0, longest_rate_limit_wait=4.0, rate_limit_patience=60.0)
        processes = [
            start(files.arguments("read"), timing=timing, stdout=out, stderr=subprocess.DEVNULL) for out in outputs
        ]
        codes = [process.wait(timeout=90) for process in processes]
        for out in outputs:
            out.close()
    assert shared.refused() > 0
    owed = sum(bool(issue.get("latest_message_time")) for issue in expected(shared, "issues").values())
    assert shared.count(MESSAGES, 200) >= owed
    for code, out in zip(codes, outputs, strict=True):
        run = Run(code, Path(out.name).read_text(encoding="utf-8"))
        proven(shared, run, streams=ISSUE_STREAMS)
        assert run.said("rate limit", "/messages")

"""States and catalogs that are old, foreign, damaged or wrong: said in words, and never an issue less.

What is refused for the form of its file is in `integration_tests/test_config_errors.py` and `unit_tests/test_files.py`;
states of Airbyte's low-code connector are in `integration_tests/test_migration.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.assertions import assert_complete_and_fresh, assert_green, assert_synced
from integration_tests.support.connector import (
    CURSORS,
    ISSUE_STREAMS,
    Files,
    Output,
    Record,
    config_for,
    configured_catalog,
    run,
    stream_state,
)
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import fault_timing, read
from source_pylon.timestamps import parse, render

QUICK = fault_timing(minute=0.05)
STREAMS = tuple(CURSORS)
TIME = "2026-05-01T00:00:00Z"


@pytest.fixture
def pylon() -> Iterator[Sandbox]:
    """A small organisation whose history ended an hour ago."""
    with Sandbox(size=Size(issues=40), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


def given(pylon: Sandbox, *, catalog: Any = None, state: bytes | None = None) -> tuple[Output, str]:
    """One read with a catalog, or a state file of these bytes, and the path of that file."""
    with Files(
        config_for(pylon), catalog or configured_catalog(["issues"]), [] if state is not None else None
    ) as files:
        if state is not None:
            Path(files.path("state")).write_bytes(state)
        return run(files.arguments("read"), QUICK), files.path("catalog" if state is None else "state")


def assert_refused(pylon: Sandbox, run: Output, *words: str) -> None:
    """One error says what to repair, no request was made, and no state is emitted that would replace the stored one."""
    assert run.code == 1
    (error,) = run.errors
    assert error["failure_type"] == "config_error"
    assert all(word in error["message"] for word in words), error["message"]
    assert run.state == []
    assert pylon.log == []


def said_once(run: Output, stream: str) -> bool:
    """Whether one line says that a stream is read from its beginning."""
    lines = [text for text in run.logs if text.startswith(f"Stream {stream}: the saved state")]
    return len(lines) == 1 and "read from its beginning" in lines[0]


# --- states ---


def one_cursor(stream: str) -> Record:
    return {CURSORS[stream]: TIME} if stream in ISSUE_STREAMS else {"mark": TIME}


OLD: dict[str, Any] = {
    "one cursor of two": one_cursor,
    "the other one": lambda stream: {"updated_at" if stream in ISSUE_STREAMS else "cursor": TIME},
    "numbers": lambda stream: {CURSORS[stream]: 1_777_593_600, "updated_at": 1_777_593_600},
    "times under another name": lambda stream: {"cursor": TIME, "updated": TIME},
    "no times": lambda stream: {CURSORS[stream]: "2026-13-45T99:00:00Z", "updated_at": "soon"},
    "nulls": lambda stream: {CURSORS[stream]: None, "updated_at": None},
    "objects and lists": lambda stream: {CURSORS[stream]: {"at": TIME}, "updated_at": [TIME]},
    "the zero time": lambda stream: {CURSORS[stream]: "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z"},
    "the epoch": lambda stream: {CURSORS[stream]: "1970-01-01T00:00:00Z", "updated_at": "1970-01-01T00:00:00Z"},
    "one good cursor": lambda stream: {CURSORS[stream]: TIME if stream in ISSUE_STREAMS else "", "updated_at": ""},
}


@pytest.mark.parametrize("kind", OLD)
def test_a_state_without_valid_times_is_reported_once_and_everything_is_read(kind: str, pylon: Sandbox) -> None:
    state = [stream_state(stream, OLD[kind](stream)) for stream in STREAMS]
    run = read(pylon, STREAMS, state, timing=QUICK)
    for stream in STREAMS:
        assert said_once(run, stream), run.logs
    assert_synced(pylon, run, streams=STREAMS)


@pytest.mark.parametrize("ahead", [timedelta(minutes=3), timedelta(hours=20)], ids=str)
def test_a_state_written_by_a_fast_clock_hides_no_later_change(ahead: timedelta, pylon: Sandbox) -> None:
    first = read(pylon, STREAMS, timing=QUICK)
    ahead_of_time = render(pylon.clock.now().replace(microsecond=0) + ahead)
    state = [
        stream_state(
            stream, {key: ahead_of_time if parse(value) else value for key, value in first.states(stream)[-1].items()}
        )
        for stream in STREAMS
    ]
    pylon.evolve(seed=1, n=60)
    runs = [first, read(pylon, STREAMS, state, timing=QUICK)]
    for stream in STREAMS:
        times = [time for value in runs[-1].states(stream)[-1].values() if (time := parse(value))]
        assert times
        assert max(times) < pylon.clock.now(), stream
    assert_complete_and_fresh(pylon, *runs, streams=STREAMS)
    pylon.evolve(seed=2, n=60)
    runs.append(read(pylon, STREAMS, runs[-1].state, timing=QUICK))
    assert_green(runs[-1], *STREAMS)
    assert_complete_and_fresh(pylon, *runs, streams=STREAMS)


def test_states_of_streams_that_no_longer_exist_or_are_not_selected_do_no_harm(pylon: Sandbox) -> None:
    first = read(pylon, ["issues", "accounts"], timing=QUICK)
    pylon.evolve(seed=1, n=30)
    others = [stream_state("issue_threads", {"updated_at": TIME}), stream_state("contacts", {"a": 1})]
    second = read(pylon, ["issues", "accounts"], [*others, *first.state], timing=QUICK)
    assert not second.said("read from its beginning")
    assert {item["stream"]["stream_descriptor"]["name"] for item in second.state} == {"issues", "accounts"}
    assert_synced(pylon, first, second, streams=["issues", "accounts"])


KEPT = json.dumps([stream_state("issues", {"latest_message_time": TIME, "updated_at": TIME})], indent=1)
DAMAGED: dict[str, tuple[bytes, list[str]]] = {
    "cut off": (json.dumps(json.loads(KEPT)).encode()[:-40], ["not valid JSON", "line 1, column"]),
    "cut off, of several lines": (KEPT.encode()[:-40], ["not valid JSON", "line 10, column"]),
    "zeros": (bytes(200), ["not valid JSON", "line 1, column 1"]),
    "compressed": (gzip.compress(KEPT.encode()), ["not UTF-8", "byte 1"]),
    "UTF-16": (KEPT.encode("utf-16"), ["not UTF-8", "byte 0"]),
    "a number": (b"1777593600", ["int"]),
    "a number that is none": (b"NaN", ["float"]),
    "a long number": (b"7" * 5_000, ["too long a number"]),
    "deeply nested": (b"[" * 200_000, ["nested too deep"]),
    "a list of lists": (b'[[{"issues": {}}]]', ["a list that is not a state"]),
    "a list of names": (b'["issues", "accounts"]', ["a str that is not a state"]),
    "a state without its stream": (b'{"type": "STREAM"}', ["does not hold states"]),
    "a message without its state": (b'{"type": "STATE", "state": null}', ["does not hold states"]),
    "a global state without its streams": (b'{"type": "GLOBAL", "global": {"stream_states": 5}}', ["not a list"]),
    "a catalog": (json.dumps(configured_catalog(["issues"])).encode(), ["does not hold states"]),
    "a configuration": (b'{"api_token": "x"}', ["does not hold states"]),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_state_file_stops_the_sync_with_the_name_and_position(kind: str, pylon: Sandbox) -> None:
    content, words = DAMAGED[kind]
    run, path = given(pylon, state=content)
    assert_refused(pylon, run, path, *words)


# --- catalogs ---


def catalog_with(**fields: Any) -> Record:
    """A catalog of issues whose entry has other fields."""
    catalog = configured_catalog(["issues"])
    catalog["streams"][0].update(fields)
    return catalog


WRONG: dict[str, tuple[Any, list[str]]] = {
    "a sync mode that is none": (catalog_with(sync_mode="sideways"), ["streams/0/sync_mode", "source-pylon catalog"]),
    "no sync mode": (catalog_with(sync_mode=None), ["streams/0/sync_mode"]),
    "a destination's mode that is none": (catalog_with(destination_sync_mode="x"), ["streams/0/destination_sync_mode"]),
    "a catalog whose streams are names": ({"streams": ["issues"]}, ["streams/0"]),
    "a stream without a name": ({"streams": [{"json_schema": {}}]}, ["streams/0/stream"]),
    "a configuration": ({"api_token": "x"}, ["no JSON object with a list named streams"]),
    "deeply nested": ("[" * 200_000, ["nested too deep"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_not_a_configured_catalog_is_refused_with_its_name_and_the_position(
    kind: str, pylon: Sandbox
) -> None:
    catalog, words = WRONG[kind]
    run, path = given(pylon, catalog=catalog)
    assert_refused(pylon, run, path, *words)


@pytest.mark.parametrize("stream", ["issues", "accounts", "contacts"])
def test_a_catalog_that_names_a_stream_twice_is_refused(stream: str, pylon: Sandbox) -> None:
    run, _ = given(pylon, catalog=configured_catalog(["tickets", stream, stream]))
    assert_refused(pylon, run, f"stream {stream} twice")


def test_an_incremental_stream_without_a_cursor_is_fully_refreshed(pylon: Sandbox) -> None:
    catalog = configured_catalog(["contacts"])
    catalog["streams"][0] |= {"sync_mode": "incremental", "cursor_field": ["updated_at"]}
    first, _ = given(pylon, catalog=catalog)
    assert_synced(pylon, first, streams=["contacts"])
    assert first.states("contacts") == [{"__ab_no_cursor_state_message": True}]
    pylon.evolve(seed=1, n=40)
    with Files(config_for(pylon), catalog, first.state) as files:
        assert_synced(pylon, run(files.arguments("read"), QUICK), streams=["contacts"])


def test_another_cursor_field_in_the_catalog_changes_nothing(pylon: Sandbox) -> None:
    first, _ = given(pylon, catalog=catalog_with(cursor_field=["created_at"]))
    assert_synced(pylon, first)
    assert "created_at" not in first.states("issues")[-1]


def test_an_empty_catalog_reads_nothing_and_causes_a_warning_but_no_error(pylon: Sandbox) -> None:
    run, _ = given(pylon, catalog={"streams": []})
    assert run.code == 0
    assert run.warnings == ["The configured catalog selects no stream, so nothing is read."]
    assert not run.errors
    assert {line["type"] for line in run.lines} <= {"LOG"}
    assert pylon.log == []

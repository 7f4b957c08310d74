"""The rules of Airbyte's older acceptance suite on state and statuses, which the newer one lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.connector import FAST, Files, Output, Record, config_for, discover, run
from integration_tests.support.expected import ago

HERE = Path(__file__).parent
CATALOG = json.loads((HERE / "incremental_catalog.json").read_text(encoding="utf-8"))
EVERYTHING = json.loads((HERE / "configured_catalog.json").read_text(encoding="utf-8"))
INCREMENTAL = [entry["stream"]["name"] for entry in CATALOG["streams"]]
ALL = [entry["stream"]["name"] for entry in EVERYTHING["streams"]]


@pytest.fixture(scope="module")
def organisation() -> Iterator[Sandbox]:
    """An organisation whose history ended two hours ago."""
    size = Size(issues=600, tasks=40, audit_logs=60, accounts=60)
    with Sandbox(size=size, limits=None, base_time=ago(hours=2), seed=4) as sandbox:
        yield sandbox


def read_catalog(pylon: Sandbox, catalog: Record, state: Any = None) -> Output:
    """A read with a catalog as it is committed."""
    config = config_for(pylon, custom_object_types=["companies"], call_recordings_lookback_days=0)
    with Files(config, catalog, state) as files:
        output = run(files.arguments("read"))
    assert output.code == 0, output.errors
    return output


def alone(stream: str) -> Record:
    """The incremental catalog with one stream."""
    return {"streams": [entry for entry in CATALOG["streams"] if entry["stream"]["name"] == stream]}


@pytest.fixture(scope="module")
def first(organisation: Sandbox) -> Output:
    """A first incremental read of all streams that can be."""
    return read_catalog(organisation, CATALOG)


@pytest.fixture(scope="module")
def whole(organisation: Sandbox) -> Output:
    """A full refresh of all streams."""
    return read_catalog(organisation, EVERYTHING)


def test_the_first_of_two_sequential_reads_emits_records_and_states(first: Output) -> None:
    for stream in INCREMENTAL:
        assert first.records(stream), stream
        assert first.states(stream), stream


def test_the_second_of_two_sequential_reads_emits_other_and_fewer_records(organisation: Sandbox, first: Output) -> None:
    second = read_catalog(organisation, CATALOG, first.state)
    for stream in INCREMENTAL:
        assert len(second.records(stream)) < len(first.records(stream)), stream
        assert second.states(stream), stream


def checkpoints(output: Output, stream: str) -> list[tuple[Record, float]]:
    """The states of a stream with how many records they and those before them count, equal neighbours made one."""
    found: list[tuple[Record, float]] = []
    total = 0.0
    for message in output.state_messages(stream):
        total += message["sourceStats"]["recordCount"]
        state = message["stream"]["stream_state"]
        if found and found[-1][0] == state:
            found.pop()
        found.append((state, total))
    return found


@pytest.mark.parametrize("stream", INCREMENTAL)
def test_a_read_from_a_checkpoint_emits_at_least_the_records_counted_after_it(
    stream: str, organisation: Sandbox, first: Output
) -> None:
    found = checkpoints(first, stream)
    sample = found if len(found) < 3 else found[1:-1][:: max(1, len(found) // 4)]
    for state, counted in sample:
        handed = {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": state}}
        again = read_catalog(organisation, alone(stream), [handed])
        assert len(again.records(stream)) >= len(first.records(stream)) - counted
        assert len(again.records(stream)) < len(first.records(stream)) or counted == 0


@pytest.mark.parametrize("stream", ["issues", "call_recordings"])
def test_a_long_history_has_checkpoints_in_between(stream: str, organisation: Sandbox) -> None:
    start = {"call_recordings": "2020-01-01T00:00:00Z"}.get(stream)
    config = config_for(organisation, **({"start_date": start} if start else {}))
    with Files(config, alone(stream)) as files:
        output = run(files.arguments("read"), replace(FAST, checkpoint_interval=0.0))
    assert len(checkpoints(output, stream)) >= 3


@pytest.mark.parametrize("kind", ["first", "whole"])
def test_the_record_counts_of_the_states_add_up(kind: str, first: Output, whole: Output) -> None:
    output, streams = (first, INCREMENTAL) if kind == "first" else (whole, ALL)
    for stream in streams:
        messages = output.state_messages(stream)
        assert all("sourceStats" in message for message in messages), stream
        assert sum(m["sourceStats"]["recordCount"] for m in messages) == len(output.records(stream)), stream


def test_each_record_count_is_that_of_the_records_since_the_state_before(first: Output) -> None:
    counts = dict.fromkeys(INCREMENTAL, 0)
    for line in first.lines:
        if line["type"] == "RECORD":
            counts[line["record"]["stream"]] += 1
        elif line["type"] == "STATE":
            stream = line["state"]["stream"]["stream_descriptor"]["name"]
            assert line["state"]["sourceStats"]["recordCount"] == counts[stream]
            counts[stream] = 0
    assert not any(counts.values())


def test_with_a_state_in_the_far_future_there_are_no_records_but_a_state(organisation: Sandbox) -> None:
    future = json.loads((HERE / "future_state.json").read_text(encoding="utf-8"))
    output = read_catalog(organisation, CATALOG, future)
    assert [stream for stream in INCREMENTAL if output.records(stream)] == []
    assert output.state_messages()


def test_a_read_accepts_the_sample_state(organisation: Sandbox) -> None:
    sample = json.loads((HERE / "sample_state.json").read_text(encoding="utf-8"))
    output = read_catalog(organisation, CATALOG, sample)
    assert not [text for text in output.logs if "the saved state" in text]


@pytest.mark.parametrize("kind", ["first", "whole"])
def test_the_statuses_are_started_running_and_complete_in_this_order(kind: str, first: Output, whole: Output) -> None:
    output, streams = (first, INCREMENTAL) if kind == "first" else (whole, ALL)
    for stream in streams:
        assert output.statuses(stream) == ["STARTED", "RUNNING", "COMPLETE"], stream


def test_every_stream_has_a_state_even_in_full_refresh(whole: Output) -> None:
    for stream in ALL:
        states = whole.states(stream)
        assert states, stream
        assert states[-1] == {"__ab_no_cursor_state_message": True}, stream


def test_the_last_state_of_a_stream_precedes_its_complete_status(first: Output, whole: Output) -> None:
    for output in (first, whole):
        complete: set[str] = set()
        for line in output.lines:
            if line["type"] == "TRACE" and line["trace"]["type"] == "STREAM_STATUS":
                status = line["trace"]["stream_status"]
                if status["status"] == "COMPLETE":
                    complete.add(status["stream_descriptor"]["name"])
            elif line["type"] == "STATE":
                assert line["state"]["stream"]["stream_descriptor"]["name"] not in complete


def test_the_primary_key_of_every_record_is_a_scalar(whole: Output) -> None:
    for stream in discover().catalog["streams"]:
        for record in whole.records(stream["name"]):
            for (name,) in stream["source_defined_primary_key"]:
                assert isinstance(record[name], (str, int)), (stream["name"], name)


def test_two_full_refreshes_emit_the_same_ids(organisation: Sandbox, whole: Output) -> None:
    again = read_catalog(organisation, EVERYTHING)
    keys = {s["name"]: s["source_defined_primary_key"] for s in discover().catalog["streams"]}
    for stream in ALL:

        def identities(output: Output, stream: str = stream) -> list[tuple[Any, ...]]:
            return sorted(tuple(str(r[name]) for (name,) in keys[stream]) for r in output.records(stream))

        assert identities(again) == identities(whole), stream

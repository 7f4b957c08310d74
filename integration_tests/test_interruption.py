"""A sync that is killed loses nothing: the next one goes on from the last state that left.

At random moments, many times: `faults/test_platform.py`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.connector import (
    FAST,
    ISSUE_STREAMS,
    REPOSITORY,
    Files,
    Output,
    Record,
    complete,
    config_for,
    configured_catalog,
    console_script,
    launcher,
    read,
)
from integration_tests.support.expected import ago, assert_kept_equals_stored, is_covered, newest, stored_issues

pytestmark = pytest.mark.slow


def killed_read(pylon: Sandbox, state: Any, records: int, sent: signal.Signals = signal.SIGKILL) -> Output:
    """A read in a process of its own that is sent a signal once it has written so many records and a state after them;
    what it wrote, whole lines only. Meanwhile the data changes."""
    with Files(config_for(pylon, num_workers=4), configured_catalog(ISSUE_STREAMS), state) as files:
        process = subprocess.Popen(
            [*launcher(replace(FAST, checkpoint_interval=0.2)), *files.arguments("read")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
            text=True,
            encoding="utf-8",
            errors="replace",  # a kill may cut the last line within a character
        )
        assert process.stdout is not None
        lines: list[str] = []
        seen = 0
        for line in process.stdout:
            lines.append(line)
            seen += '"type":"RECORD"' in line
            if seen >= records and '"type":"STATE"' in line:
                break
        pylon.evolve(seed=len(pylon.log), n=15)
        process.send_signal(sent)
        lines.extend(process.stdout)
        code = process.wait(timeout=30)
        process.stdout.close()
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    return Output(code, "".join(lines))


def merged(states: Iterable[list[Record]]) -> list[Record]:
    """The last state of each stream over several syncs."""
    last = {item["stream"]["stream_descriptor"]["name"]: item for state in states for item in state}
    return list(last.values())


@pytest.fixture
def large() -> Iterable[Sandbox]:
    """An organisation that takes a while to read."""
    with Sandbox(size=Size(issues=900), limits=None, base_time=ago(hours=1), latency=0.004, seed=5) as sandbox:
        yield sandbox


def test_after_kills_while_data_changes_the_newest_emissions_equal_what_is_stored(
    large: Sandbox,
) -> None:
    outputs: list[Output] = []
    for records in (100, 250, 150, 50):
        outputs.append(killed_read(large, merged(output.state for output in outputs) or None, records))
        assert outputs[-1].code == -signal.SIGKILL
        assert "COMPLETE" not in outputs[-1].statuses("issues")
    outputs.append(read(large, ISSUE_STREAMS, state=merged(output.state for output in outputs)))
    for stream in ISSUE_STREAMS:
        assert_kept_equals_stored(newest(outputs, stream), large, stream)
    # Each kill costs a few partitions at most, not the work of the syncs before it.
    assert sum(len(output.ids("issues")) for output in outputs) < 2.5 * len(stored_issues(large))


def claims(output: Output, stream: str) -> Iterable[tuple[Record, dict[str, Record]]]:
    """Each state of a stream, with the newest records that were written before it."""
    kept: dict[str, Record] = {}
    for line in output.lines:
        if line["type"] == "RECORD" and line["record"]["stream"] == stream:
            kept[line["record"]["data"]["id"]] = line["record"]["data"]
        elif line["type"] == "STATE" and line["state"]["stream"]["stream_descriptor"]["name"] == stream:
            yield line["state"]["stream"]["stream_state"], dict(kept)


def test_no_state_precedes_the_records_that_it_covers(large: Sandbox) -> None:
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS)) as files:
        output = complete([*launcher(replace(FAST, checkpoint_interval=0.0)), *files.arguments("read")])
    assert output.code == 0
    for stream in ISSUE_STREAMS:
        stored = stored_issues(large, stream)
        found = list(claims(output, stream))
        assert len(found) > 5
        for state, kept in found:
            covered = {issue["id"] for issue in stored if is_covered(state, issue)}
            assert covered <= kept.keys()
        assert len(covered) == len(stored)


def test_states_of_a_sync_during_changes_cover_nothing_that_was_not_emitted(large: Sandbox) -> None:
    first = read(large, ISSUE_STREAMS)
    large.evolve(seed=1, n=200)
    second = killed_read(large, first.state, 60)
    for stream in ISSUE_STREAMS:
        before = newest([first], stream)
        for state, kept in claims(second, stream):
            known = {**before, **kept}
            for issue in stored_issues(large, stream):
                if is_covered(state, issue):
                    assert known[issue["id"]]["updated_at"] == issue["updated_at"]


def test_a_terminated_sync_writes_whole_lines_and_can_be_resumed(large: Sandbox) -> None:
    output = killed_read(large, None, 100, signal.SIGTERM)
    assert output.code == -signal.SIGTERM
    assert output.lines
    resumed = read(large, ISSUE_STREAMS, state=output.state)
    for stream in ISSUE_STREAMS:
        assert_kept_equals_stored(newest([output, resumed], stream), large, stream)


def test_the_console_script_reads_like_the_tests_in_this_process(pylon: Sandbox) -> None:
    with Files(config_for(pylon), configured_catalog()) as files:
        output = complete([console_script(), *files.arguments("read")])
    assert output.code == 0
    assert output.stderr == ""
    here = read(pylon)
    for stream in ISSUE_STREAMS:
        assert sorted(output.ids(stream)) == sorted(here.ids(stream))


def test_records_are_written_while_the_sync_waits() -> None:
    with (
        Sandbox(size=Size(issues=60), limits={"GET /issues/{id}/messages": 5}, minute=6.0) as sandbox,
        Files(config_for(sandbox), configured_catalog(["issues"])) as files,
    ):
        process = subprocess.Popen(
            [*launcher(replace(FAST, minute=6.0)), *files.arguments("read")],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        assert process.stdout is not None
        kinds = []
        for line in process.stdout:
            kinds.append(json.loads(line)["type"])
            if kinds.count("RECORD") >= 5:
                break
        process.kill()
        process.wait()
        process.stdout.close()
        watchdog.cancel()
    assert kinds.count("RECORD") >= 5

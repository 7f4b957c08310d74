"""The demonstration itself: small, as a process, and what it says when something is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.demo.__main__ import _size
from integration_tests.demo.connector import StreamRead, Sync
from integration_tests.demo.outcome import faults, newest, stored
from integration_tests.demo.table import SHARED, render, requests_by_stream
from integration_tests.sandbox import Sandbox
from source_pylon.extraction.stream import Stream
from source_pylon.streams import STREAMS

ROOT = Path(__file__).resolve().parents[1]


def test_the_demonstration_reads_every_stream_twice_and_finds_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "integration_tests.demo", "--issues", "40", "--changes", "20", "--output"]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Complete: after each sync, every record" in done.stdout
    assert "NOT COMPLETE" not in done.stdout
    assert "Not compared" not in done.stdout
    catalog = json.loads((tmp_path / "catalog.json").read_text())
    names = [item["stream"]["name"] for item in catalog["streams"]]
    assert {definition.name for definition in STREAMS} == set(names)
    table = done.stdout[done.stdout.index("stream ") :].splitlines()
    assert [line.split()[0] for line in table[2 : 2 + len(names)]] == names
    for which in ("first", "second"):
        lines = (tmp_path / which / "issues.jsonl").read_text().splitlines()
        row = next(line.split() for line in table if line.startswith("issues "))
        assert f"{len(lines):,}" == row[1 if which == "first" else 4]
        states = json.loads((tmp_path / which / "state.json").read_text())
        assert {state["stream"]["stream_descriptor"]["name"] for state in states} == set(names)


def test_records_that_are_missing_unknown_or_old_are_found() -> None:
    held = {(key,): {"id": key, "updated_at": "2"} for key in "abc"}
    emitted = {("a",): {"id": "a", "updated_at": "2"}, ("b",): {"id": "b", "updated_at": "1"}, ("x",): {"id": "x"}}
    assert faults(emitted, held, versions=True) == ["1 missing", "1 not in the sandbox", "1 out of date"]
    assert faults(emitted, held, versions=False) == ["1 missing", "1 not in the sandbox"]
    assert faults(held, held, versions=True) == []


def test_the_newest_emission_of_a_record_is_from_the_last_sync() -> None:
    first = StreamRead(("id",), newest={("a",): {"v": 1}, ("b",): {"v": 1}})
    second = StreamRead(("id",), newest={("a",): {"v": 2}})
    assert newest(first, second) == {("a",): {"v": 2}, ("b",): {"v": 1}}


@pytest.mark.parametrize("definition", STREAMS, ids=lambda definition: definition.name)
def test_the_sandbox_knows_what_every_stream_should_emit(definition: Stream) -> None:
    pylon = Sandbox(size=_size(30))
    assert stored(pylon, definition.name, definition.primary_key)


def test_requests_are_shown_beside_the_first_stream_that_reads_an_endpoint() -> None:
    seen = ["POST /issues/search", "GET /issues/{id}/messages", "GET /users", "GET /elsewhere"]
    cells = requests_by_stream(["issues", "tickets", "users"], seen)
    assert cells == {"issues": "2", "tickets": SHARED, "users": "1"}


def test_the_table_lines_up_and_adds_up() -> None:
    sync = Sync({"issues": StreamRead(("id",), records=1234, started=1.0, ended=3.5), "users": StreamRead(("id",))})
    lines = render(sync, sync, [["GET /users"], []], [4.0, 5.0]).splitlines()
    assert lines[3].split() == ["issues", "1,234", "0", "2.5", "1,234", "0", "2.5"]
    assert lines[4].split() == ["users", "0", "1", "0.0", "0", "0", "0.0"]
    assert lines[-1].split() == ["together", "1,234", "1", "4.0", "1,234", "0", "5.0"]
    assert len({len(line) for line in lines[1:]}) == 1

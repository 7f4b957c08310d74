"""The four programs that are compared: how each is started, and where it leaves what it has read."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.measure import PYTHON, ROOT, connector, files
from benchmarks.pylon import Pylon
from integration_tests.support.memory import peak_memory_of

_POLL = 0.01


@dataclass(frozen=True)
class Run:
    """One run of a program: its exit code, seconds of wall and CPU time, and megabytes of resident memory at most.

    CPU counts the process and all of its children, memory the process, which is the only one of each program.
    """

    code: int
    wall: float
    cpu: float
    peak: float
    paths: tuple[str, ...]
    """The files that hold what it has read."""


def connector_runs(pylon: Pylon, kind: str, folder: Path, previous: Run | None) -> Run:
    """This connector, without limits of its own, because the server has none."""
    with files(pylon.config, [kind], _states(previous)) as arguments:
        return _writes(connector(arguments, limits="none"), folder)


def low_code_runs(pylon: Pylon, kind: str, folder: Path, previous: Run | None) -> Run:
    """Airbyte's low-code connector; its start date lies a month before the first record."""
    start = datetime.now(timezone.utc) - timedelta(days=760)
    config = {**pylon.config, "start_date": f"{start:%Y-%m-%dT%H:%M:%SZ}"}
    streams = ["issues", "issue_messages"] if kind == "issues" else [kind]
    with files(config, streams, _states(previous)) as arguments:
        manifest = str(ROOT / "benchmarks" / "peers" / "low_code.yaml")
        return _writes([PYTHON, "-m", "benchmarks.low_code", manifest, *arguments], folder)


def bare_runs(pylon: Pylon, kind: str, folder: Path, previous: Run | None) -> Run:
    """The loop of requests, which keeps no state."""
    command = [PYTHON, "-m", "benchmarks.peers.bare", kind, "--url", pylon.url, "--token", pylon.token]
    return _writes(command, folder)


def dlt_runs(python: Path) -> Callable[[Pylon, str, Path, Run | None], Run]:
    """The dlt pipeline, run by the Python of its environment; it keeps its state in the folder."""

    def runs(pylon: Pylon, kind: str, folder: Path, previous: Run | None) -> Run:
        script = Path(__file__).with_name("dlt_pipeline.py")
        options = ["--url", pylon.url, "--token", pylon.token, "--folder", str(folder)]
        before = set(_loaded(folder))
        run = _run([str(python), str(script), kind, *options], folder / "output.txt")
        return Run(run.code, run.wall, run.cpu, run.peak, tuple(sorted(set(_loaded(folder)) - before)))

    return runs


def _loaded(folder: Path) -> list[str]:
    # Tables whose names begin so hold dlt's own bookkeeping.
    found = (folder / "loaded").glob("pylon/*/*.jsonl")
    return [str(path) for path in found if not path.parent.name.startswith("_dlt")]


def _states(previous: Run | None) -> list[Any]:
    """The last state of each stream that a run wrote."""
    states: dict[str, Any] = {}
    for path in previous.paths if previous else ():
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith('{"type":"STATE"'):
                state = json.loads(line)["state"]
                name = state["stream"]["stream_descriptor"]["name"]
                states[name] = {key: state[key] for key in ("type", "stream")}
    return list(states.values())


def _writes(command: Sequence[str], folder: Path) -> Run:
    """Runs a program that writes its records to standard output."""
    output = folder / f"output-{len(list(folder.glob('output-*')))}.jsonl"
    run = _run(command, output)
    return Run(run.code, run.wall, run.cpu, run.peak, (str(output),))


def _run(command: Sequence[str], output: Path) -> Run:
    folder = output.parent
    with output.open("wb") as out, (folder / "errors.txt").open("wb") as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        peak = 0
        while True:
            peak = max(peak, peak_memory_of(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(_POLL)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(process.returncode, wall, usage.ru_utime + usage.ru_stime, peak / 1e6, ())

"""Runs a program and measures it: wall time, CPU time, largest resident memory, records written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).absolute().parent.parent
_RUNTIME = ROOT / ".venv-runtime" / "bin" / "python"
PYTHON = str(_RUNTIME) if _RUNTIME.exists() else sys.executable
"""Has the packages that the image has, and no others. Those of development make every program start more slowly: where
rfc3987-syntax is installed, jsonschema loads it, and the CDK loads jsonschema."""

CONNECTOR = (PYTHON, "-m", "benchmarks.launch")
BASELINE = (PYTHON, "-m", "benchmarks.baseline")
LOW_CODE = (PYTHON, "-m", "benchmarks.low_code", str(ROOT / "benchmarks" / "low_code" / "manifest.yaml"))

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall and CPU time, megabytes of resident memory at most."""

    began: float
    ended: float
    cpu: float
    peak: float
    records: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict)
    written: int = 0

    @property
    def wall(self) -> float:
        """Seconds from start to end."""
        return self.ended - self.began

    @property
    def total(self) -> int:
        """All records, of whatever stream."""
        return sum(self.records.values())


def run(command: Sequence[str], *, bytes_per_second: float | None = None, count: bool = True) -> Run:
    """Runs a command of this repository to its end. Raises RuntimeError with what it wrote when it fails.

    Its standard output goes to a file, which takes anything at once, and is looked at afterwards; or through a pipe
    to a reader that takes so many `bytes_per_second`.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        slow = bytes_per_second is not None
        process = subprocess.Popen(
            command,
            cwd=directory_of(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if slow else output,
            stderr=errors,
        )
        if process.stdout is not None and bytes_per_second is not None:
            reader = threading.Thread(target=_read_slowly, args=(process.stdout, output, bytes_per_second))
            reader.start()
            reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        written = os.fstat(output.fileno()).st_size
        if process.returncode:
            output.seek(max(0, written - 4000))
            errors.seek(0)
            text = output.read().decode(errors="replace") + errors.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
        output.seek(0)
        records, states = _look_through(output) if count else ({}, {})
        cpu = usage.ru_utime + usage.ru_stime
        # In kilobytes of 1,024; what a process inherits from the one that starts it counts, so that must stay small.
        return Run(began, ended, cpu, usage.ru_maxrss * 1024 / 1e6, records, states, written)


def _read_slowly(source: IO[bytes], target: IO[bytes], bytes_per_second: float) -> None:
    began = time.monotonic()
    taken = 0
    while chunk := os.read(source.fileno(), _CHUNK):
        target.write(chunk)
        taken += len(chunk)
        time.sleep(max(0.0, began + taken / bytes_per_second - time.monotonic()))
    source.close()


def _look_through(output: IO[bytes]) -> tuple[dict[str, int], dict[str, Any]]:
    # All three programs write the stream's name at the beginning of a record, so records need not be parsed.
    counts: Counter[str] = Counter()
    states: dict[str, Any] = {}
    for line in output:
        if line.startswith(b'{"type":"RECORD"'):
            counts[line[:200].split(b'"stream":"', 1)[1].split(b'"', 1)[0].decode()] += 1
        elif line.startswith(b'{"type":"STATE"'):
            state = json.loads(line)["state"]
            states[state["stream"]["stream_descriptor"]["name"]] = {
                key: state[key] for key in ("type", "stream") if key in state
            }
    return dict(counts), states


@contextmanager
def files(config: Mapping[str, Any], streams: Sequence[str], state: Iterable[Any] = ()) -> Iterator[list[str]]:
    """The arguments of `read`, with the files that they name. All streams are read incrementally where they can."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        arguments = ["read"]
        values: dict[str, Any] = {"config": config, "catalog": {"streams": [_configured(name) for name in streams]}}
        if states := list(state):
            values["state"] = states
        for name, value in values.items():
            path = Path(folder) / f"{name}.json"
            path.write_text(json.dumps(value))
            arguments += [f"--{name}", str(path)]
        yield arguments


def _configured(name: str) -> dict[str, Any]:
    stream = {
        "name": name,
        "json_schema": {"type": "object", "properties": {}},
        "supported_sync_modes": ["full_refresh", "incremental"],
    }
    return {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}


def connector(
    arguments: Sequence[str], *, minute: float = 60.0, limits: str = "none", python: str | None = None
) -> list[str]:
    """The command that runs the connector, by the Python of another checkout where one is given."""
    if python is None:
        return [*CONNECTOR, "--minute", str(minute), "--limits", limits, "--", *arguments]
    # Versions before 2026-11-25 call the option --allowance.
    launch = (checkout_of(python) / "benchmarks" / "launch.py").read_text(encoding="utf-8")
    option = "--limits" if "--limits" in launch else "--allowance"
    return [python, "-m", "benchmarks.launch", "--minute", str(minute), option, limits, "--", *arguments]


def directory_of(command: Sequence[str]) -> Path:
    """The directory in which a command runs: its checkout if another checkout's Python runs its benchmarks."""
    return checkout_of(command[0]) if command[1:3] == ["-m", "benchmarks.launch"] else ROOT


def checkout_of(python: str) -> Path:
    """The checkout whose environment `.venv` has this Python, which is where its `benchmarks` are found."""
    return Path(python).absolute().parents[2]


def median(values: Sequence[float]) -> float:
    """The middle one; of two, their mean."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

"""How long a first sync takes to write its first issue, under Pylon's rate limits.

python -m benchmarks.first_record [--scale 1.0] [--rounds 3] [--before ../other-checkout/.venv/bin/python]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measure import connector, directory_of, files, median
from benchmarks.pylon import Pylon
from benchmarks.report import Report, table
from source_pylon.timestamps import parse

_ISSUES = 100_000
_LIMITS = "2026-10"
_LATENCIES = (0.05, 0.3)
_MAX_SECONDS = 600.0


@dataclass(frozen=True)
class Beginning:
    """The beginning of a sync: seconds from the start of the process, requests made by then."""

    first_request: float
    first_record: float
    requests: int
    created_at: str


def measure(pylon: Pylon, command: Sequence[str]) -> Beginning:
    """Starts a sync and ends it at its first record. Raises RuntimeError if it ends without one."""
    pylon.forget()
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=directory_of(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(b'{"type":"RECORD"'):
                first = time.monotonic()
                break
            if time.monotonic() - began > _MAX_SECONDS:
                raise RuntimeError(f"no record within {_MAX_SECONDS:g} seconds")
        else:
            raise RuntimeError(f"{' '.join(command)} ended without a record")
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    calls = [call for call in pylon.calls() if call.at <= first]
    created = json.loads(line)["record"]["data"]["created_at"]
    return Beginning(calls[0].at - began, first - began, len(calls), created)


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser("benchmarks.first_record")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of issues")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", metavar="PYTHON", help="the Python of another checkout, to compare with")
    options = parser.parse_args()
    issues = int(_ISSUES * options.scale)
    report = Report("first_record", "Time to the first issue of a first sync")
    versions = {"this version": None, **({"version before": options.before} if options.before else {})}
    rows, data = [], []
    with Pylon(size={"issues": issues}, limits=None) as pylon, files(pylon.config, ["issues"]) as arguments:
        for latency in _LATENCIES:
            pylon.set_latency(latency)
            found: dict[str, list[Beginning]] = {name: [] for name in versions}
            for _ in range(options.rounds):
                for name, python in versions.items():
                    # A killed sync leaves its calls in the windows of the limits, so each begins with empty ones.
                    pylon.limit(_LIMITS, 60.0)
                    found[name].append(measure(pylon, connector(arguments, limits=_LIMITS, python=python)))
            for name, beginnings in found.items():
                total = median([one.first_record for one in beginnings])
                work = median([one.first_record - one.first_request for one in beginnings])
                age = _age_in_days(beginnings[0])
                rows.append([
                    f"{name}, {latency * 1000:.0f} ms latency", f"{total:.2f}", f"{work:.2f}",
                    str(beginnings[0].requests), f"{age:,.0f}",
                ])  # fmt: skip
                data.append({"version": name, "latency": latency, "total": total, "work": work, "age_in_days": age})
    report.add(
        f"{issues:,} issues over two years, the limits of October 2026, medians of {options.rounds} syncs that are "
        "ended at their first record. *From the start*: of the process, start-up included; *from the first request*: "
        "without it. *Days old*: how long ago the first issue that arrives was created.",
        table(["Sync", "From the start s", "From the first request s", "Requests by then", "Days old"], rows),
    )
    report.save(data)


def _age_in_days(beginning: Beginning) -> float:
    created = parse(beginning.created_at)
    return (time.time() - created.timestamp()) / 86_400 if created else float("nan")


if __name__ == "__main__":
    main()

"""Peak resident memory of the connector's process: small and large organisations, slow readers, large records.

python -m benchmarks.memory [--scale 1.0] [--beside]
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Run, connector, files, run
from benchmarks.pylon import Pylon
from benchmarks.report import Report, met, table

_MOST_MB = 220
_MOST_GROWTH = 1.2


@dataclass(frozen=True)
class Case:
    """A sync of issues with their messages; `fat` of them get a message of `characters` on top."""

    title: str
    issues: int
    bytes_per_second: float | None = None
    fat: int = 0
    characters: int = 0
    streams: tuple[str, ...] = ("issues",)


SIZES = (
    Case("10,000 issues", 10_000),
    Case("50,000 issues", 50_000),
    Case("200,000 issues", 200_000),
)
EXTREMES = (
    Case("5,000 issues, stdout read at 2 MB/s", 5_000, bytes_per_second=2e6),
    Case("600 issues, 100 of them of 2 MB", 600, fat=100, characters=2_000_000),
    Case("the same, stdout read at 20 MB/s", 600, bytes_per_second=20e6, fat=100, characters=2_000_000),
    Case("300 issues, 20 of them of 5 MB, stdout read at 20 MB/s", 300, 20e6, fat=20, characters=5_000_000),
    Case("300 issues, 20 of them of 15 MB, stdout read at 20 MB/s", 300, 20e6, fat=20, characters=15_000_000),
    Case(
        "5,000 issues by all issue streams and 50,000 accounts", 5_000,
        streams=("issues", "conversations", "tickets", "issue_messages", "accounts", "contacts"),
    ),
)  # fmt: skip


def measure(case: Case, scale: float) -> Run:
    """One sync."""
    size = {"issues": int(case.issues * scale), "accounts": 50_000 if "accounts" in case.streams else 40}
    with Pylon(size=size, limits=None) as pylon:
        if case.fat:
            pylon.fatten(case.fat, case.characters)
        with files(pylon.config, case.streams) as arguments:
            return run(connector(arguments), bytes_per_second=case.bytes_per_second, count=not case.fat)


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser("benchmarks.memory")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of issues")
    parser.add_argument("--beside", action="store_true", help="all syncs at once: quicker, but wall times mean nothing")
    options = parser.parse_args()
    scale = options.scale
    report = Report("memory", "Memory: peak of the connector's process")
    data: list[dict[str, Any]] = []
    rows = []
    peaks = []
    cases = (*EXTREMES, *SIZES)
    with ThreadPoolExecutor(len(cases) if options.beside else 1) as pool:
        results = list(pool.map(lambda case: measure(case, scale), cases))
    for case, result in zip(cases, results, strict=True):
        rows.append([
            case.title, f"{result.peak:.0f}", met(result.peak < _MOST_MB), f"{result.wall:.0f}", f"{result.cpu:.0f}",
            f"{result.written / 1e6:,.0f}",
        ])  # fmt: skip
        if case in SIZES:
            peaks.append(result.peak)
            issues = int(case.issues * scale)
            data.append({"issues": issues, "peak": result.peak, "wall": result.wall, "cpu": result.cpu})
    growth = max(peaks) / min(peaks)
    report.add(
        ("All syncs ran beside each other (`--beside`), so wall times mean little. " if options.beside else "")
        + "No limits and no latency, so that everything flows as fast as it can. A slow reader takes so many bytes a "
        "second from a pipe.",
        table(["Sync", "Peak MB", f"below {_MOST_MB}", "Wall s", "CPU s", "Written MB"], rows),
        f"Largest of the last three against the smallest: {growth:.2f} x (target at most {_MOST_GROWTH}): "
        f"{met(growth <= _MOST_GROWTH)}.",
    )
    report.save({"sizes": data, "extreme": max(result.peak for result in results)})


if __name__ == "__main__":
    main()

"""What the connector itself costs, with no limits: records per second and CPU, against a baseline and low-code.

python -m benchmarks.cost [--scale 1.0] [--before ../other-checkout/.venv/bin/python]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BASELINE, LOW_CODE, ROOT, Run, connector, files, median, run
from benchmarks.profiles import Share, shares
from benchmarks.pylon import Pylon
from benchmarks.report import Report, met, table

_CUSTOM_FIELDS = 7


@dataclass(frozen=True)
class Case:
    """A stream to be read by all three programs."""

    title: str
    stream: str
    count: int
    messages: bool = True
    latency: float = 0.0
    baseline_threads: int = 1
    low_code: tuple[str, ...] = ()
    rounds: int = 3
    faster_than_low_code: float | None = None
    near_baseline: float | None = None


CASES = (
    Case("accounts of 1 KB", "accounts", 200_000, low_code=("accounts",), faster_than_low_code=4, near_baseline=0.45),
    Case("contacts", "contacts", 50_000, low_code=("contacts",)),
    Case(
        "issues without messages", "issues", 20_000, messages=False, low_code=("issues",), faster_than_low_code=2
    ),
    Case(
        "issues with messages, no latency", "issues", 3_000,
        low_code=("issues", "issue_messages"), faster_than_low_code=2, near_baseline=0.7,
    ),
    Case(
        "issues with messages, 20 ms latency", "issues", 3_000, latency=0.02, baseline_threads=10, rounds=1,
        low_code=("issues", "issue_messages"), faster_than_low_code=2, near_baseline=0.7,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The medians of one program's runs."""

    wall: float
    work: float
    cpu: float
    records: int

    @classmethod
    def of(cls, runs: Sequence[tuple[Run, float]]) -> Result:
        """`runs` come with the moment of their first request."""
        return cls(
            median([one.wall for one, _ in runs]),
            median([one.ended - first for one, first in runs]),
            median([one.cpu for one, _ in runs]),
            runs[0][0].total,
        )


def measured(pylon: Pylon, command: Sequence[str]) -> tuple[Run, float]:
    """A run, and when it made its first request."""
    pylon.forget()
    result = run(command)
    return result, pylon.calls()[0].at


def compare(pylon: Pylon, case: Case, before: str | None) -> dict[str, Result]:
    """Runs the programs in turns; `before` is the Python of an earlier version's checkout."""
    baseline = [
        *BASELINE,
        case.stream,
        "--url",
        pylon.url,
        "--token",
        pylon.token,
        "--threads",
        str(case.baseline_threads),
    ]
    baseline += [] if case.messages else ["--no-messages"]
    config = {**pylon.config, "include_messages": case.messages}
    pylon.set_latency(case.latency)
    ours, least, theirs, earlier = [], [], [], []
    with files(config, [case.stream]) as arguments, files(pylon.config, case.low_code) as low_code:
        for number in range(case.rounds):
            ours.append(measured(pylon, connector(arguments)))
            least.append(measured(pylon, baseline))
            if before:
                earlier.append(measured(pylon, connector(arguments, python=before)))
            if number == 0:
                theirs.append(measured(pylon, [*LOW_CODE, *low_code]))
    assert ours[0][0].records == least[0][0].records, "not the same records"
    results = {"connector": Result.of(ours), "baseline": Result.of(least), "low-code": Result.of(theirs)}
    return {**results, "version before": Result.of(earlier)} if earlier else results


def profiled(pylon: Pylon, stream: str) -> list[Share]:
    """Where the CPU of a sync goes, by a sampling profiler."""
    with files(pylon.config, [stream]) as arguments, tempfile.NamedTemporaryFile(suffix=".txt") as output:
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw", "--gil", "--rate", "100"]
        run([*command, "--output", output.name, "--", *connector(arguments)])
        return shares(Path(output.name).read_text(encoding="utf-8"), ROOT)


def main() -> None:
    """Measures every case and writes the section."""
    parser = argparse.ArgumentParser("benchmarks.cost")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of records")
    parser.add_argument("--before", metavar="PYTHON", help="the Python of another checkout, to compare with")
    options = parser.parse_args()
    scale = options.scale
    report = Report("cost", "Own cost: no limits on requests")
    rows, verdicts, data = [], [], {}
    counts = {case.stream: 0 for case in CASES}
    profiles: dict[str, list[Share]] = {}
    for case in CASES:
        counts[case.stream] = int(case.count * scale)
        size = {"issues": 0, "accounts": 0, "contacts": 0, case.stream: counts[case.stream]}
        with Pylon(size=size, limits=None) as pylon:
            pylon.widen_accounts(_CUSTOM_FIELDS)
            results = compare(pylon, case, options.before)
            if case.near_baseline and not case.latency:
                profiles[case.title] = profiled(pylon, case.stream)
        ours = results["connector"]
        for name, result in results.items():
            share = ours.records / counts[case.stream]
            rows.append([
                f"{case.title}, {counts[case.stream]:,}", name, f"{result.wall:.1f}", f"{result.work:.1f}",
                f"{result.cpu:.1f}", f"{counts[case.stream] * share / result.work:,.0f}",
                f"{ours.wall / result.wall:.2f}", f"{ours.work / result.work:.2f}", f"{ours.cpu / result.cpu:.2f}",
            ])  # fmt: skip
        data[case.title] = {"records": ours.records, **{name: vars(result) for name, result in results.items()}}
        if case.faster_than_low_code:
            low, near = results["low-code"].wall / ours.wall, results["baseline"].wall / ours.wall
            low_work, near_work = results["low-code"].work / ours.work, results["baseline"].work / ours.work
            target = case.near_baseline
            verdicts.append([
                case.title, f"{low:.1f}", f"{low_work:.1f}", f"{case.faster_than_low_code}",
                met(low >= case.faster_than_low_code),
                f"{near:.2f}", f"{near_work:.2f}", target or "", "" if target is None else met(near >= target),
            ])  # fmt: skip
    report.add(
        "Whole processes, output to a file; medians of three runs for the connector and the baseline, one run of "
        "low-code, and one of each at 20 ms. *At work* counts from the first request on, so without start-up. The "
        "connector and low-code start in about the same time, the baseline starts in a tenth of it.",
        table(
            ["Stream", "Program", "Wall s", "At work s", "CPU s", "Records/s at work",
             "Connector's wall / this", "At work", "CPU"],
            rows,
        ),
        "How many times as fast as low-code, and what share of the baseline's speed (whole processes; at work):",
        table(
            ["Stream", "x low-code", "x low-code at work", "target", "met",
             "x baseline", "x baseline at work", "target", "met"],
            verdicts,
        ),
    )  # fmt: skip
    for title, found in profiles.items():
        report.add(
            f"Where the interpreter's time goes, {title}: share of samples taken while a thread held the interpreter "
            "(py-spy, 100 a second, start-up left out).",
            table(["Part", "Share", "most of it in"], [[one.part, f"{one.share:.0%}", one.mostly] for one in found]),
        )
    report.save(data)


if __name__ == "__main__":
    main()

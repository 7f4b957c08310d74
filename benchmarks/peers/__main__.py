"""This connector, Airbyte's low-code connector, a dlt pipeline and a loop of requests, against the same sandbox.

python -m benchmarks.peers [--scale 1.0]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import dev
from benchmarks.measure import median
from benchmarks.peers.picture import draw
from benchmarks.peers.programs import Run, bare_runs, connector_runs, dlt_runs, low_code_runs
from benchmarks.pylon import Pylon
from benchmarks.report import HERE, Report, table

PICTURE = HERE / "peers.png"
_REQUIREMENTS = "benchmarks/peers/requirements.txt"
_NAMES = {
    "connector": "this connector",
    "low-code": "Airbyte's low-code connector",
    "dlt": "dlt pipeline",
    "bare": "loop of requests",
}
_STORM_SECONDS = 60.0
"""As long as a used-up rate limit of Pylon's lasts."""

Start = Callable[[Pylon, str, Path, "Run | None"], Run]


@dataclass(frozen=True)
class Figures:
    """What one program took in one case; the medians where it ran more than once."""

    code: int
    wall: float
    cpu: float
    peak: float
    requests: int
    refused: int
    records: int
    lost: int
    stale: int
    private_lines: int


def measured(
    pylon: Pylon, name: str, start: Start, kind: str, folder: Path, previous: Run | None
) -> tuple[Run, Figures]:
    """Runs a program and judges what it has written, with what it wrote in the run before."""
    pylon.forget()
    run = start(pylon, kind, folder, previous)
    calls = pylon.calls()
    before = previous.paths if previous else ()
    verdict = pylon.judge(name, kind, [*before, *run.paths])
    private = verdict.private_lines - (pylon.judge(name, kind, before).private_lines if before else 0)
    return run, Figures(
        run.code, run.wall, run.cpu, run.peak, len(calls), sum(call.status == 429 for call in calls),
        verdict.records, verdict.lost, verdict.stale, private,
    )  # fmt: skip


def first_runs(pylon: Pylon, programs: Mapping[str, Start], kind: str, rounds: int = 1) -> dict[str, Figures]:
    """Runs all programs in turns, without a state."""
    found: dict[str, list[Figures]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, start in programs.items():
            with tempfile.TemporaryDirectory(prefix="peers-") as folder:
                found[name].append(measured(pylon, name, start, kind, Path(folder), None)[1])
    return {name: _median(ones) for name, ones in found.items()}


def _median(ones: list[Figures]) -> Figures:
    middle = {name: median([getattr(one, name) for one in ones]) for name in ("wall", "cpu", "peak")}
    return Figures(**{**asdict(ones[0]), **middle})


def second_runs(pylon: Pylon, programs: Mapping[str, Start], messages: int, others: int) -> dict[str, Figures]:
    """Runs all programs, makes changes, and measures a second run of each."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        firsts = {}
        for name, start in programs.items():
            (Path(folder) / name).mkdir()
            firsts[name] = start(pylon, "issues", Path(folder) / name, None)
        pylon.change(messages, others)
        return {
            name: measured(pylon, name, start, "issues", Path(folder) / name, firsts[name])[1]
            for name, start in programs.items()
        }


def stormy_runs(pylon: Pylon, programs: Mapping[str, Start], after: int) -> dict[str, Figures]:
    """Runs all programs through a minute of 429."""
    found = {}
    for name, start in programs.items():
        pylon.storm(after, _STORM_SECONDS)
        with tempfile.TemporaryDirectory(prefix="peers-") as folder:
            found[name] = measured(pylon, name, start, "issues", Path(folder), None)[1]
    return found


def _rows(figures: Mapping[str, Figures]) -> list[list[str]]:
    ours = figures["connector"]

    def with_ratio(value: float, base: float, digits: int) -> str:
        ratio = value / base
        return f"{value:,.{digits}f} (x {ratio:.{2 if ratio < 0.1 else 1 if ratio < 10 else 0}f})"

    return [
        [
            _NAMES[name], with_ratio(one.wall, ours.wall, 1), with_ratio(one.cpu, ours.cpu, 1),
            with_ratio(one.peak, ours.peak, 0), with_ratio(one.requests, ours.requests, 0), f"{one.refused:,}",
            f"{one.private_lines:,}", f"{one.lost:,}", f"{one.stale:,}", str(one.code),
        ]
        for name, one in figures.items()
    ]  # fmt: skip


_HEAD = ("Program", "Wall s", "CPU s", "Peak MB", "Requests", "of these 429",
         "Lines with private text", "Records lost", "Stale", "Exit code")  # fmt: skip


def main() -> None:
    """Measures every case and writes the section and the picture."""
    parser = argparse.ArgumentParser("benchmarks.peers")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the usual numbers; if not 1, nothing is saved"
    )
    scale = parser.parse_args().scale
    python = dev.install(".venv-peers", _REQUIREMENTS, "-r", _REQUIREMENTS)
    programs = {
        "connector": connector_runs,
        "low-code": low_code_runs,
        "dlt": dlt_runs(python),
        "bare": bare_runs,
    }
    pinned = Path(dev.ROOT, _REQUIREMENTS).read_text(encoding="utf-8").split()[-1].replace("==", " ")
    report = Report("peers", "Against what people use instead, on the same server")
    report.add(
        "The same sandbox for all, without rate limits except where a case says so; whole processes, one run each, "
        "accounts the medians of three. In brackets: how many times this connector's figure. CPU includes child "
        "processes; memory is the peak of the process. A line has private text if it contains the text or a file's "
        "address of an internal note. Lost are accounts, issues and public messages of which nothing was written; "
        "stale are those whose last written version is not the stored one (by `updated_at`, messages by their text).",
        "- This connector: `accounts`, or `issues` with their messages; its own rate limits are switched off where the "
        "server has none. It leaves private messages out and adds its columns.\n"
        "- Airbyte's low-code connector: the behaviour of its public manifest 0.0.8 on the same CDK "
        "(`benchmarks/peers/low_code.yaml`): `accounts`, or `issues` and `issue_messages`, with a start date a "
        "month before the first record.\n"
        f"- {pinned}: `rest_api` source as its documentation recommends, incremental by `updated_at`, messages as a "
        "parallelized dependent resource, five threads, into files of JSON lines "
        "(`benchmarks/peers/dlt_pipeline.py`). Files are written when all has been read, so a run that fails leaves "
        "nothing.\n"
        "- A loop of requests: pages, then messages with ten threads, no state, raises for every error "
        "(`benchmarks/peers/bare.py`).",
    )
    cases: dict[str, dict[str, Figures]] = {}

    def add(name: str, title: str, figures: dict[str, Figures]) -> None:
        cases[name] = figures
        records = figures["connector"].records
        report.add(f"**{title}**, {records:,} records to be read:", table(_HEAD, _rows(figures)))

    accounts, issues, small, stormy = (max(20, int(number * scale)) for number in (100_000, 3_000, 600, 200))
    with Pylon(size={"issues": 0, "contacts": 0, "accounts": accounts}, limits=None) as pylon:
        add(
            "accounts", f"{accounts:,} accounts", first_runs(pylon, programs, "accounts", rounds=3 if scale == 1 else 1)
        )
    with Pylon(size={"issues": issues}, limits=None, latency=0.05) as pylon:
        add("issues", f"{issues:,} issues with messages, 50 ms latency", first_runs(pylon, programs, "issues"))
    with Pylon(size={"issues": small}, limits=None) as pylon:
        messages, others = max(3, int(30 * scale)), max(1, int(10 * scale))
        add(
            "second run",
            f"Second run over {small:,} issues, of which {messages} got a message and {others} changed without one",
            second_runs(pylon, programs, messages, others),
        )
    with Pylon(size={"issues": stormy}, limits=None, latency=0.05) as pylon:
        add(
            "storm",
            f"{stormy} issues with messages, 50 ms latency; after a quarter of them, {_STORM_SECONDS:.0f} s of nothing "
            "but 429, with the seconds that are left in `X-Retry-After`",
            stormy_runs(pylon, programs, stormy // 4),
        )
    titles = {
        "accounts": f"{accounts:,} accounts",
        "issues": f"{issues:,} issues with messages",
        "second run": f"Second run after {messages + others} changes",
        "storm": f"{_STORM_SECONDS:.0f} s of 429",
    }
    data = {case: {name: asdict(one) for name, one in figures.items()} for case, figures in cases.items()}
    if scale != 1:
        with tempfile.TemporaryDirectory() as folder:
            draw(data, _NAMES, titles, Path(folder) / PICTURE.name)
        return
    draw(data, _NAMES, titles, PICTURE)
    report.add(f"![The four programs compared]({PICTURE.name})")
    report.save(data)


if __name__ == "__main__":
    main()

"""Runs the test of each defect without and with it, and tells which defects are noticed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integration_tests.defects import page
from integration_tests.defects.catalog import DEFECTS, SAMPLE, proofs
from integration_tests.defects.results import Results
from integration_tests.defects.scenarios import SECONDS, Outcome, Scenarios

_WORDS = {"failed": "noticed", "passed": "NOT NOTICED", "broken": "BROKEN"}


class _Judge:
    """Judges defects, and tells each verdict as soon as it is known."""

    def __init__(self, tests: Mapping[str, str], results: Results) -> None:
        self._tests = tests
        self._results = results
        self._scenarios = Scenarios()

    def run_clean(self, test: str) -> None:
        """Run a test without a defect, and once more if it fails, because a busy machine fails some."""
        outcome = self._scenarios.run(test)
        if outcome.verdict != "passed":
            _tell(test, "failed once without a defect", outcome)
            outcome = self._scenarios.run(test)
        if outcome.verdict != "passed":
            _tell(test, "FAILS WITHOUT A DEFECT", outcome)
        self._results.add_clean(test, outcome)

    def judge(self, defect: str) -> None:
        """Run the defect's test with it, unless the test fails without it."""
        test = self._tests[defect]
        clean = self._results.clean.get(test)
        if clean is not None and clean.verdict != "passed":
            return
        limit = time_limit(clean)
        outcome = self._scenarios.run(test, defect, limit)
        if outcome.is_hung:
            # Shows that the machine is not so busy now that the test would take this long without the defect, too.
            again = self._scenarios.run(test, seconds=limit)
            if again.verdict != "passed":
                outcome = self._scenarios.run(test, defect)
        self._results.add_planted(defect, outcome)
        _tell(defect, _WORDS[outcome.verdict], outcome)


def time_limit(clean: Outcome | None) -> float:
    """Return after how many seconds a test with a defect counts as hung, from its outcome without one."""
    return SECONDS if clean is None else min(max(30.0, 10 * clean.seconds), SECONDS)


def _tell(name: str, words: str, outcome: Outcome) -> None:
    print(f"{name:48} {f'{words} in {outcome.seconds:.0f} s: {outcome.reason}'[:150]}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every test passes without its defect and fails with it."""
    parser = argparse.ArgumentParser("integration_tests.defects", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(DEFECTS), metavar="NAME", help="a defect to plant")
    parser.add_argument("--sample", action="store_true", help="plant the few defects that CI plants")
    parser.add_argument("--jobs", type=int, default=1, help="how many tests run at the same time")
    parser.add_argument("--planted-only", action="store_true", help="leave out the runs without a defect")
    parser.add_argument("--write", action="store_true", help="write what was noticed into docs/reliability.md")
    parser.add_argument(
        "--results", type=Path, help="keep each result in this file; what it already holds is not run again"
    )
    options = parser.parse_args(arguments)
    chosen = options.only or list(SAMPLE if options.sample else DEFECTS)
    tests = proofs(page.PAGE.read_text(encoding="utf-8"))
    began = time.monotonic()
    results = Results(options.results)
    judge = _Judge(tests, results)
    left = options.only or [name for name in chosen if name not in results.planted]
    if not options.planted_only:
        unknown = [test for test in sorted({tests[name] for name in left}, reverse=True) if test not in results.clean]
        _each(judge.run_clean, unknown, options.jobs)
    # Those that take long come last, so that an interrupted measurement has judged most of them.
    durations = {test: outcome.seconds for test, outcome in results.clean.items()}
    _each(judge.judge, sorted(left, key=lambda name: durations.get(tests[name], 0.0)), options.jobs)
    noticed = results.with_verdict("failed", chosen)
    print(_summary(chosen, results), f"in {time.monotonic() - began:.0f} s")
    if options.write:
        _write(tests, chosen, noticed)
    return 0 if len(noticed) == len(chosen) else 1


def _each(work: Callable[[str], None], names: Iterable[str], jobs: int) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(work, names):
            pass


def _summary(chosen: Collection[str], results: Results) -> str:
    counts = [f"{len(results.with_verdict(verdict, chosen))} {words}" for verdict, words in _WORDS.items()]
    not_run = sum(name not in results.planted for name in chosen)
    return f"{len(chosen)} defects: {', '.join(counts)}, {not_run} not run,"


def _write(tests: Mapping[str, str], chosen: Collection[str], noticed: Collection[str]) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    before = {name for row in page.rows(text) for name in row.notices}
    by_test: dict[str, list[str]] = {}
    for name in DEFECTS:
        if name in noticed or (name in before and name not in chosen):
            by_test.setdefault(tests[name], []).append(name)
    page.PAGE.write_text(page.with_notices(text, by_test), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

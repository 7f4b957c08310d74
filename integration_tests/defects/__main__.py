"""Runs the test of each defect without and with it, and tells which defects are noticed."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from integration_tests.defects import page
from integration_tests.defects.catalog import DEFECTS, SAMPLE, proofs
from integration_tests.defects.planted import Defect
from integration_tests.defects.scenarios import Outcome, Scenarios


class _Judge:
    """Judges defects, and tells each verdict as soon as it is known. Each test is run once without a defect."""

    def __init__(self, tests: Mapping[str, str], is_clean_run: bool) -> None:
        self.noticed: set[str] = set()
        self._tests = tests
        self._is_clean_run = is_clean_run
        self._scenarios = Scenarios()
        self._clean: dict[str, Outcome] = {}
        self._locks = {test: threading.Lock() for test in tests.values()}

    def judge(self, defect: Defect) -> None:
        """Run the defect's test without it, unless that has been done, and with it."""
        test = self._tests[defect.name]
        with self._locks[test]:
            if self._is_clean_run and test not in self._clean:
                self._clean[test] = self._scenarios.run(test)
        clean = self._clean.get(test)
        if clean is not None and clean.verdict != "passed":
            told = f"FAILS WITHOUT IT: {clean.reason}"
        else:
            planted = self._scenarios.run(test, defect.name)
            words = {"failed": "noticed", "passed": "NOT NOTICED", "broken": "BROKEN"}
            told = f"{words[planted.verdict]} in {planted.seconds:.0f} s: {planted.reason}"
            if planted.verdict == "failed":
                self.noticed.add(defect.name)
        print(f"{defect.name:48} {told[:150]}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every test passes without its defect and fails with it."""
    parser = argparse.ArgumentParser("integration_tests.defects", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(DEFECTS), metavar="NAME", help="a defect to plant")
    parser.add_argument("--sample", action="store_true", help="plant the few defects that CI plants")
    parser.add_argument("--jobs", type=int, default=1, help="how many tests run at the same time")
    parser.add_argument("--planted-only", action="store_true", help="leave out the runs without a defect")
    parser.add_argument("--write", action="store_true", help="write what was noticed into docs/reliability.md")
    options = parser.parse_args(arguments)
    chosen = [DEFECTS[name] for name in options.only or (SAMPLE if options.sample else DEFECTS)]
    tests = proofs(page.PAGE.read_text(encoding="utf-8"))
    began = time.monotonic()
    judge = _Judge(tests, not options.planted_only)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(judge.judge, chosen))
    print(f"{len(judge.noticed)} of {len(chosen)} defects noticed in {time.monotonic() - began:.0f} s")
    if options.write:
        _write(tests, {defect.name for defect in chosen}, judge.noticed)
    return 0 if len(judge.noticed) == len(chosen) else 1


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

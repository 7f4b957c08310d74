"""Runs the scenario of each defect without and with it, and tells which defects the tests notice."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from integration_tests.defects import page
from integration_tests.defects.catalog import DEFECTS, SAMPLE, proofs
from integration_tests.defects.planted import ROOT, VARIABLE, Defect

_SECONDS = 240
"""A scenario that takes longer with a defect has been hung by it, which counts as noticed."""
_STARTUP = Path(__file__).resolve().parent / "startup"
_BROKEN = ("NameError", "SyntaxError", "UnboundLocalError", "ImportError")
"""What a badly written defect leads to: it fails whatever the test looks at."""


@dataclass(frozen=True)
class Outcome:
    """What a run of tests gave. `failed` maps names of tests to what was wrong; `passed` are the others."""

    passed: Collection[str]
    failed: Mapping[str, str]
    seconds: float


def run(tests: Sequence[str], defect: str = "", seconds: float = _SECONDS) -> Outcome:
    """Run tests in a process of their own, with a defect if one is named."""
    environment = dict(os.environ)
    if defect:
        paths = [str(_STARTUP), str(ROOT), environment.get("PYTHONPATH", "")]
        environment |= {VARIABLE: defect, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "no:cacheprovider", f"--timeout={seconds:.0f}", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *(["-x"] if defect else []), *tests]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or not report.exists():
            raise SystemExit(f"pytest could not run {', '.join(tests)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        passed, failed = _outcomes(report)
    return Outcome(passed, failed, time.monotonic() - began)


def _outcomes(report: Path) -> tuple[list[str], dict[str, str]]:
    passed, failed = [], {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '').split('[')[0]}"
        wrong = [child for child in case if child.tag in ("failure", "error")]
        if wrong:
            failed[name] = wrong[0].get("message", "").split("\n")[0]
        elif not any(child.tag == "skipped" for child in case):
            passed.append(name)
    return [name for name in passed if name not in failed], failed


def _verdict(defect: Defect, test: str) -> tuple[bool, str]:
    outcome = run([test], defect.name)
    if outcome.failed:
        reason = next(iter(outcome.failed.values()))
        broken = any(word in reason for word in _BROKEN)
        return not broken, f"{'BROKEN' if broken else 'noticed'} in {outcome.seconds:.0f} s: {reason[:110]}"
    return False, f"NOT NOTICED in {outcome.seconds:.0f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if every scenario passes without its defect and fails with it."""
    parser = argparse.ArgumentParser("integration_tests.defects", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(DEFECTS), metavar="NAME", help="a defect to plant")
    parser.add_argument("--sample", action="store_true", help="the defects that CI plants")
    parser.add_argument("--jobs", type=int, default=1, help="how many scenarios run at the same time")
    parser.add_argument("--planted-only", action="store_true", help="leave out the runs without a defect")
    parser.add_argument("--write", action="store_true", help="write what was noticed into docs/reliability.md")
    options = parser.parse_args(arguments)
    chosen = [DEFECTS[name] for name in options.only or (SAMPLE if options.sample else DEFECTS)]
    tests = proofs(page.PAGE.read_text(encoding="utf-8"))
    began = time.monotonic()
    clean = {} if options.planted_only else _clean({tests[defect.name] for defect in chosen})
    noticed: set[str] = set()

    def judge(defect: Defect) -> None:
        test = tests[defect.name]
        is_noticed, told = (False, f"FAILS CLEAN: {clean[test][:110]}") if test in clean else _verdict(defect, test)
        if is_noticed:
            noticed.add(defect.name)
        print(f"{defect.name:45} {told}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(judge, chosen))
    print(f"{len(noticed)} of {len(chosen)} defects noticed in {time.monotonic() - began:.0f} s")
    if options.write:
        _write(tests, {defect.name for defect in chosen}, noticed)
    return 0 if len(noticed) == len(chosen) else 1


def _clean(tests: Iterable[str]) -> dict[str, str]:
    """Return the tests that fail without any defect, with what was wrong."""
    ordered = sorted(tests)
    outcome = run(ordered)
    print(f"{len(ordered)} scenarios without a defect: {len(outcome.failed)} failed, {outcome.seconds:.0f} s")
    missing = {test: "it did not run" for test in ordered if test not in outcome.passed}
    return {**missing, **outcome.failed}


def _write(tests: Mapping[str, str], chosen: Collection[str], noticed: Collection[str]) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    before = {name for row in page.rows(text) for name in row.notices}
    kept = [name for name in DEFECTS if name in noticed or (name in before and name not in chosen)]
    by_test: dict[str, list[str]] = {}
    for name in kept:
        by_test.setdefault(tests[name], []).append(name)
    page.PAGE.write_text(page.with_notices(text, by_test), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

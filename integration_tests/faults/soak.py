"""More seeds and the full volumes than fit into every change's tests; prints a table of what was proven.

python -m integration_tests.faults.soak --rounds 500 --issues 200000
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from integration_tests.faults.harness import read
from integration_tests.faults.proof import proven
from integration_tests.faults.test_platform import ROUNDS, kill_again_and_again, prove_after_kills
from integration_tests.harness import ago
from integration_tests.sandbox import Sandbox, Size

Case = Callable[[], str]


def kills(rounds: int) -> str:
    """Reads that are cut short again and again while data changes; each seed ends complete and fresh."""
    done = killed = seed = 0
    while done < rounds:
        seed += 1
        many = min(ROUNDS, rounds - done)
        size = Size(issues=120, call_recordings=20, accounts=20, survey_responses=20)
        lag = 200.0 if seed % 2 else 0.0
        with Sandbox(size=size, limits=None, base_time=ago(hours=1), seed=seed, search_lag=lag) as pylon:
            runs, cut = kill_again_and_again(pylon, 100 + seed, many)
            prove_after_kills(pylon, runs)
        done, killed = done + many, killed + cut
    return f"{done} rounds of {seed} seeds, {killed} of them cut short"


def volume(size: Size) -> str:
    """One whole sync, and a second one that finds nothing."""
    with Sandbox(size=size, limits=None, base_time=ago(days=40)) as pylon:
        first = read(pylon)
        proven(pylon, first)
        second = read(pylon, state=first.state)
        proven(pylon, first, second)
        assert second.ids("issues") == []
        return (
            f"{len(first.ids('issues')):,} issues, {len(first.states('issues')):,} states, {len(pylon.log):,} requests"
        )


def main() -> int:
    """Runs all cases; the exit code is 1 if one of them failed."""
    parser = argparse.ArgumentParser("integration_tests.faults.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="reads that are cut short")
    parser.add_argument("--issues", type=int, default=200_000, help="issues of the large organisation; 0 for none")
    options = parser.parse_args()
    second = min(20_000, options.issues)
    cases: dict[str, Case] = {"kills while data changes": lambda: kills(options.rounds)}
    if options.issues:
        cases["issues of one second"] = lambda: volume(Size(issues=second + 100, same_second=second))
        cases["a large organisation"] = lambda: volume(Size(issues=options.issues))
    failed = False
    print("| case | result | seconds |\n| --- | --- | --- |", flush=True)
    for name, case in cases.items():
        begun = time.monotonic()
        try:
            result = case()
        except AssertionError as error:
            failed, result = True, f"FAILED: {str(error)[:200]}"
        print(f"| {name} | {result} | {time.monotonic() - begun:.0f} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

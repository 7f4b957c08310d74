"""Simulates whole syncs: `python -m unit_tests.simulation --seeds 20000 [--start N] [--reduce]`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Any

from unit_tests.simulation.reduce import reduced
from unit_tests.simulation.scenario import Scenario, draw
from unit_tests.simulation.simulate import simulate


def main() -> int:
    """Run the seeds, print what fails, and return 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python -m unit_tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--reduce", action="store_true", help="make the failing scenario smaller before it is printed")
    parser.add_argument(
        "--keep-going", action="store_true", help="count all failing seeds instead of showing the first"
    )
    options = parser.parse_args()
    began = time.monotonic()
    records = 0
    failing: Counter[str] = Counter()
    for seed in range(options.start, options.start + options.seeds):
        outcome = simulate(draw(seed))
        records += outcome.records
        if not outcome.violations:
            continue
        first = outcome.violations[0]
        failing[first.rule] += 1
        if options.keep_going:
            print(f"seed {seed}: {first}", flush=True)
            continue
        show(reduced(draw(seed), first.rule) if options.reduce else draw(seed))
        print(f"\nSeed {seed} fails: {first}")
        return 1
    seconds = time.monotonic() - began
    print(f"{options.seeds} seeds, {records:,} records, {seconds:.0f} s; failing: {dict(failing) or 'none'}")
    return 1 if failing else 0


def show(scenario: Scenario) -> None:
    """Print what a scenario is, and everything that happens in it."""
    for line in simulate(scenario, trace=True).trace:
        print(line)
    print("\nThe scenario, as far as it is not a Pylon without surprises:")
    for name, value in scenario.differences().items():
        print(f"  {name}: {_brief(value)}")


def _brief(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"{len(value)} of them"
    return "\n    ".join(["", *map(str, value)]) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main())

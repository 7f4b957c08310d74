"""Stops syncs at random moments while the data changes, resumes them, and looks whether anything is lost; for hours.

    python -m integration_tests.soak --rounds 1000 --seed 1

Each seed is an organisation of its own with a history of some rounds; the last line adds up. Ends with 1 at the first
failure and says the seed that shows it again. What the connector is stopped in the middle of also depends on the
machine, so a failure may need its seed played more than once.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from integration_tests.support.crash_recovery import PromiseBroken, Totals, play
from integration_tests.support.fork_server import ForkServer


def main(args: Sequence[str]) -> int:
    """Plays histories until there were enough rounds; the exit code."""
    parser = argparse.ArgumentParser("python -m integration_tests.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="how many syncs to stop at least")
    parser.add_argument("--seed", type=int, default=1, help="the first organisation's; those that follow count up")
    options = parser.parse_args(args)
    total, seed, begun = Totals(), options.seed, time.monotonic()
    with ForkServer() as fork_server:
        while total.rounds < options.rounds:
            try:
                totals = play(fork_server, seed)
            except PromiseBroken:
                traceback.print_exc()
                print(f"FAILED with seed {seed}: python -m integration_tests.soak --rounds 1 --seed {seed}")
                return 1
            print(f"seed {seed}: {totals}", flush=True)
            total += totals
            seed += 1
    print(f"PASSED, {seed - options.seed} organisations in {time.monotonic() - begun:.0f} s: {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

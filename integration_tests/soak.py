"""Syncs organisations that change, under faults, for as long as one likes, and looks whether anything is lost or stale.

    python -m integration_tests.soak --rounds 1000 --seed 1
    python -m integration_tests.soak --hours 96 --seed 1

With --rounds, syncs are stopped at random moments and resumed. Each seed is an organisation of its own with a history
of some rounds. With --hours, one organisation grows and is synced once in each of so many hours, with 429 storms,
bursts of 5xx, glitches, resets, wrong clocks and signals; --save FILE writes the memory, requests and time of each sync
as JSON, and --draw FILE draws them as PNG.

The last line adds up. Ends with 1 at the first failure and says the seed that shows it again. What the connector is
stopped in the middle of also depends on the machine, so a failure may need its seed played more than once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from integration_tests import hourly
from integration_tests.support.crash_recovery import PromiseBroken, Totals, play
from integration_tests.support.fork_server import ForkServer


def main(args: Sequence[str]) -> int:
    """Plays histories until there were enough rounds, or one of so many hours; the exit code."""
    parser = argparse.ArgumentParser("python -m integration_tests.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="how many syncs to stop at least")
    parser.add_argument("--seed", type=int, default=1, help="the first organisation's; those that follow count up")
    parser.add_argument("--hours", type=int, help="instead, sync one organisation once in each of so many hours")
    parser.add_argument("--changes", type=int, default=40, help="about how many changes in each hour")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="real minutes after which --hours ends early"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="where to write the figures of --hours, as JSON")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="where to draw the figures of --hours (matplotlib)")
    options = parser.parse_args(args)
    if options.hours:
        return _hourly(options)
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


def _hourly(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    try:
        series = hourly.play(
            options.hours,
            options.seed,
            changes=options.changes,
            seconds=60 * options.minutes,
            tell=lambda result: print(result, flush=True),
        )
    except AssertionError:
        traceback.print_exc()
        print(f"FAILED: python -m integration_tests.soak --hours {options.hours} --seed {options.seed}")
        return 1
    summary = series.summary()
    if options.save:
        data = {"seed": options.seed, "summary": summary, "syncs": hourly.as_data(series)}
        options.save.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if options.draw:
        from integration_tests.hourly.picture import draw

        draw(series.results, options.draw)
    print(f"PASSED in {time.monotonic() - begun:.0f} s: {summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

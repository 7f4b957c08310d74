"""The connector in a process of its own, as the console script runs it, with a scaled minute or other rate limits.

python -m benchmarks.launch --minute 12 --limits 2026-10 -- read --config config.json --catalog catalog.json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from source_pylon.api.endpoints import Endpoint

LIMITS = ("2026-10", "2026-07", "none")


def limits(table: str) -> Callable[[Endpoint], int]:
    """Return the calls per minute that the client believes to be allowed. `table` is one of LIMITS."""
    if table == "none":
        return lambda endpoint: 1_000_000_000
    if table == "2026-07":
        # The sandbox's models take a third of a second and 20 MB, which must not count as the connector's.
        from integration_tests.sandbox.limits import calls_per_minute_july_2026

        return calls_per_minute_july_2026
    from source_pylon.api.endpoints import calls_per_minute

    return calls_per_minute


def launch(arguments: list[str]) -> NoReturn:
    """Does what the console script does."""
    parser = argparse.ArgumentParser("benchmarks.launch")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds per minute of the rate limits")
    parser.add_argument("--limits", choices=LIMITS, default=LIMITS[0], help="what the client believes")
    parser.add_argument("--profile", metavar="FILE", help="write a profile of the main thread (cProfile)")
    parser.add_argument("verb", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    verb = options.verb[1:] if options.verb[:1] == ["--"] else options.verb

    from source_pylon.run import main
    from source_pylon.source import SourcePylon
    from source_pylon.timing import Timing

    source = SourcePylon(Timing(minute=options.minute), limits(options.limits))
    if options.profile:
        import cProfile

        profile = cProfile.Profile()
        code = profile.runcall(main, verb, source)
        profile.dump_stats(options.profile)
    else:
        code = main(verb, source)
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    launch(sys.argv[1:])

"""The connector in a process of its own, as the console script runs it, with a scaled minute or other rate limits.

python -m benchmarks.launch --minute 12 --limits 2026-10 -- read --config config.json --catalog catalog.json
"""

import argparse
import os
import sys
from typing import NoReturn

LIMITS = ("2026-10", "2026-07", "none")


def launch(arguments: list[str]) -> NoReturn:
    """Does what the console script does."""
    parser = argparse.ArgumentParser("benchmarks.launch")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds per minute of the rate limits")
    parser.add_argument("--limits", choices=LIMITS, default=LIMITS[0], help="what the client believes")
    parser.add_argument("--profile", metavar="FILE", help="write a profile of the main thread (cProfile)")
    parser.add_argument("verb", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    verb = options.verb[1:] if options.verb[:1] == ["--"] else options.verb

    from integration_tests.sandbox.limits import calls_per_minute_july_2026
    from source_pylon.api.endpoints import calls_per_minute
    from source_pylon.run import main
    from source_pylon.source import SourcePylon
    from source_pylon.timing import Timing

    tables = {
        "2026-10": calls_per_minute,
        "2026-07": calls_per_minute_july_2026,
        "none": lambda endpoint: 1_000_000_000,
    }
    source = SourcePylon(Timing(minute=options.minute), tables[options.limits])
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

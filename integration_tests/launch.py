"""Runs the connector in a process of its own, with time scaled: for tests that kill it or read its whole output.

python -m integration_tests.launch --minute 1 --checkpoint_interval 0.2 -- read --config c.json --catalog catalog.json
"""

import argparse
import os
import sys
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from integration_tests.harness import FAST
from source_pylon.run import main
from source_pylon.source import SourcePylon


def launch(args: list[str]) -> NoReturn:
    """Does what the console script does, with the durations that the options before `--` give."""
    parser = argparse.ArgumentParser("integration_tests.launch")
    parser.add_argument("--minute", type=float, default=FAST.minute, help="seconds per minute of the rate limits")
    parser.add_argument(
        "--checkpoint_interval", type=float, default=FAST.checkpoint_interval, help="least seconds between two states"
    )
    parser.add_argument(
        "--consistency_lag", type=float, default=FAST.consistency_lag.total_seconds(), help="consistency lag, seconds"
    )
    parser.add_argument("verb", nargs=argparse.REMAINDER)
    options = parser.parse_args(args)
    verb = options.verb[1:] if options.verb[:1] == ["--"] else options.verb
    timing = replace(
        FAST,
        minute=options.minute,
        checkpoint_interval=options.checkpoint_interval,
        consistency_lag=timedelta(seconds=options.consistency_lag),
    )
    code = main(verb, SourcePylon(timing))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    launch(sys.argv[1:])

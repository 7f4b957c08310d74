"""Runs the connector in a process of its own, with other durations than the real ones.

    python -m integration_tests.support.launch '{"minute": 1}' read --config config.json --catalog catalog.json

The first argument is a JSON object of durations in seconds, by their names in `source_pylon.timing`.
"""

import json
import os
import sys
from typing import NoReturn

from integration_tests.support.connector import timing_of
from source_pylon.run import main
from source_pylon.source import SourcePylon


def launch(timing: str, arguments: list[str]) -> NoReturn:
    """Do what the console script does, with these durations."""
    code = main(arguments, SourcePylon(timing_of(json.loads(timing))))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2:])

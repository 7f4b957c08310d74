"""The connector as a process of its own, with other durations than the real ones; started by `harness.start`."""

import json
import os
import sys
from typing import NoReturn

from integration_tests.faults.harness import timing_of
from source_pylon.run import main
from source_pylon.source import SourcePylon


def launch() -> NoReturn:
    """Runs one verb and ends the process as the console script does."""
    code = main(sys.argv[2:], SourcePylon(timing_of(json.loads(sys.argv[1]))))
    os._exit(code)


if __name__ == "__main__":
    launch()

"""Runs the connector in a process of its own, with other durations than the real ones, and another time on the clock.

    python -m integration_tests.support.launch '{"minute": 1}' read --config config.json --catalog catalog.json

The first argument is a JSON object of durations in seconds, by their names in `source_pylon.timing`.
`clock_ahead` among them is how many seconds the connector's clock is ahead of this machine's.
"""

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import NoReturn
from unittest.mock import patch

from integration_tests.support.connector import timing_of
from source_pylon import source
from source_pylon.api.client import PylonClient
from source_pylon.run import main


def launch(durations: str, arguments: list[str]) -> NoReturn:
    """Do what the console script does, with these durations and at this time."""
    seconds = json.loads(durations)
    ahead = timedelta(seconds=seconds.pop("clock_ahead", 0))

    def now() -> datetime:
        return datetime.now(timezone.utc) + ahead

    with patch.object(source, "PylonClient", partial(PylonClient, now=now)):
        code = main(arguments, source.SourcePylon(timing_of(seconds)))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2:])

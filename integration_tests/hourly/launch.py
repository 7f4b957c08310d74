"""Runs the connector in a process of its own, on a machine whose clock shows another time.

    python -m integration_tests.hourly.launch 3600 '{"minute": 1}' read --config config.json --catalog catalog.json

The first argument is how many seconds the clock is ahead of this machine's, the second a JSON object of durations in
seconds, by their names in `source_pylon.timing`.
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


def launch(ahead: str, timing: str, arguments: list[str]) -> NoReturn:
    """Do what the console script does, at this time and with these durations."""

    def now() -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=float(ahead))

    with patch.object(source, "PylonClient", partial(PylonClient, now=now)):
        code = main(arguments, source.SourcePylon(timing_of(json.loads(timing))))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2], sys.argv[3:])

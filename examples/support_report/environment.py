"""Where things are, and the switches that keep the tools from reporting their use or looking things up online."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
CONNECTOR = REPOSITORY / ".venv" / "bin" / "source-pylon"
DBT = REPOSITORY / ".venv-dbt" / "bin" / "dbt"
DBT_PACKAGE = REPOSITORY / "dbt_pylon"

SWITCHES = {
    # PyAirbyte, Airbyte's libraries and dbt would each report their use.
    "DO_NOT_TRACK": "1",
    "AIRBYTE_DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    # PyAirbyte would look every connector up in Airbyte's registry, which does not list this one.
    "AIRBYTE_OFFLINE_MODE": "1",
    # PyAirbyte stores times in the time zone of its PostgreSQL session without saying so.
    "PGTZ": "UTC",
}


def switch_off_reporting(folder: Path) -> None:
    """Set the switches, unless they are set already, and send PyAirbyte's log files to `folder`.

    PyAirbyte reads them when it is imported.
    """
    for name, value in {**SWITCHES, "AIRBYTE_LOGGING_ROOT": str(folder.resolve() / "logs")}.items():
        os.environ.setdefault(name, value)


@contextmanager
def story(days: int = 0) -> Iterator[dict[str, Any]]:
    """Serve a made-up support team's Pylon on this computer; yields the connector's configuration.

    It is the same at every start, and `days` later if asked. It has no rate limits, so that the example is quick.
    """
    command = [str(REPOSITORY / ".venv" / "bin" / "python"), "-m", "integration_tests.sandbox", "--story"]
    command += ["--story-days", str(days), "--limits", "none"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            served = json.loads(process.stdout.readline())
            yield {"api_token": served["token"], "api_url": served["url"]}
        finally:
            process.terminate()

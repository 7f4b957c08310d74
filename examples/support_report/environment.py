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
def story(folder: Path, days: int = 0) -> Iterator[tuple[dict[str, Any], Path]]:
    """Serve a made-up support team's Pylon on this computer; yields the connector's configuration and its command.

    It is the same at every start, and `days` later if asked. A minute of Pylon's rate limits lasts a second in it,
    which the connector must know: 300 issues would take nearly three minutes otherwise.
    """
    python = REPOSITORY / ".venv" / "bin" / "python"
    command = [str(python), "-m", "integration_tests.sandbox", "--story", "--story-days", str(days), "--minute", "1"]
    folder.mkdir(parents=True, exist_ok=True)
    connector = folder.resolve() / "source-pylon"
    connector.write_text(
        f'#!/bin/sh\nPYTHONPATH="{REPOSITORY}" exec "{python}" -m integration_tests.support.launch'
        ' \'{"minute": 1}\' "$@"\n'
    )
    connector.chmod(0o755)
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise OSError("the made-up Pylon did not start; its message is above")
            served = json.loads(line)
            yield {"api_token": served["token"], "api_url": served["url"]}, connector
        finally:
            process.terminate()

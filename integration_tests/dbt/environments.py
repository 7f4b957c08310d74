"""The Pythons and programs that the tests of the dbt package need beside this project's own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.dbt import postgres

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent
PACKAGE = ROOT / "dbt_pylon"
DBT_PYTHON = ROOT / ".venv-dbt" / "bin" / "python"
PYAIRBYTE_PYTHON = ROOT / ".venv-examples" / "bin" / "python"
NEWEST_FOR_PYAIRBYTE = (3, 12)
CONNECTOR = ROOT / ".venv" / "bin" / "source-pylon"


def require(*needed: str) -> None:
    """Skips the test where one of `dbt`, `pyairbyte`, `postgres` is not installed; in CI that fails it."""
    reasons = {
        "dbt": missing(DBT_PYTHON, "dbt", "dbt_pylon/requirements.txt"),
        "pyairbyte": missing(PYAIRBYTE_PYTHON, "PyAirbyte", "examples/requirements.txt"),
        "postgres": postgres.missing(),
    }
    for name in needed:
        reason = reasons[name]
        if reason and name == "pyairbyte" and sys.version_info[:2] > NEWEST_FOR_PYAIRBYTE:
            pytest.skip(f"PyAirbyte is not for Python {sys.version.split()[0]}")
        if reason:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def missing(python: Path, what: str, requirements: str) -> str | None:
    """How to install an environment, or None where it exists."""
    if python.exists():
        return None
    folder = python.parents[1].name
    return f"{what} is not installed: python3 -m venv {folder}; {folder}/bin/pip install -r {requirements}"


def run(python: Path, script: str, *arguments: str, folder: Path, **variables: str) -> Any:
    """What a script of this folder prints as JSON on its last line; fails the test with its output otherwise."""
    environment = {name: value for name, value in os.environ.items() if name != "PYLON_API_TOKEN"}
    done = subprocess.run(
        [str(python), str(SCRIPTS / script), *arguments],
        cwd=folder,
        env={
            **environment,
            "DO_NOT_TRACK": "1",
            "AIRBYTE_DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "AIRBYTE_LOGGING_ROOT": str(folder),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{script} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])

"""Runs the dbt package on the loaded tables."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from support_report.database import Database
from support_report.environment import DBT, DBT_PACKAGE


class TransformFailed(Exception):
    """dbt failed; the text is what it said."""


def transform(database: Database, dbt: Path = DBT) -> None:
    """Build the models of dbt_pylon from the loaded tables. Raises TransformFailed."""
    output, secrets = database.profile()
    with TemporaryDirectory(prefix="pylon-dbt-") as folder:
        # Profiles are YAML, and so is JSON.
        profile = {"pylon": {"target": "example", "outputs": {"example": output}}}
        (Path(folder) / "profiles.yml").write_text(json.dumps(profile))
        command = [str(dbt), "--quiet", "run", "--project-dir", str(DBT_PACKAGE), "--profiles-dir", folder]
        command += ["--profile", "pylon", "--vars", json.dumps({"pylon_schema": database.tables})]
        command += ["--target-path", f"{folder}/target", "--log-path", str(database.folder / "logs")]
        done = subprocess.run(  # noqa: S603
            command, env={**os.environ, **secrets}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise TransformFailed(f"dbt failed:\n{done.stdout}{done.stderr}")

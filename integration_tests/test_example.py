"""The example, run as its users run it: twice, against the sandbox, in an environment that has PyAirbyte."""

import importlib.util
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "support_on_a_laptop.py"
ENVIRONMENT = ROOT / ".venv-examples" / "bin" / "python"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def python_with_pyairbyte() -> str:
    """A Python that has PyAirbyte: this one, or that of the environment which examples/README.md makes."""
    named = os.environ.get("EXAMPLES_PYTHON")
    if named:
        return named
    if ENVIRONMENT.exists():
        return str(ENVIRONMENT)
    if importlib.util.find_spec("airbyte") is None:
        pytest.skip(
            "PyAirbyte is not installed: see examples/README.md, or name a Python that has it in EXAMPLES_PYTHON"
        )
    return sys.executable


def run(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "PYLON_API_TOKEN"}
    return subprocess.run(
        [python_with_pyairbyte(), str(EXAMPLE), *arguments],
        cwd=folder,
        env={**environment, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_reads_everything_once_answers_and_draws_then_reads_only_what_is_new(tmp_path: Path) -> None:
    first = run(tmp_path, "--sandbox")
    assert first.returncode == 0, first.stdout + first.stderr
    assert new_records(first.stdout) > 1000
    for title, columns in {
        "Issues per account and week": ["week", "account", "issues", "still open"],
        "Slowest first responses": ["issue", "account", "hours", "title"],
        "Latest answers to the survey that was answered last": ["day", "survey", "answer"],
    }.items():
        printed = first.stdout.split(title)[1].split("└")[0].splitlines()
        assert [cell.strip() for cell in re.split("[┃]", printed[2])[1:-1]] == columns
        assert sum(line.startswith("│") for line in printed) >= 5
    picture = tmp_path / "issues-per-week.png"
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert (width, height) == (1500, 750)

    picture.unlink()
    second = run(tmp_path, "--sandbox")
    assert second.returncode == 0, second.stdout + second.stderr
    # The contacts are read whole each time: Pylon cannot be asked for changed ones.
    assert new_records(second.stdout) < new_records(first.stdout) / 5
    assert tables(second.stdout) == tables(first.stdout)
    assert picture.exists()


def new_records(printed: str) -> int:
    (count,) = re.findall(r"^([\d,]+) records were new or changed", printed, re.MULTILINE)
    return int(count.replace(",", ""))


def tables(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(("│", "┃"))]


def test_says_what_is_missing_without_a_token(tmp_path: Path) -> None:
    refused = run(tmp_path)
    assert refused.returncode == 1
    assert "PYLON_API_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr

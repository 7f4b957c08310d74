"""Airbyte's own command, `airbyte-cdk connector test`, in a checkout named as Airbyte names connectors."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_COPIED = {"build", "dist", "mutants", "output", "secrets"}
"""What is made in the repository's folder and ignored by git, beside hidden files."""

# What the command's tests only advise is demanded here.
STRICT = (
    "--pytest-arg=-v",
    "--pytest-arg=-W",
    "--pytest-arg=error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository without anything that git ignores."""
    folder = tmp_path / "source-pylon"

    def ignored(place: str, names: list[str]) -> list[str]:
        at_root = Path(place) == ROOT
        return [name for name in names if name.startswith(".") or (at_root and name in NOT_COPIED)]

    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def test_the_task_runs_every_test_of_airbytes_command(checkout: Path, tmp_path: Path) -> None:
    done = run(tmp_path, checkout, sys.executable, "-m", "scripts.connector_test", *STRICT)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert passed(done.stdout) == {
        "test_spec",
        "test_config_matches_spec",
        "test_check",
        "test_discover",
        "test_basic_read",
        "test_fail_read_with_bad_catalog",
    }
    assert not (checkout / "secrets" / "sandbox").exists()


def test_without_credentials_airbytes_command_passes_in_a_bare_checkout(checkout: Path, tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("airbyte-cdk"))
    done = run(tmp_path, checkout, command, "connector", "test", "--no-creds", *STRICT)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert {"test_spec", "test_config_matches_spec", "test_check"} <= passed(done.stdout)


def run(folder: Path, checkout: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    # Docker's client without its engine would fail the image's tests; integration_tests/image has them.
    environment = {**os.environ, "PATH": path_without_docker(folder / "bin")}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def passed(output: str) -> set[str]:
    return set(re.findall(r"::(test_\w+)\S*.* PASSED", output))


def path_without_docker(folder: Path) -> str:
    """A PATH with this Python and the few commands that tests start, and no docker."""
    folder.mkdir()
    for name in ("git", "sh", "env", "uname"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return f"{Path(sys.executable).parent}:{folder}"

"""Airbyte's own command, `airbyte-cdk connector test`, on a checkout that is called as Airbyte's are."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.harness import config_for
from integration_tests.sandbox import Sandbox, Size

ROOT = Path(__file__).parents[1]
NOT_COPIED = shutil.ignore_patterns(".*", "build", "__pycache__")

pytestmark = pytest.mark.slow


def test_airbytes_command_passes_with_its_advice_taken_as_errors(tmp_path: Path) -> None:
    checkout = tmp_path / "source-pylon"
    shutil.copytree(ROOT, checkout, ignore=NOT_COPIED)
    with Sandbox(size=Size(issues=120, others=8, projects=12), limits=None) as pylon:
        config = config_for(pylon, start_date="2020-01-01T00:00:00Z", custom_object_types=["companies"])
        write(checkout / "build" / "sandbox" / "config.json", config)
        write(checkout / "build" / "sandbox" / "wrong_token.json", {**config, "api_token": "pylon_api_unknown_12345"})
        advice = "error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning"
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "airbyte-cdk"),
                *("connector", "test", "--pytest-arg=-v", "--pytest-arg=-W", f"--pytest-arg={advice}"),
            ],
            cwd=checkout,
            # Docker's client without its engine would fail the image's tests; integration_tests/image has them.
            env={**os.environ, "PATH": path_without_docker(tmp_path / "bin")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    passed = set(re.findall(r"::(test_\w+)\S*.* PASSED", done.stdout))
    assert passed == {
        "test_spec",
        "test_config_matches_spec",
        "test_check",
        "test_discover",
        "test_basic_read",
        "test_fail_read_with_bad_catalog",
    }


def write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def path_without_docker(folder: Path) -> str:
    """A PATH with this Python and the few commands that tests start, and no docker."""
    folder.mkdir()
    for name in ("git", "sh", "env", "uname"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return f"{Path(sys.executable).parent}:{folder}"

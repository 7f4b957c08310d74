"""A sample of the planted defects is noticed; `python -m integration_tests.defects` plants all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from integration_tests.support.connector import REPOSITORY


@pytest.mark.slow
def test_a_sample_of_planted_defects_is_noticed() -> None:
    # Without defects, these tests run anyway.
    command = [sys.executable, "-m", "integration_tests.defects", "--sample", "--planted-only", "--jobs", "2"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

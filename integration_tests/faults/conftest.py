"""Fixtures that the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.faults.forks import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts syncs as processes of their own without the time that imports take."""
    with Forks() as started:
        yield started

"""Fixtures that the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.support.fork_server import ForkServer


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts syncs as processes of their own without the time that imports take."""
    with ForkServer() as started:
        yield started

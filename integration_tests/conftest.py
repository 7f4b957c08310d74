"""Fixtures that the tests against the sandbox share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.expected import ago


@pytest.fixture
def pylon() -> Iterator[Sandbox]:
    """A small organisation, whose history ended an hour ago, with irregular records and without rate limits."""
    with Sandbox(size=Size(issues=150), limits=None, base_time=ago(hours=1), irregular=0.3) as sandbox:
        yield sandbox


@pytest.fixture
def empty_pylon() -> Iterator[Sandbox]:
    """An organisation with nothing in it."""
    with Sandbox(size=Size.empty(), limits=None) as sandbox:
        yield sandbox

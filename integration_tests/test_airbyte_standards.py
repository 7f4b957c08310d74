"""Airbyte's own standard tests, as acceptance-test-config.yml configures them, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.test.standard_tests import ConnectorTestScenario, SourceTestSuiteBase

from integration_tests.support.connector import CURSORS, FAST, REPOSITORY, discover
from scripts.connector_test import sandbox_configurations
from source_pylon import SourcePylon

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]

HERE = Path(__file__).parent
# The CDK finds the configurations by their paths in the repository, so no two processes may run these tests at once.
pytestmark = pytest.mark.xdist_group("secrets/sandbox")


@pytest.fixture(scope="module", autouse=True)
def configurations() -> Iterator[None]:
    """Serves a sandbox and writes the configurations that acceptance-test-config.yml names."""
    with sandbox_configurations():
        yield


# What the tests only advise today is demanded here.
@pytest.mark.filterwarnings("error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning")
class TestAirbyteStandards(SourceTestSuiteBase):
    """The tests themselves come from the CDK."""

    # The CDK would guess the class from the name of the folder, which may be any.
    connector = SourcePylon

    @classmethod
    def create_connector(cls, scenario: ConnectorTestScenario | None) -> Any:
        """The connector with short waits."""
        return SourcePylon(FAST)

    @pytest.fixture
    def connector_image_override(self) -> str:
        """Skips the tests of the image: a container cannot reach a sandbox on this machine's loopback."""
        pytest.skip("the image has tests of its own in integration_tests/image")


def committed(name: str) -> Any:
    """A file beside this one."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def as_configured(stream: dict[str, Any], sync_mode: str) -> dict[str, Any]:
    """A discovered stream as the committed catalogs hold it; schemas come from `discover`."""
    entry: dict[str, Any] = {
        "stream": {**stream, "json_schema": {}},
        "sync_mode": sync_mode,
        "destination_sync_mode": "append_dedup" if sync_mode == "incremental" else "overwrite",
    }
    if sync_mode == "incremental":
        entry["cursor_field"] = stream["default_cursor_field"]
    return entry


def test_the_committed_catalogs_are_what_discover_prints() -> None:
    streams = discover().catalog["streams"]
    incremental = [stream for stream in streams if "incremental" in stream["supported_sync_modes"]]
    assert committed("configured_catalog.json") == {"streams": [as_configured(s, "full_refresh") for s in streams]}
    assert committed("incremental_catalog.json") == {"streams": [as_configured(s, "incremental") for s in incremental]}


def test_the_committed_states_name_every_incremental_stream() -> None:
    streams = [entry["stream"]["name"] for entry in committed("incremental_catalog.json")["streams"]]
    for name in ("future_state.json", "sample_state.json"):
        assert [state["stream"]["stream_descriptor"]["name"] for state in committed(name)] == streams
    assert set(CURSORS) <= set(streams)


def test_every_file_that_the_acceptance_config_names_exists() -> None:
    sections = yaml.safe_load((REPOSITORY / "acceptance-test-config.yml").read_text())["acceptance_tests"]
    tests = [test for section in sections.values() for test in section["tests"]]
    paths = {test[key] for test in tests for key in ("config_path", "configured_catalog_path") if key in test}
    paths |= {test["future_state"]["future_state_path"] for test in tests if "future_state" in test}
    assert [path for path in sorted(paths) if not (REPOSITORY / path).is_file()] == []

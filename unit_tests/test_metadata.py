"""metadata.yaml, against Airbyte's published schema and against what it describes."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from source_pylon.catalog import SUGGESTED_STREAMS
from source_pylon.config import DOCUMENTATION_URL, HOSTS
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing

ROOT = Path(__file__).parents[1]


@pytest.fixture
def metadata() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())
    return content


def airbytes_model() -> Any:
    """Airbyte's own model of the file; skips where its package cannot be installed."""
    if sys.version_info >= (3, 13):
        pytest.skip("Airbyte's package with the schema, airbyte-connector-models, wants a Python before 3.13")
    # Not importorskip: the package is one of the development dependencies, and its absence is a mistake.
    from airbyte_connector_models.metadata.v0 import connector_metadata_definition_v0 as models

    return models


def test_airbytes_model_accepts_the_metadata(metadata: dict[str, Any]) -> None:
    model = airbytes_model().ConnectorMetadataDefinitionV0
    model.model_validate(metadata)
    with pytest.raises(ValueError, match="noSuchKey"):
        model.model_validate({**metadata, "data": {**metadata["data"], "noSuchKey": 1}})


def test_airbytes_json_schema_accepts_the_metadata(metadata: dict[str, Any]) -> None:
    text = (Path(airbytes_model().__file__).parent / "ConnectorMetadataDefinitionV0.json").read_text()
    # The published file is a bundle whose parts kept their own ids, so that references from the root would miss them.
    schema = json.loads(text, object_hook=lambda item: {key: value for key, value in item.items() if key != "$id"})
    plain = json.loads(json.dumps(metadata, default=str))
    jsonschema.Draft7Validator(schema).validate(plain)
    del plain["data"]["definitionId"]
    with pytest.raises(jsonschema.ValidationError, match="definitionId"):
        jsonschema.Draft7Validator(schema).validate(plain)


def test_every_host_of_the_configuration_is_allowed(metadata: dict[str, Any]) -> None:
    assert sorted(f"https://{host}" for host in metadata["data"]["allowedHosts"]["hosts"]) == sorted(HOSTS.values())


def test_suggested_streams_exist_and_none_of_them_waits_for_each_account(metadata: dict[str, Any]) -> None:
    suggested = metadata["data"]["suggestedStreams"]["streams"]
    assert tuple(suggested) == SUGGESTED_STREAMS
    assert "article_feedback" in suggested, "customers' feedback in the literal sense"
    assert set(suggested) <= {definition.name for definition in STREAMS}
    assert len(suggested) == len(set(suggested))
    # A request per account, and the settings-dependent one: somebody should have to want them.
    assert not {"account_relationships", "account_activities", "custom_objects", "audit_logs"} & set(suggested)
    assert len(suggested) <= len(STREAMS) / 2


def test_the_documentation_url_is_that_of_the_spec(metadata: dict[str, Any]) -> None:
    assert metadata["data"]["documentationUrl"] == DOCUMENTATION_URL


def test_airbyte_tolerates_more_silence_than_the_connector_ever_causes(metadata: dict[str, Any]) -> None:
    timing = Timing()
    longest = max(timing.rate_limit_patience, timing.checkpoint_interval, timing.max_silence)
    assert longest < metadata["data"]["maxSecondsBetweenMessages"]

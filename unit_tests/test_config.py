"""The configuration takes what a user means and refuses the rest; the spec draws a form that needs no explaining."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer, DestinationSyncMode

from source_pylon.config import DOCUMENTATION_URL, GROUPS, HOSTS, Config, InvalidConfig, specification


@pytest.fixture
def form() -> dict[str, Any]:
    """The fields of the form by their names."""
    properties: dict[str, Any] = specification()["connectionSpecification"]["properties"]
    return properties


def load(**fields: Any) -> Config:
    return Config.load({"api_token": "token", **fields})


def test_a_token_alone_is_enough() -> None:
    config = load()
    assert (config.region, config.base_url) == ("us", HOSTS["us"])
    assert config.start is None
    assert config.call_recordings_lookback_days == 7
    assert config.include_messages
    assert config.rate_limit_percent == 100


def test_each_region_has_its_host() -> None:
    assert {region: load(region=region).base_url for region in HOSTS} == {
        "us": "https://api.usepylon.com",
        "eu": "https://api.eu.usepylon.com",
    }


def test_a_token_is_trimmed() -> None:
    assert load(api_token="\t abc \n").api_token == "abc"


@pytest.mark.parametrize("token", ["", " ", "Bearer abc", "a\nb", "tökén", None, 5])
def test_a_malformed_token_is_refused_and_not_quoted(token: Any) -> None:
    with pytest.raises(InvalidConfig) as refusal:
        load(api_token=token)
    assert "api_token" in str(refusal.value)
    assert not (isinstance(token, str) and token.strip() and token in str(refusal.value))


@pytest.mark.parametrize(
    ("text", "year"), [("2025-01-01", 2025), ("2024-06-30T10:00:00Z", 2024), ("2024-06-30T10:00:00+02:00", 2024)]
)
def test_a_start_date_is_a_date_or_a_time(text: str, year: int) -> None:
    start = load(start_date=text).start
    assert start is not None
    assert start.year == year
    assert start.tzinfo == timezone.utc


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_emptied_start_date_is_none(text: Any) -> None:
    assert load(start_date=text).start is None


@pytest.mark.parametrize("text", ["soon", "2025-02-30", "01/02/2025", 20250101])
def test_an_invalid_date_is_refused(text: Any) -> None:
    with pytest.raises(InvalidConfig, match="start_date"):
        load(start_date=text)


def test_a_start_date_in_the_future_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="is in the future"):
        load(start_date=f"{datetime.now(timezone.utc).year + 1}-06-01")


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("call_recordings_lookback_days", 0, 90),
        ("issues_lookback_days", 0, 90),
        ("num_workers", 1, 32),
        ("rate_limit_percent", 1, 100),
    ],
)
def test_numbers_have_bounds_that_the_form_knows(field: str, least: int, most: int, form: dict[str, Any]) -> None:
    for value in (least, most):
        assert getattr(load(**{field: value}), field) == value
    for value in (least - 1, most + 1):
        with pytest.raises(InvalidConfig, match=field):
            load(**{field: value})
    assert (form[field]["minimum"], form[field]["maximum"]) == (least, most)


@pytest.mark.parametrize(
    "url",
    ["https://gateway.example", "https://gateway.example/pylon/", "http://localhost:8080", "http://127.0.0.1:1",
     "http://[::1]:9"],
)  # fmt: skip
def test_an_api_url_is_https_or_http_on_a_loopback_address(url: str) -> None:
    assert load(api_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://gateway.example", "http://127.0.0.1.example", "ftp://localhost", "gateway.example", "https://",
     "https://u:p@gateway.example", "https://gateway.example?x=1", "https://gateway.example#x", "http://localhost@evil",
     "https://gateway.example:port"],
)  # fmt: skip
def test_an_api_url_to_which_the_token_must_not_go_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="api_url"):
        load(api_url=url)


def test_unknown_keys_are_ignored() -> None:
    assert load(something={"else": 1}) == load()


@pytest.mark.parametrize("values", [None, 7, "text", []])
def test_a_value_that_is_not_an_object_is_refused(values: Any) -> None:
    with pytest.raises(InvalidConfig, match=r"^The configuration must be a JSON object$"):
        Config.load(values)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"region": "mars"}, "Region (region): Input should be 'us' or 'eu'"),
        ({"custom_object_types": [1]}, "Custom Object Types (custom_object_types): Input should be a valid string"),
        (
            {"start_date": "soon"},
            "Start Date (start_date) is not a date; write it as 2025-01-01 or 2025-01-01T00:00:00Z",
        ),
        (
            {"num_workers": 0, "region": "mars"},
            "Region (region): Input should be 'us' or 'eu'; "
            "Number of Workers (num_workers): Input should be greater than or equal to 1",
        ),
    ],
)
def test_all_errors_are_reported_at_once_by_title_and_name(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidConfig) as refusal:
        load(**fields)
    assert str(refusal.value) == text


def test_a_missing_token_is_reported_as_missing() -> None:
    with pytest.raises(InvalidConfig) as refusal:
        Config.load({})
    assert str(refusal.value) == "API Token (api_token) is missing"


def test_a_configuration_may_be_any_mapping() -> None:
    assert Config.load(MappingProxyType({"api_token": "token", "region": "eu"})) == load(region="eu")


def test_the_token_is_the_one_secret_of_the_form(form: dict[str, Any]) -> None:
    assert [name for name, schema in form.items() if schema.get("airbyte_secret")] == ["api_token"]


def test_only_the_address_is_hidden_in_the_form(form: dict[str, Any]) -> None:
    assert [name for name, schema in form.items() if schema.get("airbyte_hidden")] == ["api_url"]


def test_every_field_of_the_form_has_a_title_a_description_a_group_and_a_place_in_it(form: dict[str, Any]) -> None:
    assert all(schema["title"] and schema["description"] for schema in form.values())
    groups = specification()["connectionSpecification"]["groups"]
    assert {group["id"]: group["title"] for group in groups} == GROUPS
    assert [group["id"] for group in groups] == list(GROUPS)
    for group in GROUPS:
        orders = sorted(schema["order"] for schema in form.values() if schema["group"] == group)
        assert orders == list(range(len(orders)))
        assert orders
    assert {schema["group"] for schema in form.values()} == set(GROUPS)


def test_the_form_explains_its_values(form: dict[str, Any]) -> None:
    assert "us for the United States" in form["region"]["description"]
    assert "eu for the European Union" in form["region"]["description"]
    assert form["start_date"]["pattern_descriptor"] == "YYYY-MM-DD or YYYY-MM-DDTHH:mm:ssZ"


def test_links_in_descriptions_are_complete(form: dict[str, Any]) -> None:
    for schema in form.values():
        links = re.findall(r'<a href="https://[^"<>]+">[^<>]+</a>', schema["description"])
        assert schema["description"].count("<") == 2 * len(links)


def test_the_form_has_only_plain_types(form: dict[str, Any]) -> None:
    for schema in form.values():
        assert isinstance(schema["type"], str)
        assert not {"anyOf", "allOf", "oneOf", "not", "$ref"} & schema.keys()
        assert schema.get("default", "") is not None


def test_the_spec_accepts_what_the_model_accepts() -> None:
    validator = jsonschema.Draft7Validator(specification()["connectionSpecification"])
    validator.validate({"api_token": "token"})
    validator.validate({"api_token": "token", "region": "eu", "start_date": "2025-01-01T00:00:00Z", "other": 1})
    validator.validate({"api_token": "token", "start_date": "2025-01-01"})
    assert not validator.is_valid({"region": "eu"})
    assert not validator.is_valid({"api_token": "token", "region": "mars"})


def test_the_spec_declares_the_connectors_capabilities() -> None:
    spec = ConnectorSpecificationSerializer.load(specification())
    assert spec.documentationUrl == DOCUMENTATION_URL
    assert spec.supportsIncremental is True
    assert spec.protocol_version == "0.2.0"
    assert spec.supported_destination_sync_modes == [
        DestinationSyncMode.overwrite,
        DestinationSyncMode.append,
        DestinationSyncMode.append_dedup,
    ]


def test_the_form_is_a_draft_7_schema_of_an_object_that_allows_more_fields() -> None:
    schema = specification()["connectionSpecification"]
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert (schema["title"], schema["type"]) == ("Pylon Source Spec", "object")
    assert schema["additionalProperties"] is True

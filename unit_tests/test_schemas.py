"""What `json_schema` promises, for a small model and for every record model."""

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, Field

from source_pylon import streams
from source_pylon.schemas import json_schema
from source_pylon.streams.records import RecordModel

ROOT = Path(__file__).parent.parent


class Part(BaseModel):
    size: int | None = Field(default=None, description="The size.")


class Thing(BaseModel):
    id: str = Field(description="The key.")
    ratio: float | None = Field(default=None, description="The ratio.")
    done: Optional[bool] = Field(default=None, description="Whether it is done.")  # noqa: UP045  # the older spelling
    when: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = Field(None, description="When.")
    part: Part | None = Field(default=None, description="The part.")
    parts: list[Part] | None = Field(default=None, description="The parts.")
    names: list[str] | None = Field(default=None, description="The names.")
    free: dict[str, Any] | None = Field(default=None, description="Anything.")


def record_models() -> list[type[RecordModel]]:
    """Every record model, nested ones too."""
    for module in pkgutil.iter_modules(streams.__path__):
        importlib.import_module(f"{streams.__name__}.{module.name}")
    found: list[type[RecordModel]] = []
    waiting: list[type[RecordModel]] = [RecordModel]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        found += subclasses
        waiting += subclasses
    return found


RECORD_MODELS = record_models()
every_model = pytest.mark.parametrize("model", RECORD_MODELS, ids=lambda model: model.__name__)


def schemas_within(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and every schema in it."""
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from schemas_within(inner)
    if "items" in schema:
        yield from schemas_within(schema["items"])


def test_a_model_becomes_exactly_this_schema() -> None:
    part = {
        "type": ["null", "object"],
        "additionalProperties": True,
        "properties": {"size": {"type": ["null", "integer"], "description": "The size."}},
    }
    assert json_schema(Thing) == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
        "properties": {
            "id": {"type": "string", "description": "The key."},
            "ratio": {"type": ["null", "number"], "description": "The ratio."},
            "done": {"type": ["null", "boolean"], "description": "Whether it is done."},
            "when": {"type": ["null", "string"], "format": "date-time", "description": "When."},
            "part": {**part, "description": "The part."},
            "parts": {"type": ["null", "array"], "items": part, "description": "The parts."},
            "names": {
                "type": ["null", "array"],
                "items": {"type": ["null", "string"]},
                "description": "The names.",
            },
            "free": {"type": ["null", "object"], "additionalProperties": True, "description": "Anything."},
        },
    }


def test_fields_keep_the_order_of_the_model() -> None:
    assert list(json_schema(Thing)["properties"]) == list(Thing.model_fields)


def test_every_call_returns_a_new_schema() -> None:
    first = json_schema(Thing)
    expected = json.dumps(first)
    first["properties"]["part"]["properties"].clear()
    first["properties"]["when"]["format"] = "changed"
    assert json.dumps(json_schema(Thing)) == expected


@pytest.mark.parametrize("annotation", [str | int, str | int | None, bytes, "Unknown", set[str], Any])
def test_a_type_that_airbyte_does_not_accept_is_refused(annotation: Any) -> None:
    model = type("Wrong", (BaseModel,), {"__annotations__": {"x": annotation}, "__module__": __name__})
    with pytest.raises(TypeError, match="no schema that Airbyte accepts"):
        json_schema(model)


@every_model
def test_the_schema_is_valid_draft_7(model: type[RecordModel]) -> None:
    schema = json_schema(model)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@every_model
def test_the_schema_has_only_what_airbyte_accepts(model: type[RecordModel]) -> None:
    keywords = {
        "type",
        "description",
        "properties",
        "additionalProperties",
        "items",
        "format",
        "airbyte_type",
    }
    for schema in schemas_within({key: value for key, value in json_schema(model).items() if key != "$schema"}):
        assert set(schema) <= keywords
        assert schema["type"]


@every_model
def test_every_object_allows_unknown_fields(model: type[RecordModel]) -> None:
    for schema in schemas_within(json_schema(model)):
        assert ("object" in schema["type"]) == (schema.get("additionalProperties") is True)


@every_model
def test_every_field_has_a_description_that_is_a_sentence(model: type[RecordModel]) -> None:
    for schema in schemas_within(json_schema(model)):
        for name, field in schema.get("properties", {}).items():
            assert field["description"].strip().endswith("."), name
            assert "  " not in field["description"], name


@every_model
def test_times_are_timestamps_with_a_time_zone(model: type[RecordModel]) -> None:
    for schema in schemas_within(json_schema(model)):
        for name, field in schema.get("properties", {}).items():
            is_time = name.endswith(("_at", "_time", "_date")) or name == "timestamp"
            # A schedule repeats every week: its blocks begin and end at times of day, as their descriptions say.
            is_time = is_time and "HH:MM" not in field["description"]
            expected = ("date-time", "timestamp_with_timezone") if is_time else (None, None)
            assert (field.get("format"), field.get("airbyte_type")) == expected, name


@every_model
def test_the_schema_agrees_with_pydantic(model: type[RecordModel]) -> None:
    """Both must take and refuse the same values for each field; pydantic's own schema is the witness."""
    own = json_schema(model)["properties"]
    witness = model.model_json_schema()
    values: list[Any] = [None, "text", 1, 1.5, True, {"x": {}}, {}, [], ["text"], [1], [{}], [[]]]
    for name, field in own.items():
        theirs = Draft7Validator({**witness["properties"][name], "$defs": witness.get("$defs", {})})
        for value in values:
            assert Draft7Validator(field).is_valid(value) == theirs.is_valid(value), (name, value)


def test_no_validator_is_built_for_a_schema() -> None:
    """What makes `discover` quick: in a fresh interpreter the models stay unbuilt."""
    script = (
        "from source_pylon.streams.issues import Issue; from source_pylon.schemas import json_schema;"
        "assert len(json_schema(Issue)['properties']) > 40; assert not Issue.__pydantic_complete__"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)

"""What the record models promise: the API's fields, the declared additions, and no refusal of a record."""

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

from source_pylon import records
from source_pylon.records.accounts import Account, AccountRelationship
from source_pylon.records.audit_logs import AuditLog
from source_pylon.records.call_recordings import CallRecording
from source_pylon.records.contacts import Contact
from source_pylon.records.custom_data import CustomField, CustomObject
from source_pylon.records.feature_requests import FeatureRequest
from source_pylon.records.issue_settings import ActivityType, IssueStatus, Tag, TicketForm
from source_pylon.records.issues import Issue
from source_pylon.records.knowledge import Article, Collection, KnowledgeBase, TrainingData
from source_pylon.records.macros import Macro, MacroGroup
from source_pylon.records.messages import IssueMessage, Message
from source_pylon.records.projects import Project, Task
from source_pylon.records.surveys import Survey, SurveyResponse
from source_pylon.records.users import Team, User, UserRole
from source_pylon.schemas import json_schema

ROOT = Path(__file__).parent.parent
JOINS = {"account_id", "requester_id", "assignee_id", "team_id"}
MESSAGE_OF_ISSUE = {"issue_id", "issue_number", "issue_type", "account_id", "latest_message_time", "text"}

# Model, its name in Pylon's OpenAPI document, its primary key, the fields that the connector adds.
MODELS: list[tuple[type[BaseModel], str, set[str], set[str]]] = [
    (Issue, "Issue", {"id"}, {"messages", "feedback_text", "feedback_source", "messages_truncated", *JOINS}),
    (IssueMessage, "Message", {"id"}, MESSAGE_OF_ISSUE),
    (Message, "Message", set(), {"text"}),
    (CallRecording, "CallRecording", {"id"}, {"feedback_text", "feedback_source"}),
    (SurveyResponse, "SurveyResponse", {"id"}, {"survey_id", "survey_name", "survey_type", "feedback_text"}),
    (Contact, "Contact", {"id"}, {"account_id"}),
    (Account, "Account", {"id"}, set()),
    (AccountRelationship, "AccountRelationship", {"id"}, set()),
    (ActivityType, "ActivityType", {"id"}, set()),
    (Article, "Article", {"id"}, {"knowledge_base_id"}),
    (AuditLog, "AuditLog", {"id"}, set()),
    (Collection, "Collection", {"id"}, {"knowledge_base_id"}),
    (CustomField, "CustomFieldDefinition", {"object_type", "id"}, set()),
    (CustomObject, "APICustomObject", {"type", "id"}, set()),
    (FeatureRequest, "FeatureRequestSearchResult", {"id"}, set()),
    (IssueStatus, "IssueStatus", {"slug"}, set()),
    (KnowledgeBase, "KnowledgeBase", {"id"}, set()),
    (Macro, "Macro", {"id"}, set()),
    (MacroGroup, "MacroGroup", {"id"}, set()),
    (Project, "Project", {"id"}, set()),
    (Survey, "Survey", {"id"}, set()),
    (Tag, "Tag", {"id"}, set()),
    (Task, "Task", {"id"}, set()),
    (Team, "Team", {"id"}, set()),
    (TicketForm, "TicketForm", {"id"}, set()),
    (TrainingData, "TrainingData", {"id"}, set()),
    (User, "User", {"id"}, set()),
    (UserRole, "UserRole", {"id"}, set()),
]
every_model = pytest.mark.parametrize(
    ("model", "document_name", "key", "additions"), MODELS, ids=[row[0].__name__ for row in MODELS]
)


@cache
def document() -> dict[str, Any]:
    """The schemas of Pylon's OpenAPI document."""
    text = (ROOT / "integration_tests" / "sandbox" / "openapi-read.json").read_text(encoding="utf-8")
    schemas: dict[str, Any] = json.loads(text)["components"]["schemas"]
    return schemas


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of the document, with its reference followed."""
    while "$ref" in schema:
        schema = document()[schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def differences(path: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Where a field of our schema has another type than in the document, or lacks a field of it."""
    theirs = resolved(theirs)
    if theirs["type"] not in ours["type"]:
        return [f"{path}: {ours['type']} instead of {theirs['type']}"]
    if theirs["type"] == "array":
        return differences(f"{path}[]", ours["items"], theirs["items"])
    # A filter is a tree of any depth and a map has keys of its own: both stay free objects.
    if "properties" not in theirs or "subfilters" in theirs["properties"]:
        return []
    missing = [f"{path}.{name}: missing" for name in theirs["properties"] if name not in ours["properties"]]
    unknown = [f"{path}.{name}: not in the document" for name in ours["properties"] if name not in theirs["properties"]]
    return (
        missing
        + unknown
        + [
            difference
            for name, field in theirs["properties"].items()
            if name in ours["properties"]
            for difference in differences(f"{path}.{name}", ours["properties"][name], field)
        ]
    )


@every_model
def test_a_model_has_the_fields_of_the_document_and_the_declared_additions(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    schema = json_schema(model)
    names = set(schema["properties"])
    assert names == set(document()[document_name]["properties"]) | additions
    assert not set(document()[document_name]["properties"]) & additions
    of_the_api = {**schema, "properties": {name: schema["properties"][name] for name in names - additions}}
    assert differences(model.__name__, of_the_api, document()[document_name]) == []


@every_model
def test_an_addition_says_that_the_connector_adds_it(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    said = {
        name
        for name, field in model.model_fields.items()
        if (field.description or "").startswith("Added by the connector: ")
    }
    assert said == additions


@every_model
def test_only_the_primary_key_is_required_and_it_is_a_plain_string(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    properties = json_schema(model)["properties"]
    assert {name for name, field in properties.items() if "null" not in field["type"]} == key
    assert {name for name in key if properties[name]["type"] != "string"} == set()
    assert {name for name, field in model.model_fields.items() if field.is_required()} == key


@every_model
def test_a_record_of_nulls_of_missing_and_of_unknown_fields_is_valid(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    validator = Draft7Validator(json_schema(model))
    keys = dict.fromkeys(key, "x")
    nulls = {**dict.fromkeys(model.model_fields), **keys}
    for record in (keys, nulls, {**nulls, "new_field": {"deep": [1]}}):
        validator.validate(record)
        assert model.model_validate(record).model_dump(exclude_unset=True) == record


@every_model
def test_a_key_of_another_type_is_noticed(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    validator = Draft7Validator(json_schema(model))
    for name in key:
        assert not validator.is_valid({**dict.fromkeys(key, "x"), name: None})
        assert not validator.is_valid({**dict.fromkeys(key, "x"), name: 1})


@pytest.mark.parametrize("model", [Issue, Account, Contact, CallRecording, Task, Project, FeatureRequest, CustomObject])
def test_custom_fields_are_one_free_object(model: type[BaseModel]) -> None:
    field = json_schema(model)["properties"]["custom_fields"]
    assert field["type"] == ["null", "object"]
    assert field["additionalProperties"] is True
    assert "properties" not in field


@every_model
def test_no_enumeration_is_declared(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    assert '"enum"' not in json.dumps(json_schema(model))


def enumerations(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The fields of a schema of the document whose values are enumerated."""
    for name, field in schema.get("properties", {}).items():
        if "subfilters" not in resolved(field).get("properties", {}):
            inner = resolved(resolved(field).get("items", field))
            yield from (
                [(f"{path}.{name}", inner["enum"])] if "enum" in inner else enumerations(f"{path}.{name}", inner)
            )


def test_the_known_values_of_an_enumeration_stand_in_the_description() -> None:
    seen = 0
    for model, document_name, _, _ in MODELS:
        for path, values in enumerations(document_name, document()[document_name]):
            field: dict[str, Any] = json_schema(model)
            for name in path.split(".")[1:]:
                field = field.get("items", field)["properties"][name]
            assert [value for value in values if value not in field["description"]] == [], path
            seen += 1
    assert seen >= 8


def nested_models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and those of its fields."""
    found = {model}
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        annotation = waiting.pop()
        waiting += [argument for argument in get_args(annotation) if argument is not NoneType]
        if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
            found |= nested_models(annotation)
    return found


@every_model
def test_no_name_of_a_field_hides_a_part_of_pydantic(
    model: type[BaseModel], document_name: str, key: set[str], additions: set[str]
) -> None:
    for each in nested_models(model):
        assert not {name for name in each.model_fields if callable(getattr(BaseModel, name, None))}


@pytest.mark.parametrize(
    ("model", "field", "words"),
    [
        (Issue, "latest_message_time", "Never null here: an issue without messages carries its created_at"),
        (Issue, "attachment_urls", "private messages are taken out"),
        (Issue, "attachment_urls", "null where messages are not read"),
        (Issue, "time_in_status_seconds", "True when it was read"),
        (Issue, "business_hours_time_in_status_seconds", "True when it was read"),
        (Issue, "active_time_seconds", "True when it was read"),
        (Issue, "first_response_breach_time", "True when it was read"),
        (Issue, "resolution_breach_time", "True when it was read"),
        (Issue, "messages", "private ones are never among them"),
        (IssueMessage, "is_private", "Always false here"),
        (CustomField, "object_type", "Set by the connector"),
    ],
)
def test_a_description_warns_of_what_surprises(model: type[BaseModel], field: str, words: str) -> None:
    assert words in (model.model_fields[field].description or "")


def test_an_issue_as_the_connector_emits_it_is_valid() -> None:
    issue = {
        "id": "i1",
        "number": 7,
        "type": "Ticket",
        "source": "carrier_pigeon",
        "account": {"id": "a1", "external_ids": None, "new": 1},
        "time_in_status_seconds": {"new": 5, "custom": 6},
        "custom_fields": {"priority": {"slug": "priority", "value": "high"}, "many": {"values": ["a", "b"]}},
        "csat_responses": [{"score": 5, "comment": None}],
        "latest_message_time": "2026-07-01T12:00:00Z",
        "messages": [{"id": "m1", "author": {"user": {"id": "u1"}, "contact": None}, "text": "hello", "file_urls": []}],
        "messages_truncated": False,
    }
    validator = Draft7Validator(json_schema(Issue))
    validator.validate(issue)
    assert not validator.is_valid({**issue, "messages": [{"text": 1}]})
    assert not validator.is_valid({**issue, "messages_truncated": "no"})


def test_every_module_can_be_imported_on_its_own_and_imports_nothing_heavy() -> None:
    names = [f"{records.__name__}.{module.name}" for module in pkgutil.iter_modules(records.__path__)]
    assert len(names) > 10
    script = (
        "import importlib, sys, warnings; warnings.simplefilter('error')\n"
        f"for name in {names!r}:\n"
        "    for loaded in [each for each in sys.modules if each.startswith('source_pylon.records')]:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
        "assert not {'airbyte_cdk', 'requests', 'lxml', 'source_pylon.api'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)

"""What the record models promise: the declared additions, nullable fields, and no refusal of a record."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

from source_pylon import streams
from source_pylon.schemas import json_schema
from source_pylon.streams.accounts import Account, AccountActivity, AccountRelationship, ActivityType
from source_pylon.streams.audit_logs import AuditLog
from source_pylon.streams.call_recordings import CallRecording
from source_pylon.streams.contacts import Contact
from source_pylon.streams.custom_data import CustomField, CustomObject
from source_pylon.streams.email_suppressions import EmailSuppression
from source_pylon.streams.feature_requests import FeatureRequest
from source_pylon.streams.issue_messages import IssueMessage, Message
from source_pylon.streams.issue_settings import IssueStatus, Tag, TicketForm
from source_pylon.streams.issues import Issue
from source_pylon.streams.knowledge_base import Article, ArticleFeedback, Collection, KnowledgeBase, TrainingData
from source_pylon.streams.macros import Macro, MacroGroup
from source_pylon.streams.projects import Milestone, Project, Task, TaskComment, TaskStatus
from source_pylon.streams.surveys import Survey, SurveyResponse
from source_pylon.streams.users import Team, User, UserRole

ROOT = Path(__file__).parent.parent
FEEDBACK = {"feedback_text", "feedback_source"}
ADDED_TO_ISSUES = {
    "account_id",
    "requester_id",
    "requester_email",
    "assignee_id",
    "assignee_email",
    "team_id",
    "issue_type",
    "csat_score",
    "public_message_count",
    "customer_message_count",
    "last_customer_message_at",
    "last_team_message_at",
    "issue_read_at",
    "messages",
    "messages_truncated",
    *FEEDBACK,
}
ADDED_TO_MESSAGES = {
    "issue_id",
    "issue_number",
    "issue_type",
    "issue_updated_at",
    "issue_read_at",
    "account_id",
    "author_id",
    "author_email",
    "author_name",
    "author_type",
    "latest_message_time",
    "text",
}

# Model, its primary key, the fields that the connector adds. The fields of the API are in test_sdk_schemas.py.
MODELS: list[tuple[type[BaseModel], set[str], set[str]]] = [
    (Issue, {"id"}, ADDED_TO_ISSUES),
    (IssueMessage, {"id"}, ADDED_TO_MESSAGES),
    (Message, set(), {"text"}),
    (CallRecording, {"id"}, FEEDBACK),
    (SurveyResponse, {"id"}, {"survey_name", "score", "comment", "feedback_text"}),
    (Contact, {"id"}, {"account_id"}),
    (Account, {"id"}, {"owner_id"}),
    (AccountActivity, {"id"}, set()),
    (AccountRelationship, {"id"}, set()),
    (ActivityType, {"id"}, set()),
    (Article, {"id"}, {"knowledge_base_id"}),
    (ArticleFeedback, {"id"}, {"feedback_text"}),
    (AuditLog, {"id"}, set()),
    (Collection, {"id"}, {"knowledge_base_id"}),
    (CustomField, {"object_type", "id"}, set()),
    (CustomObject, {"type", "id"}, set()),
    (EmailSuppression, {"id"}, set()),
    (FeatureRequest, {"id"}, set()),
    (IssueStatus, {"slug"}, set()),
    (KnowledgeBase, {"id"}, set()),
    (Macro, {"id"}, set()),
    (MacroGroup, {"id"}, set()),
    (Milestone, {"id"}, {"account_id", "project_id"}),
    (Project, {"id"}, {"account_id"}),
    (Survey, {"id"}, set()),
    (Tag, {"id"}, set()),
    (Task, {"id"}, {"account_id", "assignee_id", "project_id", "milestone_id"}),
    (TaskComment, {"id"}, {"task_updated_at"}),
    (TaskStatus, {"slug"}, set()),
    (Team, {"id"}, set()),
    (TicketForm, {"id"}, set()),
    (TrainingData, {"id"}, set()),
    (User, {"id"}, set()),
    (UserRole, {"id"}, set()),
]
every_model = pytest.mark.parametrize(("model", "key", "additions"), MODELS, ids=[row[0].__name__ for row in MODELS])


@every_model
def test_an_addition_says_that_the_connector_adds_it(
    model: type[BaseModel], key: set[str], additions: set[str]
) -> None:
    said = {
        name
        for name, field in model.model_fields.items()
        if (field.description or "").startswith("Added by the connector: ")
    }
    assert said == additions


@every_model
def test_only_the_primary_key_is_required_and_it_is_a_plain_string(
    model: type[BaseModel], key: set[str], additions: set[str]
) -> None:
    properties = json_schema(model)["properties"]
    assert {name for name, field in properties.items() if "null" not in field["type"]} == key
    assert {name for name in key if properties[name]["type"] != "string"} == set()
    assert {name for name, field in model.model_fields.items() if field.is_required()} == key


@every_model
def test_a_record_of_nulls_of_missing_and_of_unknown_fields_is_valid(
    model: type[BaseModel], key: set[str], additions: set[str]
) -> None:
    validator = Draft7Validator(json_schema(model))
    keys = dict.fromkeys(key, "x")
    nulls = {**dict.fromkeys(model.model_fields), **keys}
    for record in (keys, nulls, {**nulls, "new_field": {"deep": [1]}}):
        validator.validate(record)
        assert model.model_validate(record).model_dump(exclude_unset=True) == record


@every_model
def test_a_key_of_another_type_is_noticed(model: type[BaseModel], key: set[str], additions: set[str]) -> None:
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
def test_no_enumeration_is_declared(model: type[BaseModel], key: set[str], additions: set[str]) -> None:
    assert '"enum"' not in json.dumps(json_schema(model))


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
def test_no_field_name_hides_a_part_of_pydantic(model: type[BaseModel], key: set[str], additions: set[str]) -> None:
    for each in nested_models(model):
        assert not {name for name in each.model_fields if callable(getattr(BaseModel, name, None))}


@pytest.mark.parametrize(
    ("model", "field", "words"),
    [
        (Issue, "latest_message_time", "Never null here: an issue without messages carries its created_at"),
        (Issue, "attachment_urls", "private messages are taken out"),
        (Issue, "attachment_urls", "null where messages are not read"),
        (Issue, "time_in_status_seconds", "Value when it was read"),
        (Issue, "business_hours_time_in_status_seconds", "Value when it was read"),
        (Issue, "active_time_seconds", "Value when it was read"),
        (Issue, "first_response_breach_time", "Value when it was read"),
        (Issue, "resolution_breach_time", "Value when it was read"),
        (Issue, "messages", "private ones are never among them"),
        (IssueMessage, "is_private", "Always false here"),
        (IssueMessage, "thread_id", "Always null here"),
        (CustomField, "object_type", "Set by the connector"),
        (SurveyResponse, "survey_id", "Set by the connector where the API leaves it out"),
        (SurveyResponse, "survey_type", "Set by the connector where the API leaves it out"),
        (SurveyResponse, "excluded_at", "null for a response that counts"),
        (TaskComment, "is_internal", "Always false here"),
    ],
)
def test_descriptions_warn_of_surprises(model: type[BaseModel], field: str, words: str) -> None:
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


def test_every_module_of_streams_can_be_imported_first() -> None:
    """No module depends on another having been imported before it, and none brings Airbyte's CDK with it."""
    names = [f"{streams.__name__}.{module.name}" for module in pkgutil.iter_modules(streams.__path__)]
    assert len(names) > 10
    script = (
        "import importlib, sys, warnings; warnings.simplefilter('error')\n"
        f"for name in {names!r}:\n"
        "    for loaded in [each for each in sys.modules if each.startswith('source_pylon')]:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
        "assert 'airbyte_cdk' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)

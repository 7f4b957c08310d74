"""Every record model against the model of the same object in Pylon's official SDK, nested objects included.

The SDK is generated from Pylon's current API definition. When its version is raised, what fails here says what Pylon
changed: add the missing fields, or add a difference that stays, with its reason, to `DIFFERENCES`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from usepylon import types as sdk

from source_pylon import streams
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
from source_pylon.streams.records import RecordModel
from source_pylon.streams.surveys import Survey, SurveyResponse
from source_pylon.streams.users import Team, User, UserRole

# The SDK's model of what each stream's records describe. Nested models are paired by the fields that hold them.
SDK_MODELS: dict[type[RecordModel], type[BaseModel]] = {
    Issue: sdk.Issue,
    Message: sdk.Message,
    IssueMessage: sdk.Message,
    CallRecording: sdk.CallRecording,
    SurveyResponse: sdk.SurveyResponse,
    Contact: sdk.Contact,
    Account: sdk.Account,
    AccountActivity: sdk.CustomActivity,
    AccountRelationship: sdk.AccountRelationship,
    ActivityType: sdk.ActivityType,
    Article: sdk.Article,
    ArticleFeedback: sdk.ArticleFeedback,
    AuditLog: sdk.AuditLog,
    Collection: sdk.Collection,
    CustomField: sdk.CustomFieldDefinition,
    CustomObject: sdk.ApiCustomObject,
    EmailSuppression: sdk.EmailSuppression,
    FeatureRequest: sdk.FeatureRequestSearchResult,
    IssueStatus: sdk.IssueStatus,
    KnowledgeBase: sdk.KnowledgeBase,
    Macro: sdk.Macro,
    MacroGroup: sdk.MacroGroup,
    Milestone: sdk.Milestone,
    Project: sdk.Project,
    Survey: sdk.Survey,
    Tag: sdk.Tag,
    Task: sdk.Task,
    TaskComment: sdk.TaskComment,
    TaskStatus: sdk.TaskStatusDetails,
    Team: sdk.Team,
    TicketForm: sdk.TicketForm,
    TrainingData: sdk.TrainingData,
    User: sdk.User,
    UserRole: sdk.UserRole,
}

# Differences that stay, with the reason of each.
_FILTER = "A filter is a tree of any depth, which a schema without references cannot describe."
DIFFERENCES: dict[str, str] = {
    "ArticleVisibilityConfig.customer_visibility_condition is a free object instead of Filter": _FILTER,
    "TicketFormVisibilityCondition.filter is a free object instead of Filter": _FILTER,
    "Account.latest_customer_activity_time is date-time instead of string": (
        "Pylon calls it text and describes a time. The column has been a timestamp from the first version on."
    ),
    "ServiceLevelTimes.time is string instead of date-time": (
        "Pylon's earlier API document said text, and a column that exists does not change its type."
    ),
}


class Shape(NamedTuple):
    """The JSON type of a field, and the model of the object or of the list's items, if there is one."""

    kind: str
    model: type[BaseModel] | None = None


_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "date-time"}


def shape(annotation: Any) -> Shape:
    """What a field of either model holds; whether it may be null does not count."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        extra = next((item.json_schema_extra for item in arguments[1:] if isinstance(item, FieldInfo)), None)
        return Shape(str(extra["format"])) if isinstance(extra, dict) and "format" in extra else shape(arguments[0])
    if origin in (Union, UnionType):
        # The SDK declares a text with known values as one of these or anything else.
        return shape(next(part for part in arguments if part not in (NoneType, Any)))
    if origin is Literal:
        return Shape(_SCALARS[type(arguments[0])])
    if origin is list:
        items = shape(arguments[0])
        return Shape(f"array of {items.kind}", items.model)
    if origin is dict:
        return Shape("object")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("object", annotation)
    return Shape(_SCALARS[annotation])


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by their names in JSON."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


Pair = tuple[type[BaseModel], type[BaseModel]]


@cache
def pairs() -> tuple[Pair, ...]:
    """Our models, each with the SDK's model of the same object, nested ones included."""
    found: dict[Pair, None] = {}
    waiting: list[Pair] = list(SDK_MODELS.items())
    while waiting:
        pair = waiting.pop()
        if pair in found:
            continue
        found[pair] = None
        theirs = fields_of(pair[1])
        for name, field in fields_of(pair[0]).items():
            if name in theirs:
                ours_within, theirs_within = shape(field.annotation).model, shape(theirs[name].annotation).model
                if ours_within and theirs_within:
                    waiting.append((ours_within, theirs_within))
    return tuple(found)


def is_added(field: FieldInfo) -> bool:
    return (field.description or "").startswith("Added by the connector: ")


def differences(ours: type[BaseModel], theirs: type[BaseModel]) -> Iterator[str]:
    """What one of our models, without those nested in it, declares differently from the SDK's."""
    our_fields, their_fields = fields_of(ours), fields_of(theirs)
    for name, field in their_fields.items():
        if name not in our_fields:
            yield f"{ours.__name__}.{name} is missing"
            continue
        own, other = shape(our_fields[name].annotation), shape(field.annotation)
        if own.kind != other.kind:
            yield f"{ours.__name__}.{name} is {own.kind} instead of {other.kind}"
        elif other.model and not own.model:
            yield f"{ours.__name__}.{name} is a free object instead of {other.model.__name__}"
    for name, field in our_fields.items():
        if name not in their_fields and not is_added(field):
            yield f"{ours.__name__}.{name} is not in the SDK"


every_pair = pytest.mark.parametrize(("ours", "theirs"), pairs(), ids=lambda model: model.__name__)


@every_pair
def test_a_model_declares_what_the_sdk_declares(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    assert [found for found in differences(ours, theirs) if found not in DIFFERENCES] == []


def test_every_difference_that_is_explained_still_exists() -> None:
    found = {difference for pair in pairs() for difference in differences(*pair)}
    assert DIFFERENCES.keys() - found == set()
    assert all(reason.endswith(".") for reason in DIFFERENCES.values())


def test_every_record_model_is_compared_with_one_of_the_sdk() -> None:
    for module in pkgutil.iter_modules(streams.__path__):
        importlib.import_module(f"{streams.__name__}.{module.name}")
    declared: set[type[BaseModel]] = set()
    waiting: list[type[RecordModel]] = [RecordModel]
    while waiting:
        # Models of other test modules are none of the connector's.
        subclasses = [each for each in waiting.pop().__subclasses__() if each.__module__.startswith(streams.__name__)]
        declared.update(subclasses)
        waiting += subclasses
    assert declared - {ours for ours, _ in pairs()} == set()


class Wheel(BaseModel):
    size: int


class TheirBicycle(BaseModel):
    front: Wheel
    spares: list[Wheel]
    gears: int
    sold_at: datetime
    colour: str


class Bicycle(BaseModel):
    front: dict[str, Any]
    spares: list[Wheel]
    gears: float
    sold_at: str
    bell: str


def test_the_comparison_finds_missing_mistyped_and_unknown_fields() -> None:
    assert list(differences(Bicycle, TheirBicycle)) == [
        "Bicycle.front is a free object instead of Wheel",
        "Bicycle.gears is number instead of integer",
        "Bicycle.sold_at is string instead of date-time",
        "Bicycle.colour is missing",
        "Bicycle.bell is not in the SDK",
    ]


def known_values(model: type[BaseModel]) -> dict[str, list[str]]:
    """The values that the SDK's docstring of each field calls known."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, list[str]] = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            said = re.search(r"Known values: (.+)\. This list", str(ast.literal_eval(text.value)))
            if said:
                found[field.target.id] = [value for value in re.findall(r"`(\w*)`", said[1]) if value]
    return found


@every_pair
def test_a_description_names_the_values_that_the_sdk_knows(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    for name, values in known_values(theirs).items():
        words = set(re.findall(r"\w+", ours.model_fields[name].description or ""))
        assert [value for value in values if value not in words] == [], name


def test_the_known_values_of_the_sdk_are_found() -> None:
    assert known_values(sdk.Survey) == {"type": ["nps", "csat", "custom"]}
    assert sum(len(known_values(theirs)) for _, theirs in pairs()) >= 8

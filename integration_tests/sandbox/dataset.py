"""The data set: every object of a made-up organisation, the same for the same seed, size and base time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import parse, shown
from integration_tests.sandbox.document import Document
from integration_tests.sandbox.issues import STATES, IssueFactory
from integration_tests.sandbox.messages import MessageFactory
from integration_tests.sandbox.objects import SchemaFactory
from integration_tests.sandbox.options import Behaviour, History, Size
from integration_tests.sandbox.records import RecordFactory
from integration_tests.sandbox.versions import Version, encode

KINDS = {
    "APICustomObject": "custom_objects",
    "Account": "accounts",
    "AccountRelationship": "account_relationships",
    "ActivityType": "activity_types",
    "Article": "knowledge_base_articles",
    "AuditLog": "audit_logs",
    "CallRecording": "call_recordings",
    "Collection": "knowledge_base_collections",
    "Contact": "contacts",
    "CustomFieldDefinition": "custom_fields",
    "FeatureRequest": "feature_requests",
    "Follower": "followers",
    "Issue": "issues",
    "IssueStatus": "issue_statuses",
    "IssueThread": "threads",
    "KnowledgeBase": "knowledge_bases",
    "Macro": "macros",
    "MacroGroup": "macro_groups",
    "Milestone": "milestones",
    "Project": "projects",
    "Survey": "surveys",
    "SurveyResponse": "survey_responses",
    "Tag": "tags",
    "Task": "tasks",
    "TaskComment": "task_comments",
    "Team": "teams",
    "TicketForm": "ticket_forms",
    "TrainingData": "training_data",
    "User": "users",
    "UserRole": "user_roles",
    "VoiceCall": "voice_calls",
}
"""The name under which objects of each schema are kept."""

PARENTS = {
    "account_relationships": "accounts",
    "followers": "issues",
    "knowledge_base_articles": "knowledge_bases",
    "knowledge_base_collections": "knowledge_bases",
    "survey_responses": "surveys",
    "task_comments": "tasks",
    "threads": "issues",
    "voice_calls": "issues",
}
"""Kinds whose records are listed per parent, which they do not always name."""

CUSTOM_OBJECT_TYPES = ("companies", "contracts")
CUSTOM_FIELD_TYPES = ("account", "issue", "contact", "task", "project", "meeting", "opportunity")
_CUSTOM_SLUGS = {"account": ("tier",), "issue": ("priority", "product_area"), "contact": ("seats",)}


class Dataset:
    """Makes the objects of one organisation; `base` is the end of its history (milliseconds)."""

    def __init__(
        self,
        seed: int,
        size: Size,
        base: int,
        behaviour: Behaviour,
        document: Document,
        history: History | None = None,
    ) -> None:
        """Nothing but the creation times of issues is made yet."""
        history = history or History()
        self.seed = seed
        self.size = size
        self.records = RecordFactory(seed, size, base, int(history.span.total_seconds()) * 1000)
        self.issues = IssueFactory(seed, size, base, behaviour, history)
        self.messages = MessageFactory(seed, size, self.issues)
        self._document = document
        self._schemas = SchemaFactory(document)
        self._schema_of = {kind: schema for schema, kind in KINDS.items()}

    def versions(self, kind: str) -> list[Version]:
        """All objects of one kind."""
        size = self.size
        own: dict[str, tuple[Callable[[int], Version], int]] = {
            "accounts": (self.records.account, size.accounts),
            "call_recordings": (self.records.call_recording, size.call_recordings),
            "contacts": (self.records.contact, size.contacts),
            "issues": (self.issues.version, size.issues),
            "survey_responses": (self.records.survey_response, size.survey_responses if size.surveys else 0),
            "surveys": (self.records.survey, size.surveys),
            "teams": (self.records.team, size.others),
            "users": (self.records.user, size.users),
        }
        if kind in own:
            make, count = own[kind]
            return [make(number) for number in range(count)]
        return [self.generic(kind, number, *shape) for number, shape in enumerate(self._shapes(kind))]

    def generic(self, kind: str, number: int, parent: str | None, changes: dict[str, Any]) -> Version:
        """An object made from its schema, with `changes` on top; None in them takes a field away."""
        rng = self.records.rng(kind, number)
        created = self.records.moment(rng)
        return self.new_generic(kind, rng, self.records.id(kind, number), created, parent, changes)

    def new_generic(
        self, kind: str, rng: Random, identity: str, created: int, parent: str | None, changes: dict[str, Any]
    ) -> Version:
        """An object made from its schema at a given time."""
        record = self._schemas.record(self._schema_of[kind], rng, identity, created, created)
        record.update(changes)
        if "id" not in self._document.schemas[self._schema_of[kind]]["properties"]:
            del record["id"]
        return self.wrap(kind, identity, record, created, created, parent)

    def wrap(
        self, kind: str, identity: str, record: dict[str, Any], created: int, updated: int, parent: str | None
    ) -> Version:
        """The version of a record made from a schema."""
        times = {"created_at": created, "updated_at": updated}
        for name in ("due_date", "action_happened_at"):
            if record.get(name):
                # The two hidden milliseconds are drawn from the creation, so that they outlive a change.
                times[name] = int(parse(record[name])) + created % 1000
        return Version((created, identity), encode(record), times, parent=parent)

    def _shapes(self, kind: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
        size, records = self.size, self.records
        if kind == "issue_statuses":
            for slug in STATES if size.others else ():
                yield None, {"slug": slug, "label": slug.replace("_", " ").title(), "category": slug}
        elif kind == "custom_fields":
            for object_type in CUSTOM_FIELD_TYPES if size.others else ():
                for slug in _CUSTOM_SLUGS.get(object_type, ("notes",)):
                    yield None, {"object_type": object_type, "slug": slug, "type": "text"}
        elif kind == "custom_objects":
            for object_type in CUSTOM_OBJECT_TYPES:
                for _ in range(size.others):
                    yield object_type, {"type": object_type}
        elif kind == "tags":
            for number in range(size.others):
                yield (
                    None,
                    {"value": f"tag {number}", "object_type": ("account", "issue", "contact")[number % 3]},
                )
        elif kind == "audit_logs":
            yield from self._audit_logs()
        elif kind in ("followers", "threads", "voice_calls"):
            yield from self._of_issues(kind)
        elif kind in PARENTS:
            count = {"accounts": size.accounts, "tasks": size.tasks}.get(PARENTS[kind], size.others)
            for number in range(min(count, 50) * 2):
                # The last parent has no children.
                parent = number // 2 % max(1, count - 1)
                yield records.id(PARENTS[kind], parent), {}
        else:
            count = {"projects": size.projects, "tasks": size.tasks}.get(kind, size.others)
            for number in range(count):
                yield None, self._details(kind, number)

    def _details(self, kind: str, number: int) -> dict[str, Any]:
        size, id_of = self.size, self.records.id
        account = {"id": id_of("accounts", number % size.accounts)} if size.accounts else None
        project = {"id": id_of("projects", number % size.projects)} if size.projects else None
        milestone = {"id": id_of("milestones", number % size.others)} if size.others else None
        if kind == "tasks":
            status = ("not_started", "in_progress", "completed")[number % 3]
            return {"account": account, "project": project, "milestone": milestone, "status": status}
        if kind == "projects":
            return {"account": account, "is_archived": number % 4 == 3, "archived_at": None}
        if kind == "milestones":
            return {"account": account, "project": project}
        if kind == "macros":
            return {"macro_group_id": id_of("macro_groups", number % max(1, size.others))}
        if kind == "feature_requests":
            return {"request_status": ("new", "in_progress", "closed", "archived")[number % 4]}
        if kind in ("knowledge_bases", "user_roles", "activity_types", "ticket_forms"):
            return {"slug": f"{kind.replace('_', '-')}-{number}"}
        return {}

    def _audit_logs(self) -> Iterator[tuple[str | None, dict[str, Any]]]:
        actions = ("issue.created", "issue.deleted", "account.merged", "contact.deleted", "user.invited")
        for number in range(self.size.audit_logs):
            happened = self.records.moment(self.records.rng("audit_logs", number))
            action = actions[number % len(actions)]
            yield (
                None,
                {
                    "action": action,
                    "object_type": action.split(".")[0],
                    "object_id": self.records.id("gone", number),
                    "action_happened_at": shown(happened),
                },
            )

    def _of_issues(self, kind: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
        for number in range(min(self.size.issues, 30)):
            issue = self.issues.id(number * 3 % self.size.issues)
            if kind == "threads":
                # Threads hold internal notes; their names are as private as the notes.
                yield (
                    issue,
                    {"issue_id": issue, "name": f"Internal {text.marker(self.seed, 'threads', number)}"},
                )
            elif kind == "followers" or number % 3 == 0:
                yield issue, {}

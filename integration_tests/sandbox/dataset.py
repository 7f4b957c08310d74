"""The data set: every object of a made-up organisation, the same for the same seed, size and base time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, parse, precise, shown
from integration_tests.sandbox.issues import SPAN, STATES, IssueFactory, Record
from integration_tests.sandbox.operations import read_operations
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.templates import roughen, template
from integration_tests.sandbox.versions import MISSING, Key, Version, encode, merged

KINDS = {
    "Account": "accounts",
    "AccountRelationship": "account_relationships",
    "ActivityType": "activity_types",
    "ApiCustomObject": "custom_objects",
    "Article": "knowledge_base_articles",
    "ArticleFeedback": "article_feedback",
    "AuditLog": "audit_logs",
    "CallRecording": "call_recordings",
    "Collection": "knowledge_base_collections",
    "Contact": "contacts",
    "CustomActivity": "account_activities",
    "CustomFieldDefinition": "custom_fields",
    "EmailSuppression": "email_suppressions",
    "FeatureRequestSearchResult": "feature_requests",
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
    "TaskStatusDetails": "task_statuses",
    "Team": "teams",
    "TicketForm": "ticket_forms",
    "TrainingData": "training_data",
    "User": "users",
    "UserRole": "user_roles",
    "VoiceCall": "voice_calls",
}
"""The kind under which the objects of each of the SDK's models are kept."""

PARENTS = {
    "account_activities": "accounts",
    "account_relationships": "accounts",
    "followers": "issues",
    "knowledge_base_articles": "knowledge_bases",
    "knowledge_base_collections": "knowledge_bases",
    "survey_responses": "surveys",
    "task_comments": "tasks",
    "threads": "issues",
    "voice_calls": "issues",
}
"""Kinds that are listed per parent, with the kind of the parent."""

CUSTOM_OBJECT_TYPES = ("companies", "contracts")
_CUSTOM_FIELDS = [
    *(("issue", "priority"), ("issue", "product_area"), ("account", "tier"), ("contact", "seats")),
    *((object_type, "notes") for object_type in ("task", "project", "meeting", "opportunity")),
]
TASK_STATES = ("not_started", "in_progress", "completed")
_ACTIONS = ("issue.created", "issue.deleted", "account.merged", "contact.deleted", "user.invited")
SURVEY_TYPES = ("nps", "csat", "custom")


@cache
def models() -> dict[str, Any]:
    """The SDK's model of each kind."""
    return {
        kind: operation.model
        for operation in read_operations().values()
        if (kind := KINDS.get(operation.model.__name__))
    }


@cache
def times_of(kind: str) -> frozenset[str]:
    """The names of the times by which objects of a kind are filtered."""
    return frozenset(
        name
        for operation in read_operations().values()
        if KINDS.get(operation.model.__name__) == kind
        for name, operators in operation.filterable.items()
        if "time_range" in operators
    ) | {"submitted_at", "happened_at"}


_FIXED = {"issue_statuses": STATES, "task_statuses": TASK_STATES, "custom_fields": _CUSTOM_FIELDS}
"""Kinds with a fixed number of objects."""


def version_of(kind: str, key: Key, record: Record, parent: str | None = None) -> Version:
    """The version of any record but an issue's. Its times have the milliseconds of its creation, which stay hidden."""
    times = {name: record[name] for name in times_of(kind) if isinstance(record.get(name), str)}
    exact = {name: int(parse(moment)) + key[0] % SECOND for name, moment in times.items()}
    return Version(key, encode(record), exact, parent=parent)


def blank(kind: str) -> Record:
    """A record of a kind in which nothing is filled in."""
    empty: dict[Any, Any] = {str: "", bool: False, int: 0}
    return {name: empty.get(field.annotation) for name, field in models()[kind].model_fields.items()}


class Draft(NamedTuple):
    """What the fields of a new object depend on; `created` is in milliseconds."""

    rng: Random
    number: int
    created: int
    parent: str | None


class Dataset:
    """Makes the objects of one organisation; `base` is the end of its history (milliseconds)."""

    def __init__(self, seed: int, size: Size, base: int, behaviour: Behaviour) -> None:
        self.seed = seed
        self.size = size
        self.issues = IssueFactory(seed, size, base, behaviour)
        self._base = base
        self._irregular = behaviour.irregular

    def id(self, kind: str, number: int) -> str:
        """The id of an object by its number in the data set."""
        return text.identity(self.seed, kind, number)

    def versions(self, kind: str) -> list[Version]:
        """All objects of one kind as they were at the end of the history."""
        make = self.issues.version if kind == "issues" else partial(self.new, kind)
        return [make(number) for number in range(self.count(kind))]

    def new(
        self,
        kind: str,
        number: int,
        identity: str | None = None,
        created: int | None = None,
        parent: str | None = None,
        **fields: Any,
    ) -> Version:
        """Make an object of any kind except issues: a record of the SDK's model, with the meaningful fields set.

        `fields` are set in the end, whatever the data set would have put there.
        """
        rng = Random(f"{self.seed}/{kind}/{number}")
        identity, parent = identity or self.id(kind, number), parent or self._parent(kind, number)
        if created is None:
            created = self._base - int(SPAN * rng.random() ** 2)
        moment, record = shown(created), template(models()[kind], number)
        common = {"id": identity, "created_at": moment, "updated_at": moment, "slug": f"{kind}-{number}"}
        record.update((name, value) for name, value in common.items() if name in record)
        own: Callable[[Draft], Record] | None = getattr(self, f"_{kind}", None)
        if own is not None:
            record = merged(record, own(Draft(rng, number, created, parent)))
        if rng.random() < self._irregular:
            roughen(record, rng)
        return version_of(kind, (created, identity), merged(record, fields), parent)

    def count(self, kind: str) -> int:
        """How many objects of a kind the data set holds."""
        size = self.size
        if kind == "survey_responses" and not size.surveys:
            return 0
        if hasattr(size, kind):
            return int(getattr(size, kind))
        if kind in PARENTS:
            return 2 * min(self.count(PARENTS[kind]), 15 if PARENTS[kind] == "issues" else 50)
        if kind in _FIXED:
            return len(_FIXED[kind]) if size.others else 0
        return size.others * (len(CUSTOM_OBJECT_TYPES) if kind == "custom_objects" else 1)

    def _parent(self, kind: str, number: int) -> str | None:
        if kind == "custom_objects":
            return CUSTOM_OBJECT_TYPES[number % len(CUSTOM_OBJECT_TYPES)]
        if kind not in PARENTS:
            return None
        # The last parent has no children.
        parents = max(1, self.count(PARENTS[kind]) - 1)
        return self.id(PARENTS[kind], (number if kind == "survey_responses" else number // 2 * 3) % parents)

    def _one(self, kind: str, number: int, **more: Any) -> Record | None:
        """Return a reference to an object of a kind, or None if there are none."""
        count = self.count(kind)
        return {"id": self.id(kind, number % count), **more} if count else None

    def _id(self, kind: str, number: int) -> str | None:
        return (self._one(kind, number) or {}).get("id")

    def _user(self, number: int) -> Record | None:
        return self._one("users", number, email=f"agent{number % max(1, self.size.users)}@vendor.example")

    def _contact(self, number: int) -> Record | None:
        return self._one("contacts", number, email=f"person{number % max(1, self.size.contacts)}@customer.example")

    def _accounts(self, new: Draft) -> Record:
        name = f"{text.COMPANIES[new.number % len(text.COMPANIES)]} {new.number}"
        domain = f"{name.lower().replace(' ', '')}.example"
        # Those that a test adds have not changed since.
        drift = int(new.rng.expovariate(1 / (30 * DAY))) if new.number < self.size.accounts else 0
        return {
            "name": name + (" 株式会社" if new.number % 9 == 0 else ""),
            "updated_at": shown(max(new.created, min(self._base, new.created + drift))),
            **{"domain": domain, "domains": [domain], "primary_domain": domain},
            "owner": self._user(new.number) if new.number % 5 < 3 else None,
            "tags": ["enterprise"] if new.number % 3 == 0 else None,
            "external_ids": text.external_ids(new.number),
            "custom_fields": {"tier": {"slug": "tier", "value": "gold"}} if new.number % 3 == 0 else {},
        }

    def _contacts(self, new: Draft) -> Record:
        email = f"person{new.number}@customer.example"
        account = self._one("accounts", int(new.rng.random() * 1e9)) if new.rng.random() < 0.85 else None
        return {
            "name": text.NAMES[new.number % len(text.NAMES)],
            **{"email": email if new.number % 10 else None, "emails": [email]},
            "account": account,
            "custom_fields": {} if new.number % 5 else {"seats": {"slug": "seats", "value": str(new.number)}},
        }

    def _users(self, new: Draft) -> Record:
        email, gone = f"agent{new.number}@vendor.example", new.number % 5 == 4
        fields = {"name": text.NAMES[new.number % len(text.NAMES)], "email": email, "emails": [email]}
        return {**fields, "is_deactivated": gone, "status": "" if gone else ("active", "away")[new.number % 2]}

    def _teams(self, new: Draft) -> Record:
        return {"name": f"Team {new.number}", "users": [self._user(n) for n in range(min(3, self.size.users))]}

    def _call_recordings(self, new: Draft) -> Record:
        # A third of the recordings reach Pylon days after the call.
        start = new.created - (int(new.rng.random() * 5 * DAY) if new.number % 3 == 0 else 2 * HOUR)
        return {
            "title": text.title(new.rng) if new.rng.random() < 0.85 else "",
            "summary": f"{text.sentence(new.rng)}\n\n- {text.sentence(new.rng)}" if new.rng.random() < 0.7 else "",
            **{"start_time": shown(start), "end_time": shown(start + HOUR), "duration_ms": HOUR},
            "account_id": self._id("accounts", new.number) if new.number % 5 else None,
        }

    def _surveys(self, new: Draft) -> Record:
        kind = SURVEY_TYPES[new.number % len(SURVEY_TYPES)]
        return {"name": f"{kind.upper()} {new.number}, été", "type": kind}

    def _survey_responses(self, new: Draft) -> Record:
        kinds = {self.id("surveys", number): SURVEY_TYPES[number % 3] for number in range(self.size.surveys)}
        kind = kinds.get(new.parent or "", "csat")
        asked = (("How likely are you to recommend us?", "score"), ("Why? 💬", "comment"))
        values = (str(int(new.rng.random() * 11)), text.sentence(new.rng))
        answers = [
            {"prompt": prompt, "question_id": text.identity(new.parent, what), "question_type": what, "value": value}
            for (prompt, what), value in zip(asked, values, strict=True)
        ]
        return {
            "submitted_at": shown(new.created),
            "answers": answers if new.rng.random() < 0.7 else answers[:1],
            **{"survey_id": new.parent, "survey_type": kind},
            "issue_id": self._id("issues", int(new.rng.random() * 1e9)) if kind == "csat" else None,
            "contact_id": self._id("contacts", int(new.rng.random() * 1e9)) if new.number % 10 else None,
            "account_id": self._id("accounts", int(new.rng.random() * 1e9)) if new.number % 3 else None,
            "excluded_at": shown(new.created + HOUR) if new.number % 10 == 3 else None,
        }

    def _tasks(self, new: Draft) -> Record:
        status = TASK_STATES[new.number % 3]
        by_contact = new.number % 4 == 3
        return {
            **{kind: self._one(f"{kind}s", new.number) for kind in ("account", "project", "milestone")},
            "assignee": {"contact": self._contact(new.number)} if by_contact else {"user": self._user(new.number)},
            "status": status,
            "completed_at": shown(new.created) if status == "completed" else None,
            "due_date": shown(new.created + 7 * DAY) if new.number % 2 else None,
        }

    def _projects(self, new: Draft) -> Record:
        archived = shown(new.created) if new.number % 4 == 3 else None
        fields = {"account": self._one("accounts", new.number), "owner_id": self._id("users", new.number)}
        progress = {"status": TASK_STATES[new.number % 3], "progress": (new.number % 5) / 4}
        return {**fields, **progress, "is_archived": bool(archived), "archived_at": archived}

    def _milestones(self, new: Draft) -> Record:
        due = shown(new.created + 30 * DAY) if new.number % 2 else None
        return {**{kind: self._one(f"{kind}s", new.number) for kind in ("account", "project")}, "due_date": due}

    def _task_comments(self, new: Draft) -> Record:
        internal = MISSING if new.rng.random() < self._irregular else new.number % 2 == 1
        marker = "" if internal is False else f"<p>{text.marker(self.seed, 'task_comments', new.number)}</p>"
        author = {"user": self._user(new.number)}
        body = text.body(new.rng) + marker
        return {"task_id": new.parent, "body_html": body, "is_internal": internal, "author": author}

    def _article_feedback(self, new: Draft) -> Record:
        article = new.number % max(1, self.count("knowledge_base_articles"))
        return {
            "article_id": self.id("knowledge_base_articles", article),
            "knowledge_base_id": self._parent("knowledge_base_articles", article),
            "score": 1 + new.number % 5,
            "comment": text.sentence(new.rng) if new.number % 3 else None,
            "submitted_at": shown(new.created),
            "submitter": {"contact": self._contact(new.number)} if new.number % 4 else None,
        }

    def _account_activities(self, new: Draft) -> Record:
        number = new.number % max(1, self.size.others)
        own = {"id": self.id("activity_types", number), "slug": f"activity_types-{number}"}
        activity_type = {**template(models()["activity_types"], number), **own}
        return {"account_id": new.parent, "activity_type": activity_type, "happened_at": shown(new.created)}

    def _email_suppressions(self, new: Draft) -> Record:
        return {"email": f"bounced{new.number}@customer.example", "created_at": precise(new.created)}

    def _audit_logs(self, new: Draft) -> Record:
        action = _ACTIONS[new.number % len(_ACTIONS)]
        gone = {"object_type": action.split(".")[0], "object_id": self.id("gone", new.number)}
        return {"action": action, **gone, "action_happened_at": shown(new.created)}

    def _issue_statuses(self, new: Draft) -> Record:
        return {"slug": STATES[new.number % len(STATES)]}

    def _task_statuses(self, new: Draft) -> Record:
        return {"slug": TASK_STATES[new.number % len(TASK_STATES)]}

    def _custom_fields(self, new: Draft) -> Record:
        object_type, slug = _CUSTOM_FIELDS[new.number % len(_CUSTOM_FIELDS)]
        return {"object_type": object_type, "slug": slug, "type": "text"}

    def _custom_objects(self, new: Draft) -> Record:
        return {"type": new.parent}

    def _tags(self, new: Draft) -> Record:
        return {"value": f"tag {new.number}"}

    def _threads(self, new: Draft) -> Record:
        # Threads hold internal notes; their names are as private as the notes.
        return {"issue_id": new.parent, "name": f"Internal {text.marker(self.seed, 'threads', new.number)}"}

    def _macros(self, new: Draft) -> Record:
        return {"macro_group_id": self._id("macro_groups", new.number)}

    def _feature_requests(self, new: Draft) -> Record:
        status = ("new", "in_progress", "closed", "archived")[new.number % 4]
        account = self._id("accounts", new.number)
        return {"request_status": status, "account_ids": [account] if account else [], "evidence_count": 1}

    def _account_relationships(self, new: Draft) -> Record:
        return {"child_account_id": new.parent, "parent_account_id": self._id("accounts", new.number)}

"""The data set: every object of a made-up organisation, the same for the same seed, size and base time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, NamedTuple

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, HOUR, SECOND, parse, precise, shown
from integration_tests.sandbox.document import read_document
from integration_tests.sandbox.issues import STATES, IssueFactory
from integration_tests.sandbox.options import Behaviour, History, Size
from integration_tests.sandbox.templates import roughen, template
from integration_tests.sandbox.versions import MISSING, Version, encode, merged

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
"""Kinds whose records are listed per parent, which they do not always name."""

CUSTOM_OBJECT_TYPES = ("companies", "contracts")
_CUSTOM_FIELDS = [
    *(("issue", "priority"), ("issue", "product_area"), ("account", "tier"), ("contact", "seats")),
    *((object_type, "notes") for object_type in ("task", "project", "meeting", "opportunity")),
]
_TASK_STATES = ("not_started", "in_progress", "completed")
_ACTIONS = ("issue.created", "issue.deleted", "account.merged", "contact.deleted", "user.invited")
_CALL_SOURCES = ("gong", "fathom", "grain", "granola", "custom_call_recorder")
SURVEY_TYPES = ("nps", "csat", "custom")


@cache
def models() -> dict[str, Any]:
    """The SDK's model of each kind."""
    return {
        kind: operation.model
        for operation in read_document().operations.values()
        if (kind := KINDS.get(operation.model.__name__))
    }


@cache
def times_of(kind: str) -> frozenset[str]:
    """The names of the times by which objects of a kind are filtered."""
    return frozenset(
        name
        for operation in read_document().operations.values()
        if KINDS.get(operation.model.__name__) == kind
        for name, known in operation.filterable.items()
        if "time_range" in known.operators
    ) | {"submitted_at", "happened_at"}


Record = dict[str, Any]


class Draft(NamedTuple):
    """An object before its fields: the source of its draws, its number, its creation (milliseconds), its parent."""

    rng: Random
    number: int
    created: int
    parent: str | None


class Dataset:
    """Makes the objects of one organisation; `base` is the end of its history (milliseconds)."""

    def __init__(self, seed: int, size: Size, base: int, behaviour: Behaviour, history: History) -> None:
        self.seed = seed
        self.size = size
        self.issues = IssueFactory(seed, size, base, behaviour, history)
        self._base = base
        self._span = int(history.span.total_seconds()) * SECOND
        self._irregular = behaviour.irregular

    def id(self, kind: str, number: int) -> str:
        """The id of an object by its number in the data set."""
        return text.identity(self.seed, kind, number)

    def versions(self, kind: str) -> list[Version]:
        """All objects of one kind as they were at the end of the history."""
        if kind == "issues":
            return [self.issues.version(number) for number in range(self.size.issues)]
        return [self.new(kind, number, parent=self._parent(kind, number)) for number in range(self.count(kind))]

    def new(
        self,
        kind: str,
        number: int,
        *,
        identity: str | None = None,
        created: int | None = None,
        parent: str | None = None,
    ) -> Version:
        """An object of any kind but issues: a filled-in model with the fields that carry meaning on top."""
        rng = Random(f"{self.seed}/{kind}/{number}")
        identity = identity or self.id(kind, number)
        if created is None:
            created = self._base - int(self._span * rng.random() ** 2)
        model = models()[kind]
        record = template(model, number)
        moment = shown(created)
        common = {"id": identity, "created_at": moment, "updated_at": moment, "slug": f"{kind}-{number}"}
        record.update((name, value) for name, value in common.items() if name in record)
        own: Callable[[Draft], Record] | None = getattr(self, f"_{kind}", None)
        if own is not None:
            record = merged(record, own(Draft(rng, number, created, parent)))
        if rng.random() < self._irregular:
            roughen(record, rng)
        # The milliseconds that records do not show.
        times = {name: int(parse(record[name])) + created % SECOND for name in times_of(kind) if record.get(name)}
        return Version((created, identity), encode(record), times, parent=parent)

    def count(self, kind: str) -> int:
        """How many objects of a kind the data set holds."""
        size = self.size
        if kind == "survey_responses":
            return size.survey_responses if size.surveys else 0
        if hasattr(size, kind):
            return int(getattr(size, kind))
        if kind in PARENTS:
            return 2 * min(self.count(PARENTS[kind]), 50 if PARENTS[kind] != "issues" else 15)
        fixed = {
            "issue_statuses": len(STATES),
            "task_statuses": len(_TASK_STATES),
            "custom_fields": len(_CUSTOM_FIELDS),
        }
        if kind in fixed:
            return fixed[kind] if size.others else 0
        return size.others * (len(CUSTOM_OBJECT_TYPES) if kind == "custom_objects" else 1)

    def _parent(self, kind: str, number: int) -> str | None:
        if kind == "custom_objects":
            return CUSTOM_OBJECT_TYPES[number % len(CUSTOM_OBJECT_TYPES)]
        if kind not in PARENTS:
            return None
        # The last parent has no children.
        parents = max(1, self.count(PARENTS[kind]) - 1)
        return self.id(PARENTS[kind], (number if kind == "survey_responses" else number // 2 * 3) % parents)

    def _some(self, rng: Random, kind: str, share: float = 1.0) -> str | None:
        count = self.count(kind)
        return self.id(kind, int(rng.random() * count)) if count and rng.random() < share else None

    def _reference(self, kind: str, number: int) -> Record | None:
        count = self.count(kind)
        return {"id": self.id(kind, number % count)} if count else None

    def _user(self, number: int) -> Record | None:
        user = self._reference("users", number)
        return user and {**user, "email": f"agent{number % self.size.users}@vendor.example"}

    def _accounts(self, new: Draft) -> Record:
        company = text.COMPANIES[new.number % len(text.COMPANIES)]
        domain = f"{company.lower()}{new.number}.example"
        updated = shown(min(max(self._base, new.created), new.created + int(new.rng.expovariate(1 / (30 * DAY)))))
        gold = new.rng.random() < 0.3
        return {
            "name": f"{company} {new.number}" + (" 株式会社" if new.number % 9 == 0 else ""),
            "updated_at": updated,
            "domain": domain,
            "domains": [domain],
            "primary_domain": domain,
            "type": ("customer", "internal", "community", "partner")[new.number % 4],
            "owner": self._user(new.number) if new.rng.random() < 0.6 else None,
            "tags": ["enterprise"] if gold else None,
            "external_ids": text.external_ids(new.number),
            "custom_fields": {"tier": {"slug": "tier", "value": "gold"}} if gold else {},
            "channels": [],
            "crm_settings": {"details": [{"id": f"00{new.number:06d}", "source": "salesforce"}]}
            if new.number % 2
            else None,
            "is_disabled": False,
            "latest_customer_activity_time": updated,
            "logo_url": f"https://logos.sandbox.invalid/{new.number}.png" if new.number % 3 else "",
            "parent_account_id": self.id("accounts", new.number - 1) if new.number % 10 == 1 else None,
            "subaccount_ids": [self.id("accounts", new.number + 1)] if new.number % 10 == 0 else [],
            "associated_account_ids": None,
        }

    def _contacts(self, new: Draft) -> Record:
        email, phone = f"person{new.number}@customer.example", f"+1555{new.number:07d}" if new.number % 4 == 0 else None
        account = self._some(new.rng, "accounts", 0.85)
        return {
            "name": text.NAMES[new.number % len(text.NAMES)],
            "email": email if new.rng.random() < 0.9 else None,
            "emails": [email],
            "account": {"id": account} if account else None,
            "avatar_url": f"https://avatars.sandbox.invalid/{new.number}.png" if new.number % 2 else "",
            "custom_fields": {} if new.number % 5 else {"seats": {"slug": "seats", "value": str(new.number)}},
            "external_ids": None,
            "integration_user_ids": [],
            "phone_numbers": [phone] if phone else [],
            "primary_phone_number": phone,
            "portal_role": ("no_access", "member", "admin")[new.number % 3],
            "portal_role_id": None,
        }

    def _users(self, new: Draft) -> Record:
        email, role = f"agent{new.number}@vendor.example", self.id("user_roles", new.number % 2)
        roles = [{"id": role, "name": "Admin", "slug": "admin"}]
        return {
            "name": text.NAMES[new.number % len(text.NAMES)],
            "email": email,
            "emails": [email],
            "avatar_url": "",
            **{"role": roles[0], "role_id": role, "roles": roles, "role_ids": [role]},
            "status": ("active", "away", "out_of_office", "active", "")[new.number % 5],
            "is_deactivated": new.number % 5 == 4,
        }

    def _teams(self, new: Draft) -> Record:
        return {"name": f"Team {new.number}", "users": [self._user(n) for n in range(min(3, self.size.users))]}

    def _call_recordings(self, new: Draft) -> Record:
        # A third of the recordings reach Pylon days after the call.
        start = new.created - (int(new.rng.random() * 5 * DAY) if new.number % 3 == 0 else 2 * HOUR)
        duration = int(new.rng.random() * 3600) * SECOND
        return {
            "title": text.title(new.rng) if new.rng.random() < 0.85 else "",
            "summary": f"{text.sentence(new.rng)}\n\n- {text.sentence(new.rng)}" if new.rng.random() < 0.7 else "",
            "start_time": shown(start),
            "end_time": shown(start + duration),
            "duration_ms": duration,
            "source": _CALL_SOURCES[new.number % len(_CALL_SOURCES)],
            "participant_emails": [f"person{new.number}@customer.example", "agent0@vendor.example"],
            "account_id": self._some(new.rng, "accounts", 0.8),
            "calendar_event_id": None,
            "custom_fields": {},
        }

    def _surveys(self, new: Draft) -> Record:
        kind = SURVEY_TYPES[new.number % len(SURVEY_TYPES)]
        return {"name": f"{kind.upper()} {new.number}, été", "type": kind}

    def _survey_responses(self, new: Draft) -> Record:
        kind = next(
            (SURVEY_TYPES[n % 3] for n in range(self.size.surveys) if new.parent == self.id("surveys", n)), "csat"
        )
        score = {
            "prompt": "How likely are you to recommend us?",
            "question_id": text.identity(new.parent, "score"),
            "question_type": "score",
            "value": str(int(new.rng.random() * 11)),
        }
        comment = {
            "prompt": "Why? 💬",
            "question_id": text.identity(new.parent, "comment"),
            "question_type": "comment",
            "value": text.sentence(new.rng),
        }
        return {
            "submitted_at": shown(new.created),
            "answers": [score, comment] if new.rng.random() < 0.7 else [score],
            "survey_id": new.parent,
            "survey_type": kind,
            "survey_instance_id": text.identity(new.parent, "instance", new.number),
            "issue_id": self._some(new.rng, "issues") if kind == "csat" else None,
            "contact_id": self._some(new.rng, "contacts", 0.9),
            "account_id": self._some(new.rng, "accounts", 0.7),
            "excluded_at": shown(new.created + HOUR) if new.number % 10 == 3 else None,
        }

    def _tasks(self, new: Draft) -> Record:
        status = _TASK_STATES[new.number % 3]
        contact = self._reference("contacts", new.number)
        return {
            "account": self._reference("accounts", new.number),
            "project": self._reference("projects", new.number),
            "milestone": self._reference("milestones", new.number),
            "assignee": {"contact": contact, "user": None} if new.number % 4 == 3 else {"user": self._user(new.number)},
            "status": status,
            "completed_at": shown(new.created) if status == "completed" else None,
            "due_date": shown(new.created + 7 * DAY) if new.number % 2 else None,
            **{"parent_task_id": None, "subtask_ids": []},
        }

    def _projects(self, new: Draft) -> Record:
        archived = new.number % 4 == 3
        return {
            "account": self._reference("accounts", new.number),
            "owner_id": (self._reference("users", new.number) or {}).get("id"),
            "status": _TASK_STATES[new.number % 3],
            "progress": (new.number % 5) / 4,
            **{"is_archived": archived, "archived_at": shown(new.created) if archived else None},
        }

    def _milestones(self, new: Draft) -> Record:
        project = self._reference("projects", new.number)
        due = shown(new.created + 30 * DAY) if new.number % 2 else None
        return {"account": self._reference("accounts", new.number), "project": project, "due_date": due}

    def _task_comments(self, new: Draft) -> Record:
        internal = MISSING if new.rng.random() < self._irregular else new.number % 2 == 1
        marker = "" if internal is False else f"<p>{text.marker(self.seed, 'task_comments', new.number)}</p>"
        return {
            "task_id": new.parent,
            "body_html": text.body(new.rng) + marker,
            "is_internal": internal,
            "author": {"user": self._user(new.number), "contact": None},
            "last_edited_at": shown(new.created) if new.number % 3 == 0 else None,
        }

    def _article_feedback(self, new: Draft) -> Record:
        article = self.count("knowledge_base_articles") and new.number % self.count("knowledge_base_articles")
        contact = self._reference("contacts", new.number)
        return {
            "article_id": self.id("knowledge_base_articles", article),
            "knowledge_base_id": self._parent("knowledge_base_articles", article),
            "score": 1 + new.number % 5,
            "comment": text.sentence(new.rng) if new.number % 3 else None,
            "submitted_at": shown(new.created),
            "submitter": {"contact": contact, "user": None} if new.number % 4 else None,
        }

    def _account_activities(self, new: Draft) -> Record:
        kind = new.number % self.size.others if self.size.others else None
        activity_type = None if kind is None else {**template(models()["activity_types"], kind)}
        if activity_type is not None and kind is not None:
            activity_type |= {"id": self.id("activity_types", kind), "slug": f"activity_types-{kind}"}
        return {"account_id": new.parent, "activity_type": activity_type, "happened_at": shown(new.created)}

    def _email_suppressions(self, new: Draft) -> Record:
        bounced = new.number % 2 == 0
        return {
            "email": f"bounced{new.number}@customer.example",
            "reason": "hard_bounce" if bounced else "manual",
            "bounce_details": "550 5.1.1 unknown user" if bounced else None,
            "created_at": precise(new.created),
        }

    def _audit_logs(self, new: Draft) -> Record:
        action = _ACTIONS[new.number % len(_ACTIONS)]
        return {
            "action": action,
            "object_type": action.split(".")[0],
            "object_id": self.id("gone", new.number),
            "action_happened_at": shown(new.created),
        }

    def _issue_statuses(self, new: Draft) -> Record:
        return _status(STATES[new.number % len(STATES)], new.number)

    def _task_statuses(self, new: Draft) -> Record:
        return _status(_TASK_STATES[new.number % len(_TASK_STATES)], new.number)

    def _custom_fields(self, new: Draft) -> Record:
        object_type, slug = _CUSTOM_FIELDS[new.number % len(_CUSTOM_FIELDS)]
        return {"object_type": object_type, "slug": slug, "type": "text"}

    def _custom_objects(self, new: Draft) -> Record:
        return {"type": new.parent, "custom_fields": {}}

    def _tags(self, new: Draft) -> Record:
        return {"value": f"tag {new.number}", "object_type": ("account", "issue", "article")[new.number % 3]}

    def _threads(self, new: Draft) -> Record:
        # Threads hold internal notes; their names are as private as the notes.
        return {"issue_id": new.parent, "name": f"Internal {text.marker(self.seed, 'threads', new.number)}"}

    def _macros(self, new: Draft) -> Record:
        return {"macro_group_id": self.id("macro_groups", new.number % max(1, self.size.others))}

    def _feature_requests(self, new: Draft) -> Record:
        account = self._some(new.rng, "accounts")
        evidence = [{"id": text.identity(new.number, "evidence"), "account_id": account, "source_type": "issue"}]
        return {
            "request_status": ("new", "in_progress", "closed", "archived")[new.number % 4],
            "evidence": [{**entry, "created_at": shown(new.created)} for entry in evidence],
            "evidence_count": len(evidence),
            "custom_fields": {},
        }

    def _account_relationships(self, new: Draft) -> Record:
        return {"child_account_id": new.parent, "parent_account_id": self._some(new.rng, "accounts")}


def _status(slug: str, number: int) -> Record:
    label = slug.replace("_", " ").title()
    return {"slug": slug, "label": label, "category": slug, "is_archived": False, "is_default_status": number == 0}

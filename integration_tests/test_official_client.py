"""Pylon's official client against the sandbox: what it refuses to read, the sandbox must not serve by default.

The client validates every answer with its own models, so these tests compare the sandbox with the SDK itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from usepylon import (
    BadRequestError,
    Filter,
    ForbiddenError,
    NotFoundError,
    Pylon,
    TooManyRequestsError,
    UnauthorizedError,
)
from usepylon.core.api_error import ApiError

from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.clock import parse
from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES, KINDS, PARENTS
from integration_tests.support.expected import without_signatures

Record = dict[str, Any]
Read = Callable[[Pylon], Iterable[Any]]

PAGE = 7
"""So small that every list has several pages."""
END = datetime.now(timezone.utc)
"""When the organisation's history ends; all of it is in the three years before."""
OBJECT_TYPES = ("account", "issue", "contact", "task", "project", "meeting", "opportunity")


@pytest.fixture(scope="module")
def organisation() -> Iterator[Sandbox]:
    """An organisation that no test of this module changes."""
    size = Size(issues=120, tasks=30, projects=20, surveys=9, others=16)
    with Sandbox(size=size, limits=None, base_time=END) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(organisation: Sandbox) -> Iterator[Pylon]:
    """The official client of that organisation."""
    with httpx.Client() as transport:
        yield client_of(organisation, transport)


def client_of(pylon: Sandbox, transport: httpx.Client, token: str | None = None) -> Pylon:
    """An official client of a sandbox, which tries nothing twice."""
    return Pylon(base_url=pylon.url, token=token or pylon.token, httpx_client=transport, max_retries=0)


def issues_by_year(client: Pylon) -> Iterable[Any]:
    """All issues, by one list a year, newest first."""
    for year in range(3):
        end = END + timedelta(days=1) - timedelta(days=365) * year
        yield from client.issues.list(start_time=end - timedelta(days=365), end_time=end, limit=PAGE)


READ: dict[str, Read] = {
    "issues": lambda client: client.issues.search(limit=PAGE),
    "call_recordings": lambda client: client.call_recordings.search(limit=PAGE),
    "surveys": lambda client: client.surveys.list().data,
    "contacts": lambda client: client.contacts.list(limit=PAGE),
    "accounts": lambda client: client.accounts.list(limit=PAGE),
    "users": lambda client: client.users.list(include_deactivated=True).data,
    "teams": lambda client: client.teams.list().data,
    "tags": lambda client: client.tags.list().data,
    "ticket_forms": lambda client: client.ticket_forms.list().data,
    "user_roles": lambda client: client.user_roles.list().data,
    "activity_types": lambda client: client.activity_types.list().data,
    "issue_statuses": lambda client: client.issue_statuses.list().data,
    "task_statuses": lambda client: client.task_statuses.list().data,
    "custom_fields": lambda client: [
        field for kind in OBJECT_TYPES for field in client.custom_fields.list(object_type=kind).data
    ],
    "knowledge_bases": lambda client: client.knowledge_bases.list().data,
    "macros": lambda client: client.macros.list().data,
    "macro_groups": lambda client: client.macro_groups.list().data,
    "training_data": lambda client: client.training_data.list().data,
    "tasks": lambda client: client.tasks.search(limit=PAGE),
    "projects": lambda client: client.projects.search(limit=PAGE),
    "milestones": lambda client: client.milestones.search(limit=PAGE),
    "audit_logs": lambda client: client.audit_logs.search(limit=PAGE),
    "custom_objects": lambda client: [
        item for kind in CUSTOM_OBJECT_TYPES for item in client.custom_objects.list(kind, limit=PAGE)
    ],
    "article_feedback": lambda client: client.article_feedback.list(limit=PAGE),
    "email_suppressions": lambda client: client.email_suppressions.list(limit=PAGE),
    "feature_requests": lambda client: client.feature_requests.search().data,
}
"""How each kind of object is read whole."""

READ_OF: dict[str, Callable[[Pylon, str], Iterable[Any]]] = {
    "account_activities": lambda client, parent: client.accounts.activities.list(parent, limit=1),
    "account_relationships": lambda client, parent: client.accounts.relationships.list(parent).data,
    "followers": lambda client, parent: client.issues.followers.list(parent).data,
    "knowledge_base_articles": lambda client, parent: client.knowledge_bases.articles.list(parent, limit=1),
    "knowledge_base_collections": lambda client, parent: client.knowledge_bases.collections.list(parent).data,
    "survey_responses": lambda client, parent: client.surveys.responses.list(parent, limit=PAGE),
    "task_comments": lambda client, parent: client.tasks.comments.list(parent).data,
    "threads": lambda client, parent: client.issues.threads.list(parent).data,
    "voice_calls": lambda client, parent: client.issues.voice_calls.list(parent).data,
}
"""How each kind of object is read that is listed per parent."""

READ_AGAIN: dict[str, tuple[str, Read]] = {
    "GET /issues": ("issues", issues_by_year),
    "GET /tasks": ("tasks", lambda client: client.tasks.list(limit=PAGE)),
    "GET /audit-logs": ("audit_logs", lambda client: client.audit_logs.list(limit=PAGE)),
    "POST /surveys/search": ("surveys", lambda client: client.surveys.search().data),
    "POST /contacts/search": ("contacts", lambda client: client.contacts.search(limit=PAGE)),
    "POST /accounts/search": ("accounts", lambda client: client.accounts.search(limit=PAGE)),
    "POST /users/search": ("users", lambda client: client.users.search(limit=PAGE)),
    "POST /tags/search": ("tags", lambda client: client.tags.search(limit=PAGE)),
}
"""Other ways to read the same objects."""


def shape(record: Any) -> Any:
    """A record of the client for comparisons, without the signatures of links."""
    return without_signatures(record.model_dump())


def key(record: Record) -> str:
    """What tells a record from others of its kind."""
    return str(record.get("id") or record["slug"])


def assert_same(read: Iterable[Any], stored: Iterable[Record]) -> None:
    """Every stored record was read once, with all its fields."""
    found = list(read)
    assert found
    wanted = {key(record): type(found[0]).model_validate(record) for record in stored}
    assert sorted(key(shape(record)) for record in found) == sorted(wanted)
    for record in found:
        assert shape(record) == shape(wanted[key(shape(record))])


def test_every_kind_of_object_is_read() -> None:
    assert READ.keys() | READ_OF.keys() == set(KINDS.values())
    assert READ_OF.keys() == PARENTS.keys()


@pytest.mark.parametrize("kind", READ)
def test_the_client_reads_every_object(organisation: Sandbox, client: Pylon, kind: str) -> None:
    assert_same(READ[kind](client), organisation.expected(kind))


@pytest.mark.parametrize("template", READ_AGAIN)
def test_the_client_reads_the_same_objects_through_other_operations(
    organisation: Sandbox, client: Pylon, template: str
) -> None:
    kind, read = READ_AGAIN[template]
    assert_same(read(client), organisation.expected(kind))
    assert organisation.count(template, status=200)


@pytest.mark.parametrize("kind", READ_OF)
def test_the_client_reads_every_object_of_every_parent(organisation: Sandbox, client: Pylon, kind: str) -> None:
    pairs = organisation.expected(kind)
    parents = {parent for parent, _ in pairs}
    without = next(one["id"] for one in organisation.expected(PARENTS[kind]) if one["id"] not in parents)
    assert list(READ_OF[kind](client, without)) == []
    for parent in parents:
        assert_same(READ_OF[kind](client, parent), [record for owner, record in pairs if owner == parent])


def test_the_client_reads_all_messages_of_every_issue_at_once_and_in_pages(
    organisation: Sandbox, client: Pylon
) -> None:
    private = 0
    for issue in organisation.expected("issues"):
        stored = organisation.messages(issue["id"])
        for read in (client.issues.messages.list(issue["id"]), client.issues.messages.list(issue["id"], limit=1)):
            messages = list(read)
            assert [message.id for message in messages] == [message["id"] for message in stored]
            assert all((message.thread_id is not None) == message.is_private for message in messages)
            private += sum(message.is_private for message in messages)
    assert private


def test_the_client_gets_single_objects(organisation: Sandbox, client: Pylon) -> None:
    issue = organisation.expected("issues")[3]
    assert client.issues.get(issue["id"]).data.number == issue["number"]
    assert client.issues.get(str(issue["number"])).data.id == issue["id"]
    task = organisation.expected("tasks")[0]["id"]
    assert client.tasks.get(task).data.id == task
    assert client.me.get().data.user.id in {user["id"] for user in organisation.expected("users")}


SEARCHES: dict[str, Callable[..., Any]] = {
    "issues": lambda client, **body: client.issues.search(limit=PAGE, **body),
    "call_recordings": lambda client, **body: client.call_recordings.search(limit=PAGE, **body),
    "tasks": lambda client, **body: client.tasks.search(limit=PAGE, **body),
    "projects": lambda client, **body: client.projects.search(limit=PAGE, **body),
    "milestones": lambda client, **body: client.milestones.search(limit=PAGE, **body),
    "audit_logs": lambda client, **body: client.audit_logs.search(limit=PAGE, **body),
    "surveys": lambda client, **body: client.surveys.search(**body).data,
}
TIMES = [
    ("issues", "created_at", "created_at"),
    ("issues", "updated_at", "updated_at"),
    ("issues", "latest_message_activity_at", "latest_message_time"),
    ("issues", "resolved_at", "resolution_time"),
    ("call_recordings", "start_time", "start_time"),
    ("tasks", "updated_at", "updated_at"),
    ("projects", "updated_at", "updated_at"),
    ("milestones", "updated_at", "updated_at"),
    ("audit_logs", "action_happened_at", "action_happened_at"),
    ("surveys", "updated_at", "updated_at"),
]
"""Kind, the field of the filter, the field of the record."""


@pytest.mark.parametrize(("kind", "field", "shown"), TIMES)
def test_the_clients_time_filters_agree_with_the_records(
    organisation: Sandbox, client: Pylon, kind: str, field: str, shown: str
) -> None:
    rows = [row for row in organisation.expected(kind) if row.get(shown)]
    times = sorted(parse(row[shown]) for row in rows)
    # Half a second beside a whole one, so that the milliseconds that records hide do not matter.
    low, high = (times[len(times) * part // 3] - 500 for part in (1, 2))

    def found(**condition: Any) -> set[str]:
        return {row.id for row in SEARCHES[kind](client, filter=Filter(field=field, **condition))}

    def between(first: float, last: float) -> set[str]:
        return {row["id"] for row in rows if first < parse(row[shown]) < last}

    assert found(operator="time_is_after", value=rfc3339(low)) == between(low, float("inf"))
    assert found(operator="time_is_before", value=rfc3339(high)) == between(0, high)
    assert found(operator="time_range", values=[rfc3339(low), rfc3339(high)]) == between(low, high) != set()


def rfc3339(milliseconds: float) -> str:
    """A time as filters want it."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat()


def test_the_clients_nested_filters_agree_with_the_records(organisation: Sandbox, client: Pylon) -> None:
    rows = organisation.expected("issues")
    middle = sorted(row["created_at"] for row in rows)[60]
    changed = Filter(
        operator="or",
        subfilters=[
            Filter(field="updated_at", operator="time_is_after", value=middle),
            Filter(field="latest_message_activity_at", operator="time_is_after", value=middle),
        ],
    )
    for by_type, kinds in (
        (Filter(field="issue_type", operator="equals", value="ticket"), {"ticket"}),
        (Filter(field="issue_type", operator="in", values=["conversation", "ticket"]), {"conversation", "ticket"}),
    ):
        found = client.issues.search(filter=Filter(operator="and", subfilters=[changed, by_type]), limit=PAGE)
        assert {row.id for row in found} == {
            row["id"] for row in rows if row["type"] in kinds and row["updated_at"] >= middle
        }
    assert list(client.issues.search(filter=Filter(field="issue_type", operator="is_unset"))) == []


def test_the_client_narrows_lists_by_query_parameters(organisation: Sandbox, client: Pylon) -> None:
    pairs = organisation.expected("survey_responses")
    survey, middle = pairs[len(pairs) // 2]
    after = datetime.fromisoformat(middle["submitted_at"].replace("Z", "+00:00")) - timedelta(seconds=1)
    later = client.surveys.responses.list(survey, submitted_after=after, limit=PAGE)
    wanted = {row["id"] for owner, row in pairs if owner == survey and row["submitted_at"] >= middle["submitted_at"]}
    assert {row.id for row in later} == wanted
    account, activity = organisation.expected("account_activities")[0]
    happened = datetime.fromisoformat(activity["happened_at"].replace("Z", "+00:00"))
    for begins, count in ((happened - timedelta(seconds=1), 1), (happened + timedelta(seconds=1), 0)):
        found = [row.id for row in client.accounts.activities.list(account, start_time=begins)]
        assert found.count(activity["id"]) == count
    kind = activity["activity_type"]["slug"]
    assert {
        row.activity_type and row.activity_type.slug
        for row in client.accounts.activities.list(account, activity_type=kind)
    } == {kind}
    article = organisation.expected("article_feedback")[0]["article_id"]
    assert {row.article_id for row in client.article_feedback.list(article_id=article)} == {article}
    assert len(client.users.list().data) < len(client.users.list(include_deactivated=True).data)


REFUSALS: list[tuple[int, type[ApiError], str | None]] = [
    (400, BadRequestError, None),
    (401, UnauthorizedError, "invalid_api_token"),
    (401, UnauthorizedError, "wrong_region_token"),
    (403, ForbiddenError, "permission_denied"),
    (404, NotFoundError, "not_found"),
    (429, TooManyRequestsError, "rate_limited"),
]


@pytest.mark.parametrize(("status", "error", "code"), REFUSALS)
def test_the_client_distinguishes_refusals(status: int, error: type[ApiError], code: str | None) -> None:
    with Sandbox(size=Size(issues=3), limits={"GET /tags": 1}) as pylon, httpx.Client() as transport:
        tokens = {"invalid_api_token": "unknown", "wrong_region_token": pylon.other_region_token}
        client = client_of(pylon, transport, tokens.get(code or ""))
        pylon.forbid("GET /surveys")
        calls: dict[int, Callable[[], Any]] = {
            400: lambda: client.issues.search(limit=1001),
            401: client.me.get,
            403: client.surveys.list,
            404: lambda: client.issues.messages.list("unknown"),
            429: lambda: [client.tags.list() for _ in range(2)],
        }
        with pytest.raises(error) as raised:
            calls[status]()
        assert (raised.value.status_code, raised.value.body.code) == (status, code)
        assert raised.value.body.errors
        if status == 429:
            headers = {name.lower(): value for name, value in (raised.value.headers or {}).items()}
            assert int(headers["x-retry-after"]) > 0

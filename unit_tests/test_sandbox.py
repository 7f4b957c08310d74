"""The sandbox keeps its promises: each test states one fact about Pylon that the sandbox plays."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from integration_tests.sandbox import MISSING, Fault, Sandbox, Size, faults
from integration_tests.sandbox.clock import parse, precise, shown
from integration_tests.sandbox.dataset import KINDS, models
from integration_tests.sandbox.filters import MAX_DEPTH
from integration_tests.sandbox.operations import read_operations
from integration_tests.support.faults import add_long_thread

SEARCH = "POST /issues/search"
MESSAGES = "GET /issues/{id}/messages"
LONG_AGO = "2000-01-01T00:00:00Z"


class Client:
    """A client of one sandbox that sends any request and checks nothing."""

    def __init__(self, pylon: Sandbox) -> None:
        """Uses the sandbox's own token."""
        self.pylon = pylon
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {pylon.token}"

    def get(self, path: str, **query: Any) -> requests.Response:
        """Sends a GET."""
        return self.session.get(self.pylon.url + path, params=query, timeout=10, allow_redirects=False)

    def post(self, path: str, body: Any) -> requests.Response:
        """Sends a POST with a JSON body."""
        return self.session.post(self.pylon.url + path, json=body, timeout=10, allow_redirects=False)

    def search(self, filter: dict[str, Any] | None = None, **body: Any) -> list[dict[str, Any]]:
        """All pages of an issue search, which must succeed."""
        rows: list[dict[str, Any]] = []
        body = {"limit": 999, **body, **({"filter": filter} if filter else {})}
        while True:
            answer = self.post("/issues/search", body).json()
            rows.extend(answer.get("data", []))
            pagination = answer.get("pagination") or {"has_next_page": False}
            if not pagination["has_next_page"]:
                return rows
            body = {**body, "cursor": pagination["cursor"]}

    def refusal(self, filter: Any) -> requests.Response:
        """The response to an issue search."""
        return self.post("/issues/search", {"filter": filter})


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    """A sandbox that no test changes."""
    with Sandbox(size=Size(issues=700), limits=None) as pylon:
        yield Client(pylon)


@pytest.fixture
def client() -> Iterator[Client]:
    """A small sandbox of the test's own, without limits."""
    with Sandbox(size=Size(issues=60), limits=None) as pylon:
        yield Client(pylon)


def after(field: str, value: str) -> dict[str, Any]:
    """A filter for what is after a time."""
    return {"field": field, "operator": "time_is_after", "value": value}


def between(field: str, low: str, high: str) -> dict[str, Any]:
    """A filter for what is between two times."""
    return {"field": field, "operator": "time_range", "values": [low, high]}


def without_signatures(record: Any) -> str:
    """A record as text, with the query strings of file URLs taken away."""
    if isinstance(record, list):
        return "[" + ",".join(map(without_signatures, record)) + "]"
    if isinstance(record, dict):
        return "{" + ",".join(f"{key}:{without_signatures(record[key])}" for key in sorted(record)) + "}"
    text = str(record)
    return text.partition("?X-Amz")[0] if "X-Amz-Signature" in text else text


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "invalid_authorization_header"),
        ("Basic abc", "invalid_authorization_header"),
        ("Bearer", "invalid_authorization_header"),
        ("Bearer two words", "invalid_authorization_header"),
        ("Bearer unknown", "invalid_api_token"),
    ],
)
def test_a_wrong_token_is_refused_with_its_code(shared: Client, header: str | None, code: str) -> None:
    answer = requests.get(shared.pylon.url + "/me", headers={"Authorization": header} if header else {}, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["code"] == code
    assert answer.json()["errors"]
    assert answer.json()["request_id"]


def test_a_token_of_the_other_region_has_its_own_code(shared: Client) -> None:
    headers = {"Authorization": f"Bearer {shared.pylon.other_region_token}"}
    answer = requests.get(shared.pylon.url + "/me", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_region_token")


def test_a_revoked_token_is_unknown(client: Client) -> None:
    assert client.get("/me").status_code == 200
    client.pylon.revoke()
    assert client.get("/me").json()["code"] == "invalid_api_token"


def test_permission_can_be_revoked_per_endpoint(client: Client) -> None:
    client.pylon.forbid("POST /call-recordings/search")
    refused = client.post("/call-recordings/search", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert client.get("/surveys").status_code == 200
    client.pylon.allow("POST /call-recordings/search")
    assert client.post("/call-recordings/search", {}).status_code == 200


def test_paths_and_methods_outside_the_document_are_refused(shared: Client) -> None:
    assert shared.get("/nothing").json()["code"] == "not_found"
    assert shared.post("/accounts", {}).status_code == 405


def test_every_operation_responds_in_its_documented_shape(shared: Client) -> None:
    operations = read_operations()
    children = {"{article_id}": "knowledge_base_articles", "{collection_id}": "knowledge_base_collections"}
    required = {"limit": "2", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-09T00:00:00Z"}
    for operation in operations.values():
        path = operation.path.replace("{type}", "companies")
        for placeholder, kind in children.items():
            if placeholder in path:
                child = shared.pylon.store.collection(kind).newest_first()[0]
                path = path.replace(placeholder, child.id).replace("{id}", str(child.parent))
        head = "custom_objects" if "companies" in path else path.split("/")[1].replace("-", "_")
        if "{" in path:
            versions = shared.pylon.store.collection(head).newest_first()
            if head == "custom_objects":
                versions = [version for version in versions if version.parent == "companies"]
            path = path.replace("{id}", versions[0].id).replace("{account_id}", versions[0].id)
        arguments = operation.arguments.model_fields.items()
        query = {name: required.get(name, "issue") for name, argument in arguments if argument.is_required()}
        answer = shared.get(path, **query) if operation.method == "GET" else shared.post(path, {"limit": 5})
        assert answer.status_code == 200, operation.template
        data = answer.json().get("data", [])
        assert isinstance(data, list) is operation.many, operation.template
        for record in data if operation.many else [data]:
            operation.model.model_validate(record)


@pytest.mark.parametrize("path", ["/accounts", "/contacts"])
def test_limit_is_bounded_on_lists(shared: Client, path: str) -> None:
    assert shared.get(path).status_code == 200
    assert shared.get(path, limit=0).status_code == 400
    assert shared.get(path, limit=1000).status_code == 400
    assert shared.get(path, limit="many").status_code == 400
    assert shared.get(path, limit=999).status_code == 200


@pytest.mark.parametrize(
    ("path", "highest"), [("/issues/search", 1000), ("/call-recordings/search", 1000), ("/projects/search", 999)]
)
def test_limit_is_bounded_on_searches(shared: Client, path: str, highest: int) -> None:
    assert shared.post(path, {"limit": highest}).status_code == 200
    for wrong in (0, -1, highest + 1, "10", 1.5, True):
        assert shared.post(path, {"limit": wrong}).status_code == 400, wrong


def test_a_search_without_results_returns_an_empty_list(shared: Client) -> None:
    answer = shared.refusal(after("created_at", "2100-01-01T00:00:00Z"))
    assert (answer.status_code, list(answer.json())) == (200, ["data", "request_id"])


def test_the_last_page_has_no_pagination(client: Client) -> None:
    for answer in (client.post("/issues/search", {}), client.get("/accounts"), client.get("/contacts")):
        assert "pagination" not in answer.json()


def test_a_search_lists_every_issue_once_newest_created_first(shared: Client) -> None:
    rows = shared.search(limit=77)
    assert [row["id"] for row in rows] == [row["id"] for row in shared.pylon.expected("issues")]
    assert len({row["id"] for row in rows}) == 700
    created = [row["created_at"] for row in rows]
    assert created == sorted(created, reverse=True)


def test_search_results_equal_the_stored_records(shared: Client) -> None:
    assert without_signatures(shared.search()) == without_signatures(shared.pylon.expected("issues"))


def test_cursors_contain_hidden_milliseconds_and_an_id(shared: Client) -> None:
    answer = shared.post("/issues/search", {"limit": 3}).json()
    moment, identity = base64.b64decode(answer["pagination"]["cursor"]).decode().split("|")
    last = answer["data"][-1]
    assert identity == last["id"]
    assert moment[:19] == last["created_at"][:19]
    assert len(moment) == len("2025-08-26T16:11:58.871Z")


def test_a_foreign_or_broken_cursor_is_refused(shared: Client) -> None:
    foreign = shared.get("/accounts", limit=3).json()["pagination"]["cursor"]
    for cursor in (foreign, "nonsense", "!!!", base64.b64encode(b"2026-01-01T00:00:00Z|x").decode()):
        assert shared.post("/issues/search", {"cursor": cursor}).status_code == 400


@pytest.mark.parametrize("field", ["created_at", "updated_at", "latest_message_activity_at"])
def test_neighbouring_time_windows_find_every_issue(shared: Client, field: str) -> None:
    now = datetime.now(timezone.utc)
    found: set[str] = set()
    for n in range(80):
        high, low = now - timedelta(days=10 * n), now - timedelta(days=10 * (n + 1), seconds=2)
        rows = shared.search(between(field, low.isoformat(), high.isoformat()))
        found.update(row["id"] for row in rows)
    shown_field = "latest_message_time" if field.startswith("latest") else field
    assert found == {row["id"] for row in shared.pylon.expected("issues") if row.get(shown_field)}


def test_searches_know_the_milliseconds_that_records_hide(client: Client) -> None:
    at = datetime(2026, 5, 1, 12, 0, 0, 871_000, tzinfo=timezone.utc)
    issue = client.pylon.store.add_issue(at=at)
    assert client.get(f"/issues/{issue}").json()["data"]["created_at"] == "2026-05-01T12:00:00Z"
    ids = [row["id"] for row in client.search(between("created_at", "2026-05-01T12:00:00.87Z", "2026-05-01T12:00:01Z"))]
    assert ids == [issue]
    assert client.search(between("created_at", "2026-05-01T11:59:59Z", "2026-05-01T12:00:00.5Z")) == []


@pytest.mark.parametrize("inclusive", [False, True])
def test_bounds_are_exclusive_unless_chosen_otherwise(inclusive: bool) -> None:
    bound = "2026-05-01T12:00:00Z"
    with Sandbox(size=Size.empty(), limits=None, inclusive_bounds=inclusive) as pylon:
        pylon.store.add_issue(at=datetime(2026, 5, 1, 12, tzinfo=timezone.utc))
        client = Client(pylon)
        for condition in (
            after("created_at", bound),
            {"field": "created_at", "operator": "time_is_before", "value": bound},
            between("created_at", bound, "2026-05-02T00:00:00Z"),
        ):
            assert len(client.search(condition)) == int(inclusive)


WRONG_FILTERS: list[Any] = [
    [],
    "created_at",
    {"field": "created_at"},
    {"operator": "time_is_after", "value": LONG_AGO},
    {"field": "id", "operator": "equals", "value": "x"},
    {"field": "type", "operator": "equals", "value": "ticket"},
    {"field": "created_at", "operator": "equals", "value": LONG_AGO},
    {"field": "created_at", "operator": "greater_than", "value": LONG_AGO},
    {"field": "created_at", "operator": "time_is_after", "values": [LONG_AGO]},
    {"field": "created_at", "operator": "time_is_after", "value": 1},
    {"field": "created_at", "operator": "time_is_after", "value": "2026-01-01"},
    {"field": "created_at", "operator": "time_is_after", "value": "2026-01-01T00:00:00"},
    {"field": "created_at", "operator": "time_is_after", "value": "2026-02-30T00:00:00Z"},
    {"field": "created_at", "operator": "time_range", "value": LONG_AGO},
    {"field": "created_at", "operator": "time_range", "values": [LONG_AGO]},
    {
        "field": "created_at",
        "operator": "time_range",
        "values": ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"],
    },
    {"field": "issue_type", "operator": "equals", "value": "Conversation"},
    {"field": "issue_type", "operator": "equals", "values": ["ticket"]},
    {"field": "issue_type", "operator": "in", "value": "ticket"},
    {"field": "issue_type", "operator": "in", "values": []},
    {"field": "issue_type", "operator": "is_set", "value": "ticket"},
    {"operator": "and", "subfilters": []},
    {"operator": "and"},
    {"operator": "xor", "subfilters": [after("created_at", LONG_AGO)]},
    {**after("created_at", LONG_AGO), "subfilters": [after("created_at", LONG_AGO)]},
]


@pytest.mark.parametrize("wrong", WRONG_FILTERS, ids=json.dumps)
def test_a_wrong_filter_is_refused(shared: Client, wrong: Any) -> None:
    answer = shared.refusal(wrong)
    assert answer.status_code == 400
    assert set(answer.json()) == {"errors", "request_id"}


def test_filters_nest_as_deep_as_documented_and_no_deeper(shared: Client) -> None:
    node = after("created_at", LONG_AGO)
    for depth in range(2, MAX_DEPTH + 3):
        node = {"operator": "and", "subfilters": [node]}
        assert shared.refusal(node).status_code == (200 if depth <= MAX_DEPTH else 400)


def test_issue_types_are_filtered_in_lower_case_whatever_records_show() -> None:
    with Sandbox(size=Size(issues=700), limits=None, irregular=0.5) as pylon:
        _issue_types_are_filtered(Client(pylon))


def _issue_types_are_filtered(shared: Client) -> None:
    rows = shared.pylon.expected("issues")
    spelled = {row.get("type", "missing") for row in rows}
    assert spelled == {"conversation", "Conversation", "ticket", "Ticket", None, "missing"}
    for kind in ("conversation", "ticket"):
        found = shared.search({"field": "issue_type", "operator": "equals", "value": kind})
        assert {row["id"] for row in found} == {r["id"] for r in rows if (r.get("type") or "").lower() == kind}
    untyped = shared.search({"field": "issue_type", "operator": "is_unset"})
    assert {row["id"] for row in untyped} == {row["id"] for row in rows if not row.get("type")}
    listed = shared.search({"field": "issue_type", "operator": "not_in", "values": ["ticket"]})
    assert len(listed) + len(shared.search({"field": "issue_type", "operator": "in", "values": ["ticket"]})) == 700


def test_resolved_issues_are_found_by_time(shared: Client) -> None:
    rows = shared.pylon.expected("issues")
    resolved = shared.search(after("resolved_at", LONG_AGO))
    assert {row["id"] for row in resolved} == {row["id"] for row in rows if row["resolution_time"]}


@pytest.mark.parametrize(
    "body",
    [
        {"filter": {"field": "state", "operator": "equals", "value": "closed"}},
        {"filter": {"operator": "or", "subfilters": [{"field": "tags", "operator": "contains", "value": "vip"}]}},
        {"search_text": "export"},
    ],
)
def test_what_is_documented_but_not_modelled_is_refused(shared: Client, body: dict[str, Any]) -> None:
    assert shared.post("/issues/search", body).status_code == 501


def test_the_width_of_a_range_can_be_capped() -> None:
    wide = between("created_at", "2026-01-01T00:00:00Z", "2026-02-15T00:00:00Z")
    narrow = between("created_at", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z")
    halves = {"operator": "and", "subfilters": [after("created_at", LONG_AGO), wide]}
    with Sandbox(size=Size(issues=5), limits=None, max_range_days=30) as pylon:
        client = Client(pylon)
        assert client.refusal(wide).status_code == client.refusal(halves).status_code == 400
        assert client.refusal(narrow).status_code == 200


def test_unknown_keys_are_ignored_and_counted(client: Client) -> None:
    newest = client.post("/issues/search", {"limit": 5}).json()["data"]
    assert not client.pylon.unknown_keys
    body = {"limit": 5, "sort": "created_at", "filters": {}, "filter": {"created_at": {"gte": LONG_AGO}}}
    ignored = client.session.post(client.pylon.url + "/issues/search", json=body, params={"cursor": "x"}, timeout=5)
    assert [row["id"] for row in ignored.json()["data"]] == [row["id"] for row in newest]
    assert dict(client.pylon.unknown_keys) == {
        f"{SEARCH} body:sort": 1,
        f"{SEARCH} body:filters": 1,
        f"{SEARCH} body:filter.created_at": 1,
        f"{SEARCH} query:cursor": 1,
    }


def test_null_means_left_out(shared: Client) -> None:
    body = {"filter": None, "cursor": None, "limit": None, "search_text": None}
    assert len(shared.post("/issues/search", body).json()["data"]) == 100


def test_a_body_that_is_not_a_json_object_is_refused(shared: Client) -> None:
    for raw in ("{", "[]", "1"):
        answer = shared.session.post(shared.pylon.url + "/issues/search", data=raw, timeout=5)
        assert answer.status_code == 400


def test_messages_are_oldest_first_at_once_or_in_pages() -> None:
    with Sandbox(size=Size(issues=9), limits=None) as pylon:
        client, issue = Client(pylon), add_long_thread(pylon, 250)
        path = f"/issues/{issue}/messages"
        whole = client.get(path).json()
        assert len(whole["data"]) == 250
        assert not whole.get("pagination")
        times = [message["timestamp"] for message in whole["data"]]
        assert times == sorted(times)
        ids: list[str] = []
        query: dict[str, Any] = {"limit": 40}
        while True:
            page = client.get(path, **query).json()
            ids.extend(message["id"] for message in page["data"])
            if not page.get("pagination"):
                break
            query["cursor"] = page["pagination"]["cursor"]
        assert ids == [message["id"] for message in whole["data"]]
        first = client.get(path, limit=1).json()["pagination"]["cursor"]
        assert len(client.get(path, cursor=first).json()["data"]) == 100
        assert client.get(path, limit=0).status_code == client.get(path, limit=1001).status_code == 400
        assert client.get(path, limit=1000).status_code == 200


def test_messages_of_an_unknown_issue_are_not_found(shared: Client) -> None:
    answer = shared.get("/issues/nothing/messages")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_latest_message_times_agree_with_the_messages(shared: Client) -> None:
    without, only_private = 0, 0
    for row in shared.pylon.expected("issues"):
        messages = shared.pylon.messages(row["id"])
        latest = max((message["timestamp"] for message in messages), default=None)
        assert row.get("latest_message_time") == latest
        assert row["updated_at"] >= (latest or row["created_at"])
        without += not messages
        only_private += bool(messages) and all(message["is_private"] for message in messages)
    assert 60 < without < 160
    assert 15 < only_private < 80


def test_internal_notes_carry_unique_markers_in_text_and_files(shared: Client) -> None:
    markers = shared.pylon.private_markers()
    private, listed, in_attachments = set(), 0, 0
    for row in shared.pylon.expected("issues"):
        paths = {urlsplit(url).path for url in row.get("attachment_urls") or ()}
        for message in shared.pylon.messages(row["id"]):
            found = set(re.findall("PRIVATE-[0-9a-f]{16}", json.dumps(message)))
            assert len(found) == int(message["is_private"])
            assert ("thread_id" in message) == message["is_private"]
            private |= found
            files = {urlsplit(url).path for url in message.get("file_urls") or ()}
            listed += bool(files)
            in_attachments += bool(files) and files <= paths
    assert private <= markers
    assert len(private) > 100
    # An attachment list is left out of some records, as other optional fields are.
    assert listed > 50
    assert in_attachments > 0.7 * listed


def test_irregular_records_have_the_requested_share() -> None:
    for share, fewest, most in ((0.0, 0, 0), (0.3, 20, 40), (1.0, 100, 100)):
        pylon = Sandbox(size=Size(issues=100, accounts=100, contacts=100, tasks=100), limits=None, irregular=share)
        for kind in ("issues", "accounts", "contacts", "tasks"):
            unknown = sum(any(name.startswith("unknown_") for name in row) for row in pylon.expected(kind))
            assert fewest <= unknown <= most, (share, kind)


def test_imported_issues_have_messages_older_than_themselves() -> None:
    for share in (0.0, 1.0):
        pylon = Sandbox(size=Size(issues=200), limits=None, imported=share)
        older = 0
        for row in pylon.expected("issues"):
            stamps = [message["timestamp"] for message in pylon.messages(row["id"])]
            assert row["latest_message_time"] == max(stamps, default=None)
            older += bool(stamps) and max(stamps) < row["created_at"]
        assert (older == 0) if share == 0 else (older > 150)


def test_a_message_can_contradict_itself(client: Client) -> None:
    issue = client.pylon.store.add_issue()
    before = client.pylon.clock.now() - timedelta(minutes=1)
    client.pylon.store.add_message(issue, html="<p>Which?</p>", thread_id="thread", at=before)
    client.pylon.store.add_message(issue, is_private=MISSING)
    first, second = client.get(f"/issues/{issue}/messages").json()["data"]
    assert (first["is_private"], first["thread_id"]) == (False, "thread")
    assert "is_private" not in second


def test_comments_that_are_not_marked_as_public_carry_markers() -> None:
    for irregular, spelled in ((0.0, {True, False}), (0.5, {True, False, "missing"})):
        pylon = Sandbox(size=Size(tasks=30), limits=None, irregular=irregular)
        comments = [comment for _, comment in pylon.expected("task_comments")]
        assert {comment.get("is_internal", "missing") for comment in comments} == spelled
        markers = pylon.private_markers()
        for comment in comments:
            found = set(re.findall("PRIVATE-[0-9a-f]{16}", json.dumps(comment)))
            if comment.get("body_html"):
                assert bool(found & markers) is (comment.get("is_internal") is not False)


def test_issue_groups_and_their_issues_refer_to_each_other(shared: Client) -> None:
    rows = {row["id"]: row for row in shared.pylon.expected("issues")}
    groups = [row for row in rows.values() if row["is_issue_group"]]
    named = {child["id"]: group["id"] for group in groups for child in group["child_issues"]}
    assert named == {key: row["parent_issue_group"]["id"] for key, row in rows.items() if row["parent_issue_group"]}
    assert len(named) == 2 * len(groups) > 20


def test_people_of_issues_have_email_addresses(shared: Client) -> None:
    rows = shared.pylon.expected("issues")
    agents = {user["id"]: user["email"] for user in shared.pylon.expected("users")}
    assert all(row["requester"]["email"].endswith("@customer.example") for row in rows)
    assigned = [row["assignee"] for row in rows if row["assignee"]]
    assert len(assigned) > 400
    assert all(agents[user["id"]] == user["email"] for user in assigned)


def test_bodies_of_issues_have_nothing_private(shared: Client) -> None:
    for row in shared.pylon.expected("issues"):
        row.pop("attachment_urls", None)
        assert "PRIVATE-" not in json.dumps(row)


def test_signatures_of_files_change_at_every_read(shared: Client) -> None:
    issue = next(row for row in shared.pylon.expected("issues") if row.get("attachment_urls"))
    reads = [shared.get(f"/issues/{issue['id']}").json()["data"]["attachment_urls"][0] for _ in range(2)]
    assert reads[0] != reads[1]
    assert urlsplit(reads[0]).path == urlsplit(reads[1]).path


def test_history_has_a_long_gap_equal_times_and_nothing_in_the_future(shared: Client) -> None:
    rows = shared.pylon.expected("issues")
    moments = sorted({row[name] for row in rows for name in ("created_at", "updated_at")})
    times = [parse(moment) for moment in moments]
    assert max(b - a for a, b in pairwise(times)) > 100 * 86_400_000
    assert times[-1] <= shared.pylon.clock.millis()
    assert len({row["created_at"] for row in rows}) < len(rows) - 10


def test_data_are_equal_for_equal_seed_size_and_base_time() -> None:
    base = datetime(2026, 10, 1, tzinfo=timezone.utc)
    size = Size(issues=40)
    first, second = (Sandbox(size=size, seed=3, base_time=base) for _ in range(2))
    other = Sandbox(size=size, seed=4, base_time=base)
    for kind in KINDS.values():
        raw = [version.raw for version in first.store.collection(kind).newest_first()]
        assert raw == [version.raw for version in second.store.collection(kind).newest_first()], kind
    assert first.expected("issues")[0]["id"] != other.expected("issues")[0]["id"]
    assert [change.id for change in first.evolve(7, 60)] == [change.id for change in second.evolve(7, 60)]


def test_data_are_equal_in_every_process() -> None:
    program = """if True:
        from datetime import datetime, timezone
        from integration_tests.sandbox import Sandbox, Size
        from integration_tests.sandbox.dataset import KINDS, models
        pylon = Sandbox(size=Size(issues=20), base_time=datetime(2026, 10, 1, tzinfo=timezone.utc))
        print([version.raw for kind in KINDS.values() for version in pylon.store.collection(kind).newest_first()])
    """
    first, second = (subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(2))
    assert first.stdout == second.stdout
    assert len(first.stdout) > 100_000


def test_every_operation_works_in_an_empty_organisation() -> None:
    with Sandbox(size=Size.empty(), limits=None) as pylon:
        client = Client(pylon)
        assert client.post("/issues/search", {}).json()["data"] == []
        assert client.get("/surveys").json()["data"] == []
        assert client.get("/accounts", limit=10).json()["data"] == []
        pylon.evolve(1, 30)
        assert client.search()


def test_a_message_moves_the_issue_and_is_searchable_at_once(client: Client) -> None:
    issue = client.pylon.expected("issues")[-1]["id"]
    since = precise(client.pylon.clock.millis() - 1)
    identity = client.pylon.store.add_message(issue, html="<p>new</p>", files=1)
    assert client.get(f"/issues/{issue}/messages").json()["data"][-1]["id"] == identity
    for field in ("latest_message_activity_at", "updated_at"):
        assert [row["id"] for row in client.search(after(field, since))] == [issue]
    assert any("added.png" in url for url in client.get(f"/issues/{issue}").json()["data"]["attachment_urls"])


def test_closing_moves_updated_at_without_a_message(client: Client) -> None:
    issue = client.pylon.expected("issues")[5]["id"]
    before = client.get(f"/issues/{issue}").json()["data"].get("latest_message_time")
    since = precise(client.pylon.clock.millis() - 1)
    client.pylon.store.close_issue(issue)
    record = client.search(after("updated_at", since))[0]
    assert (record["id"], record["state"]) == (issue, "closed")
    assert record.get("latest_message_time") == before
    assert client.search(after("latest_message_activity_at", since)) == []


def test_a_new_note_is_a_new_marker_and_deleting_it_moves_time_back(client: Client) -> None:
    issue = client.pylon.expected("issues")[0]["id"]
    before, markers = client.get(f"/issues/{issue}").json()["data"], client.pylon.private_markers()
    client.pylon.store.add_message(issue, private=True, files=1)
    new = client.pylon.private_markers() - markers
    assert len(new) == 1
    assert new.pop() in json.dumps(client.get(f"/issues/{issue}/messages").json())
    client.pylon.store.delete_message(issue)
    again = client.get(f"/issues/{issue}").json()["data"]
    assert again.get("latest_message_time") == before.get("latest_message_time")


@pytest.mark.parametrize(("option", "counts"), [({}, True), ({"private_counts": False}, False)])
def test_whether_notes_count_for_the_filter_can_be_chosen(option: dict[str, Any], counts: bool) -> None:
    with Sandbox(size=Size.empty(), limits=None, **option) as pylon:
        issue = pylon.store.add_issue()
        pylon.store.add_message(issue, private=True)
        assert bool(Client(pylon).search(after("latest_message_activity_at", LONG_AGO))) is counts
        assert pylon.expected("issues")[0]["latest_message_time"]


def test_issues_without_messages_match_the_activity_filter_only_by_choice() -> None:
    for match in (False, True):
        with Sandbox(size=Size.empty(), limits=None, match_without_messages=match) as pylon:
            pylon.store.add_issue()
            assert bool(Client(pylon).search(after("latest_message_activity_at", LONG_AGO))) is match


def test_a_search_lags_behind_while_messages_and_single_reads_do_not() -> None:
    with Sandbox(size=Size(issues=5), limits=None, search_lag=300) as pylon:
        client = Client(pylon)
        since = precise(pylon.clock.millis() - 1)
        old, gone = (row["id"] for row in pylon.expected("issues")[:2])
        new = pylon.store.add_issue()
        pylon.store.add_message(old, html="late")
        pylon.store.delete("issues", gone)
        assert client.search(after("updated_at", since)) == []
        assert {old, gone} <= {row["id"] for row in client.search()}
        assert client.get(f"/issues/{old}/messages").json()["data"][-1]["message_html"] == "late"
        assert client.get(f"/issues/{new}").status_code == 200
        assert client.get(f"/issues/{gone}/messages").status_code == 404
        pylon.clock.advance(timedelta(seconds=299))
        assert client.search(after("updated_at", since)) == []
        pylon.clock.advance(timedelta(seconds=2))
        assert {row["id"] for row in client.search(after("updated_at", since))} == {old, new}
        assert gone not in {row["id"] for row in client.search()}


def test_fields_can_be_set_nulled_and_removed(client: Client) -> None:
    issue = client.pylon.store.add_issue(type=None, title="T")
    client.pylon.store.update_issue(issue, title=None, body_html=MISSING)
    record = client.get(f"/issues/{issue}").json()["data"]
    assert record["title"] is None
    assert "body_html" not in record
    assert record["type"] is None


def test_issues_are_found_by_number_too(shared: Client) -> None:
    row = shared.pylon.expected("issues")[123]
    assert shared.get(f"/issues/{row['number']}").json()["data"]["id"] == row["id"]
    assert shared.get("/issues/999999").status_code == 404


def test_added_issues_continue_the_numbering(client: Client) -> None:
    added = [client.pylon.store.add_issue(at=client.pylon.clock.now() - timedelta(days=n)) for n in (1, 300)]
    assert [client.get(f"/issues/{61 + n}").json()["data"]["id"] for n in range(2)] == added


def test_paged_lists_equal_the_stored_records(shared: Client) -> None:
    for kind in ("accounts", "contacts"):
        ids: list[str] = []
        query: dict[str, Any] = {"limit": 7}
        while True:
            page = shared.get(f"/{kind}", **query).json()
            ids.extend(row["id"] for row in page["data"])
            if not page.get("pagination"):
                break
            query["cursor"] = page["pagination"]["cursor"]
        assert ids == [row["id"] for row in shared.pylon.expected(kind)]


def test_recordings_are_found_only_by_the_start_of_the_call(client: Client) -> None:
    began = client.pylon.clock.now() - timedelta(days=3)
    late = client.pylon.store.add_call_recording(start_time=began, summary=None)
    low, high = ((began + timedelta(seconds=s)).isoformat() for s in (-5, 5))
    found = client.post("/call-recordings/search", {"filter": between("start_time", low, high)}).json()["data"]
    assert [row["id"] for row in found] == [late]
    assert found[0]["created_at"] > found[0]["start_time"]
    by_creation = client.post("/call-recordings/search", {"filter": after("created_at", LONG_AGO)})
    assert by_creation.status_code == 400


def test_survey_responses_are_listed_per_survey_within_times(shared: Client) -> None:
    pairs = shared.pylon.expected("survey_responses")
    surveys = shared.get("/surveys").json()["data"]
    assert {survey["type"] for survey in surveys} == {"nps", "csat", "custom"}
    counts = {}
    for survey in surveys:
        rows = shared.get(f"/surveys/{survey['id']}/responses", limit=999).json()["data"]
        assert [row["id"] for row in rows] == [row["id"] for parent, row in pairs if parent == survey["id"]]
        counts[survey["id"]] = len(rows)
    assert 0 in counts.values()
    assert sum(counts.values()) == len(pairs)
    parent, middle = pairs[len(pairs) // 2]
    later = shared.get(f"/surveys/{parent}/responses", submitted_after=middle["submitted_at"], limit=999).json()
    assert all(row["submitted_at"] >= middle["submitted_at"] for row in later["data"])
    assert shared.get(f"/surveys/{parent}/responses", submitted_after="yesterday").status_code == 400
    assert shared.get("/surveys/unknown/responses").status_code == 404


def test_deactivated_users_are_listed_only_on_request(shared: Client) -> None:
    some, everyone = (
        shared.get("/users").json()["data"],
        shared.get("/users", include_deactivated="true").json()["data"],
    )
    assert {row["id"] for row in everyone} - {row["id"] for row in some} == {
        row["id"] for row in everyone if row["is_deactivated"]
    }
    assert len(everyone) > len(some)


def test_custom_fields_require_an_object_type(shared: Client) -> None:
    assert shared.get("/custom-fields").status_code == 400
    assert shared.get("/custom-fields", object_type="thing").status_code == 400
    assert {row["object_type"] for row in shared.get("/custom-fields", object_type="issue").json()["data"]} == {"issue"}


def test_unknown_custom_object_types_are_not_found(shared: Client) -> None:
    assert shared.get("/custom-objects/companies").status_code == 200
    assert shared.get("/custom-objects/planets").status_code == 404


def days_ago(days: float) -> str:
    """A time before now, in whole seconds."""
    return (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("option", "days"), [({}, 365), ({"max_range_days": 30}, 30)])
def test_get_issues_requires_a_range_of_at_most_a_year_or_the_configured_width(
    option: dict[str, Any], days: int
) -> None:
    with Sandbox(size=Size.empty(), limits=None, **option) as pylon:
        client, start = Client(pylon), datetime(2025, 11, 1, tzinfo=timezone.utc)
        for width, status in ((days, 200), (days + 1 / 86_400, 400), (-1, 400)):
            end = start + timedelta(days=width)
            answer = client.get("/issues", start_time=start.isoformat(), end_time=end.isoformat())
            assert answer.status_code == status
        assert client.get("/issues", start_time=start.isoformat()).status_code == 400
        assert client.get("/issues", end_time=start.isoformat()).status_code == 400


def test_get_issues_includes_the_start_and_excludes_the_end(client: Client) -> None:
    start, end = "2026-05-01T12:00:00Z", "2026-05-01T13:00:00Z"
    ids = [client.pylon.store.add_issue(at=datetime(2026, 5, 1, hour, tzinfo=timezone.utc)) for hour in (12, 13)]
    found = [row["id"] for row in client.get("/issues", start_time=start, end_time=end).json()["data"]]
    assert ids[0] in found
    assert ids[1] not in found


def test_get_issues_lists_every_issue_newest_first(shared: Client) -> None:
    query: dict[str, Any] = {"start_time": days_ago(365), "end_time": days_ago(0), "limit": 50}
    ids: list[str] = []
    while True:
        page = shared.get("/issues", **query).json()
        ids.extend(row["id"] for row in page["data"])
        if not page.get("pagination"):
            break
        query["cursor"] = page["pagination"]["cursor"]
    assert ids == [row["id"] for row in shared.pylon.expected("issues") if row["created_at"] >= query["start_time"]]
    for limit, status in ((0, 200), (20_000, 200), (20_001, 400), (-1, 400)):
        answer = shared.get("/issues", **{**query, "cursor": "", "limit": limit})
        assert answer.status_code == status
        assert status == 400 or [row["id"] for row in answer.json()["data"]] == ids


def test_lists_show_changes_at_once_whatever_searches_know() -> None:
    with Sandbox(size=Size(issues=5), limits=None, search_lag=300) as pylon:
        new = pylon.store.add_issue()
        listed = Client(pylon).get("/issues", start_time=days_ago(1), end_time=days_ago(-1)).json()["data"]
        assert new in [row["id"] for row in listed]


def test_limits_apply_per_endpoint_and_name_the_wait() -> None:
    with Sandbox(size=Size(issues=3), limits="2026-07") as pylon:
        client = Client(pylon)
        answers = [client.post("/issues/search", {"limit": 1}) for _ in range(22)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 2
        assert 1 <= int(answers[-1].headers["X-Retry-After"]) <= 60
        assert answers[-1].json()["code"] == "rate_limited"
        assert client.get("/me").status_code == 200
        assert pylon.refused() == 2
        assert pylon.count(SEARCH, status=429) == 2
        assert pylon.count(SEARCH) == 22


def test_a_scaled_minute_passes_and_the_wait_is_exact() -> None:
    with Sandbox(size=Size(issues=3), limits={"GET /me": 2}, minute=0.4) as pylon:
        client = Client(pylon)
        assert [client.get("/me").status_code for _ in range(3)] == [200, 200, 429]
        time.sleep(float(client.get("/me").headers["X-Retry-After"]) + 0.01)
        assert client.get("/me").status_code == 200


def test_another_client_can_take_part_of_the_rate_limit() -> None:
    with Sandbox(size=Size.empty(), taken=0.5) as pylon:
        client = Client(pylon)
        answers = [client.post("/issues/search", {}) for _ in range(61)]
        assert [answer.status_code for answer in answers].index(429) == 60
        assert "X-Retry-After" in answers[-1].headers


def test_the_two_tables_of_limits_differ_as_published() -> None:
    october = Sandbox(size=Size.empty()).limiter.calls
    july = Sandbox(size=Size.empty(), limits="2026-07").limiter.calls
    for template, then, now in (
        ("GET /issues", 10, 30),
        (SEARCH, 20, 120),
        ("POST /audit-logs/search", 10, 30),
        (MESSAGES, 20, 120),
        ("GET /issues/{id}/threads", 20, 120),
        ("GET /issues/{id}/voice-calls", 20, 120),
        ("GET /knowledge-bases/{id}/articles", 60, 120),
        ("GET /knowledge-bases/{id}/collections", 60, 120),
        ("GET /article-feedback", 60, 120),
        ("POST /milestones/search", 20, 120),
        ("GET /contacts", 60, 300),
        ("GET /audit-logs", 60, 300),
        ("GET /tasks/{id}/comments", 60, 300),
        ("GET /accounts/{id}/activities", 60, 300),
        ("GET /issue-statuses", 10, 30),
        ("GET /task-statuses", 10, 30),
        ("GET /activity-types", 10, 30),
    ):
        assert (july[template], october[template]) == (then, now)
    with pytest.raises(ValueError, match="no table"):
        Sandbox(size=Size.empty(), limits="2020-01")


def test_faults_strike_as_often_and_where_they_should(client: Client) -> None:
    one, other = (row["id"] for row in client.pylon.expected("issues")[:2])
    client.pylon.faults.add(
        Fault(MESSAGES, faults.status(503), times=2, after=1, when=lambda seen: seen.params["id"] == one)
    )
    assert [client.get(f"/issues/{one}/messages").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert client.get(f"/issues/{other}/messages").status_code == 200
    client.pylon.faults.add(Fault("*", faults.html(), times=None))
    assert client.get("/me").headers["Content-Type"].startswith("text/html")
    client.pylon.faults.clear()
    assert client.get("/me").json()["data"]["id"]


def test_faults_change_responses(client: Client) -> None:
    def repeat(answer: dict[str, Any]) -> dict[str, Any]:
        rows = [*answer["data"], answer["data"][0]]
        return {**answer, "data": rows, "pagination": {"cursor": "x", "has_next_page": True}}

    add = client.pylon.faults.add
    add(Fault(SEARCH, faults.transform(repeat)))
    answer = client.post("/issues/search", {"limit": 2}).json()
    assert len(answer["data"]) == 3
    assert answer["pagination"]["cursor"] == "x"
    add(Fault(SEARCH, faults.truncated()))
    with pytest.raises(requests.exceptions.JSONDecodeError):
        client.post("/issues/search", {"limit": 2}).json()
    add(Fault(SEARCH, faults.gzipped()))
    compressed = client.post("/issues/search", {"limit": 2})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.json()["data"]) == 2
    add(Fault(SEARCH, faults.padded(1_000_000)))
    assert len(client.post("/issues/search", {"limit": 2}).content) > 1_000_000
    add(Fault(SEARCH, faults.transform(lambda answer: [1, 2])))
    assert client.post("/issues/search", {"limit": 2}).json() == [1, 2]
    add(Fault("GET /me", faults.redirect("http://elsewhere.invalid/")))
    assert client.get("/me").headers["Location"] == "http://elsewhere.invalid/"
    add(Fault("GET /me", faults.too_many({"Retry-After": "text"})))
    assert client.get("/me").headers["Retry-After"] == "text"
    add(Fault(MESSAGES, faults.status(403, b"", content_type="text/html")))
    assert client.get("/issues/x/messages").content == b""


def test_a_glitched_page_announces_another_and_has_no_data(client: Client) -> None:
    client.pylon.faults.add(Fault(SEARCH, faults.glitched()))
    body = {"limit": 7}
    glitch, page = (client.post("/issues/search", body).json() for _ in range(2))
    assert "data" not in glitch
    assert glitch["pagination"] == page["pagination"]
    assert len(page["data"]) == 7


def test_faults_break_the_transport(client: Client) -> None:
    add, me = client.pylon.faults.add, client.pylon.url + "/me"
    headers = {"Authorization": f"Bearer {client.pylon.token}"}
    add(Fault("GET /me", faults.reset()))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(me, headers=headers, timeout=5)
    add(Fault("GET /me", faults.reset_in_body()))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        requests.get(me, headers=headers, timeout=5)
    add(Fault("GET /me", faults.hang()))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(me, headers=headers, timeout=0.2)
    add(Fault("GET /me", faults.delay(0.2)))
    add(Fault("GET /me", faults.slow(1000)))
    began = time.monotonic()
    assert requests.get(me, headers=headers, timeout=5).json()["data"]
    assert time.monotonic() - began > 0.2
    assert requests.get(me, headers=headers, timeout=5).json()["data"]
    assert requests.get(me, headers=headers, timeout=5).status_code == 200
    assert client.pylon.count("GET /me", status=200) == 4


def test_the_log_shows_what_was_requested(client: Client) -> None:
    issue = client.pylon.expected("issues")[0]["id"]
    client.get(f"/issues/{issue}/messages", limit=5)
    client.post("/issues/search", {"limit": 1})
    first, second = client.pylon.log
    assert (first.template, first.params, first.query, first.status) == (
        MESSAGES,
        {"id": issue},
        {"limit": "5"},
        200,
    )
    assert (second.method, second.body, second.token_ok) == ("POST", {"limit": 1}, True)
    assert second.monotonic > first.monotonic


def test_the_date_header_shows_the_sandboxs_clock(client: Client) -> None:
    client.pylon.clock.advance(timedelta(days=2))
    date = parsedate_to_datetime(client.get("/me").headers["Date"])
    assert abs(date - datetime.now(timezone.utc) - timedelta(days=2)) < timedelta(seconds=5)
    with pytest.raises(ValueError, match="forward"):
        client.pylon.clock.advance(timedelta(seconds=-1))


def test_the_date_header_of_a_late_response_is_the_time_of_sending(client: Client) -> None:
    client.pylon.faults.add(Fault("GET /me", faults.delay(2.0)))
    requested = datetime.now(timezone.utc)
    date = parsedate_to_datetime(client.get("/me").headers["Date"])
    assert date - requested > timedelta(seconds=0.9)


def test_the_requested_number_of_issues_have_their_latest_message_in_one_second() -> None:
    pylon = Sandbox(size=Size(issues=60, same_second=30), limits=None)
    counts: dict[str, int] = {}
    for row in pylon.expected("issues"):
        last = row.get("latest_message_time")
        counts[last] = counts.get(last, 0) + 1 if last else 0
    assert max(counts.values()) >= 30


def test_files_of_a_deleted_message_disappear_from_the_attachments(client: Client) -> None:
    issue = client.pylon.store.add_issue()
    client.pylon.store.add_message(issue, private=True, files=2)
    assert len(client.get(f"/issues/{issue}").json()["data"]["attachment_urls"]) == 2
    client.pylon.store.delete_message(issue, redact=True)
    assert client.get(f"/issues/{issue}").json()["data"]["attachment_urls"] == []
    assert client.get(f"/issues/{issue}/messages").json()["data"][0]["message_html"] == ""


def test_objects_of_every_kind_can_be_added_changed_and_deleted(client: Client) -> None:
    store, added = client.pylon.store, client.pylon.clock.now() - timedelta(days=1)
    for kind in KINDS.values():
        identity = store.add_issue(at=added) if kind == "issues" else store.add(kind, at=added)
        record = store.get(kind, identity).record()
        models()[kind].model_validate(record)
        if kind != "issues":
            store.update(kind, identity)
            moved = store.get(kind, identity).record().get("updated_at") != record.get("updated_at")
            assert moved is ("updated_at" in record), kind
        store.delete(kind, identity)
        assert identity not in store.collection(kind).live.versions


def test_changes_from_one_thread_and_reads_from_others_do_not_disturb_each_other(client: Client) -> None:
    failures: list[Any] = []

    def read() -> None:
        own = Client(client.pylon)
        for _ in range(15):
            rows = own.search(limit=20)
            if len({row["id"] for row in rows}) != len(rows):
                failures.append(rows)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seed in range(20):
        client.pylon.evolve(seed, 5)
    for reader in readers:
        reader.join()
    assert not failures
    assert without_signatures(client.search()) == without_signatures(client.pylon.expected("issues"))


def test_evolved_records_agree_with_their_messages(client: Client) -> None:
    client.pylon.evolve(1, 300)
    for row in client.pylon.expected("issues"):
        stamps = [message["timestamp"] for message in client.pylon.messages(row["id"])]
        assert row.get("latest_message_time") == max(stamps, default=None)


def test_the_command_serves_data_that_can_be_changed_over_http() -> None:
    command = [sys.executable, "-m", "integration_tests.sandbox", "--issues", "20", "--limits", "2026-07"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        _use(process)


def _use(process: subprocess.Popen[str]) -> None:
    try:
        assert process.stdout is not None
        info = json.loads(process.stdout.readline())
        url, headers = info["url"], {"Authorization": f"Bearer {info['token']}"}
        statuses = [requests.get(f"{url}/issue-statuses", headers=headers, timeout=5).status_code for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        changes = requests.post(f"{url}/_sandbox/evolve", json={"seed": 1, "n": 3}, timeout=5).json()
        assert len(changes) == 3
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_times_are_read_and_shown_as_in_the_api() -> None:
    moment = int(parse("2025-08-26T16:11:58.871Z"))
    assert (shown(moment), precise(moment)) == ("2025-08-26T16:11:58Z", "2025-08-26T16:11:58.871Z")
    assert parse("2024-02-29T01:00:00+01:00") == parse("2024-02-29T00:00:00z")

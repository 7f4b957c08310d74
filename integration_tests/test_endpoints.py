"""What the connector asks of Pylon, compared with what the official SDK declares.

When the SDK's version is raised, what fails here says which path, parameter, filter, limit or code Pylon has changed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from pydantic.fields import FieldInfo
from usepylon.types import ErrorApiResponseBody

from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.faults import Fault, Seen, status
from integration_tests.sandbox.operations import Limit, read_operations
from integration_tests.support.all_streams import NAMES, definition_of, sync
from integration_tests.support.connector import check, stream_state
from integration_tests.support.expected import ago
from source_pylon.api import errors
from source_pylon.api.endpoints import ME, MESSAGES, Endpoint, Paging, calls_per_minute
from source_pylon.streams import STREAMS
from source_pylon.timestamps import render

OPERATIONS = read_operations()
"""The read operations that the SDK declares, by method and path template."""
ENDPOINTS = {
    endpoint.key: endpoint
    for endpoint in (ME, MESSAGES, *(endpoint for definition in STREAMS for endpoint in definition.endpoints))
}
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


def limit_of(key: str) -> Limit:
    """The bounds of an operation's `limit`."""
    found = OPERATIONS[key].limit
    assert found is not None
    return found


def arguments_of(key: str, method: str) -> dict[str, FieldInfo]:
    """The arguments that an operation takes in its query (GET) or its body (POST); none if it has the other method."""
    operation = OPERATIONS[key]
    return operation.arguments.model_fields if operation.method == method else {}


def leaves(node: dict[str, Any], depth: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """The leaves of a filter, each with its depth."""
    if "subfilters" in node:
        for inner in node["subfilters"]:
            yield from leaves(inner, depth + 1)
    else:
        yield depth, node


def filters_of(requests_made: list[Seen]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The leaves of all filters that were sent, with the operation and the depth of each."""
    for seen in requests_made:
        if sent := (seen.body or {}).get("filter"):
            for depth, leaf in leaves(sent):
                yield seen.template, depth, leaf


@pytest.fixture(scope="module")
def requests_made() -> list[Seen]:
    """The requests of check and of four syncs of every stream.

    The first reads everything; one continues from states of three months ago; one from the state of an hour ago; one
    has a start date and a lookback.
    """
    with Sandbox(size=Size(issues=60, accounts=1_100), limits=None, base_time=ago(days=2)) as pylon:
        state = sync(pylon).state
        cursors = [
            stream_state(name, {str(definition_of(name).cursor_field): render(ago(days=90))})
            for name in NAMES
            if definition_of(name).cursor_field and not name.startswith(("issue", "conversations", "tickets"))
        ]
        issue_state = {
            "changes_read_until": render(ago(days=90)),
            "history_read_back_to": render(ago(days=90)),
            "unread_issues": [pylon.expected("issues")[0]["id"]],
        }
        cursors += [
            stream_state(name, issue_state) for name in ("issues", "conversations", "tickets", "issue_messages")
        ]
        sync(pylon, state=cursors, start_date=render(ago(days=300)))
        pylon.evolve(3, 20, deletions=False)
        pylon.clock.advance(timedelta(hours=1))
        # Whether an issue whose messages are refused was deleted is asked at the issue itself.
        pylon.faults.add(Fault("GET /issues/{id}/messages", status(404), times=1))
        sync(pylon, state=state)
        sync(pylon, start_date=render(ago(days=60)), issues_lookback_days=3)
        check(pylon)
        return list(pylon.log)


@every_endpoint
def test_the_sdk_declares_the_endpoint(endpoint: Endpoint) -> None:
    assert endpoint.key in OPERATIONS


@every_endpoint
def test_the_endpoint_is_paged_exactly_where_the_sdk_says(endpoint: Endpoint) -> None:
    declared = OPERATIONS[endpoint.key]
    if endpoint.key == "POST /feature-requests/search":
        # It has a limit and no cursor; the stream warns where the limit is reached.
        assert not declared.paginated
        assert declared.limit
        assert endpoint.paging is Paging.BODY
    else:
        paging = {"GET": Paging.QUERY, "POST": Paging.BODY}[declared.method]
        assert endpoint.paging is (paging if declared.paginated else Paging.NONE)


@every_endpoint
def test_pages_are_as_large_as_the_sdk_allows_or_one_less(endpoint: Endpoint) -> None:
    if endpoint.paging is not Paging.NONE:
        highest = limit_of(endpoint.key).highest
        assert highest - 1 <= endpoint.page_size <= highest


def test_every_endpoint_of_the_table_is_called_and_no_other(requests_made: list[Seen]) -> None:
    assert {seen.template for seen in requests_made} == set(ENDPOINTS)


def test_every_query_parameter_that_is_sent_is_declared(requests_made: list[Seen]) -> None:
    sent = {(seen.template, name) for seen in requests_made for name in seen.query}
    assert {(key, name) for key, name in sent if name not in arguments_of(key, "GET")} == set()
    assert ("GET /accounts", "cursor") in sent
    assert ("GET /custom-fields", "object_type") in sent
    assert ("GET /surveys/{id}/responses", "submitted_after") in sent


def test_every_key_of_a_body_that_is_sent_is_declared(requests_made: list[Seen]) -> None:
    sent = {(seen.template, name) for seen in requests_made for name in seen.body or ()}
    assert {(key, name) for key, name in sent if name not in arguments_of(key, "POST")} == set()
    assert ("POST /tasks/search", "filter") in sent


def test_every_field_and_operator_of_a_filter_that_is_sent_is_declared(requests_made: list[Seen]) -> None:
    sent = {(key, leaf["field"], leaf["operator"]) for key, _, leaf in filters_of(requests_made)}
    for key, field, operator in sent:
        assert operator in OPERATIONS[key].filterable[field], (key, field)
    assert {key for key, _, _ in sent} == {
        f"POST /{name}/search"
        for name in ("issues", "call-recordings", "tasks", "projects", "milestones", "audit-logs")
    }


def test_filters_are_nested_at_most_three_deep(requests_made: list[Seen]) -> None:
    assert 1 < max(depth for _, depth, _ in filters_of(requests_made)) <= 3


def test_every_limit_that_is_sent_is_within_bounds(requests_made: list[Seen]) -> None:
    limits = {(seen.template, int((seen.body or seen.query).get("limit", 1))) for seen in requests_made}
    for key, limit in limits:
        if ENDPOINTS[key].paging is not Paging.NONE:
            assert 0 < limit <= limit_of(key).highest, key


def test_every_required_parameter_is_sent(requests_made: list[Seen]) -> None:
    for seen in requests_made:
        arguments = arguments_of(seen.template, "GET")
        required = {name for name, argument in arguments.items() if argument.is_required()}
        assert required <= seen.query.keys(), seen.template


@every_endpoint
def test_the_rate_limit_of_the_endpoint_is_the_declared_one(endpoint: Endpoint) -> None:
    assert calls_per_minute(endpoint) == OPERATIONS[endpoint.key].calls


def test_the_whole_table_of_rate_limits_is_the_declared_one() -> None:
    assert len(OPERATIONS) > 60
    expected = {key: operation.calls for key, operation in OPERATIONS.items()}
    assert {key: calls_per_minute(Endpoint(one.method, one.path)) for key, one in OPERATIONS.items()} == expected


OTHER_CODES = {
    "invalid_authorization_header": "401: the text of the status fits",
    "invalid_api_token": "401: the text of the status fits",
    "invalid_oauth_token": "401: the text of the status fits",
    "permission_denied": "403: the text of the status fits",
    "not_found": "404: the text of the status fits",
    "method_not_allowed": "405: the text of the status fits",
    "payload_too_large": "413: the text of the status fits",
    "invalid_request_body": "400: the text of the status fits",
    "internal_error": "500: retried like any other",
    "recipients_suppressed": "only answers to writes have it",
    "email_bounced": "only answers to writes have it",
    "internal_issue_reply_not_allowed": "only answers to writes have it",
    "duplicate_object": "only answers to writes have it",
    "invalid_webhook_credentials": "only answers to webhooks have it",
}
"""Codes of the SDK for which the error table has no text of its own, each with the reason."""


def test_every_error_code_has_a_text_or_a_reason_why_not() -> None:
    declared = inspect.getsource(ErrorApiResponseBody).partition("Known values:")[2].partition('"""')[0]
    assert errors.BY_CODE.keys() | OTHER_CODES.keys() == set(re.findall(r"`(\w+)`", declared))
    assert not errors.BY_CODE.keys() & OTHER_CODES.keys()


# The sandbox.


def test_the_sandbox_refuses_an_endpoint_and_a_limit_that_the_sdk_does_not_declare(pylon: Sandbox) -> None:
    def status_of(path: str) -> int:
        headers = {"Authorization": f"Bearer {pylon.token}"}
        return requests.get(pylon.url + path, headers=headers, timeout=10).status_code

    assert status_of("/accounts?limit=999") == 200
    assert status_of("/accounts?limit=1000") == 400
    assert status_of("/milestones") == 404
    assert status_of("/custom-objects/companies?limit=101") == 400

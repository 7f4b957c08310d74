"""What the connector sends is what Pylon's official SDK declares: endpoints, parameters, filters, limits, error codes.

What it sends is recorded while it reads every stream from the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.faults import Fault, Seen, status
from integration_tests.support.all_streams import sync
from integration_tests.support.connector import check
from integration_tests.support.expected import ago
from source_pylon.api import errors
from source_pylon.api.endpoints import ME, MESSAGES, Endpoint, Paging, calls_per_minute
from source_pylon.streams import STREAMS
from unit_tests import sdk_operations as sdk

NOT_DECLARED = {
    "POST /feature-requests/search: cursor": "sent only if an answer says in `pagination` that there is more, which "
    "the SDK does not declare either; the stream ends with an error if Pylon then ignores it",
}
"""Each parameter that the connector may send and the SDK does not declare, with the reason."""

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


def used() -> list[Endpoint]:
    """Every endpoint that the connector knows, once."""
    endpoints = {endpoint.key: endpoint for stream in STREAMS for endpoint in stream.endpoints}
    return list({**endpoints, ME.key: ME, MESSAGES.key: MESSAGES}.values())


ENDPOINTS = pytest.mark.parametrize("endpoint", used(), ids=lambda endpoint: endpoint.key)


@cache
def recorded() -> list[Seen]:
    """The requests of a first sync of all streams, a later one, and one with a start date."""
    size = Size(issues=60, accounts=1_100)
    with Sandbox(size=size, limits=None, base_time=ago(days=2)) as pylon:
        state = sync(pylon).state
        pylon.evolve(3, 20, deletions=False)
        pylon.clock.advance(timedelta(hours=1))
        # Whether an issue whose messages are refused was deleted is asked at the issue itself.
        pylon.faults.add(Fault("GET /issues/{id}/messages", status(404), times=1))
        sync(pylon, state=state)
        sync(pylon, start_date=ago(days=60).strftime("%Y-%m-%dT00:00:00Z"), issues_lookback_days=3)
        check(pylon)
        return list(pylon.log)


def _conditions(filter_: dict[str, Any], depth: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, filter_
    for one in filter_.get("subfilters") or ():
        yield from _conditions(one, depth + 1)


def _differences_of(seen: Seen) -> Iterator[str]:
    key = sdk.nameless(seen.template)
    declared = sdk.operations().get(key)
    if declared is None:
        yield f"{key}: the operation"
        return
    yield from (f"{key}: query parameter {name}" for name in seen.query.keys() - declared.query)
    body = seen.body or {}
    yield from (f"{key}: body key {name}" for name in body.keys() - declared.body)
    for depth, condition in _conditions(body["filter"]) if "filter" in body else ():
        operator, field = condition["operator"], condition.get("field")
        if depth > 3:
            yield f"{key}: filters nested {depth} deep"
        if operator in ("and", "or"):
            continue
        if field not in declared.filters:
            yield f"{key}: filter field {field}"
        elif operator not in declared.filters[field]:
            yield f"{key}: operator {operator} of {field}"


def test_every_request_has_only_what_the_sdk_declares() -> None:
    found = {difference for seen in recorded() for difference in _differences_of(seen)}
    assert found == set()


def test_every_endpoint_that_is_read_page_by_page_takes_a_cursor() -> None:
    without = set()
    for endpoint in used():
        declared = sdk.operations()[sdk.nameless(endpoint.key)]
        takes = {Paging.BODY: declared.body, Paging.QUERY: declared.query, Paging.NONE: {"cursor", "limit"}}
        without |= {f"{endpoint.key}: {name}" for name in {"cursor", "limit"} - takes[endpoint.paging]}
    assert without == NOT_DECLARED.keys()


def test_the_recorded_requests_are_those_of_all_streams() -> None:
    templates = {sdk.nameless(seen.template) for seen in recorded()}
    unused = {sdk.nameless(endpoint.key) for endpoint in used()} - templates
    assert unused == set()
    assert any("cursor" in seen.query for seen in recorded())
    assert any("filter" in (seen.body or {}) for seen in recorded())


@ENDPOINTS
def test_every_endpoint_exists(endpoint: Endpoint) -> None:
    assert sdk.nameless(endpoint.key) in sdk.operations()


@ENDPOINTS
def test_every_rate_limit_is_the_declared_one(endpoint: Endpoint) -> None:
    assert calls_per_minute(endpoint) == sdk.operations()[sdk.nameless(endpoint.key)].calls_per_minute


@ENDPOINTS
def test_no_page_is_larger_than_allowed(endpoint: Endpoint) -> None:
    allowed = sdk.operations()[sdk.nameless(endpoint.key)].max_limit
    assert allowed is None or endpoint.page_size <= allowed


def test_the_whole_table_of_rate_limits_is_the_declared_one() -> None:
    reads = [
        operation
        for operation in sdk.operations().values()
        if operation.method == "GET" or operation.path.endswith("/search")
    ]
    assert len(reads) > 60
    wrong = {
        f"{read.method} {read.path}": read.calls_per_minute
        for read in reads
        if calls_per_minute(Endpoint(read.method, read.path)) != read.calls_per_minute
    }
    assert wrong == {}


def test_every_error_code_has_a_text_or_a_reason_why_not() -> None:
    assert errors.BY_CODE.keys() | OTHER_CODES.keys() == sdk.error_codes()
    assert not errors.BY_CODE.keys() & OTHER_CODES.keys()

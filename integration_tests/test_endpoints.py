"""What the connector asks of Pylon, and what the sandbox serves, compared with Pylon's OpenAPI document.

The document is read here as it is published. It has two known errors: it puts the paging of the list of contacts on the
single contact, and it leaves out that users can be asked for with those that are deactivated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integration_tests.harness import ago, stream_state
from integration_tests.registry import NAMES, definition_of, sync
from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.document import PATH, read_document
from integration_tests.sandbox.faults import Seen
from source_pylon.api.endpoints import ME, MESSAGES, Endpoint, Paging
from source_pylon.streams import STREAMS
from source_pylon.timestamps import render

RAW: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
CORRECTED = {"GET /contacts": {"cursor", "limit"}, "GET /users": {"include_deactivated"}}
"""Query parameters that exist though the document does not have them there."""

ENDPOINTS = {
    endpoint.key: endpoint
    for endpoint in (ME, MESSAGES, *(endpoint for definition in STREAMS for endpoint in definition.endpoints))
}
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


def operation(key: str) -> dict[str, Any]:
    """An operation of the document; KeyError when it has none."""
    method, path = key.split(" ")
    found: dict[str, Any] = RAW["paths"][path][method.lower()]
    return found


def query_parameters(key: str) -> set[str]:
    """The query parameters of an operation."""
    return {one["name"] for one in operation(key).get("parameters", ()) if one["in"] == "query"} | CORRECTED.get(
        key, set()
    )


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, or the one that it refers to."""
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    found: dict[str, Any] = RAW["components"]["schemas"][name] if name else schema
    return found


def body_properties(key: str) -> dict[str, Any]:
    """The properties of an operation's request body; none where it takes no body."""
    body = operation(key).get("requestBody")
    properties = resolved(body["content"]["application/json"]["schema"])["properties"] if body else {}
    return dict(properties)


def limit_description(endpoint: Endpoint) -> str:
    """What the document says of an endpoint's `limit`."""
    if endpoint.paging is Paging.BODY:
        return str(body_properties(endpoint.key)["limit"]["description"])
    key = "GET /contacts/{id}" if endpoint.key == "GET /contacts" else endpoint.key
    return next(str(one["description"]) for one in operation(key)["parameters"] if one["name"] == "limit")


def largest_limit(description: str) -> int:
    """The largest `limit` that a description allows."""
    number = int(re.findall(r"\d+", description)[-1])
    return number - 1 if "less than " in description and "or equal" not in description else number


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The leaves of a filter."""
    if "subfilters" in node:
        for inner in node["subfilters"]:
            yield from leaves(inner)
    else:
        yield node


def filterable(key: str) -> dict[str, str]:
    """The fields that an operation's description says can be filtered on, with the text on their operators."""
    return dict(re.findall(r"^\* (\w+).*?Allowed operators: (.*)$", operation(key)["description"], re.MULTILINE))


@pytest.fixture(scope="module")
def requests_made() -> list[Seen]:
    """All requests of a first and of a later sync of every stream, the later one over several months."""
    with Sandbox(size=Size(issues=60), limits=None, base_time=ago(hours=1)) as pylon:
        sync(pylon)
        marks = [
            stream_state(name, {str(definition_of(name).cursor_field): render(ago(days=90))})
            for name in NAMES
            if definition_of(name).cursor_field and not name.startswith(("issue", "conversations", "tickets"))
        ]
        issue_marks = {"latest_message_time": render(ago(days=90)), "updated_at": render(ago(days=90))}
        marks += [stream_state(name, issue_marks) for name in ("issues", "conversations", "tickets", "issue_messages")]
        sync(pylon, state=marks, start_date=render(ago(days=300)))
        return list(pylon.log)


@every_endpoint
def test_the_endpoint_is_in_the_document(endpoint: Endpoint) -> None:
    assert operation(endpoint.key)


@every_endpoint
def test_the_endpoint_is_paged_exactly_where_the_document_says(endpoint: Endpoint) -> None:
    in_query = "cursor" in query_parameters(endpoint.key)
    in_body = "cursor" in body_properties(endpoint.key)
    if endpoint.key == "POST /feature-requests/search":
        # It has a limit and no cursor; the stream warns where the limit is reached.
        assert not in_body
        assert "limit" in body_properties(endpoint.key)
        assert endpoint.paging is Paging.BODY
    else:
        assert (endpoint.paging is Paging.QUERY, endpoint.paging is Paging.BODY) == (in_query, in_body)


@every_endpoint
def test_pages_are_as_large_as_the_document_allows_or_one_less(endpoint: Endpoint) -> None:
    if endpoint.paging is not Paging.NONE:
        largest = largest_limit(limit_description(endpoint))
        assert largest - 1 <= endpoint.page_size <= largest


def test_contacts_are_the_only_list_whose_paging_the_document_puts_elsewhere() -> None:
    misplaced = {one["name"] for one in operation("GET /contacts/{id}")["parameters"] if one["in"] == "query"}
    assert misplaced == CORRECTED["GET /contacts"]
    assert not operation("GET /contacts").get("parameters")


def test_every_endpoint_of_the_table_is_called_and_no_other(requests_made: list[Seen]) -> None:
    assert {seen.template for seen in requests_made} == set(ENDPOINTS) - {ME.key}


def test_every_query_parameter_that_is_sent_is_in_the_document(requests_made: list[Seen]) -> None:
    sent = {(seen.template, name) for seen in requests_made for name in seen.query}
    assert {(key, name) for key, name in sent if name not in query_parameters(key)} == set()
    assert ("GET /custom-fields", "object_type") in sent
    assert ("GET /surveys/{id}/responses", "submitted_after") in sent


def test_every_key_of_a_body_that_is_sent_is_in_the_document(requests_made: list[Seen]) -> None:
    sent = {(seen.template, name) for seen in requests_made for name in seen.body or ()}
    assert {(key, name) for key, name in sent if name not in body_properties(key)} == set()
    assert ("POST /tasks/search", "filter") in sent


def test_every_field_and_operator_of_a_filter_that_is_sent_is_in_the_document(requests_made: list[Seen]) -> None:
    sent = {
        (seen.template, leaf["field"], leaf["operator"])
        for seen in requests_made
        if (seen.body or {}).get("filter")
        for leaf in leaves((seen.body or {})["filter"])
    }
    assert {
        (key, field, operator) for key, field, operator in sent if f"`{operator}`" not in filterable(key).get(field, "")
    } == set()
    assert {key for key, _, _ in sent} == {
        f"POST /{name}/search" for name in ("issues", "call-recordings", "tasks", "projects", "audit-logs")
    }


def test_every_limit_that_is_sent_is_within_the_document_s(requests_made: list[Seen]) -> None:
    limits = {(seen.template, int((seen.body or seen.query).get("limit", 1))) for seen in requests_made}
    for key, limit in limits:
        if ENDPOINTS[key].paging is not Paging.NONE:
            assert 0 < limit <= largest_limit(limit_description(ENDPOINTS[key])), key


def test_what_needs_a_required_parameter_gets_it(requests_made: list[Seen]) -> None:
    for seen in requests_made:
        parameters = operation(seen.template).get("parameters", ())
        required = {one["name"] for one in parameters if one["in"] == "query" and one.get("required")}
        assert required <= seen.query.keys(), seen.template


# The sandbox.


def test_the_sandbox_serves_the_document_s_operations_and_no_other() -> None:
    document = {f"{method.upper()} {path}" for path, methods in RAW["paths"].items() for method in methods}
    assert set(read_document().operations) == document


def test_the_sandbox_takes_the_document_s_parameters_and_no_other() -> None:
    for key, served in read_document().operations.items():
        wanted = query_parameters(key) - (CORRECTED["GET /contacts"] if key == "GET /contacts/{id}" else set())
        assert set(served.query) == wanted, key
        assert set(served.body or ()) == set(body_properties(key)), key
        assert {name: "`" + "`, `".join(sorted(one.operators)) + "`" for name, one in served.filterable.items()} == {
            name: "`" + "`, `".join(sorted(re.findall(r"`(\w+)`", text))) + "`"
            for name, text in filterable(key).items()
        }, key


def test_the_sandbox_refuses_an_endpoint_and_a_limit_that_the_document_does_not_have(pylon: Sandbox) -> None:
    def status_of(path: str) -> int:
        headers = {"Authorization": f"Bearer {pylon.token}"}
        return requests.get(pylon.url + path, headers=headers, timeout=10).status_code

    assert status_of("/accounts?limit=999") == 200
    assert status_of("/accounts?limit=1000") == 400
    assert status_of("/milestones") == 404
    assert status_of("/custom-objects/companies?limit=101") == 400

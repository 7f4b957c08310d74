"""`check`, and a read with less permission, say what is wrong and what to do about it."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import html, redirect, reset, status
from integration_tests.support.connector import FAST, ISSUE_STREAMS, STREAMS, check, read
from integration_tests.support.expected import expected
from integration_tests.support.faults import MESSAGES, SEARCH

ENDPOINTS = {
    "call_recordings": "POST /call-recordings/search",
    "survey_responses": "GET /surveys",
    "contacts": "GET /contacts",
    "accounts": "GET /accounts",
}
SUGGESTED = {**ENDPOINTS, "article_feedback": "GET /article-feedback"}
"""Endpoints of the streams besides issues that `check` tries."""
QUICK = replace(FAST, retry_attempts=2, connect_timeout=2.0, read_timeout=2.0)


def test_a_valid_token_succeeds_without_a_message(pylon: Sandbox) -> None:
    output = check(pylon)
    assert output.code == 0
    assert output.connection_status == {"status": "SUCCEEDED"}
    assert not pylon.unknown_keys


def test_a_check_makes_few_requests(pylon: Sandbox) -> None:
    check(pylon)
    assert len(pylon.log) <= 20


def test_a_check_of_an_empty_organisation_succeeds(empty_pylon: Sandbox) -> None:
    assert check(empty_pylon).connection_status["status"] == "SUCCEEDED"


def test_an_invalid_token_fails_and_says_where_to_get_one(pylon: Sandbox) -> None:
    output = check(pylon, api_token="wrong-token")
    assert output.code == 0
    assert output.connection_status["status"] == "FAILED"
    assert "Settings, API Tokens" in output.connection_status["message"]
    assert "wrong-token" not in output.text


@pytest.mark.parametrize(("home", "chosen", "said"), [("us", "us", "EU (eu)"), ("eu", "eu", "US (us)")])
def test_a_token_of_the_other_region_fails_and_names_the_region_to_choose(home: str, chosen: str, said: str) -> None:
    with Sandbox(size=Size.empty(), limits=None, region=home) as sandbox:
        status = check(sandbox, api_token=sandbox.other_region_token, region=chosen).connection_status
    assert status["status"] == "FAILED"
    assert f"Set Region to {said}" in status["message"]


def test_a_host_that_does_not_respond_fails_and_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    output = check(None, QUICK, api_token="token", api_url=url)
    assert output.connection_status["status"] == "FAILED"
    assert url in output.connection_status["message"]
    assert "network" in output.connection_status["message"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (reset(), "No connection"),
        (status(503), "503"),
        (html(), "HTML"),
        (redirect("https://elsewhere.invalid/"), "redirect"),
    ],
    ids=["reset", "unavailable", "a web page", "a redirect"],
)
def test_an_api_that_responds_in_another_format_fails_and_says_how(action: Any, said: str, pylon: Sandbox) -> None:
    pylon.faults.add(Fault("*", action, times=None))
    output = check(pylon, QUICK)
    assert output.code == 0
    assert output.connection_status["status"] == "FAILED"
    assert said in output.connection_status["message"]


@pytest.mark.parametrize("stream", SUGGESTED)
def test_a_permission_missing_on_one_stream_succeeds_with_a_warning_that_names_it(stream: str, pylon: Sandbox) -> None:
    pylon.forbid(SUGGESTED[stream])
    output = check(pylon)
    assert output.connection_status["status"] == "SUCCEEDED"
    message = output.connection_status["message"]
    assert f"cannot read these streams: {stream}." in message
    assert SUGGESTED[stream] in message
    assert message in output.warnings


def test_a_permission_missing_on_messages_names_the_issue_streams(pylon: Sandbox) -> None:
    pylon.forbid(MESSAGES)
    message = check(pylon).connection_status["message"]
    assert all(stream in message for stream in ISSUE_STREAMS)
    assert MESSAGES in message


def test_excluded_messages_need_no_permission(pylon: Sandbox) -> None:
    pylon.forbid(MESSAGES)
    assert check(pylon, include_messages=False).connection_status == {"status": "SUCCEEDED"}


def test_permissions_missing_on_all_streams_fail(pylon: Sandbox) -> None:
    for template in (SEARCH, *SUGGESTED.values()):
        pylon.forbid(template)
    output = check(pylon)
    assert output.connection_status["status"] == "FAILED"
    assert "none of the streams" in output.connection_status["message"]


@pytest.mark.parametrize("template", [*ENDPOINTS.values(), "GET /surveys/{id}/responses"])
def test_in_a_read_the_stream_without_permission_fails_alone_and_names_it(template: str, pylon: Sandbox) -> None:
    refused = next((name for name, used in ENDPOINTS.items() if used == template), "survey_responses")
    pylon.forbid(template)
    output = read(pylon, succeeds=False)
    assert output.code == 1
    for stream in STREAMS:
        if stream == refused:
            assert output.statuses(stream)[-1] == "INCOMPLETE"
        else:
            assert output.statuses(stream) == ["STARTED", "RUNNING", "COMPLETE"]
            assert set(output.ids(stream)) == expected(pylon, stream).keys()
    errors = [item for item in output.errors if (item.get("stream_descriptor") or {}).get("name") == refused]
    (said,) = {(error["failure_type"], error["message"]) for error in errors}
    assert said[0] == "config_error"
    assert f"Stream {refused}" in said[1]
    assert template in said[1]


def test_without_permission_for_messages_the_issue_streams_fail_and_the_others_complete(pylon: Sandbox) -> None:
    pylon.forbid(MESSAGES)
    output = read(pylon, succeeds=False)
    assert output.code == 1
    for stream in STREAMS:
        assert output.statuses(stream)[-1] == ("INCOMPLETE" if stream in ISSUE_STREAMS else "COMPLETE")
    for stream in ISSUE_STREAMS:
        errors = [item for item in output.errors if (item.get("stream_descriptor") or {}).get("name") == stream]
        (said,) = {(error["failure_type"], error["message"]) for error in errors}
        assert said[0] == "config_error"
        assert MESSAGES in said[1]


def test_a_failed_stream_is_completed_by_the_next_sync(pylon: Sandbox) -> None:
    pylon.forbid(MESSAGES)
    first = read(pylon, succeeds=False)
    pylon.allow(MESSAGES)
    second = read(pylon, state=first.state)
    for stream in ISSUE_STREAMS:
        assert {*first.ids(stream), *second.ids(stream)} == expected(pylon, stream).keys()


def test_a_token_revoked_during_a_read_is_a_config_error(pylon: Sandbox) -> None:
    pylon.faults.add(
        Fault(MESSAGES, status(401, {"errors": ["no"], "code": "invalid_api_token"}), times=None, after=20)
    )
    output = read(pylon, ISSUE_STREAMS, succeeds=False)
    assert output.code == 1
    assert {output.statuses(stream)[-1] for stream in ISSUE_STREAMS} == {"INCOMPLETE"}
    # It concerns every stream, so it is reported once, for the sync.
    (error,) = output.errors
    assert error["failure_type"] == "config_error"
    assert "does not accept the API token" in error["message"]


def test_an_endpoint_that_keeps_failing_fails_only_its_stream_as_a_transient_error(pylon: Sandbox) -> None:
    pylon.faults.add(Fault("GET /accounts", status(500), times=None))
    output = read(pylon, succeeds=False, timing=QUICK)
    assert output.code == 1
    assert output.statuses("accounts")[-1] == "INCOMPLETE"
    (error,) = [item for item in output.errors if (item.get("stream_descriptor") or {}).get("name") == "accounts"]
    assert error["failure_type"] == "transient_error"
    assert output.statuses("contacts")[-1] == "COMPLETE"


def test_a_stream_that_does_not_exist_fails_and_the_others_are_read(pylon: Sandbox) -> None:
    output = read(pylon, ["contacts", "no_such_stream"], succeeds=False)
    assert output.code == 1
    assert output.statuses("contacts")[-1] == "COMPLETE"
    assert output.statuses("no_such_stream") == ["INCOMPLETE"]
    assert any("no_such_stream" in error["message"] for error in output.errors)


def test_for_a_mistyped_stream_the_closest_name_is_suggested(pylon: Sandbox) -> None:
    output = read(pylon, ["contact"], succeeds=False)
    assert any("Did you mean contacts?" in error["message"] for error in output.errors)

"""Answers are judged at the border: what to do, whom to blame, and whether a body is what it must be."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from source_pylon.api import errors, responses
from source_pylon.api.endpoints import get_paginated
from source_pylon.api.responses import Action, action_for, envelope, failure, items, next_cursor, rate_limit_wait

ENDPOINT = get_paginated("/accounts")
NOW = datetime(2026, 10, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("status", "action"),
    [(200, Action.USE), (204, Action.USE), (429, Action.WAIT), (500, Action.RETRY), (502, Action.RETRY),
     (503, Action.RETRY), (504, Action.RETRY), (520, Action.RETRY), (408, Action.RETRY), (425, Action.RETRY),
     (301, Action.FAIL), (400, Action.FAIL), (401, Action.FAIL), (402, Action.FAIL), (403, Action.FAIL),
     (404, Action.FAIL), (409, Action.FAIL), (422, Action.FAIL)],
)  # fmt: skip
def test_each_status_is_used_tried_again_waited_for_or_given_up(status: int, action: Action) -> None:
    assert action_for(status) is action


@pytest.mark.parametrize(
    ("status", "kind", "is_config_error"),
    [(401, errors.Unauthorized, True), (403, errors.Forbidden, True), (404, errors.NotFound, False),
     (410, errors.NotFound, False), (400, errors.Rejected, False), (422, errors.Rejected, False),
     (302, errors.Redirected, True), (503, errors.Unavailable, False)],
)  # fmt: skip
def test_each_failure_is_blamed_on_who_can_act(status: int, kind: type, is_config_error: bool) -> None:
    error = failure(ENDPOINT, status, b"", "us")
    assert type(error) is kind
    assert error.is_config_error is is_config_error


@pytest.mark.parametrize(("region", "other"), [("us", "EU (eu)"), ("eu", "US (us)")])
def test_a_token_of_the_other_region_is_told_which_region_to_choose(region: str, other: str) -> None:
    error = failure(ENDPOINT, 401, b'{"errors": ["x"], "code": "wrong_region_token"}', region)
    assert f"Set Region to {other}" in error.user_message


def test_an_error_carries_pylons_request_id_and_code_but_not_its_text() -> None:
    body = json.dumps({"errors": ["customer ACME said no"], "code": "not_found", "request_id": "abc-123"}).encode()
    error = failure(ENDPOINT, 404, body, "us")
    assert "abc-123" in error.detail
    assert "not_found" in error.detail
    assert "ACME" not in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"code": ["x"], "request_id": {"a": 1}}', b'{"code": "a b c"}']
)
def test_an_error_body_of_any_shape_does_no_harm(body: bytes) -> None:
    assert failure(ENDPOINT, 500, body, "us").detail == "GET /accounts, status 500"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"X-Retry-After": "7"}, 7), ({"Retry-After": "0.5"}, 0.5), ({"X-Retry-After": "3", "Retry-After": "9"}, 3),
     ({"X-Retry-After": "soon", "Retry-After": "9"}, 9), ({"Retry-After": "Thu, 01 Oct 2026 12:00:30 GMT"}, 30),
     ({}, None), ({"Retry-After": "-1"}, None), ({"Retry-After": "0"}, None), ({"Retry-After": "inf"}, None),
     ({"Retry-After": "nan"}, None), ({"Retry-After": "Thu, 01 Oct 2020 12:00:30 GMT"}, None)],
)  # fmt: skip
def test_the_wait_of_a_429_is_read_from_either_header(headers: dict[str, str], seconds: float | None) -> None:
    assert rate_limit_wait(headers, NOW) == seconds


@pytest.mark.parametrize(
    "body",
    [{"data": [], "pagination": None, "request_id": "x"}, {"request_id": "x"}, {"data": None, "request_id": "x"},
     {"data": None}],
)  # fmt: skip
def test_the_forms_of_an_empty_list_are_empty_lists(body: dict[str, Any]) -> None:
    answer = envelope(ENDPOINT, json.dumps(body).encode())
    assert items(ENDPOINT, answer) == []
    assert next_cursor(ENDPOINT, answer) is None


@pytest.mark.parametrize(
    "body",
    [b"<html>sign in</html>", b'{"data": [', b"", b"[]", b"7", b'{"data": {"a": 1}}', b'{"data": [1]}',
     b'{"data": [null]}', b"{}", b'{"errors": ["x"], "request_id": "y"}', b'{"data": [], "pagination": []}',
     b'{"data": [], "pagination": {"has_next_page": true, "cursor": ""}}',
     b'{"data": [], "pagination": {"has_next_page": true}}',
     b'{"data": null, "request_id": "x", "pagination": {"has_next_page": true, "cursor": "a"}}'],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused_and_not_taken_for_an_empty_list(body: bytes) -> None:
    with pytest.raises(errors.InvalidResponse):
        envelope(ENDPOINT, body)


def test_a_web_page_is_called_one() -> None:
    with pytest.raises(errors.InvalidResponse, match="HTML page"):
        envelope(ENDPOINT, b"  <!DOCTYPE html><html>")


def test_the_next_cursor_is_only_that_of_an_unfinished_list() -> None:
    more = {"pagination": {"has_next_page": True, "cursor": "abc"}}
    last = {"pagination": {"has_next_page": False, "cursor": "abc"}}
    assert next_cursor(ENDPOINT, more) == "abc"
    assert next_cursor(ENDPOINT, last) is None


def test_no_date_header_is_no_time() -> None:
    assert [responses.http_date(text) for text in (None, "", "yesterday", "Thu, 99 Foo 2026")] == [None] * 4

"""Answers are judged at the border: what to do, whom to blame, and whether a body is what it must be."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

import pytest

from source_pylon.api import errors
from source_pylon.api.clock import http_date
from source_pylon.api.endpoints import get_paginated
from source_pylon.api.errors import Action, rule_for
from source_pylon.api.responses import envelope, failure, items, next_cursor, retry_after

ENDPOINT = get_paginated("/accounts")
NOW = datetime(2026, 10, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("status", "action"),
    [(429, Action.WAIT), (500, Action.RETRY), (502, Action.RETRY),
     (503, Action.RETRY), (504, Action.RETRY), (520, Action.RETRY), (408, Action.RETRY), (425, Action.RETRY),
     (301, Action.FAIL), (400, Action.FAIL), (401, Action.FAIL), (402, Action.FAIL), (403, Action.FAIL),
     (404, Action.FAIL), (409, Action.FAIL), (422, Action.FAIL), (418, Action.FAIL), (405, Action.FAIL),
     (413, Action.FAIL), (100, Action.RETRY), (600, Action.RETRY)],
)  # fmt: skip
def test_each_status_leads_to_a_retry_a_wait_or_a_failure(status: int, action: Action) -> None:
    assert rule_for(status).action is action


@pytest.mark.parametrize(
    ("status", "kind", "is_config_error"),
    [(401, errors.Unauthorized, True), (402, errors.Forbidden, True), (403, errors.Forbidden, True),
     (404, errors.NotFound, False), (405, errors.NotFound, False), (409, errors.Rejected, False),
     (413, errors.Rejected, False), (418, errors.Unavailable, False), (429, errors.Unavailable, False),
     (410, errors.NotFound, False), (400, errors.Rejected, False), (422, errors.Rejected, False),
     (302, errors.Redirected, True), (503, errors.Unavailable, False)],
)  # fmt: skip
def test_each_failure_has_the_type_of_whoever_can_act(status: int, kind: type, is_config_error: bool) -> None:
    error = failure(ENDPOINT, status, b"", "us")
    assert type(error) is kind
    assert error.is_config_error is is_config_error


@pytest.mark.parametrize(("region", "other"), [("us", "EU (eu)"), ("eu", "US (us)")])
def test_for_a_token_of_the_other_region_the_right_region_is_suggested(region: str, other: str) -> None:
    error = failure(ENDPOINT, 401, b'{"errors": ["x"], "code": "wrong_region_token"}', region)
    assert f"Set Region to {other}" in error.user_message


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("code", "words"),
    [("organization_deactivated", "has deactivated your organization"),
     ("organization_suspended", "has suspended your organization"),
     ("organization_inactive", "organization is inactive")],
)  # fmt: skip
def test_a_suspended_organisation_is_not_blamed_on_the_token(code: str, words: str, status: int) -> None:
    error = failure(ENDPOINT, status, json.dumps({"errors": ["x"], "code": code}).encode(), "us")
    assert type(error) is errors.OrganizationUnavailable
    assert error.is_config_error
    assert words in error.user_message
    assert "token" not in error.user_message


@pytest.mark.parametrize("status", [403, 429, 503])
def test_the_code_rate_limited_means_to_wait_whatever_the_status(status: int) -> None:
    assert rule_for(status, "rate_limited").action is Action.WAIT
    error = failure(ENDPOINT, status, b'{"code": "rate_limited"}', "us")
    assert "too many requests" in error.user_message


def test_a_refused_permission_names_the_role_and_the_plan() -> None:
    assert re.search(r"GET /accounts.*role.*permission.*plan", failure(ENDPOINT, 403, b"", "us").user_message)


def test_every_placeholder_of_the_error_table_is_filled() -> None:
    rules = [*errors.BY_CODE.values(), *errors.BY_STATUS.values(), *errors.BY_STATUS_CLASS.values()]
    texts = [rule.text.format(endpoint="E", status=1, other_region="R") for rule in rules]
    assert all(re.fullmatch(r"[A-Z].*\.", text) for text in texts)


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
def test_the_requested_wait_is_read_from_either_header(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    "body",
    [{"data": [], "pagination": None, "request_id": "x"}, {"request_id": "x"}, {"data": None, "request_id": "x"},
     {"data": None}],
)  # fmt: skip
def test_every_form_of_an_empty_list_is_an_empty_list(body: dict[str, Any]) -> None:
    answer = envelope(ENDPOINT, json.dumps(body).encode())
    assert items(answer) == []
    assert next_cursor(answer) is None


@pytest.mark.parametrize(
    "body",
    [b"<html>sign in</html>", b'{"data": [', b"", b"[]", b"7", b'{"data": {"a": 1}}', b'{"data": [1]}',
     b'{"data": [null]}', b"{}", b'{"errors": ["x"], "request_id": "y"}', b'{"data": [], "pagination": []}',
     b'{"data": [], "pagination": {"has_next_page": true, "cursor": ""}}',
     b'{"data": [], "pagination": {"has_next_page": true}}',
     b'{"data": null, "request_id": "x", "pagination": {"has_next_page": true, "cursor": "a"}}'],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused_and_does_not_count_as_empty(body: bytes) -> None:
    with pytest.raises(errors.InvalidResponse):
        envelope(ENDPOINT, body)


def test_a_web_page_is_named_as_such() -> None:
    with pytest.raises(errors.InvalidResponse, match="HTML page"):
        envelope(ENDPOINT, b"  <!DOCTYPE html><html>")


def test_the_next_cursor_is_only_that_of_an_unfinished_list() -> None:
    more = {"pagination": {"has_next_page": True, "cursor": "abc"}}
    last = {"pagination": {"has_next_page": False, "cursor": "abc"}}
    assert next_cursor(more) == "abc"
    assert next_cursor(last) is None


def test_without_a_date_header_there_is_no_time() -> None:
    dates = [None, "", "yesterday", "Thu, 99 Foo 2026", "Fri, 31 Dec 9999 23:59:59 -2300"]
    assert [http_date(text) for text in dates] == [None] * 5


def page_with(value: str) -> bytes:
    """The body of a page with one record, whose title is this JSON."""
    return b'{"data": [{"id": "a", "title": %s}], "request_id": "r"}' % value.encode("utf-8", "surrogatepass")


def title_in(body: bytes) -> Any:
    return items(envelope(ENDPOINT, body))[0]["title"]


@pytest.mark.parametrize(
    ("written", "read"),
    [(r'"x\ud83d"', "x\ufffd"), (r'"\ude00 y"', "\ufffd y"), (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
     (r'"\\ud83d \ud83d"', "\\ud83d \ufffd"), (r'"\ud83d\u0041"', "\ufffdA"),
     ("18446744073709551616", 2**64), ("-9223372036854775809", -(2**63) - 1), ("[1,123456789012345678901234567890]",
     [1, 123456789012345678901234567890]), ('{"18446744073709551616": 18446744073709551616 }', {str(2**64): 2**64}),
     ("18446744073709551615", 2**64 - 1), ('"18446744073709551616"', str(2**64)),
     (r'[18446744073709551616, "\ud83d"]', [2**64, "\ufffd"])],
)  # fmt: skip
def test_json_that_orjson_refuses_or_changes_is_read_correctly(written: str, read: Any) -> None:
    found = title_in(page_with(written))
    assert (found, type(found)) == (read, type(read))


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert title_in(page_with('"x\ud83dy"')).startswith("x\ufffd")
    assert title_in(b'\xef\xbb\xbf{"data": [{"title": "caf\xe9"}], "request_id": "r"}') == "caf\ufffd"


def test_what_was_changed_is_logged_with_the_endpoint(caplog: pytest.LogCaptureFixture) -> None:
    title_in(page_with(r'"SECRET \ud83d"'))
    assert "GET /accounts" in caplog.text
    assert "U+FFFD" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("depth", [300, 1_000, 5_000, 100_000])
def test_deep_nesting_fails_no_page(depth: int) -> None:
    found = envelope(ENDPOINT, page_with("[" * depth + '"x]["' + "]" * depth))["data"]
    assert found[0]["id"] == "a"
    assert isinstance(found[0]["title"], list)


def test_a_long_integer_beside_deep_nesting_does_no_harm() -> None:
    found = title_in(page_with("[" * 1_010 + "1" * 30 + "]" * 1_010))
    assert isinstance(found, list)


def test_nesting_of_300_levels_is_kept() -> None:
    found = title_in(page_with("[" * 300 + '"x"' + "]" * 300))
    for _ in range(300):
        (found,) = found
    assert found == "x"


@pytest.mark.parametrize(
    "body",
    [b'{"data": [', b'"\\ud83d', b"[" * 100_000, b'{"a": NaN}', b"\xff", b"1" * 400 + b"x", b"[NaN,%s]" % (b"1" * 400)],
)
def test_what_is_not_json_stays_an_error(body: bytes) -> None:
    with pytest.raises(errors.InvalidResponse, match="not JSON"):
        envelope(ENDPOINT, body)


@pytest.mark.parametrize("digits", [19, 20, 4_000, 5_000, 400_000])
def test_integers_of_any_length_are_read_quickly(digits: int) -> None:
    found = title_in(page_with("9" * digits))
    assert found == (int("9" * digits) if digits <= 4_000 else "9" * digits)


@pytest.mark.parametrize("before", range((1 << 18) - 70, (1 << 18) - 40))
def test_a_long_integer_is_found_in_any_position(before: int) -> None:
    number = 2**64 + before
    answer = b'{"data": [{"x": "%s", "n": %d}], "request_id": "r"}' % (b"a" * before, number)
    assert items(envelope(ENDPOINT, answer))[0]["n"] == number

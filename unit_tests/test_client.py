"""The client waits when Pylon asks it to, retries transient errors, and gives up with an error that says why."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
import requests_mock

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint, get_all, get_paginated, search
from source_pylon.api.transport import Transport
from source_pylon.timing import Timing

HOST = "https://api.usepylon.com"
ACCOUNTS = get_paginated("/accounts")
SEARCH = search("/issues/search")
TEAMS = get_all("/teams")
TOKEN = "pylon_api_5ecret"
TIMING = Timing(minute=0.2)


class Harness:
    """A client whose waits are noted instead of waited."""

    def __init__(self, timing: Timing = TIMING, **options: Any) -> None:
        self.slept: list[float] = []
        self.refused: list[float] = []
        transport = Transport(HOST, TOKEN, timing, connections=2)
        self.client = PylonClient(transport, timing=timing, sleep=self.slept.append, **options)
        harness = self

        class Noting(type(self.client.observer)):  # type: ignore[misc]
            def rate_limited(self, endpoint: Endpoint, seconds: float, limit: int) -> None:
                harness.refused.append(seconds)

        self.client.observer = Noting()


def body(*ids: str, cursor: str | None = None) -> dict[str, Any]:
    pagination = {"cursor": cursor or "", "has_next_page": cursor is not None}
    return {"data": [{"id": one} for one in ids], "pagination": pagination, "request_id": "r"}


def test_every_request_carries_the_token_and_names_the_client(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", json=body())
    Harness().client.request(ACCOUNTS, query={"limit": 1})
    headers = pylon.last_request.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert "source-pylon" in headers["User-Agent"]


def test_a_successful_response_is_used_whatever_its_code(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", json={**body("a"), "code": "rate_limited"})
    assert Harness().client.request(ACCOUNTS)["data"] == [{"id": "a"}]
    assert pylon.call_count == 1


def test_a_netrc_file_does_not_replace_the_token(pylon: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.usepylon.com login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    pylon.get(f"{HOST}/teams", json=body())
    Harness().client.request(TEAMS)
    assert pylon.last_request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_search_pages_in_its_body_and_a_list_in_its_query(pylon: Any) -> None:
    pylon.post(f"{HOST}/issues/search", [{"json": body("a", cursor="c/1=")}, {"json": body("b")}])
    pylon.get(f"{HOST}/accounts", [{"json": body("a", cursor="c/1=")}, {"json": body("b")}])
    client = Harness().client
    filter_ = {"field": "created_at", "operator": "time_is_after", "value": "2026-01-01T00:00:00Z"}
    assert [len(page) for page in client.pages(SEARCH, body={"filter": filter_})] == [1, 1]
    assert [len(page) for page in client.pages(ACCOUNTS)] == [1, 1]
    requested = pylon.request_history
    assert requested[0].body == (
        b'{"filter":{"field":"created_at","operator":"time_is_after","value":"2026-01-01T00:00:00Z"},"limit":999}'
    )
    assert requested[1].json() == {"filter": filter_, "limit": 999, "cursor": "c/1="}
    assert not requested[1].query
    assert requested[3].url == f"{HOST}/accounts?limit=999&cursor=c%2F1%3D"
    assert requested[3].body is None


def test_an_id_is_quoted_as_a_part_of_the_path(pylon: Any) -> None:
    pylon.get(requests_mock.ANY, json=body())
    Harness().client.request(Endpoint("GET", "/issues/{id}/messages"), "a/../b?c")
    assert pylon.last_request.url == f"{HOST}/issues/a%2F..%2Fb%3Fc/messages"


@pytest.mark.parametrize(
    "failure",
    [
        {"status_code": 500},
        {"status_code": 503, "text": "<html>"},
        {"exc": requests.exceptions.ConnectTimeout},
        {"exc": requests.exceptions.ReadTimeout},
        {"exc": requests.exceptions.ConnectionError},
        {"exc": requests.exceptions.ChunkedEncodingError},
        {"text": "<html>sign in</html>"},
        {"text": '{"data": ['},
    ],
    ids=str,
)
def test_transient_errors_are_retried(failure: dict[str, Any], pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [failure, failure, {"json": body("a")}])
    harness = Harness()
    assert harness.client.request(ACCOUNTS)["data"] == [{"id": "a"}]
    assert len(harness.slept) == 2


def test_waits_between_attempts_grow_to_a_cap_and_differ(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", status_code=500)
    harness = Harness(replace(TIMING, retry_base=1.0, retry_cap=8.0, retry_attempts=8))
    with pytest.raises(errors.Unavailable, match="500"):
        harness.client.request(ACCOUNTS)
    assert len(harness.slept) == 7
    for wait, longest in zip(harness.slept, (1, 2, 4, 8, 8, 8, 8), strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(harness.slept)) > 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 422, 301, 308])
def test_permanent_errors_are_not_retried(status: int, pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", status_code=status, headers={"Location": "https://elsewhere.invalid"})
    harness = Harness()
    with pytest.raises(errors.PylonError):
        harness.client.request(ACCOUNTS)
    assert pylon.call_count == 1
    assert harness.slept == []


def test_a_429_is_obeyed_without_using_up_attempts(pylon: Any) -> None:
    refusals = [{"status_code": 429, "headers": {"X-Retry-After": "0.01"}}] * 12
    pylon.get(f"{HOST}/accounts", [*refusals, {"json": body("a")}])
    harness = Harness(replace(TIMING, retry_attempts=2))
    assert harness.client.request(ACCOUNTS)["data"]
    assert harness.refused == [0.01] * 12
    assert harness.slept == []


def test_an_implausible_wait_is_capped(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 429, "headers": {"Retry-After": "86400"}}, {"json": body("a")}])
    harness = Harness(replace(TIMING, longest_rate_limit_wait=0.05))
    harness.client.request(ACCOUNTS)
    assert harness.refused == [0.05]


def test_a_429_without_a_usable_header_waits_part_of_a_minute(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 429}, {"json": body("a")}])
    harness = Harness()
    harness.client.request(ACCOUNTS)
    assert harness.refused == [TIMING.minute / 4]


def test_persistent_429s_end_with_an_error_that_names_the_cause(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", status_code=429, headers={"X-Retry-After": "0.01"})
    harness = Harness(replace(TIMING, rate_limit_patience=0.1))
    with pytest.raises(errors.Unavailable, match="rate limit"):
        harness.client.request(ACCOUNTS)


def test_endpoints_do_not_wait_for_each_other(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 429, "headers": {"X-Retry-After": "0.3"}}, {"json": body()}])
    pylon.get(f"{HOST}/teams", json=body("t"))
    client = Harness(Timing(minute=5)).client
    waiting = threading.Thread(target=client.request, args=(ACCOUNTS,))
    waiting.start()
    assert client.request(TEAMS)["data"]
    assert waiting.is_alive()
    waiting.join()


def test_no_more_calls_are_sent_than_the_share_of_the_rate_limit(pylon: Any) -> None:
    client = Harness(share_percent=50, limits=lambda endpoint: 10).client
    assert client.limiter(ACCOUNTS).limit.limit == 5
    assert Harness(share_percent=1, limits=lambda endpoint: 10).client.limiter(ACCOUNTS).limit.limit == 1


def test_persistent_invalid_responses_are_given_up_soon(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", text="<html>sign in</html>")
    with pytest.raises(errors.InvalidResponse, match="HTML"):
        Harness().client.request(ACCOUNTS)
    assert pylon.call_count <= 5


HERE = datetime(2026, 10, 1, 12, 0, tzinfo=timezone.utc)


def within_a_second(moment: datetime, expected: datetime) -> bool:
    return abs(moment - expected) < timedelta(seconds=1)


@pytest.mark.parametrize(("date", "earliest", "latest"), [
    ("Thu, 01 Oct 2026 11:30:00 GMT", -30, 0),
    ("Thu, 01 Oct 2026 12:30:00 GMT", 0, 30),
    ("Thu, 01 Oct 2099 12:00:00 GMT", 0, 0),
    ("Thu, 01 Oct 2025 12:00:00 GMT", -365 * 24 * 60, 0),
    ("soon", 0, 0),
    (None, 0, 0),
])  # fmt: skip
def test_the_dates_of_successful_responses_bound_the_present(
    date: str | None, earliest: int, latest: int, pylon: Any
) -> None:
    client = Harness(now=lambda: HERE).client
    pylon.get(f"{HOST}/teams", json=body(), headers={"Date": date} if date else {})
    client.request(TEAMS)
    assert within_a_second(client.clock.earliest(), HERE + timedelta(minutes=earliest))
    assert within_a_second(client.clock.latest(), HERE + timedelta(minutes=latest))
    assert within_a_second(client.ask_time(), client.clock.latest())


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_the_date_of_a_failed_response_is_ignored(status: int, pylon: Any) -> None:
    client = Harness(now=lambda: HERE).client
    fast = {"Date": "Thu, 01 Oct 2026 17:00:00 GMT", "Retry-After": "0.01"}
    pylon.get(f"{HOST}/teams", [{"status_code": status, "headers": fast}, {"json": body()}])
    client.request(TEAMS)
    assert within_a_second(client.clock.latest(), HERE)


def test_the_earliest_of_several_dates_counts(pylon: Any) -> None:
    client = Harness(now=lambda: HERE).client
    for minute in (50, 20, 40):
        pylon.get(f"{HOST}/teams", json=body(), headers={"Date": f"Thu, 01 Oct 2026 11:{minute}:00 GMT"})
        client.request(TEAMS)
    assert within_a_second(client.clock.earliest(), HERE - timedelta(minutes=40))


@pytest.mark.parametrize("asked", ["X-Retry-After", "Retry-After"])
def test_the_wait_of_a_503_is_obeyed_and_counts_as_an_attempt(asked: str, pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 503, "headers": {asked: "7"}}] * 2 + [{"json": body("a")}])
    harness = Harness(replace(TIMING, retry_base=0.1, retry_attempts=3))
    assert harness.client.request(ACCOUNTS)["data"]
    assert harness.slept == [7, 7]
    assert harness.refused == []


GLITCHES: dict[str, dict[str, Any]] = {
    "no data": {"pagination": {"cursor": "x", "has_next_page": True}, "request_id": "r"},
    "data null": {"data": None, "pagination": {"cursor": "x", "has_next_page": True}},
    "empty data without a cursor": {"data": [], "pagination": {"cursor": "", "has_next_page": True}},
    "empty data with the cursor that was asked for": {"data": [], "pagination": {"cursor": "1", "has_next_page": True}},
}


@pytest.mark.parametrize("glitch", GLITCHES)
def test_a_glitched_page_is_requested_ten_more_times_with_the_same_cursor(glitch: str, pylon: Any) -> None:
    answers = [{"json": body("a", cursor="1")}, *[{"json": GLITCHES[glitch]}] * 10, {"json": body("b")}]
    pylon.get(f"{HOST}/accounts", answers)
    harness = Harness(replace(TIMING, retry_attempts=2))
    assert [record["id"] for page in harness.client.pages(ACCOUNTS) for record in page] == ["a", "b"]
    assert [request.url for request in pylon.request_history[1:]] == [f"{HOST}/accounts?limit=999&cursor=1"] * 11
    assert len(harness.slept) == 10
    assert harness.slept == sorted(harness.slept)
    assert sum(harness.slept) < 10


def test_pages_that_stay_glitched_end_with_an_error(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", json=GLITCHES["no data"])
    with pytest.raises(errors.GlitchedPage, match="contains no data"):
        Harness().client.request(ACCOUNTS)
    assert pylon.call_count == 11


@pytest.mark.parametrize("id_", ["", ".", ".."])
def test_an_id_that_would_lead_to_another_path_makes_no_request(id_: str, pylon: Any) -> None:
    with pytest.raises(errors.UnusableId):
        Harness().client.request(Endpoint("GET", "/issues/{id}/messages"), id_)
    assert pylon.call_count == 0


@pytest.mark.parametrize("id_", ["a.b", "...", "%2e%2e", "..;", "?x=1", "#", " ", "\n", "\ufffd", "../../me"])
def test_any_other_id_is_quoted_as_one_segment_of_the_path(id_: str, pylon: Any) -> None:
    pylon.get(requests_mock.ANY, json=body())
    Harness().client.request(Endpoint("GET", "/issues/{id}/messages"), id_)
    path, _, query = pylon.last_request.url.removeprefix(HOST).partition("?")
    assert [len(path.split("/")), path.split("/")[1], path.split("/")[3], query] == [4, "issues", "messages", ""]


@pytest.mark.parametrize("answer", [
    {"status_code": 429, "headers": {"X-Retry-After": "30"}},
    {"status_code": 503, "headers": {"Retry-After": "3600"}},
    {"status_code": 500},
    {"exc": requests.exceptions.ConnectTimeout},
], ids=str)  # fmt: skip
def test_a_client_with_a_time_limit_gives_up_in_time_and_says_why(answer: dict[str, Any], pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", **answer)
    client = Harness(replace(TIMING, time_limit=0.3, longest_rate_limit_wait=60, retry_base=1.0)).client
    began = time.monotonic()
    with pytest.raises(errors.TimeLimitReached, match=r"gave no usable response within 0 seconds\. .+") as caught:
        client.request(ACCOUNTS)
    # Every wait that this catches is of half a minute or more.
    assert time.monotonic() - began < 20
    assert caught.value.is_transient


def test_a_time_limit_shortens_the_deadline_of_each_response(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", json=body())
    Harness(replace(TIMING, time_limit=3.0)).client.request(ACCOUNTS)
    assert all(2 < seconds <= 3 for seconds in pylon.last_request.timeout)


def test_each_request_is_logged_for_debugging_without_its_content(pylon: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="airbyte")
    pages = [{"json": body("SECRET", cursor="c1")}, {"status_code": 500}, {"json": body("b")}]
    pylon.get(f"{HOST}/accounts", pages)
    list(Harness().client.pages(ACCOUNTS, query={"email": "PRIVATE"}))
    first, failed, second = [r.getMessage() for r in caplog.records if "GET /accounts" in r.getMessage()]
    assert re.fullmatch(r"GET /accounts, page 1: status 200, \d+ bytes, \d+\.\d{3} s", first)
    assert "page 2: status 500" in failed
    assert "page 2: status 200" in second
    assert not re.search("SECRET|PRIVATE|5ecret", caplog.text)


def test_a_request_without_a_response_is_logged_for_debugging(pylon: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="airbyte")
    pylon.get(f"{HOST}/teams", exc=requests.exceptions.ConnectTimeout)
    with pytest.raises(errors.Unreachable):
        Harness(replace(TIMING, retry_attempts=1)).client.request(TEAMS)
    assert "GET /teams: Unreachable (ConnectTimeout" in caplog.text


def test_a_stalled_response_is_requested_again_and_uses_up_no_attempt(
    pylon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pylon.get(f"{HOST}/accounts", json=body("a"))
    harness = Harness(replace(TIMING, retry_attempts=1))
    exchange, left = Transport.exchange, iter([True] * 5)

    def waiting(*args: Any, **options: Any) -> Any:
        if next(left, False):
            raise errors.ReadStalled("A large response had to wait.")
        return exchange(*args, **options)

    monkeypatch.setattr(Transport, "exchange", waiting)
    assert harness.client.request(ACCOUNTS)["data"] == [{"id": "a"}]
    assert harness.slept == []
    assert next(left, None) is None, "not every stalled response was requested again"


def test_a_last_page_that_only_repeats_ends_its_list(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"json": body("a", cursor="1")}, {"json": body("a")}])
    assert [[one["id"] for one in page] for page in map(list, Harness().client.pages(ACCOUNTS))] == [["a"]]


def test_a_check_is_less_patient_than_a_sync() -> None:
    for_check = Timing().for_check()
    assert for_check.retry_attempts < Timing().retry_attempts
    assert for_check.read_timeout < Timing().read_timeout
    assert for_check.time_limit == 60
    assert Timing().time_limit == float("inf")

"""The client waits when told to, tries again what may pass, and gives up with an error that says why."""

from __future__ import annotations

import threading
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


def test_an_id_is_quoted_as_one_part_of_the_path(pylon: Any) -> None:
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
def test_what_may_pass_is_tried_again(failure: dict[str, Any], pylon: Any) -> None:
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


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 301, 308])
def test_what_cannot_pass_is_asked_once(status: int, pylon: Any) -> None:
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


def test_a_wait_that_nobody_believes_is_cut(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 429, "headers": {"Retry-After": "86400"}}, {"json": body("a")}])
    harness = Harness(replace(TIMING, longest_rate_limit_wait=0.05))
    harness.client.request(ACCOUNTS)
    assert harness.refused == [0.05]


def test_a_429_without_a_usable_header_waits_a_part_of_a_minute(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"status_code": 429}, {"json": body("a")}])
    harness = Harness()
    harness.client.request(ACCOUNTS)
    assert harness.refused == [TIMING.minute / 4]


def test_nothing_but_429_ends_as_an_error_that_names_the_cause(pylon: Any) -> None:
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


def test_no_more_calls_leave_than_the_share_of_the_allowance(pylon: Any) -> None:
    client = Harness(share_percent=50, allowance=lambda endpoint: 10).client
    assert client.gate(ACCOUNTS).window.limit == 5
    assert Harness(share_percent=1, allowance=lambda endpoint: 10).client.gate(ACCOUNTS).window.limit == 1


def test_a_stubborn_bad_answer_is_given_up_soon(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", text="<html>sign in</html>")
    with pytest.raises(errors.InvalidResponse, match="HTML"):
        Harness().client.request(ACCOUNTS)
    assert pylon.call_count <= 5


def test_pylons_time_is_learned_from_its_first_answer(pylon: Any) -> None:
    here = datetime(2026, 10, 1, 12, 0, tzinfo=timezone.utc)
    client = Harness(now=lambda: here).client
    assert abs(client.server_time(here) - (here)) < timedelta(seconds=1)
    pylon.get(f"{HOST}/teams", json=body(), headers={"Date": "Thu, 01 Oct 2026 11:30:00 GMT"})
    client.request(TEAMS)
    assert abs(client.server_time(here) - (here - timedelta(minutes=30))) < timedelta(seconds=1)


def test_without_a_date_header_this_machines_time_stands(pylon: Any) -> None:
    here = datetime(2026, 10, 1, 12, 0, tzinfo=timezone.utc)
    client = Harness(now=lambda: here).client
    pylon.get(f"{HOST}/teams", json=body())
    client.request(TEAMS)
    assert client.server_time(here) == here


def test_an_answer_that_was_left_waiting_is_asked_for_again_and_uses_up_no_attempt(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", json=body("a"))
    harness = Harness(replace(TIMING, retry_attempts=1))
    exchange, left = harness.client._transport.exchange, iter([True] * 5)

    def waiting(*args: Any) -> Any:
        if next(left, False):
            raise errors.ReadStalled("A large answer had to wait.")
        return exchange(*args)

    harness.client._transport.exchange = waiting  # type: ignore[method-assign]
    assert harness.client.request(ACCOUNTS)["data"] == [{"id": "a"}]
    assert harness.slept == []


def test_a_last_page_that_only_repeats_ends_its_list(pylon: Any) -> None:
    pylon.get(f"{HOST}/accounts", [{"json": body("a", cursor="1")}, {"json": body("a")}])
    assert [[one["id"] for one in page] for page in map(list, Harness().client.pages(ACCOUNTS))] == [["a"]]


def test_a_check_is_less_patient_than_a_sync() -> None:
    for_check = Timing().for_check()
    assert for_check.retry_attempts < Timing().retry_attempts
    assert for_check.read_timeout < Timing().read_timeout

"""One exchange: the token goes nowhere else, every request has a time-out, and every error is ours."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import urllib3

from source_pylon.api import errors
from source_pylon.api.transport import Transport
from source_pylon.timing import Timing

HOST = "https://api.usepylon.com"
TOKEN = "pylon_api_5ecret"


def transport(**options: Any) -> Transport:
    return Transport(HOST, TOKEN, Timing(), connections=2, **options)


def test_a_response_is_read_completely(pylon: Any) -> None:
    pylon.get(f"{HOST}/me", text="x" * 300_000, status_code=418, headers={"A": "b"})
    exchange = transport().exchange("GET", "/me", None, None)
    assert (exchange.status, len(exchange.body), exchange.headers["a"]) == (418, 300_000, "b")


def test_every_request_has_both_time_outs(pylon: Any) -> None:
    pylon.get(f"{HOST}/me")
    transport().exchange("GET", "/me", None, None)
    assert pylon.last_request.timeout == (Timing().connect_timeout, Timing().read_timeout)


def test_a_redirect_is_not_followed(pylon: Any) -> None:
    elsewhere = pylon.get("https://elsewhere.invalid/")
    pylon.get(f"{HOST}/me", status_code=302, headers={"Location": "https://elsewhere.invalid/"})
    assert transport().exchange("GET", "/me", None, None).status == 302
    assert not elsewhere.called


def test_a_body_is_sent_as_json(pylon: Any) -> None:
    pylon.post(f"{HOST}/issues/search")
    pylon.get(f"{HOST}/me")
    sender = transport()
    sender.exchange("POST", "/issues/search", None, {"title": "日本 é"})
    sent = pylon.last_request
    assert (sent.headers["Content-Type"], sent.body) == ("application/json", '{"title":"日本 é"}'.encode())
    sender.exchange("GET", "/me", None, None)
    assert pylon.last_request.body is None
    assert "Content-Type" not in pylon.last_request.headers


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (requests.exceptions.ConnectTimeout(), "does not respond in time"),
        (requests.exceptions.ReadTimeout(), "does not respond in time"),
        (requests.exceptions.SSLError(), "TLS"),
        (requests.exceptions.ProxyError("http://user:pass@proxy"), "HTTPS_PROXY"),
        (requests.exceptions.ConnectionError(), "No connection"),
        (requests.exceptions.ChunkedEncodingError(), "broke"),
        (requests.exceptions.ContentDecodingError(), "broke"),
        (urllib3.exceptions.ProtocolError("x"), "broke"),
        (ConnectionResetError(), "broke"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_broken_exchange_is_unreachable_with_a_text_for_the_user(
    raised: Exception, said: str, pylon: Any
) -> None:
    pylon.get(f"{HOST}/me", exc=raised)
    with pytest.raises(errors.Unreachable, match=said) as caught:
        transport().exchange("GET", "/me", None, None)
    assert "pass" not in str(caught.value)
    assert caught.value.is_transient


def test_an_endless_body_is_cut_off(pylon: Any) -> None:
    clock = iter(range(0, 100_000, 400))
    pylon.get(f"{HOST}/me", content=b"x" * (1 << 20))
    with pytest.raises(errors.Unreachable, match="too long"):
        transport(monotonic=lambda: float(next(clock))).exchange("GET", "/me", None, None)


@pytest.mark.parametrize(("size", "calls"), [(900_000, 0), (3_000_000, 1)])
def test_a_large_response_is_announced_once_while_it_arrives(size: int, calls: int, pylon: Any) -> None:
    announced: list[int] = []
    pylon.get(f"{HOST}/me", content=b"x" * size)
    answer = transport().exchange("GET", "/me", None, None, lambda: announced.append(1))
    assert len(answer.body) == size
    assert len(announced) == calls


def test_a_response_that_had_to_wait_long_is_abandoned(pylon: Any) -> None:
    clock = [0.0]
    pylon.get(f"{HOST}/me", content=b"x" * 3_000_000)
    with pytest.raises(errors.ReadStalled):
        transport(monotonic=lambda: clock[0]).exchange("GET", "/me", None, None, lambda: clock.append(clock.pop() + 60))

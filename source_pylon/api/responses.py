"""Answers of Pylon, judged at the border: what to do about a status, and whether a body is what it must be."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

import orjson

from source_pylon.api import errors
from source_pylon.api.endpoints import Endpoint

_OTHER_REGION = {"us": "EU (eu)", "eu": "US (us)"}
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class Action(Enum):
    """What follows from a status."""

    USE = "use"
    RETRY = "retry"
    WAIT = "wait"
    FAIL = "fail"


def action_for(status: int) -> Action:
    """What to do about an answer with this status. 429 is a wait, not a failed attempt."""
    if 200 <= status < 300:
        return Action.USE
    if status == 429:
        return Action.WAIT
    return Action.RETRY if status in (408, 425) or status >= 500 else Action.FAIL


@dataclass(frozen=True)
class ErrorBody:
    """Pylon's error envelope, as far as it was one. `code` is the stable part; older answers have none."""

    code: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, body: bytes) -> "ErrorBody":
        """Reads `{"errors": [...], "code": ..., "request_id": ...}`; anything else gives an empty one."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return cls()
        if not isinstance(value, dict):
            return cls()
        return cls(_short_id(value.get("code")), _short_id(value.get("request_id")))


def _short_id(value: object) -> str:
    # Error texts may quote customer data; codes and request ids are the only parts that reach a log.
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def failure(endpoint: Endpoint, status: int, body: bytes, region: str) -> errors.PylonError:
    """The error for an answer that no retry can turn into a good one."""
    envelope = ErrorBody.of(body)
    detail = f"{endpoint.key}, status {status}"
    detail += f", code {envelope.code}" if envelope.code else ""
    detail += f", request id {envelope.request_id}" if envelope.request_id else ""
    other = _OTHER_REGION[region]
    if status == 401 and envelope.code == "wrong_region_token":
        return errors.Unauthorized(f"The API token belongs to Pylon's other region. Set Region to {other}.", detail)
    if status == 401:
        return errors.Unauthorized(
            "Pylon does not accept the API token: it may be mistyped, revoked or replaced. An admin can create one "
            f"in Pylon under Settings, API Tokens. If the token is right, try Region {other}.",
            detail,
        )
    if status == 403:
        return errors.Forbidden(
            f"The API token may not use {endpoint.key}. Give its user this permission in Pylon, "
            "or use a token of an admin (Settings, API Tokens).",
            detail,
        )
    if status in (404, 410):
        return errors.NotFound(f"Pylon has no {endpoint.key} for what was asked.", detail)
    if status in (400, 422):
        return errors.Rejected(f"Pylon refused a request to {endpoint.key}.", detail)
    if 300 <= status < 400:
        return errors.Redirected(
            "The API address answers with a redirect, which is not followed. Check API URL and any proxy.", detail
        )
    return errors.Unavailable(f"Pylon answered {endpoint.key} with status {status}.", detail)


def rate_limit_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a 429 asks to wait, or None when it says nothing usable.

    Third parties saw `X-Retry-After` in seconds (October 2026), others the standard `Retry-After`, which may
    also be a date. Zero, negative numbers and text say nothing.
    """
    for name in ("X-Retry-After", "Retry-After"):
        text = headers.get(name)
        if text is None:
            continue
        seconds = _seconds(text.strip(), now)
        if seconds is not None and 0 < seconds < float("inf"):
            return seconds
    return None


def _seconds(text: str, now: datetime) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    moment = http_date(text)
    return (moment - now).total_seconds() if moment else None


def http_date(text: str | None) -> datetime | None:
    """The moment that an HTTP date header names, in UTC, or None."""
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def envelope(endpoint: Endpoint, body: bytes) -> dict[str, Any]:
    """The JSON object of a good answer; raises InvalidResponse for HTML, broken JSON and other shapes.

    A list is judged here already, so that an answer of another shape is asked for again like any other bad one.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        what = "an HTML page" if body.lstrip()[:1] == b"<" else "something that is not JSON"
        raise errors.InvalidResponse(
            f"{endpoint.key} answered with {what} instead of JSON. A proxy or gateway may stand in between.",
            f"{endpoint.key}, {len(body)} bytes",
        ) from None
    if not isinstance(value, dict):
        raise _bad_shape(endpoint, "the answer is not an object")
    if not endpoint.single:
        items(endpoint, value)
        next_cursor(endpoint, value)
    return value


def items(endpoint: Endpoint, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of an answer.

    A missing or null `data` is an empty list, as recorded real answers have it, unless the answer says that
    there is more. Raises InvalidResponse when `data` is not a list of objects.
    """
    data = answer.get("data")
    if data is None:
        if "data" not in answer and "request_id" not in answer:
            raise _bad_shape(endpoint, "it has neither data nor request_id")
        if answer.get("errors"):
            raise _bad_shape(endpoint, "it reports errors with a good status")
        if next_cursor(endpoint, answer):
            raise _bad_shape(endpoint, "it says that there is more, but holds no data")
        return []
    if not isinstance(data, list):
        raise _bad_shape(endpoint, "data is not a list")
    if not all(isinstance(item, dict) for item in data):
        raise _bad_shape(endpoint, "data is not a list of objects")
    return data


def next_cursor(endpoint: Endpoint, answer: dict[str, Any]) -> str | None:
    """The cursor of the next page, or None on the last one. `pagination` may be absent or null there."""
    pagination = answer.get("pagination")
    if pagination is None:
        return None
    if not isinstance(pagination, dict):
        raise _bad_shape(endpoint, "pagination is not an object")
    if not pagination.get("has_next_page"):
        return None
    cursor = pagination.get("cursor")
    if not isinstance(cursor, str) or not cursor:
        raise _bad_shape(endpoint, "it says that there is more, but gives no cursor")
    return cursor


def _bad_shape(endpoint: Endpoint, what: str) -> errors.InvalidResponse:
    return errors.InvalidResponse(
        f"{endpoint.key} answered in a shape that Pylon's API does not have: {what}.", endpoint.key
    )

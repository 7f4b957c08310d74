"""Interprets Pylon's responses: the error in a failed one, the page in a successful one."""

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from source_pylon.api import errors, lenient_json
from source_pylon.api.clock import http_date
from source_pylon.api.endpoints import Endpoint
from source_pylon.api.transport import Exchange

logger = logging.getLogger("airbyte")

_OTHER_REGION = {"us": "EU (eu)", "eu": "US (us)"}
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def _code_and_request_id(body: bytes) -> list[str]:
    """Return the code and request id of an error response; each is empty where it is missing, as the code may be."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    found = [value.get(name) for name in ("code", "request_id")] if isinstance(value, dict) else ["", ""]
    # Error texts may quote customer data; codes and request ids are the only parts that reach a log.
    return [text if isinstance(text, str) and _IDENTIFIER.fullmatch(text) else "" for text in found]


def action_for(exchange: Exchange) -> errors.Action:
    """Return what follows from an unsuccessful response, by its status and its code."""
    return errors.rule_for(exchange.status, _code_and_request_id(exchange.body)[0]).action


def failure(endpoint: Endpoint, status: int, body: bytes, region: str) -> errors.PylonError:
    """Return the error for an unsuccessful response, as defined in the error table."""
    code, request_id = _code_and_request_id(body)
    detail = f"{endpoint.key}, status {status}"
    detail += f", code {code}" if code else ""
    detail += f", request id {request_id}" if request_id else ""
    rule = errors.rule_for(status, code)
    text = rule.text.format(endpoint=endpoint.key, status=status, other_region=_OTHER_REGION[region])
    return rule.error(text, detail)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a 429 or 503 asks to wait, or None if it says nothing usable.

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


def envelope(endpoint: Endpoint, body: bytes, cursor: str | None = None) -> dict[str, Any]:
    """Return the JSON object of a successful response to a request with this `cursor`.

    Lists are checked here already, so that a response of another shape is requested again like any other invalid one.
    Raises InvalidResponse for HTML, broken JSON and other shapes, and GlitchedPage for a page that announces another
    page but has no data.
    """
    try:
        value, changed = lenient_json.loads(body)
    except ValueError:
        what = "an HTML page" if body.lstrip()[:1] == b"<" else "content that is not JSON"
        raise errors.InvalidResponse(
            f"{endpoint.key} returned {what}. A proxy or gateway between the connector and Pylon may have sent it.",
            f"{endpoint.key}, {len(body)} bytes",
        ) from None
    if changed is not None:
        logger.warning(f"A response of {endpoint.key} was not valid and had to be changed: {changed}.")
    if not isinstance(value, dict):
        raise _wrong_shape(endpoint, "it is not an object")
    if not endpoint.single:
        _check_list(endpoint, value, cursor)
    return value


def _check_list(endpoint: Endpoint, response: dict[str, Any], cursor: str | None) -> None:
    data = response.get("data")
    if data is None:
        if "data" not in response and "request_id" not in response:
            raise _wrong_shape(endpoint, "it has neither data nor request_id")
        if response.get("errors"):
            raise _wrong_shape(endpoint, "it reports errors with a good status")
    elif not isinstance(data, list):
        raise _wrong_shape(endpoint, "data is not a list")
    elif not set(map(type, data)) <= {dict}:
        raise _wrong_shape(endpoint, "data is not a list of objects")
    pagination = response.get("pagination")
    if pagination is None:
        return
    if not isinstance(pagination, dict):
        raise _wrong_shape(endpoint, "pagination is not an object")
    if not pagination.get("has_next_page"):
        return
    following = pagination.get("cursor")
    if data is None or (not data and following in (None, "", cursor)):
        raise errors.GlitchedPage(
            f"{endpoint.key} returned a page that contains no data but announces another page.", endpoint.key
        )
    if not isinstance(following, str) or not following:
        raise _wrong_shape(endpoint, "it announces another page, but has no cursor")


def items(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records in an envelope; none if `data` is missing or null, as in recorded responses."""
    data: list[dict[str, Any]] = response.get("data") or []
    return data


def next_cursor(response: dict[str, Any]) -> str | None:
    """Return the cursor of the next page, or None on the last page, where `pagination` may be absent or null."""
    pagination = response.get("pagination")
    cursor: str | None = pagination["cursor"] if pagination and pagination.get("has_next_page") else None
    return cursor


def _wrong_shape(endpoint: Endpoint, what: str) -> errors.InvalidResponse:
    return errors.InvalidResponse(f"The response of {endpoint.key} is not as Pylon documents it: {what}.", endpoint.key)

"""The errors between the connector and Pylon, and the one table of what follows from each.

Each row of the tables below maps a code of Pylon's or a status to an action, the kind of error, and a text for the
person who can act on it; a failure of the connection to the last two of them. Nothing else in the connector decides
about a status.

`user_message` is shown in Airbyte; `detail` (endpoint, status, code, Pylon's request id) is for whoever reads the log.
Neither ever holds the token, a body, or a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class PylonError(Exception):
    """A request had no usable response, after every retry that could help."""

    is_config_error = False
    is_transient = False

    def __init__(self, user_message: str, detail: str = "") -> None:
        self.user_message = user_message
        self.detail = detail
        super().__init__(f"{user_message} [{detail}]" if detail else user_message)


class Unauthorized(PylonError):
    """401: Pylon does not know the token, or knows it in another region."""

    is_config_error = True


class OrganizationUnavailable(PylonError):
    """Pylon has deactivated, suspended or not activated the organisation: no endpoint works."""

    is_config_error = True


class Forbidden(PylonError):
    """402 or 403: Pylon knows the token, but its role or the organisation's plan does not allow this."""

    is_config_error = True


class NotFound(PylonError):
    """404, 405 or 410: the object, or the endpoint, is not there."""


class Rejected(PylonError):
    """400, 409, 413 or 422: Pylon refuses the request as it is; the reason can be a pagination cursor."""


class UnusableId(Rejected):
    """An id that cannot be part of a path. No request was made."""


class DisabledByConfig(PylonError):
    """The configuration rules out what a stream needs."""

    is_config_error = True


class Misconfigured(PylonError):
    """The environment (proxies, certificate authorities) cannot be used. No request was made."""

    is_config_error = True


class Redirected(PylonError):
    """3xx: the token is not carried to where the response points."""

    is_config_error = True


class Unreachable(PylonError):
    """No connection, or none that lasted: host, DNS, TLS, proxy, time-outs."""

    is_transient = True


class ReadStalled(PylonError):
    """The connector itself paused reading a response for so long that the server may have closed the connection."""


class TimeLimitReached(PylonError):
    """The client's limit on the total time of its requests, which only `check` has, is used up."""

    is_transient = True


class Unavailable(PylonError):
    """5xx or 429 for longer than the connector keeps trying."""

    is_transient = True


class InvalidResponse(PylonError):
    """A response that Pylon's API does not document: HTML, broken JSON, another shape, endless pages."""

    is_transient = True


class GlitchedPage(InvalidResponse):
    """A page that announces more pages but has no data: a known glitch of Pylon's API."""


class ResponseTooLarge(PylonError):
    """A response with more bytes than the connector keeps in memory."""


class Action(Enum):
    """What follows from a failed response."""

    RETRY = "retry"
    """Try again after a growing wait, a limited number of times."""
    WAIT = "wait"
    """Wait as long as Pylon asks and send the request again; not counted as an attempt."""
    FAIL = "fail"


@dataclass(frozen=True)
class Rule:
    """A row of the error table. `text` may name `{endpoint}`, `{status}`, `{host}` and `{other_region}`."""

    action: Action
    error: type[PylonError] = Unavailable
    text: str = "Pylon responded to {endpoint} with status {status}."


_NOT_ACCEPTED = (
    "Pylon does not accept the API token: it may be mistyped, revoked or replaced. An admin can create one "
    "in Pylon under Settings, API Tokens. If the token is right, try Region {other_region}."
)
_FORBIDDEN = (
    "The API token may not use {endpoint}: its user's role lacks the permission, or the organization's Pylon plan does "
    "not include it. Grant the permission in Pylon, use a token of an admin (Settings, API Tokens), or deselect "
    "the stream."
)
_REJECTED = "Pylon refused a request to {endpoint} as invalid. If this happens again, report it with the log."
_NOT_FOUND = "Pylon found nothing at {endpoint}: the object, or the endpoint itself, does not exist."
_CONTACT = "Log in to Pylon to see why, or contact Pylon's support. The sync continues from its state afterwards."

RATE_LIMITED = Rule(
    Action.WAIT,
    Unavailable,
    "Pylon kept refusing {endpoint} because of too many requests. Another integration may be using up your "
    "organization's rate limit: pause it, or ask Pylon's support for a higher limit.",
)

BY_CODE: Mapping[str, Rule] = {
    "rate_limited": RATE_LIMITED,
    "wrong_region_token": Rule(
        Action.FAIL, Unauthorized, "The API token belongs to Pylon's other region. Set Region to {other_region}."
    ),
    "organization_deactivated": Rule(
        Action.FAIL, OrganizationUnavailable, f"Pylon has deactivated your organization. {_CONTACT}"
    ),
    "organization_suspended": Rule(
        Action.FAIL, OrganizationUnavailable, f"Pylon has suspended your organization. {_CONTACT}"
    ),
    "organization_inactive": Rule(
        Action.FAIL, OrganizationUnavailable, f"Your organization is inactive in Pylon. {_CONTACT}"
    ),
    "oauth_not_permitted": Rule(
        Action.FAIL,
        Forbidden,
        "Pylon does not accept OAuth tokens for {endpoint}. Use an API token (Settings, API Tokens).",
    ),
}
"""Codes of Pylon's error responses that say more than the status. They come first; every other code has the text of its
status. The codes that Pylon's SDK lists are compared with this table by integration_tests/test_endpoints.py."""

BY_STATUS: Mapping[int, Rule] = {
    400: Rule(Action.FAIL, Rejected, _REJECTED),
    401: Rule(Action.FAIL, Unauthorized, _NOT_ACCEPTED),
    402: Rule(Action.FAIL, Forbidden, _FORBIDDEN),
    403: Rule(Action.FAIL, Forbidden, _FORBIDDEN),
    404: Rule(Action.FAIL, NotFound, _NOT_FOUND),
    405: Rule(Action.FAIL, NotFound, "Pylon does not have the endpoint {endpoint}."),
    408: Rule(Action.RETRY),
    409: Rule(Action.FAIL, Rejected, _REJECTED),
    410: Rule(Action.FAIL, NotFound, _NOT_FOUND),
    413: Rule(Action.FAIL, Rejected, "Pylon refused a request to {endpoint} as too large."),
    422: Rule(Action.FAIL, Rejected, _REJECTED),
    425: Rule(Action.RETRY),
    429: RATE_LIMITED,
}

BY_STATUS_CLASS: Mapping[int, Rule] = {
    3: Rule(
        Action.FAIL,
        Redirected,
        "The API address responds with a redirect, which is not followed. Check API URL and any proxy.",
    ),
    4: Rule(Action.FAIL),
    5: Rule(Action.RETRY),
}
"""The first digit of every other status; what is none of these (a 1xx, a 6xx of a gateway) is handled as 5xx."""

_CA_HINT = "If a proxy or firewall inspects TLS, set REQUESTS_CA_BUNDLE to a PEM file with its certificate authority."
BY_FAILURE: Mapping[str, tuple[type[PylonError], str]] = {
    "proxy": (Unreachable, "The proxy refused the connection. Check HTTPS_PROXY and NO_PROXY."),
    "tls": (Unreachable, f"No trusted TLS connection to {{host}}. {_CA_HINT}"),
    "timeout": (Unreachable, "{host} does not respond in time."),
    "name": (
        Unreachable,
        "The name of {host} cannot be resolved. Check DNS and the network, and the API URL if you have set one.",
    ),
    "connection": (Unreachable, "No connection to {host}. Check the network, firewall and proxy."),
    "broken": (Unreachable, "The connection to {host} broke while a response was read."),
    "deadline": (Unreachable, "Pylon's response took too long to arrive."),
    "too large": (
        ResponseTooLarge,
        "A response from Pylon exceeds {limit_mb} MB, the most that the connector keeps in memory.",
    ),
    "certificates": (
        Misconfigured,
        "{variable} names {path}, which {problem}. Set it to a PEM file of certificate authorities, or remove it.",
    ),
    "proxy address": (
        Misconfigured,
        "The proxy in {variable} is not an address that can be used. It must have a scheme, a host and a port, such as "
        "http://proxy.example:3128.",  # ignore-https-check
    ),
    "socks": (
        Misconfigured,
        "The proxy in {variable} is a SOCKS proxy, which this installation does not support. Use an HTTP proxy, or "
        "install the Python package PySocks.",
    ),
}
"""Failures without a response: the error and its text. An Unreachable is retried like a 5xx, no other of them."""


def rule_for(status: int, code: str = "") -> Rule:
    """Return the row of the table for a failed response with this status and, if it has one, this error code."""
    return BY_CODE.get(code) or BY_STATUS.get(status) or BY_STATUS_CLASS.get(status // 100) or BY_STATUS_CLASS[5]


def failure(kind: str, detail: str, **names: object) -> PylonError:
    """Return the error for a failure without a response; `names` fill the placeholders of its text."""
    error, text = BY_FAILURE[kind]
    return error(text.format(**names), detail)

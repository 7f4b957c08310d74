"""What an endpoint is, and how often Pylon lets one organisation call it."""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote


class Paging(Enum):
    """Where an endpoint takes `cursor` and `limit`."""

    NONE = "none"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True)
class Endpoint:
    """One operation of Pylon's API: method and path template, as its rate limits count them.

    `page_size` is the largest `limit` that the endpoint takes; most refuse 1000. `single` says that it answers with
    one object instead of a list.
    """

    method: str
    path: str
    paging: Paging = Paging.NONE
    page_size: int = 999
    single: bool = False

    @property
    def key(self) -> str:
        """Method and path template, such as `GET /issues/{id}/messages`."""
        return f"{self.method} {self.path}"

    def path_for(self, *ids: str) -> str:
        """The path with its placeholders filled in order, each value quoted as one path segment."""
        parts = self.path.split("/")
        values = iter(ids)
        return "/".join(quote(next(values), safe="") if part.startswith("{") else part for part in parts)


def get_paginated(path: str, page_size: int = 999) -> Endpoint:
    """A GET that takes `cursor` and `limit` in the query string."""
    return Endpoint("GET", path, Paging.QUERY, page_size)


def get_all(path: str) -> Endpoint:
    """A GET that answers with everything at once."""
    return Endpoint("GET", path)


def search(path: str, page_size: int = 999) -> Endpoint:
    """A POST that takes `filter`, `cursor` and `limit` in its body."""
    return Endpoint("POST", path, Paging.BODY, page_size)


ME = Endpoint("GET", "/me", single=True)
MESSAGES = Endpoint("GET", "/issues/{id}/messages", Paging.QUERY, 1000)

_SLOW_CHILDREN = {"messages", "threads", "voice-calls", "articles", "collections"}


def calls_per_minute(endpoint: Endpoint) -> int:
    """Pylon's published allowance for an endpoint, of October 2026.

    Three classes: listing issues 30, searches 120, other reads 300. What holds for an organisation may
    differ (limits changed three times in 2026 and are raised on request), so this is where a sync starts from,
    not what it believes.
    """
    if endpoint.key == "GET /issues":
        return 30
    return 120 if endpoint.path.endswith("/search") else 300


def calls_per_minute_july_2026(endpoint: Endpoint) -> int:
    """The allowance that Pylon published in July 2026, for measuring what a wrong table costs."""
    if endpoint.key in ("GET /issues", "GET /issue-statuses", "GET /activity-types", "POST /audit-logs/search"):
        return 10
    if endpoint.path.endswith("/search") or endpoint.path.rsplit("/", 1)[-1] in _SLOW_CHILDREN:
        return 20
    return 60

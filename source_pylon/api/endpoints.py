"""The operations of Pylon's API, and the rate limit that Pylon publishes for each."""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from source_pylon.api.errors import UnusableId


class Paging(Enum):
    """Where an endpoint takes `cursor` and `limit`."""

    NONE = "none"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True)
class Endpoint:
    """An operation of Pylon's API: method and path template, as its rate limits count them.

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
        """Return the path with its placeholders filled in order, each id quoted as one path segment.

        Raises UnusableId for an empty id and for `.` and `..`, quoted or not: they would lead to another endpoint.
        """
        values = iter(ids)
        return "/".join(self._quoted(next(values)) if part.startswith("{") else part for part in self.path.split("/"))

    def _quoted(self, value: str) -> str:
        if value in ("", ".", ".."):
            raise UnusableId(f"Pylon returned an object whose id cannot be used in {self.key}: {value!r}.", self.key)
        return quote(value, safe="", errors="replace")


def get_paginated(path: str, page_size: int = 999) -> Endpoint:
    """Return a GET endpoint that takes `cursor` and `limit` in the query string."""
    return Endpoint("GET", path, Paging.QUERY, page_size)


def get_all(path: str) -> Endpoint:
    """Return a GET endpoint that returns everything at once."""
    return Endpoint("GET", path)


def search(path: str, page_size: int = 999) -> Endpoint:
    """Return a POST endpoint that takes `filter`, `cursor` and `limit` in its body."""
    return Endpoint("POST", path, Paging.BODY, page_size)


ME = Endpoint("GET", "/me", single=True)
ISSUE = Endpoint("GET", "/issues/{id}", single=True)
ISSUE_LIST = get_paginated("/issues", 20_000)
ISSUE_SEARCH = search("/issues/search", 1000)
MESSAGES = Endpoint("GET", "/issues/{id}/messages", Paging.QUERY, 1000)

_SLOWEST = {
    "GET /issues",
    "GET /issue-statuses",
    "GET /task-statuses",
    "GET /activity-types",
    "POST /audit-logs/search",
}
_SLOW_LISTS = {"search", "messages", "threads", "voice-calls", "articles", "collections", "article-feedback"}


def calls_per_minute(endpoint: Endpoint) -> int:
    """Return the requests per minute that Pylon publishes for an endpoint (October 2026, official SDK).

    A sync starts from these and adapts: limits changed three times in 2026 and are raised for single organisations.
    """
    if endpoint.key in _SLOWEST:
        return 30
    # A single collection has the same limit as the list of collections, unlike any other object.
    is_slow = endpoint.path.rsplit("/", 1)[-1] in _SLOW_LISTS or "/collections/" in endpoint.path
    return 120 if is_slow else 300

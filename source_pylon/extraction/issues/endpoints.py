"""The endpoints that the issue reader calls besides the messages."""

from source_pylon.api.endpoints import MESSAGES, Endpoint, get_paginated, search

SEARCH = search("/issues/search", 1000)
LIST = get_paginated("/issues", 20_000)
ISSUE = Endpoint("GET", "/issues/{id}", single=True)

__all__ = ["ISSUE", "LIST", "MESSAGES", "SEARCH"]

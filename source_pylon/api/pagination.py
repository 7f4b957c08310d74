"""Pagination that ends: each page's cursor is new, and so is something on it."""

from collections.abc import Callable, Iterator
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.endpoints import Endpoint

_MOST_EMPTY_PAGES = 20

Page = list[dict[str, Any]]
Fetch = Callable[[str | None], dict[str, Any]]


def paginate(endpoint: Endpoint, fetch: Fetch, key: Callable[[dict[str, Any]], object]) -> Iterator[Page]:
    """The pages of a list, each without what the page before it already held.

    `fetch` takes a cursor (None for the first page) and gives the answer's envelope; `key` gives a record's
    identity, None for a record that has none. Lists are keyset paginated, newest first, so a record created
    meanwhile can push the last one of a page onto the next. A page is emptied when the next one is asked for.

    If Pylon refuses a cursor halfway (how long one lives is not documented), the list begins again once, and what
    was already given is passed over. Raises InvalidResponse when a cursor repeats, when a page has nothing new, or when
    empty pages go on: an endless loop is worse than an error.
    """
    given: set[int] = set()
    cursor: str | None = None
    used: set[str] = set()
    empty = 0
    started_again = False
    skipping = False
    while True:
        try:
            answer = fetch(cursor)
        except errors.Rejected:
            if cursor is None or started_again:
                raise
            started_again = skipping = True
            cursor, used = None, set()
            continue
        records = responses.items(endpoint, answer)
        cursor = responses.next_cursor(endpoint, answer)
        page = _new_ones(records, key, given)
        repeats = bool(records) and not page
        # A page of issues takes ten megabytes: none is kept while the next is on its way.
        del answer, records
        if page:
            empty, skipping = 0, False
            yield page
            page.clear()
        elif repeats and not skipping and cursor is not None:
            raise _endless(endpoint, "a page repeats what was already given")
        else:
            empty += 1
        if cursor is None:
            return
        if cursor in used:
            raise _endless(endpoint, "a cursor comes back that was already used")
        if empty > _MOST_EMPTY_PAGES and not skipping:
            raise _endless(endpoint, "empty pages keep saying that there is more")
        used.add(cursor)


def _new_ones(records: Page, key: Callable[[dict[str, Any]], object], given: set[int]) -> Page:
    page = []
    for record in records:
        identity = key(record)
        if identity is None:
            page.append(record)
            continue
        # 64-bit hashes keep a million records within some tens of megabytes; that two of them collide has a chance of
        # one in ten million.
        digest = hash(identity)
        if digest not in given:
            given.add(digest)
            page.append(record)
    return page


def _endless(endpoint: Endpoint, what: str) -> errors.InvalidResponse:
    return errors.InvalidResponse(f"The pages of {endpoint.key} do not come to an end: {what}.", endpoint.key)

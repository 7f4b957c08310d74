"""Pagination that always ends: a page without a new cursor or a new record is an error."""

from collections.abc import Callable, Iterator
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.endpoints import Endpoint

_MAX_EMPTY_PAGES = 20

Page = list[dict[str, Any]]
Fetch = Callable[[str | None], dict[str, Any]]


def paginate(endpoint: Endpoint, fetch: Fetch, key: Callable[[dict[str, Any]], object]) -> Iterator[Page]:
    """Yield the pages of a list, each without records of earlier pages.

    `fetch` requests the page at a cursor (None for the first page) and returns its envelope; `key` returns a record's
    identity, None for a record that has none. Lists are keyset paginated, newest first, so a record created
    meanwhile can push the last one of a page onto the next. A page is emptied when the next one is requested.

    If Pylon refuses a cursor halfway (how long one lives is not documented), the list is read again from its first
    page, once, without the records that were already yielded. Raises InvalidResponse when a cursor repeats, when a page
    has nothing new, or after too many empty pages: an error is better than an endless loop.
    """
    seen: set[int] = set()
    cursor: str | None = None
    used: set[str] = set()
    empty = 0
    restarted = False
    catching_up = False
    while True:
        try:
            response = fetch(cursor)
        except errors.Rejected:
            if cursor is None or restarted:
                raise
            restarted = catching_up = True
            cursor, used = None, set()
            continue
        records = responses.items(response)
        cursor = responses.next_cursor(response)
        page = _new_records(records, key, seen)
        repeats = bool(records) and not page
        # A page of issues takes ten megabytes: do not keep one while the next is on its way.
        del response, records
        if page:
            empty, catching_up = 0, False
            yield page
            page.clear()
        elif repeats and not catching_up and cursor is not None:
            raise _endless(endpoint, "a page has only records of earlier pages")
        else:
            empty += 1
        if cursor is None:
            return
        if cursor in used:
            raise _endless(endpoint, "a cursor repeats")
        if empty > _MAX_EMPTY_PAGES and not catching_up:
            raise _endless(endpoint, f"more than {_MAX_EMPTY_PAGES} empty pages in a row announce another page")
        used.add(cursor)


def _new_records(records: Page, key: Callable[[dict[str, Any]], object], seen: set[int]) -> Page:
    identities = list(map(key, records))
    # 64-bit hashes keep a million records within some tens of megabytes; that two of them collide has a chance of
    # one in ten million.
    digests = list(map(hash, identities))
    new = set(digests)
    if None not in identities and len(new) == len(digests) and new.isdisjoint(seen):
        # Almost every page.
        seen |= new
        return records
    page = []
    for record, identity, digest in zip(records, identities, digests, strict=True):
        if identity is None:
            page.append(record)
        elif digest not in seen:
            seen.add(digest)
            page.append(record)
    return page


def _endless(endpoint: Endpoint, reason: str) -> errors.InvalidResponse:
    return errors.InvalidResponse(
        f"The pages of {endpoint.key} do not come to an end: {reason}. If this happens again, tell Pylon's support.",
        endpoint.key,
    )

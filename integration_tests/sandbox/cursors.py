"""Cursors and pages: keyset pagination, by creation time and id.

The recorded cursor of a live page is base64 of `2025-08-26T16:11:58.871Z|<id of the last record>`.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Sequence
from itertools import islice

from integration_tests.sandbox.clock import parse, precise
from integration_tests.sandbox.operations import ApiError
from integration_tests.sandbox.versions import Key


def encode(key: Key) -> str:
    """Return the cursor that continues after the record with this key."""
    return base64.b64encode(f"{precise(key[0])}|{key[1]}".encode()).decode()


def decode(cursor: str, known: Container[str] | None = None) -> Key:
    """Return the key in a cursor; raises ApiError (400) unless it belongs to an object with one of the `known` ids."""
    try:
        moment, _, identity = base64.b64decode(cursor, validate=True).decode().partition("|")
        key = (int(parse(moment)), identity)
    except (ValueError, binascii.Error) as error:
        raise ApiError(400, "invalid cursor") from error
    if encode(key) != cursor or (known is not None and identity not in known):
        raise ApiError(400, "invalid cursor")
    return key


def page(
    keys: Sequence[Key],
    after: Key | None,
    limit: int | None,
    matches: Callable[[Key], bool] = lambda key: True,
    *,
    oldest_first: bool = False,
) -> tuple[list[Key], bool]:
    """Cut a page of matching keys from keys in ascending order, by default newest first; tell whether more follow.

    Reads only as far as the page reaches. A `limit` of None returns everything after the cursor.
    """
    if oldest_first:
        following = range(0 if after is None else bisect_right(keys, after), len(keys))
    else:
        following = range((len(keys) if after is None else bisect_left(keys, after)) - 1, -1, -1)
    found = filter(matches, (keys[place] for place in following))
    if limit is None:
        return list(found), False
    some = list(islice(found, limit + 1))
    return some[:limit], len(some) > limit

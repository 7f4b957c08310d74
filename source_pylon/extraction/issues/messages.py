"""The messages of an issue, and what it means when they cannot be read."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient, identity
from source_pylon.api.endpoints import ISSUE, ISSUE_SEARCH, MESSAGES
from source_pylon.api.pagination import paginate

logger = logging.getLogger("airbyte")

_OTHERS_TO_TRY = 10
_OTHERS_TO_TRY_AFTER_RETRIES = 3
"""Fewer, because each is retried for minutes where the endpoint is broken."""

_REFUSALS = (errors.Forbidden, errors.NotFound, errors.Rejected)


class IssueDeleted(Exception):
    """The issue was deleted after it was listed."""


class MessageReader:
    """Reads messages in one sync. Thread-safe."""

    def __init__(self, client: PylonClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._readable: str | None = None
        self._readable_asked = float("-inf")

    def read(self, issue_id: str, on_large: Callable[[], None] | None = None) -> list[dict[str, Any]] | None:
        """Return all messages of an issue, private ones too; None when Pylon refuses those of this issue alone.

        `on_large` is called once a megabyte has arrived and there is more. Raises IssueDeleted when the issue is gone,
        the refusal itself when Pylon refuses the messages of every issue, and PylonError when no retry helped.
        """
        asked = self._monotonic()
        try:
            messages = [message for page in self._pages(issue_id, on_large) for message in page]
        except _REFUSALS as refusal:
            self._raise_if_all_are_refused(issue_id, refusal)
            # A production client of Pylon's API sees 400 and 404 here for issues that are gone or scrubbed.
            if not isinstance(refusal, errors.Forbidden) and not self._exists(issue_id):
                raise IssueDeleted from None
            logger.warning(f"Pylon refuses the messages of issue {issue_id}. It is emitted without them.")
            return None
        self._note_readable(issue_id, asked)
        return messages

    def can_read_another(self, issue_id: str) -> bool:
        """Whether the messages of some other issue can be read now: then it is not the endpoint that is broken."""
        try:
            return self._reads_another(issue_id, (errors.PylonError,), _OTHERS_TO_TRY_AFTER_RETRIES)
        except errors.PylonError:
            return False

    def _note_readable(self, issue_id: str, asked: float) -> None:
        self._readable, self._readable_asked = issue_id, max(asked, self._readable_asked)

    def _pages(self, issue_id: str, on_large: Callable[[], None] | None) -> Iterator[list[dict[str, Any]]]:
        def fetch(cursor: str | None) -> dict[str, Any]:
            # Without limit and cursor, all messages come in one response, for one request of the rate limit.
            query = {"cursor": cursor, "limit": MESSAGES.page_size} if cursor else None
            return self._client.request(MESSAGES, issue_id, query=query, on_large=on_large)

        return paginate(MESSAGES, fetch, identity)

    def _exists(self, issue_id: str) -> bool:
        try:
            self._client.request(ISSUE, issue_id)
        except errors.NotFound:
            return False
        except (errors.Forbidden, errors.Rejected):
            # A token without permission for single issues cannot tell: assume that the issue exists.
            return True
        return True

    def is_gone(self, issue_id: str) -> bool:
        """Whether an issue that Pylon refuses by itself (400) was scrubbed: others can be read, or it is not found."""
        response = self._client.request(ISSUE_SEARCH, body={"limit": _OTHERS_TO_TRY})
        found = [str(issue.get("id")) for issue in responses.items(response)]
        if issue_id in found:
            return False
        if responses.next_cursor(response) is None:
            return True
        for other in found:
            try:
                self._client.request(ISSUE, other)
            except _REFUSALS:
                continue
            return True
        return False

    def _raise_if_all_are_refused(self, issue_id: str, refusal: errors.PylonError) -> None:
        """Raise `refusal` unless the messages of another issue can be read.

        If a permission or the endpoint itself is missing, every issue would be emitted without messages, or left out
        as deleted, and the sync would look complete.
        """
        refused = self._monotonic()
        with self._lock:
            # Only what was requested after the refusal counts: a permission may be withdrawn in between.
            if self._readable_asked > refused or self._reads_another(issue_id, _REFUSALS):
                return
        raise refusal

    def _reads_another(
        self, issue_id: str, tolerated: tuple[type[errors.PylonError], ...], at_most: int | None = None
    ) -> bool:
        """Try the messages of other issues until those of one can be read; `tolerated` errors lead to the next one."""
        for other in islice((other for other in self._others() if other != issue_id), at_most):
            asked = self._monotonic()
            with contextlib.suppress(*tolerated):
                self._client.request(MESSAGES, other, query={"limit": 1})
                self._note_readable(other, asked)
                return True
        return False

    def _others(self) -> Iterator[str]:
        if self._readable:
            yield self._readable
        response = self._client.request(ISSUE_SEARCH, body={"limit": _OTHERS_TO_TRY})
        yield from (str(issue["id"]) for issue in responses.items(response) if issue.get("id"))

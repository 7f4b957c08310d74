"""The messages of an issue, and what it means when they cannot be had."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient, identity
from source_pylon.api.endpoints import MESSAGES
from source_pylon.api.pagination import paginate
from source_pylon.extraction.issues.listing import SEARCH

logger = logging.getLogger("airbyte")

_OTHERS_TO_TRY = 10


class Deleted(Exception):
    """The issue was deleted after it had been listed."""


class MessageReader:
    """Reads messages in one sync. Thread-safe."""

    def __init__(self, client: PylonClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._readable: str | None = None
        self._readable_asked = float("-inf")
        self._unflagged = 0

    def read(self, issue_id: str, on_large: Callable[[], None] | None = None) -> list[dict[str, Any]] | None:
        """All messages of an issue, private ones too; None when Pylon refuses those of this issue alone.

        `on_large` as of `Transport.exchange`.

        Raises Deleted when the issue is gone, and what Pylon answered when it refuses those of every issue.
        """
        asked = self._monotonic()
        try:
            messages = [message for page in self._pages(issue_id, on_large) for message in page]
        except errors.NotFound as refusal:
            self._raise_if_all_are_refused(issue_id, refusal)
            raise Deleted from None
        except errors.Forbidden as refusal:
            self._raise_if_all_are_refused(issue_id, refusal)
            logger.warning(f"Pylon refuses the messages of issue {issue_id}: it is emitted without them.")
            return None
        self._can_read(issue_id, asked)
        self._count_unflagged(messages)
        return messages

    def _can_read(self, issue_id: str, asked: float) -> None:
        self._readable, self._readable_asked = issue_id, max(asked, self._readable_asked)

    def _pages(self, issue_id: str, on_large: Callable[[], None] | None) -> Iterator[list[dict[str, Any]]]:
        def fetch(cursor: str | None) -> dict[str, Any]:
            # Without limit and cursor all messages come in one answer: one call of the allowance.
            query = {"cursor": cursor, "limit": MESSAGES.page_size} if cursor else None
            return self._client.request(MESSAGES, issue_id, query=query, on_large=on_large)

        return paginate(MESSAGES, fetch, identity)

    def _raise_if_all_are_refused(self, issue_id: str, refusal: errors.PylonError) -> None:
        """Asks for messages of issues that should be readable; one that is tells that only this issue is refused.

        Issue after issue without messages, or left out, because a permission or the endpoint is missing would look
        complete.
        """
        refused = self._monotonic()
        with self._lock:
            # Only what was asked for after the refusal tells: a permission may go while calls are under way.
            if self._readable_asked > refused:
                return
            for other in self._others():
                if other == issue_id:
                    continue
                asked = self._monotonic()
                try:
                    self._client.request(MESSAGES, other, query={"limit": 1})
                except (errors.Forbidden, errors.NotFound):
                    continue
                self._can_read(other, asked)
                return
        raise refusal

    def _others(self) -> Iterator[str]:
        if self._readable:
            yield self._readable
        answer = self._client.request(SEARCH, body={"limit": _OTHERS_TO_TRY})
        yield from (str(issue["id"]) for issue in responses.items(SEARCH, answer) if issue.get("id"))

    def _count_unflagged(self, messages: list[dict[str, Any]]) -> None:
        count = sum(1 for message in messages if not isinstance(message.get("is_private"), bool))
        if count and not self._unflagged:
            logger.warning("Pylon sent messages that do not say whether they are private: they are left out.")
        self._unflagged += count

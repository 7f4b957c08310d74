"""Searches for issues: one window, all pages; and where the history begins or goes on after a gap."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import search
from source_pylon.extraction.issues.plan import Listed, began_after
from source_pylon.extraction.time_windows import Window, time_filter
from source_pylon.timestamps import SECOND, render

logger = logging.getLogger("airbyte")

SEARCH = search("/issues/search")

_BEGINNING = datetime(2000, 1, 1, tzinfo=timezone.utc)
_CLOSE_ENOUGH = timedelta(days=15)
_BESIDE = 4 * SECOND
"""A search for what lies this long before an issue does not find the issue, though it looks beside its range."""
_MESSAGE_FIELDS = ("latest_message_activity_at", "created_at")
_UPDATE_FIELDS = ("updated_at",)

Filter = dict[str, Any]


def window_filter(window: Window, fields: Iterable[str], types: frozenset[str]) -> Filter:
    """The filter of a window over any of `fields`.

    Messages are asked for with `created_at` beside them, because issues without a message may not match a filter
    on the latest one.
    """
    times = [time_filter(field, window) for field in fields]
    return _of_types(times[0] if len(times) == 1 else {"operator": "or", "subfilters": times}, types)


def _of_types(by_time: Filter, types: frozenset[str]) -> Filter:
    if not types:
        return by_time
    if len(types) == 1:
        by_type: Filter = {"field": "issue_type", "operator": "equals", "value": next(iter(types))}
    else:
        by_type = {"field": "issue_type", "operator": "in", "values": sorted(types)}
    return {"operator": "and", "subfilters": [by_time, by_type]}


@dataclass(frozen=True)
class Listing:
    """What a search showed, each issue once, and Pylon's time when it was first asked."""

    issues: list[Listed]
    asked_at: datetime


class IssueSearch:
    """Issue searches of one sync."""

    def __init__(
        self,
        client: PylonClient,
        on_keyless: Callable[[int], None] = lambda count: None,
        on_estimate: Callable[[int], None] = lambda issues: None,
    ) -> None:
        """`on_keyless` is told how many records came without an id; they cannot be told apart or updated.

        `on_estimate` is told, once, about how many issues there are.
        """
        self._client = client
        self._on_estimate = on_estimate
        self._on_keyless = on_keyless
        self._wide_ranges_work = True
        self.filter_ignored = False
        """Whether an answer has shown that the server ignores time filters."""

    def by_message(self, window: Window, types: frozenset[str]) -> Listing:
        """Issues whose latest message or creation lies in `window`, and some beside it."""
        listing = self._list({"filter": window_filter(window, _MESSAGE_FIELDS, types)})
        self._notice(listing.issues, window.until)
        return listing

    def by_update(self, window: Window, types: frozenset[str]) -> Listing:
        """Issues updated in `window`, and some beside it."""
        return self._list({"filter": window_filter(window, _UPDATE_FIELDS, types)})

    def _list(self, body: Mapping[str, Any]) -> Listing:
        asked = self._client.now()
        found: list[Listed] = []
        keyless = 0
        for page in self._client.pages(SEARCH, body=body):
            for issue in page:
                if issue.get("id"):
                    found.append(Listed.of(issue))
                else:
                    keyless += 1
        if keyless:
            self._on_keyless(keyless)
        return Listing(found, self._client.server_time(asked))

    def beginning(self, types: frozenset[str]) -> datetime | None:
        """A moment before the creation of the oldest issue, at most a few weeks before it; None without issues.

        Searches are sorted newest created first and cannot be turned round, so this halves the time before the
        oldest issue seen so far, until a page holds all that is left.
        """
        empty_before = _BEGINNING
        body = _created("time_is_after", _BEGINNING, types)
        middle = empty_before
        oldest: datetime | None = None
        while True:
            issues, complete = self._first_page(body)
            if issues and oldest is None:
                # Issues are numbered as they are created, so the newest number says about how many there are.
                numbers = [issue["number"] for issue in issues if isinstance(issue.get("number"), int)]
                self._on_estimate(len(issues) if complete else max(numbers, default=len(issues)))
            if issues:
                listed = [Listed.of(issue) for issue in issues]
                self._notice(listed, middle if oldest is not None else None)
                if self.filter_ignored:
                    # No question about time is answered: from the beginning on, then, in one listing of everything.
                    return _BEGINNING
                oldest = min((item.created for item in listed if item.created), default=_BEGINNING)
                if complete:
                    return oldest - SECOND
            elif oldest is None:
                return None
            else:
                empty_before = middle
            if oldest - empty_before <= _CLOSE_ENOUGH:
                return empty_before - SECOND
            middle = empty_before + (oldest - empty_before) / 2
            body = _created("time_is_before", middle, types)

    def after_gap(self, after: datetime, limit: datetime, types: frozenset[str], width: timedelta) -> datetime:
        """The latest moment from `after` to `limit` up to which nothing happened; `width` is a window's.

        Only what a search showed to be empty is passed over: an issue may be found by another time than its record
        shows. Asks for widening ranges; from the first that is not empty on, tries the time of its earliest record, and
        halves. If Pylon refuses ranges wider than a window, months are asked for one by one instead.
        """
        lower, step = after, 4 * width
        busy_until: datetime | None = None
        while lower < limit:
            if busy_until is not None and busy_until - lower <= width:
                break
            upper = min(lower + step if busy_until is None else lower + (busy_until - lower) / 2, limit)
            found = self._found(lower, upper, types)
            if found is None:
                break
            issues, complete = found
            if not issues:
                lower, step = upper, step * 3
                continue
            busy_until = upper
            cursors = [listed.cursor for listed in map(Listed.of, issues)] if complete else []
            inside = [moment for moment in cursors if moment is not None and lower < moment <= upper]
            guess = min(inside, default=lower) - _BESIDE
            if guess > lower and self._found(lower, guess, types) == ([], True):
                return guess
        return lower

    def _found(
        self, after: datetime, until: datetime, types: frozenset[str]
    ) -> tuple[list[dict[str, Any]], bool] | None:
        if not self._wide_ranges_work:
            return None
        try:
            return self._first_page({"filter": window_filter(Window(after, until), _MESSAGE_FIELDS, types)})
        except errors.Rejected:
            self._wide_ranges_work = False
            logger.info("Pylon refuses searches over more than a month: empty months are asked for one by one.")
            return None

    def _notice(self, issues: Iterable[Listed], until: datetime | None) -> None:
        if until is not None and not self.filter_ignored and any(began_after(listed, until) for listed in issues):
            self.filter_ignored = True
            logger.warning(
                "Pylon ignores the time filter of issue searches, so each search lists every issue: "
                "the sync is slower, nothing is lost."
            )

    def _first_page(self, body: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        answer = self._client.request(SEARCH, body={"limit": SEARCH.page_size, **body})
        return responses.items(SEARCH, answer), responses.next_cursor(SEARCH, answer) is None


def _created(operator: str, moment: datetime, types: frozenset[str]) -> dict[str, Any]:
    by_time: Filter = {
        "field": "created_at",
        "operator": operator,
        "value": render(moment.replace(microsecond=0)),
    }
    return {"filter": _of_types(by_time, types)}

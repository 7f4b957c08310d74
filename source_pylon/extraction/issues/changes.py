"""Issues that changed in a range of time, found by searches, in windows small enough to be a checkpoint each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from source_pylon.api import responses
from source_pylon.api.client import PylonClient, identity
from source_pylon.api.endpoints import ISSUE_SEARCH
from source_pylon.api.pagination import Page, paginate
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.time_windows import TimeWindow, cut_at, next_window, time_filter
from source_pylon.timestamps import DAY, render

logger = logging.getLogger("airbyte")

Filter = dict[str, Any]

_NARROWEST = timedelta(seconds=2)
_NARROWED_BY = 4
_FAR_FROM_NARROWEST = timedelta(minutes=1)
"""Where a search narrowed to seconds still finds more than a page, the page is either of these seconds or of none."""
_IGNORED_FILTER_MIN_ISSUES = 20
"""The filter counts as ignored if at least this many issues of a response, and more than half of them, lie outside the
window. A single issue may match by a time that its record does not show, such as that of an internal note."""


def changed_in(window: TimeWindow) -> Filter:
    """Return the filter for whatever was created, updated or got a message in `window`.

    Whether issues without messages match a filter on the latest one is not documented, nor whether a creation or a
    message moves `updated_at`, so any of the three times counts.
    """
    fields = ("updated_at", "latest_message_activity_at", "created_at")
    return {"operator": "or", "subfilters": [time_filter(field, window) for field in fields]}


def older_and_active_in(window: TimeWindow, created_before: datetime) -> Filter:
    """Return the filter for issues created before a moment that were updated or got a message in `window`."""
    created = {"field": "created_at", "operator": "time_is_before", "value": render(created_before)}
    active = [time_filter(field, window) for field in ("latest_message_activity_at", "updated_at")]
    return {"operator": "and", "subfilters": [created, {"operator": "or", "subfilters": active}]}


class ChangeSearch:
    """Searches for changed issues, oldest window first, within one sync."""

    def __init__(self, client: PylonClient, widest: timedelta, max_issues: int) -> None:
        """Ask for windows of at most `widest`, narrower where one holds more than `max_issues` issues."""
        self._client = client
        self._widest = widest
        self._max_issues = min(max_issues, ISSUE_SEARCH.page_size)
        self.filter_ignored = False

    def windows(
        self,
        after: datetime,
        horizon: datetime,
        bounds: Iterable[datetime] = (),
        created_before: datetime | None = None,
    ) -> Iterator[tuple[TimeWindow, Iterator[Page]]]:
        """Yield windows from `after` on, each with the pages of issues that changed in it; the last one has no end.

        The pages of a window must be used up before the next window is taken. No window crosses one of `bounds`. With
        `created_before`, only issues created before it are requested.
        """
        bounds = list(bounds)
        width = self._widest
        while True:
            # Where the filter is ignored, each search returns everything, so windows are as wide as the bounds allow.
            widest = TimeWindow(after, None) if self.filter_ignored else next_window(after, horizon, width)
            window = cut_at(widest, bounds)
            query = older_and_active_in(window, created_before) if created_before else changed_in(window)
            first = self._request(query, ISSUE_SEARCH.page_size if self.filter_ignored else self._max_issues)
            is_whole = responses.next_cursor(first) is None
            if not self.filter_ignored:
                if self._is_ignored(responses.items(first), window):
                    self.filter_ignored = True
                    logger.warning(
                        f"Pylon ignores the time filter of {ISSUE_SEARCH.key}, so each search returns every issue. "
                        "The sync is slower; nothing is lost."
                    )
                    continue
                span = (window.until or max(horizon, after)) - after
                if not is_whole and span > _NARROWEST:
                    width = max(_NARROWEST, span / _NARROWED_BY)
                    continue
            yield window, self._pages(query, window, first)
            if is_whole:
                width = min(self._widest, 2 * width)
            if window.until is None:
                return
            after = window.until

    def _request(self, query: Filter, limit: int, cursor: str | None = None) -> dict[str, Any]:
        paging = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        return self._client.request(ISSUE_SEARCH, body={"filter": query, **paging})

    def _pages(self, query: Filter, window: TimeWindow, first: dict[str, Any]) -> Iterator[Page]:
        """Yield the pages of a search whose first response has been received."""
        received = [first]

        def fetch(cursor: str | None) -> dict[str, Any]:
            return received.pop() if received else self._request(query, ISSUE_SEARCH.page_size, cursor)

        for page in paginate(ISSUE_SEARCH, fetch, identity):
            if self.filter_ignored:
                yield [
                    issue for issue in page if not issue.get("id") or ListedIssue.of(issue).has_time_after(window.after)
                ]
            else:
                yield page

    def _is_ignored(self, issues: Page, window: TimeWindow) -> bool:
        is_narrowest = window.until is not None and window.until - window.after <= _NARROWEST
        tolerance = _FAR_FROM_NARROWEST if is_narrowest else DAY
        listed = [ListedIssue.of(issue) for issue in issues if issue.get("id")]
        outside = sum(1 for issue in listed if issue.is_far_from(window, tolerance))
        return outside >= _IGNORED_FILTER_MIN_ISSUES and 2 * outside > len(listed)

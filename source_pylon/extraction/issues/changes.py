"""Issues that changed in a range of time, found by searches, in windows small enough to be a checkpoint each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from source_pylon.api import responses
from source_pylon.api.client import PylonClient
from source_pylon.extraction.issues.endpoints import SEARCH
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.time_windows import TimeWindow, cut_at, next_window, time_filter
from source_pylon.timestamps import render

logger = logging.getLogger("airbyte")

Filter = dict[str, Any]

_NARROWEST = timedelta(seconds=2)
_NARROWED_BY = 4
_FAR = timedelta(days=1)
_FAR_FROM_NARROWEST = timedelta(minutes=1)
"""Where a search narrowed to seconds still finds more than a page, the page is either of these seconds or of none."""
_IGNORED_FILTER_MIN_ISSUES = 20
"""The filter counts as ignored if at least this many issues of a response, and more than half of them, lie outside the
window. A single issue may match by a time that its record does not show, such as that of an internal note."""


@dataclass(frozen=True)
class ChangedIssues:
    """Some issues that changed in `window`; `last` on the last part of the window."""

    window: TimeWindow
    issues: list[dict[str, Any]]
    last: bool


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
        self._max_issues = min(max_issues, SEARCH.page_size)
        self.filter_ignored = False

    def windows(
        self,
        after: datetime,
        horizon: datetime,
        bounds: Iterable[datetime] = (),
        created_before: datetime | None = None,
    ) -> Iterator[ChangedIssues]:
        """Yield the issues that changed after `after`, window by window; the last window has no end.

        No window crosses one of `bounds`. With `created_before`, only issues created before it are requested.
        """
        bounds = list(bounds)
        width = self._widest
        while True:
            window = cut_at(next_window(after, horizon, width), bounds)
            if self.filter_ignored:
                # Each search returns everything anyway, so windows are as wide as the bounds allow.
                window = cut_at(TimeWindow(after, None), bounds)
            body = {"filter": older_and_active_in(window, created_before) if created_before else changed_in(window)}
            issues, complete = self._first_page(body)
            if not self.filter_ignored and self._is_ignored(issues, window):
                self.filter_ignored = True
                logger.warning(
                    f"Pylon ignores the time filter of {SEARCH.key}, so each search returns every issue. "
                    "The sync is slower; nothing is lost."
                )
                continue
            if self.filter_ignored or not complete:
                actual = (window.until or max(horizon, after)) - window.after
                if not self.filter_ignored and actual > _NARROWEST:
                    width = max(_NARROWEST, actual / _NARROWED_BY)
                    continue
                yield from self._all_pages(body, window)
            else:
                yield ChangedIssues(window, issues, last=True)
                width = min(self._widest, 2 * width)
            if window.until is None:
                return
            after = window.until

    def _first_page(self, body: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        answer = self._client.request(SEARCH, body={**body, "limit": self._max_issues})
        return responses.items(answer), responses.next_cursor(answer) is None

    def _all_pages(self, body: dict[str, Any], window: TimeWindow) -> Iterator[ChangedIssues]:
        for page in self._client.pages(SEARCH, body=body):
            issues = list(page)
            if self.filter_ignored:
                issues = [
                    issue
                    for issue in issues
                    if not issue.get("id") or ListedIssue.of(issue).has_time_after(window.after)
                ]
            yield ChangedIssues(window, issues, last=False)
        yield ChangedIssues(window, [], last=True)

    def _is_ignored(self, issues: list[dict[str, Any]], window: TimeWindow) -> bool:
        is_narrowest = window.until is not None and window.until - window.after <= _NARROWEST
        tolerance = _FAR_FROM_NARROWEST if is_narrowest else _FAR
        listed = [ListedIssue.of(issue) for issue in issues if issue.get("id")]
        outside = sum(1 for issue in listed if issue.is_far_from(window, tolerance))
        return outside >= _IGNORED_FILTER_MIN_ISSUES and 2 * outside > len(listed)

"""The history of issues by creation, newest first: `GET /issues`, or searches where that is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient, identity
from source_pylon.api.endpoints import ISSUE_LIST, ISSUE_SEARCH, Endpoint
from source_pylon.api.pagination import paginate
from source_pylon.extraction.time_windows import TimeWindow, time_filter
from source_pylon.timestamps import DAY, SECOND, TICK, parse, render
from source_pylon.transform.clean import size as size_of

logger = logging.getLogger("airbyte")

MAX_RANGE = timedelta(days=365)
"""Widest range that `GET /issues` takes."""
_MONTH = timedelta(days=29)
_OLDEST = datetime(2010, 1, 1, tzinfo=timezone.utc)
"""Before Pylon existed. Bounds the search for the oldest issue if a server ignores filters."""

_FIRST_PAGE = 100
"""Issues on the first page: few, so that the first records are emitted at once."""
BYTES_PER_PAGE = 4_000_000
"""A page of parsed issues takes about six times its JSON in memory."""


@dataclass(frozen=True)
class HistoryPage:
    """Issues in the order of the list, and the creation time back to which all issues have now been listed.

    `read_back_to` is None if the list is not sorted as documented; then nothing is known before its end.
    """

    issues: list[dict[str, Any]]
    read_back_to: datetime | None


class IssueHistory:
    """Lists issues backwards in one sync."""

    def __init__(
        self,
        client: PylonClient,
        max_page: int,
        on_estimate: Callable[[int], None] = lambda issues: None,
    ) -> None:
        """Request at most `max_page` issues at once. `on_estimate` gets an estimate of their number, once."""
        self._client = client
        self._max_page = max_page
        self._on_estimate = on_estimate
        self._estimated = False
        self._limit = min(_FIRST_PAGE, max_page)
        self._range = MAX_RANGE
        self._list_refused = False
        self._bounds_ignored = False

    def pages(self, before: datetime, since: datetime | None) -> Iterator[HistoryPage]:
        """Yield all issues created before `before`, newest first, back to `since` or to the oldest one.

        The last page's `read_back_to` is the lower end of the range. One request skips any number of empty years.
        """
        upper = before
        while since is None or upper > since:
            lower = max(upper - self._range, since) if since else upper - self._range
            found = 0
            try:
                for page in self._range_pages(lower, upper):
                    found += len(page.issues)
                    yield page
            except (errors.Rejected, errors.Forbidden, errors.NotFound) as refusal:
                if found or self._list_refused:
                    raise
                self._ask_otherwise(refusal)
                continue
            yield HistoryPage([], lower)
            upper = lower
            if not found and (since is None or lower > since):
                newest = self.newest_before(lower)
                if newest is None:
                    return
                if newest < _OLDEST:
                    yield from self._ancient_pages(lower)
                    return
                upper = min(upper, newest + SECOND)

    def _ancient_pages(self, before: datetime) -> Iterator[HistoryPage]:
        """Yield issues with a creation time before Pylon existed, such as imports dated year 1."""
        body = {"filter": _created_before(before)}
        for page in self._client.pages(ISSUE_SEARCH, body=body, limit=min(ISSUE_SEARCH.page_size, self._max_page)):
            created = [(issue, parse(issue.get("created_at"))) for issue in page]
            # A server that ignores the filter returns issues that have been read already.
            yield HistoryPage([issue for issue, moment in created if moment is not None and moment < before], None)

    def _ask_otherwise(self, refusal: errors.PylonError) -> None:
        """Continue with months instead of years, or with searches if the list itself cannot be used."""
        reason = f"The token may not use {ISSUE_LIST.key} ({refusal.detail})"
        if isinstance(refusal, errors.Rejected):
            if self._range > _MONTH:
                self._range = _MONTH
                logger.info(f"{ISSUE_LIST.key} refuses a range of a year. The history is read in months instead.")
                return
            reason = f"Pylon refuses every request to {ISSUE_LIST.key}"
        self._range, self._list_refused = _MONTH, True
        logger.info(f"{reason}. The history is read through {ISSUE_SEARCH.key} instead.")

    def _range_pages(self, lower: datetime, upper: datetime) -> Iterator[HistoryPage]:
        """Yield the issues created from `lower` on, before `upper`, in whole seconds."""
        oldest = upper
        is_sorted = True
        for page in self._search_pages(lower, upper) if self._list_refused else self._list_pages(lower, upper):
            self._look_at(page, lower, upper)
            issues = []
            for issue in page:
                created = parse(issue.get("created_at"))
                if created is None:
                    issues.append(issue)
                elif lower <= created < upper:
                    issues.append(issue)
                    is_sorted = is_sorted and created <= oldest + SECOND
                    oldest = min(oldest, created)
            # Records show whole seconds, so the next page may hold issues that show the second of the oldest one.
            yield HistoryPage(issues, max(lower, oldest + SECOND) if is_sorted else None)

    def _list_pages(self, lower: datetime, upper: datetime) -> Iterator[list[dict[str, Any]]]:
        def fetch(cursor: str | None) -> dict[str, Any]:
            query: dict[str, Any] = {"start_time": render(lower), "end_time": render(upper), "limit": self._limit}
            if cursor is not None:
                query["cursor"] = cursor
            return self._client.request(ISSUE_LIST, query=query)

        return paginate(ISSUE_LIST, fetch, identity)

    def _search_pages(self, lower: datetime, upper: datetime) -> Iterator[list[dict[str, Any]]]:
        body = {"filter": time_filter("created_at", TimeWindow(lower - TICK, upper))}
        return self._client.pages(ISSUE_SEARCH, body=body, limit=min(ISSUE_SEARCH.page_size, self._max_page))

    def _look_at(self, page: Sequence[dict[str, Any]], lower: datetime, upper: datetime) -> None:
        if not page:
            return
        sample = [page[0], page[len(page) // 2], page[-1]]
        size = sum(map(size_of, sample)) / len(sample)
        self._limit = int(max(1, min(BYTES_PER_PAGE / size, self._max_page)))
        if not self._estimated:
            # Issues are numbered as they are created, so the newest number says about how many there are.
            self._estimated = True
            self._on_estimate(max((one["number"] for one in page if isinstance(one.get("number"), int)), default=0))
        window = TimeWindow(lower, upper)
        moments = [moment for moment in (parse(issue.get("created_at")) for issue in page) if moment is not None]
        if any(window.is_far_from(moment) for moment in moments):
            self._warn_of_ignored_bounds(ISSUE_SEARCH if self._list_refused else ISSUE_LIST)

    def _warn_of_ignored_bounds(self, endpoint: Endpoint) -> None:
        """Log once per sync that an endpoint returns issues outside the requested time range."""
        if not self._bounds_ignored:
            self._bounds_ignored = True
            logger.warning(
                f"Pylon ignores the time range of {endpoint.key}, so each request returns every issue. "
                "The sync is slower; nothing is lost."
            )

    def newest_before(self, moment: datetime) -> datetime | None:
        """Return when the newest issue created before `moment` was created; None if there is none."""
        response = self._client.request(ISSUE_SEARCH, body={"filter": _created_before(moment), "limit": 1})
        issues = responses.items(response)
        if not issues:
            return None
        created = parse(issues[0].get("created_at"))
        if created is not None and created < moment:
            return created
        # Where the bound is inclusive, it may be an issue of that very moment. A server that ignores the filter shows
        # its newest issue. In both cases, the next range is requested without skipping any.
        if created is None or created > moment + DAY:
            self._warn_of_ignored_bounds(ISSUE_SEARCH)
        return moment - SECOND


def _created_before(moment: datetime) -> dict[str, Any]:
    return {"field": "created_at", "operator": "time_is_before", "value": render(moment)}

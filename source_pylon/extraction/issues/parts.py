"""What a sync lists, in order: the message part, then the update part, each as batches ready to be cut loose."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from source_pylon.api.client import PylonClient
from source_pylon.extraction.issues.listing import IssueSearch
from source_pylon.extraction.issues.plan import Listed, Range, cut
from source_pylon.extraction.time_windows import Window, next_width, next_window, settled, up_to
from source_pylon.timing import Timing

_BEGIN_WITH = 4
"""The first window is so many times narrower than the widest: how busy the time is, is not known yet."""

Takers = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Batch:
    """Issues in order, who takes each of them, and the mark (of one of the two parts) that they complete.

    `takers` maps an issue's id to the names of streams.
    """

    issues: list[Listed]
    takers: Takers
    window: Window
    latest: datetime | None = None
    updated: datetime | None = None

    def concerns(self, wanted: Range) -> bool:
        """Whether the batch moves a mark of the stream that wants `wanted`."""
        if self.updated is not None:
            return wanted.updated is not None and self.window.after >= wanted.updated
        return wanted.after is None or self.window.after >= wanted.after

    def has(self, name: str) -> bool:
        """Whether a stream takes any of the issues."""
        return any(name in names for names in self.takers.values())


class IssueParts:
    """The listing side of one sync, for all the ranges that its streams want at once."""

    def __init__(
        self,
        search: IssueSearch,
        client: PylonClient,
        timing: Timing,
        ranges: Mapping[str, Range],
        most_listed: int | None = None,
    ) -> None:
        """About `most_listed` issues are kept in memory at most, if that is given: windows of busy months are narrower
        then. It costs some searches more."""
        self._most_listed = most_listed
        self._search = search
        self._client = client
        self._timing = timing
        self._ranges = ranges
        self._extra: dict[str, set[str]] = {name: set() for name in ranges}
        """Issues that a stream has got already, as far as neither their window nor their cursor value tells it."""
        self._starts: list[datetime] = []
        self.started_at: datetime | None = None
        """Pylon's time at the first search."""

    def batches(self, size: int) -> Iterator[Batch]:
        """All batches of the sync, of at most `size` issues each."""
        yield from self._message_part(size)
        yield from self._update_part(size)

    def _message_part(self, size: int) -> Iterator[Batch]:
        bounds = [wanted.after for wanted in self._ranges.values() if wanted.after is not None]
        types = _types(self._ranges.values())
        if len(bounds) == len(self._ranges):
            after = min(bounds)
        else:
            beginning = self._search.beginning(types)
            after = beginning or self._settled()
        widest = self._timing.window
        width = widest if self._most_listed is None else widest / _BEGIN_WITH
        while True:
            window = up_to(next_window(after, self._settled(), width), bounds)
            if self._search.filter_ignored:
                # Each search lists everything anyway, so one is enough for those that begin at the same place.
                window = up_to(Window(after, None), bounds)
            self._starts.append(window.after)
            active = [wanted for wanted in self._ranges.values() if _reaches(wanted, window)]
            asked_at, takers, issues = self._list_window(window, _types(active))
            self.started_at = self.started_at or asked_at
            # Frozen when the sync began: an issue that was given at first sight, windows ago, may get a message since.
            horizon = settled(self.started_at, self._timing.settling)
            found = len(issues)
            for part in cut(issues, window, horizon, size):
                yield Batch(part.issues, takers, window, latest=part.mark)
            if window.until is None:
                return
            after = window.until
            if self._most_listed is not None:
                width = next_width(window, found, self._most_listed, widest)
            if not takers and width == widest:
                after = self._search.after_gap(after, horizon, types, self._timing.window)
                after = min([after, *(bound for bound in bounds if window.until <= bound)])

    def _list_window(self, window: Window, types: frozenset[str]) -> tuple[datetime, Takers, list[Listed]]:
        """When a window was asked for, who takes each of its issues, and the issues that anyone takes."""
        listing = self._search.by_message(window, types)
        takers = self._message_takers(listing.issues, window)
        return listing.asked_at, takers, [listed for listed in listing.issues if listed.id in takers]

    def _settled(self) -> datetime:
        return settled(self._client.server_time(self._client.now()), self._timing.settling)

    def _message_takers(self, issues: Iterable[Listed], window: Window) -> Takers:
        takers: Takers = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        for listed in issues:
            owned = listed.cursor is None or window.holds(listed.cursor)
            if self._search.filter_ignored and not owned:
                continue
            names = {
                name
                for name, wanted in self._ranges.items()
                if listed.id not in self._extra[name] and wanted.wants_message(listed, window, self._starts)
            }
            if not names:
                continue
            # Its messages are at hand now: a stream that only waits for its update gets it here, without a second call.
            early = {
                name
                for name, wanted in self._ranges.items()
                if listed.id not in self._extra[name] and wanted.is_behind(listed) and wanted.wants_update(listed)
            }
            for name in early | names:
                # What a window owns need not be remembered where no update part follows: its cursor value tells.
                if not owned or self._ranges[name].updated is not None:
                    self._extra[name].add(listed.id)
            # One set for all issues with the same takers: a window has thousands.
            both = frozenset(names | early)
            takers[listed.id] = shared.setdefault(both, both)
        return takers

    def _update_part(self, size: int) -> Iterator[Batch]:
        wanting = {name: wanted for name, wanted in self._ranges.items() if wanted.updated is not None}
        marks = [wanted.updated for wanted in wanting.values() if wanted.updated is not None]
        if not marks or self.started_at is None:
            return
        after, end = min(marks), settled(self.started_at, self._timing.settling)
        while True:
            window = up_to(next_window(after, self._settled(), self._timing.window), marks)
            takers, found = self._list_updates(window, wanting)
            for part in cut(found, window, end, size):
                yield Batch(part.issues, takers, window, updated=part.mark)
            if window.until is None:
                return
            after = window.until

    def _list_updates(self, window: Window, wanting: Mapping[str, Range]) -> tuple[Takers, list[Listed]]:
        """Who takes each of the issues updated in a window, and those that anyone takes, in the order of updates."""
        takers: Takers = {}
        found = []
        for listed in self._search.by_update(window, _types(wanting.values())).issues:
            names = frozenset(
                name
                for name, wanted in wanting.items()
                if listed.id not in self._extra[name] and wanted.wants_update(listed)
            )
            if names:
                takers[listed.id] = names
                found.append(replace(listed, cursor=listed.updated))
                for name in names:
                    self._extra[name].add(listed.id)
        return takers, found


def _reaches(wanted: Range, window: Window) -> bool:
    return wanted.after is None or window.after >= wanted.after


def _types(ranges: Iterable[Range]) -> frozenset[str]:
    types = {wanted.type for wanted in ranges}
    return frozenset() if None in types else frozenset(kind for kind in types if kind)

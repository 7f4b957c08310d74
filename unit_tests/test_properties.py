"""What must hold for all inputs: planning of windows and partitions, states, and whole syncs over a model of Pylon."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from source_pylon.extraction.issues.listing import IssueSearch, Listing
from source_pylon.extraction.issues.parts import IssueParts
from source_pylon.extraction.issues.plan import Listed, Marks, cut
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.time_windows import Window, next_window, settled
from source_pylon.streams.issues import Issue
from source_pylon.timestamps import parse, render
from source_pylon.timing import Timing

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
TIMING = Timing()

moments = st.integers(0, 200 * 24 * 3600 * 1000).map(lambda millis: START + timedelta(milliseconds=millis))
seconds = st.integers(0, 40).map(lambda count: START + count * SECOND)


@given(moments, moments)
def test_windows_cover_a_range_without_gap_or_overlap(one: datetime, other: datetime) -> None:
    after, reached = sorted((one, other))
    windows = [next_window(after, reached, TIMING.window)]
    while (until := windows[-1].until) is not None:
        windows.append(next_window(until, reached, TIMING.window))
    assert windows[0].after == after
    assert [window.until for window in windows[:-1]] == [window.after for window in windows[1:]]
    for window in windows[:-1]:
        assert window.until is not None
        assert window.until - window.after == TIMING.window
        assert window.until < reached


@given(st.lists(seconds), st.integers(1, 7), seconds)
def test_cuts_hold_each_issue_once_and_no_mark_passes_an_issue_that_comes_later(
    cursors: list[datetime], size: int, horizon: datetime
) -> None:
    window = Window(START - SECOND, None)
    issues = [Listed(str(number), "", cursor, cursor, cursor) for number, cursor in enumerate(cursors)]
    cuts = list(cut(list(issues), window, horizon, size))
    assert sorted(listed.id for part in cuts for listed in part.issues) == sorted(listed.id for listed in issues)
    assert all(len(part.issues) <= size for part in cuts)
    for number, part in enumerate(cuts):
        assert part.mark <= horizon
        later = [listed.cursor for following in cuts[number + 1 :] for listed in following.issues]
        assert all(cursor > part.mark for cursor in later if cursor)
    marks = [part.mark for part in cuts]
    assert marks == sorted(marks)


@given(moments, moments)
def test_a_state_that_is_written_and_read_is_the_same(latest: datetime, updated: datetime) -> None:
    marks = Marks(latest, updated)
    assert Marks.of(marks.as_state()) == marks
    assert parse(render(latest)) == latest


@dataclass
class Stored:
    """An issue in the model: what it was from when on. `activity` is what a search filters by and no record shows;
    `noted` is the time of a note that records show."""

    id: str
    created: datetime
    messages: list[datetime]
    updated: datetime
    edits: int = 0
    activity: datetime | None = None
    noted: datetime | None = None
    versions: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)

    def keep(self, now: datetime) -> None:
        times = [*self.messages, *([self.noted] if self.noted else [])]
        shown = {
            "id": self.id,
            "type": "conversation",
            "created_at": shown_second(self.created),
            "latest_message_time": shown_second(max(times)) if times else None,
            "updated_at": shown_second(self.updated),
            "edits": self.edits,
        }
        hidden = {"created": self.created, "activity": self.activity, "updated": self.updated}
        self.versions.append((now, {"shown": shown, **hidden}))

    def at(self, moment: datetime) -> dict[str, Any] | None:
        seen = [version for since, version in self.versions if since <= moment]
        return seen[-1] if seen else None


def shown_second(moment: datetime) -> str:
    return render(moment.replace(microsecond=0))


class Model(IssueSearch):
    """Pylon's search over issues that change while it is asked, with a lag, hidden milliseconds and private notes."""

    filter_ignored = False
    messages_move_updated = True
    most_listed: int | None = None
    """How many issues a sync wants to list at once."""

    def __init__(
        self, steps: list[tuple[str, int, int]], lag: int, notes_move_updated: bool, notes: frozenset[str]
    ) -> None:
        """`notes` says what private notes count for: "filter", "record", both, or neither."""
        self.clock = START
        self.steps = list(reversed(steps))
        self.lag = timedelta(seconds=lag)
        self.notes_move_updated = notes_move_updated
        self.notes = notes
        self.issues: list[Stored] = []

    def now(self) -> datetime:
        return self.clock

    def server_time(self, moment: datetime) -> datetime:
        return moment

    def change(self) -> None:
        kind, which, wait = self.steps.pop()
        self.clock += timedelta(milliseconds=wait)
        if kind == "add" or not self.issues:
            messages = [self.clock] if which % 2 else []
            issue = Stored(str(len(self.issues)), self.clock, messages, self.clock)
            issue.activity = self.clock if messages else None
            self.issues.append(issue)
        else:
            issue = self.issues[which % len(self.issues)]
            if kind == "message":
                issue.messages.append(self.clock)
                issue.activity = self.clock
                if self.messages_move_updated:
                    issue.updated = self.clock
                else:
                    issue.edits += 1
            elif kind == "note":
                if "filter" in self.notes:
                    issue.activity = self.clock
                if "record" in self.notes:
                    issue.noted = self.clock
                if self.notes_move_updated:
                    issue.updated = self.clock
            elif kind == "delete" and issue.messages:
                issue.messages.pop()
                issue.activity = max(issue.messages, default=None)
                issue.updated = self.clock
            elif kind == "edit":
                issue.updated = self.clock
            issue.edits += issue.updated == self.clock
        issue.keep(self.clock)

    def visible(self) -> Iterable[dict[str, Any]]:
        found = (issue.at(self.clock - self.lag) for issue in self.issues)
        return [version for version in found if version is not None]

    def _search(self, window: Window, fields: tuple[str, ...]) -> Listing:
        asked = self.clock
        # The world goes on while a search is answered.
        if self.steps and self.steps[-1][2] % 3 == 0:
            self.change()
        return Listing([Listed.of(issue) for issue in self._shown(window, fields)], asked)

    def _shown(self, window: Window, fields: tuple[str, ...]) -> list[dict[str, Any]]:
        low = window.after.replace(microsecond=0) - SECOND
        high = window.until.replace(microsecond=0) + 2 * SECOND if window.until else None
        return [
            version["shown"]
            for version in self.visible()
            if any(version[name] and low < version[name] and (high is None or version[name] < high) for name in fields)
        ]

    def by_message(self, window: Window, types: frozenset[str]) -> Listing:
        return self._search(window, ("activity", "created"))

    def by_update(self, window: Window, types: frozenset[str]) -> Listing:
        return self._search(window, ("updated",))

    def beginning(self, types: frozenset[str]) -> datetime | None:
        created = [version["created"] for version in self.visible()]
        return min(created) - SECOND if created else None

    def _found(
        self, after: datetime, until: datetime, types: frozenset[str]
    ) -> tuple[list[dict[str, Any]], bool] | None:
        shown = self._shown(Window(after, until), ("activity", "created"))
        return shown[:2], len(shown) <= 2


def sync(
    model: Model, state: dict[str, Any], emitted: dict[str, dict[str, Any]], stop_after: int | None
) -> dict[str, Any]:
    """One sync of the stream `issues`, stopped after some partitions; gives the state of its last one."""
    stream = IssueStream("issues", Issue)
    marks = stream.marks(state)
    context: Any = SimpleNamespace(config=SimpleNamespace(start=None, issues_lookback_days=0), timing=TIMING)
    wanted = {"issues": stream.range(context, marks, model.now())}
    parts = IssueParts(model, cast(Any, model), TIMING, wanted, model.most_listed)
    given_now: set[str] = set()
    for number, batch in enumerate(parts.batches(2)):
        if number == stop_after:
            break
        for listed in batch.issues:
            if "issues" in batch.takers[listed.id]:
                # One that moves ahead of a first sync may be met again, changed.
                assert listed.id not in given_now or emitted[listed.id] != listed.issue(), "twice in one sync"
                given_now.add(listed.id)
                emitted[listed.id] = listed.issue()
        if batch.concerns(wanted["issues"]):
            reading: Any = SimpleNamespace(parts=parts)
            marks = stream._advance(marks, cast(Any, SimpleNamespace(batch=batch)), reading, context)
            state = marks.as_state()
            assert marks.latest <= settled(model.now(), TIMING.settling) + 2 * SECOND
    return state


waits = st.sampled_from([0, 1, 999, 1_000, 180_000, 3_600_000, 86_400_000, 20 * 86_400_000, 40 * 86_400_000])
kinds = st.sampled_from(["add", "message", "note", "edit", "delete"])
notes = st.frozensets(st.sampled_from(["filter", "record"]))
steps = st.lists(st.tuples(kinds, st.integers(0, 9), waits), min_size=1, max_size=25)


@settings(max_examples=2_000, deadline=None)
@given(
    steps,
    st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=6),
    st.integers(0, 598),
    st.booleans(),
    notes,
    st.sampled_from([None, 1, 3]),
    st.booleans(),
)
def test_whatever_changes_lags_and_stops_resumed_syncs_end_complete_and_fresh(
    script: list[tuple[str, int, int]],
    stops: list[int | None],
    lag: int,
    notes_move_updated: bool,
    counts: frozenset[str],
    most_listed: int | None,
    messages_move_updated: bool,
) -> None:
    # A note that records show, but neither a search by messages nor one by updates, is hidden for good.
    model = Model(script, lag, notes_move_updated or counts == {"record"}, counts)
    model.most_listed = most_listed
    model.messages_move_updated = messages_move_updated
    state: dict[str, Any] = {}
    emitted: dict[str, dict[str, Any]] = {}
    model.change()
    for stop_after in stops:
        for _ in range(min(3, len(model.steps))):
            model.change()
        state = sync(model, state, emitted, stop_after)
    while model.steps:
        model.change()
    for _ in range(2):
        model.clock += timedelta(hours=1)
        state = sync(model, state, emitted, None)
    assert emitted == {issue.id: issue.versions[-1][1]["shown"] for issue in model.issues}


def test_a_message_that_comes_while_a_first_sync_runs_is_given_though_its_issue_was_met_windows_ago() -> None:
    day, hour = 86_400_000, 3_600_000
    before = [("add", 1, 0), ("message", 0, 40 * day), ("add", 1, 30 * day), ("add", 1, 40 * day)]
    # One change within each search; the message comes when its issue was given, and an hour before the last search.
    meanwhile = [("edit", 1, 0), ("message", 0, hour), ("edit", 1, hour), ("edit", 1, hour)]
    model = Model([*before, *meanwhile], 0, notes_move_updated=True, notes=frozenset())
    model.messages_move_updated = False
    for _ in before:
        model.change()
    emitted: dict[str, dict[str, Any]] = {}
    state = sync(model, {}, emitted, None)
    assert model.steps == []
    for _ in range(2):
        model.clock += timedelta(hours=1)
        state = sync(model, state, emitted, None)
    assert emitted == {issue.id: issue.versions[-1][1]["shown"] for issue in model.issues}

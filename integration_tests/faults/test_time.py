"""Search lags, issues move, times are equal, clocks are wrong: the union is complete and fresh, no state is ahead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.assertions import assert_complete_and_fresh, assert_green, assert_synced
from integration_tests.support.connector import CURSORS, ISSUE_STREAMS, Output, stream_state
from integration_tests.support.expected import ago, moment
from integration_tests.support.fault_runs import FAULT_TIMING, fault_timing, read
from integration_tests.support.faults import LIST, MESSAGES, SEARCH, hook
from source_pylon import source
from source_pylon.api.client import PylonClient
from source_pylon.timestamps import render

CONSISTENCY_LAG = FAULT_TIMING.consistency_lag
LAG = CONSISTENCY_LAG - timedelta(seconds=5)
MINUTE = timedelta(minutes=1)


def small(**options: Any) -> Sandbox:
    """A small organisation whose history ended an hour ago."""
    return Sandbox(**{"size": Size(issues=60), "limits": None, "base_time": ago(hours=1), **options})


def prefixes(run: Output) -> Iterator[Output]:
    """The run as it would be if it had been killed after each of its states of issues."""
    lines = run.text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if json.loads(line)["type"] == "STATE":
            yield Output(1, "".join(lines[: number + 1]))


def assert_every_state_is_safe(pylon: Sandbox, run: Output, least: int, **config: Any) -> None:
    """Whoever goes on from one of the run's states (five are tried) has everything in the end."""
    stopped = list(prefixes(run))
    assert len(stopped) >= least
    for cut_off in stopped[:: -(-len(stopped) // 5)]:
        assert_synced(pylon, cut_off, read(pylon, state=cut_off.state, **config))


class Clock:
    """A machine's clock for the connector: the real time and an error, which can change while a sync runs."""

    def __init__(self, error: timedelta = timedelta()) -> None:
        self.error = error
        self.asked = 0
        self.jump: tuple[int, timedelta] | None = None
        """After how many looks the error becomes another one."""
        self.swing = timedelta()
        """Added to the error at every second look."""

    def __call__(self) -> datetime:
        self.asked += 1
        if self.jump is not None and self.asked > self.jump[0]:
            self.error, self.jump = self.jump[1], None
        return datetime.now(timezone.utc) + self.error + self.swing * (self.asked % 2 == 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the machine on which the connector runs."""
    made = Clock()
    monkeypatch.setattr(source, "PylonClient", partial(PylonClient, now=made))
    return made


def assert_behind_pylon(began: datetime, run: Output, streams: tuple[str, ...] = ("issues",)) -> None:
    """No state is later than the beginning of the sync, by Pylon's clock, less the consistency lag."""
    latest = began - CONSISTENCY_LAG
    for stream in streams:
        states = run.states(stream)
        assert states
        for state in states:
            assert all(moment(state[name]) <= latest for name in (CURSORS[stream], "changes_read_until"))


# --- search that lags ---


@pytest.mark.parametrize("lag", [timedelta(seconds=90), LAG], ids=["a little", "by all of the consistency lag"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_search_shows_late_is_emitted_by_a_later_sync(lag: timedelta, seed: int) -> None:
    streams = ISSUE_STREAMS
    with small(seed=seed, search_lag=lag.total_seconds()) as pylon:
        pylon.evolve(seed, 15)
        runs = [read(pylon, streams)]
        hidden = 0
        for step, minutes in enumerate((1, 6, 3, 11, 2)):
            hidden += len({change.id for change in pylon.evolve(100 * seed + step, 15) if change.kind == "issues"})
            pylon.clock.advance(minutes * MINUTE)
            began = pylon.clock.now()
            runs.append(read(pylon, streams, runs[-1].state))
            assert_green(runs[-1], *streams)
            assert_behind_pylon(began, runs[-1], ISSUE_STREAMS)
        assert hidden > 30
        pylon.clock.advance(CONSISTENCY_LAG)
        runs.append(read(pylon, streams, runs[-1].state))
        assert_synced(pylon, *runs, streams=streams)


# --- issues that move ---


def _ignoring(call: Callable[[], object], seen: Any) -> None:
    call()


def moving_issues(pylon: Sandbox) -> dict[str, tuple[str, Callable[[], object]]]:
    """Issues of different ages by what happens to them: their ids, and what moves them."""
    store = pylon.store
    moves: dict[str, tuple[str, Callable[[], object]]] = {}
    for days in (600, 300, 150, 60, 5):
        forwards = store.add_issue(at=ago(days=days + 2), type="conversation")
        store.add_message(forwards, at=ago(days=days))
        moves[f"forwards {days}"] = forwards, partial(store.add_message, forwards)
        back = store.add_issue(at=ago(days=700), type="ticket")
        for age in (690, 650, days):
            store.add_message(back, at=ago(days=age))
        moves[f"backwards {days}"] = back, partial(store.delete_message, back)
    return moves


@pytest.mark.parametrize("direction", ["forwards", "backwards", "wards"], ids=["forwards", "backwards", "both"])
@pytest.mark.parametrize("after", [2, 10])
@pytest.mark.parametrize("which", ["first sync", "second sync"])
def test_an_issue_that_moves_between_windows_while_they_are_read_is_not_lost(
    direction: str, after: int, which: str
) -> None:
    with small() as pylon:
        moves = {name: move for name, move in moving_issues(pylon).items() if direction in name}
        runs: list[Output] = []
        state: Any = None
        template, passing = MESSAGES, 5 * after
        if which == "second sync":
            runs.append(read(pylon, ISSUE_STREAMS))
            # From so far back that many windows are read again.
            old = {"changes_read_until": render(ago(days=640)), "history_read_back_to": "complete"}
            state = [stream_state(stream, old) for stream in ISSUE_STREAMS]
            template, passing = SEARCH, after

        def move_all(seen: Any) -> None:
            for _, move in moves.values():
                move()

        met = hook(pylon, template, move_all, after=passing)
        runs.append(read(pylon, ISSUE_STREAMS, state))
        assert met.fired == 1
        assert_green(runs[-1], *ISSUE_STREAMS)
        runs.append(read(pylon, ISSUE_STREAMS, runs[-1].state))
        moved = {identity for identity, _ in moves.values()}
        assert_synced(pylon, *runs, streams=ISSUE_STREAMS)
        assert moved <= {i for run in runs for i in run.ids("issues")}


def test_issues_that_keep_moving_in_time_are_emitted_once_a_sync_and_fresh_in_the_end() -> None:
    with small() as pylon:
        moves = moving_issues(pylon)
        for number, (_, move) in enumerate(moves.values()):
            template, after = (LIST, number) if number < 2 else (MESSAGES, 5 * number)
            hook(pylon, template, partial(_ignoring, move), after=after)
        runs = [read(pylon)]
        assert all(fault.fired for fault in pylon.faults)
        for _, move in moves.values():
            hook(pylon, MESSAGES, partial(_ignoring, move))
        for _ in range(2):
            pylon.clock.advance(CONSISTENCY_LAG)
            runs.append(read(pylon, state=runs[-1].state))
        assert all(fault.fired for fault in pylon.faults)
        assert_synced(pylon, *runs)


# --- equal times at bounds ---

MOMENTS = [-2000, -1001, -1000, -999, -1, 0, 1, 500, 999, 1000, 1999, 2000, 2001, 3000]
"""Milliseconds around a bound."""


@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("shift", [timedelta(microseconds=-1), timedelta(0)], ids=["a tick before", "on the second"])
def test_issues_with_equal_times_at_every_bound_are_emitted_once_each(inclusive: bool, shift: timedelta) -> None:
    since = ago(days=100).replace(microsecond=0)
    with small(size=Size(issues=0), inclusive_bounds=inclusive) as pylon:
        # The first window begins where the state ends, the others each a window later.
        bounds = [since + shift + number * FAULT_TIMING.search_window for number in range(4)]
        for number, bound in enumerate(bounds):
            for millis in MOMENTS:
                at = bound + timedelta(milliseconds=millis)
                if number == 0 and at <= since:
                    continue
                pylon.store.add_issue(at=at, type="ticket")
                for _ in range(2):
                    issue = pylon.store.add_issue(at=max(since, at - timedelta(days=1)), type="conversation")
                    pylon.store.add_message(issue, at=at)
        state = {"changes_read_until": render(since), "history_read_back_to": "complete"}
        later = read(pylon, state=[stream_state("issues", state)])
        assert_synced(pylon, later)
        assert len([seen.body for seen in pylon.log if seen.template == SEARCH]) >= len(bounds)
        assert_every_state_is_safe(pylon, later, len(bounds))
        # A start date is the lower bound of the list, and belongs to it.
        assert_synced(pylon, read(pylon, start_date=render(since)))


@pytest.mark.parametrize("inclusive", [False, True], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("seconds", [1, 2])
def test_changes_in_the_seconds_after_a_state_are_not_skipped(inclusive: bool, seconds: int) -> None:
    with small(inclusive_bounds=inclusive) as pylon:
        first = read(pylon)
        since = moment(first.states("issues")[-1]["changes_read_until"])
        issues = pylon.expected("issues")
        # They come to light only now, with times right after the cursor, as a search that lags shows them.
        for place, millis in enumerate((0, 1, 499, 999)):
            at = since + timedelta(seconds=seconds, milliseconds=millis)
            pylon.store.add_message(issues[place]["id"], at=at)
            pylon.store.close_issue(issues[place + 5]["id"], at=at)
            pylon.store.add_issue(at=at)
        second_run = read(pylon, state=first.state)
        assert_synced(pylon, first, second_run)
        assert len(second_run.ids("issues")) >= 12


@pytest.mark.parametrize("millis", [0, 4], ids=["whole seconds", "hidden milliseconds"])
@pytest.mark.parametrize("which", ["history", "changes"])
def test_a_second_with_more_issues_than_a_checkpoint_holds_is_safe_at_every_state(millis: int, which: str) -> None:
    with small(size=Size(issues=20)) as pylon:
        second = ago(days=3).replace(microsecond=0)
        for number in range(230):
            issue = pylon.store.add_issue(at=second + timedelta(milliseconds=number * millis))
            pylon.store.add_message(issue, at=second + timedelta(hours=1, milliseconds=number * millis))
        few: dict[str, Any] = {"limits": lambda endpoint: 20, "timing": fault_timing(minute=0.1)}
        runs = [read(pylon, **few)]
        if which == "changes":
            old = {"changes_read_until": render(ago(days=10)), "history_read_back_to": "complete"}
            runs.append(read(pylon, state=[stream_state("issues", old)], **few))
            assert len(runs[-1].ids("issues")) >= 230
        assert_synced(pylon, *runs)
        moved = "history_read_back_to" if which == "history" else "changes_read_until"
        assert len({state[moved] for state in runs[-1].states("issues")}) > 2
        for cut_off in list(prefixes(runs[-1]))[::2][:5]:
            assert_synced(pylon, *runs[:-1], cut_off, read(pylon, state=cut_off.state, **few))


# --- clocks ---


@pytest.mark.parametrize(
    "errors",
    [(7, 7, 7), (-7, -7, -7), (7, -7, 7), (-7, 7, -7), (60 * 26, 0, -60 * 26), (0, 5, 0)],
    ids=lambda errors: ", ".join(f"{error:+d}" for error in errors),
)
def test_a_machine_whose_clock_is_wrong_by_minutes_loses_nothing(errors: tuple[int, ...], clock: Clock) -> None:
    # Search lags by all of the consistency lag, so a state that is ahead by a minute would lose what is not seen yet.
    with small(search_lag=LAG.total_seconds()) as pylon:
        pylon.evolve(1, 15)
        runs: list[Output] = []
        for step, minutes in enumerate((*errors, 0)):
            clock.error = minutes * MINUTE
            began = pylon.clock.now()
            runs.append(read(pylon, state=runs[-1].state if runs else None))
            assert_green(runs[-1])
            assert_behind_pylon(began, runs[-1])
            if step < len(errors):
                pylon.evolve(10 + step, 15)
                pylon.clock.advance(6 * MINUTE)
        pylon.clock.advance(CONSISTENCY_LAG)
        runs.append(read(pylon, state=runs[-1].state))
        assert_synced(pylon, *runs)


@pytest.mark.parametrize("minutes", [5, 90])
def test_a_pylon_clock_that_is_ahead_loses_nothing(minutes: int) -> None:
    with small(search_lag=LAG.total_seconds()) as pylon:
        pylon.clock.advance(minutes * MINUTE)
        pylon.evolve(1, 20)
        runs = [read(pylon)]
        pylon.clock.advance(CONSISTENCY_LAG)
        pylon.evolve(2, 20)
        runs.append(read(pylon, state=runs[-1].state))
        assert set(runs[-1].ids("issues"))
        pylon.clock.advance(CONSISTENCY_LAG)
        runs.append(read(pylon, state=runs[-1].state))
        assert_synced(pylon, *runs)


@pytest.mark.parametrize("minutes", [-60, 60])
@pytest.mark.parametrize("looks", [2, 3, 9])
@pytest.mark.parametrize("which", ["first sync", "second sync"])
def test_a_clock_that_jumps_while_a_sync_runs_loses_nothing(looks: int, minutes: int, which: str, clock: Clock) -> None:
    with small(search_lag=LAG.total_seconds()) as pylon:
        runs: list[Output] = []
        if which == "second sync":
            runs.append(read(pylon))
            pylon.clock.advance(5 * MINUTE)
        pylon.evolve(1, 15)
        clock.asked, clock.jump = 0, (looks, minutes * MINUTE)
        runs.append(read(pylon, state=runs[-1].state if runs else None))
        assert_green(runs[-1])
        clock.error, clock.jump = timedelta(), None
        for step in range(3):
            pylon.evolve(10 + step, 10)
            pylon.clock.advance(30 * MINUTE)
            runs.append(read(pylon, state=runs[-1].state))
        assert_synced(pylon, *runs)


@pytest.mark.parametrize("minutes", [-60, 60])
def test_a_clock_that_keeps_jumping_back_and_forth_loses_nothing(minutes: int, clock: Clock) -> None:
    with small(search_lag=LAG.total_seconds()) as pylon:
        pylon.evolve(1, 15)
        clock.asked, clock.swing = 0, minutes * MINUTE
        began = pylon.clock.now()
        runs = [read(pylon)]
        assert_behind_pylon(began, runs[-1])
        clock.swing = timedelta()
        pylon.clock.advance(30 * MINUTE)
        runs.append(read(pylon, state=runs[-1].state))
        assert_synced(pylon, *runs)


# --- calendars ---


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that keeps the time of Berlin, daylight saving included."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        assert datetime(2026, 7, 1).astimezone().utcoffset() == timedelta(hours=2)
        yield
    time.tzset()


DAYS = {
    "leap day": (2, 29, 12, 0),
    "end of the leap day": (2, 29, 23, 59),
    "clocks go forward": (3, 29, 1, 0),
    "clocks go back": (10, 25, 1, 0),
}


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("day", [
    datetime(2024, 2, 29, 23, 59, 59), datetime(2026, 3, 29, 1, 0), datetime(2025, 10, 26, 1, 0)
], ids=str)  # fmt: skip
def test_a_history_around_leap_days_and_clock_changes_is_read_completely(day: datetime) -> None:
    day = day.replace(tzinfo=timezone.utc)
    with small(base_time=day) as pylon:
        for hours in (-25, -24, -2, -1, -0.5, 0, 0.5, 1, 2, 24, 25):
            issue = pylon.store.add_issue(at=day + timedelta(hours=hours) - timedelta(minutes=1))
            pylon.store.add_message(issue, at=day + timedelta(hours=hours))
        first = read(pylon)
        assert_synced(pylon, first)
        assert_every_state_is_safe(pylon, first, 5)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("what", DAYS)
def test_syncs_across_leap_days_and_clock_changes_lose_nothing(what: str, clock: Clock) -> None:
    # 2048 is a leap year, and its clocks change on these days.
    now = datetime(2048, *DAYS[what], tzinfo=timezone.utc) - timedelta(minutes=65)
    with small(base_time=now - timedelta(hours=1), search_lag=LAG.total_seconds()) as pylon:
        pylon.clock.advance(now - pylon.clock.now())
        clock.error = pylon.clock.now() - datetime.now(timezone.utc)
        runs = [read(pylon)]
        for step in range(5):
            pylon.evolve(step, 10)
            pylon.clock.advance(30 * MINUTE)
            clock.error += 30 * MINUTE
            began = pylon.clock.now()
            runs.append(read(pylon, state=runs[-1].state))
            assert_behind_pylon(began, runs[-1])
        pylon.clock.advance(CONSISTENCY_LAG)
        runs.append(read(pylon, state=runs[-1].state))
        assert_synced(pylon, *runs)
        assert pylon.clock.now() > now + timedelta(minutes=65)


# --- ranges and the far future ---


def test_a_server_that_refuses_ranges_over_30_days_is_read_month_by_month() -> None:
    with small(size=Size(issues=150), max_range_days=30) as pylon:
        first = read(pylon, ISSUE_STREAMS)
        assert_synced(pylon, first, streams=ISSUE_STREAMS)
        assert first.said("refuses", LIST, "month")
        assert (pylon.count(LIST, 400), pylon.count(SEARCH, 400)) == (1, 0)
        pylon.evolve(1, 20)
        pylon.clock.advance(timedelta(days=100))
        pylon.evolve(2, 20)
        second = read(pylon, ISSUE_STREAMS, first.state)
        assert_synced(pylon, first, second, streams=ISSUE_STREAMS)
        assert (pylon.count(LIST, 400), pylon.count(SEARCH, 400)) == (1, 0)


@pytest.mark.parametrize("years", [1, 5000])
def test_a_message_from_the_future_hides_no_other_issue(years: int) -> None:
    with small() as pylon:
        far, other, quiet = (issue["id"] for issue in pylon.expected("issues")[20:50:10])
        pylon.store.add_message(far, at=ago(days=-365 * years))
        began = pylon.clock.now()
        first = read(pylon)
        assert_behind_pylon(began, first)
        pylon.store.add_message(other)
        pylon.store.close_issue(quiet)
        pylon.clock.advance(timedelta(hours=1))
        began = pylon.clock.now()
        second = read(pylon, state=first.state)
        assert {other, quiet} <= set(second.ids("issues")) <= {other, quiet, far}
        assert_behind_pylon(began, second)
        pylon.store.add_message(far)
        pylon.store.delete_message(far, pylon.messages(far)[-1]["id"])
        pylon.clock.advance(timedelta(hours=1))
        third = read(pylon, state=second.state)
        assert_green(third)
        assert_complete_and_fresh(pylon, first, second, third)

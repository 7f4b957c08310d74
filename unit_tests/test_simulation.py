"""Whole syncs over a modelled Pylon lose, leak and repeat nothing, whatever happens; see `unit_tests/simulation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from source_pylon.extraction.issues.changes import ChangeSearch
from source_pylon.extraction.issues.cursor import BEGINNING, IssueCursor
from source_pylon.extraction.issues.recipient import Recipient
from source_pylon.transform import privacy
from unit_tests.simulation import simulate as simulation
from unit_tests.simulation.scenario import DAY, HOUR, MINUTE, SECOND, Scenario, SyncPlan, draw
from unit_tests.simulation.simulate import simulate

SEEDS_PER_TEST = 50


def violations(scenario: Scenario) -> list[str]:
    return [str(violation) for violation in simulate(scenario).violations]


@pytest.mark.parametrize("first", range(0, 400, SEEDS_PER_TEST))
def test_whatever_changes_or_stops_nothing_is_lost_stale_leaked_or_repeated(first: int) -> None:
    failing = {seed: found for seed in range(first, first + SEEDS_PER_TEST) if (found := violations(draw(seed)))}
    assert not failing


@pytest.mark.parametrize("seed", [7, 26, 31])
def test_one_seed_reproduces_one_run_exactly(seed: int) -> None:
    runs = [simulate(draw(seed), trace=True) for _ in range(2)]
    assert runs[0].records > 0
    assert runs[0].trace == runs[1].trace


# --- The oracle notices planted defects: some of a few seeds have to break the rule -----------------------------------


def _without_lag() -> AbstractContextManager[object]:
    timing = replace(simulation.TIMING, consistency_lag=timedelta(0))
    return patch.object(simulation, "TIMING", timing)


def _without_changes() -> AbstractContextManager[object]:
    return patch.object(ChangeSearch, "windows", lambda *_args, **_options: iter(()))


def _changes_ahead_of_their_issues() -> AbstractContextManager[object]:
    return patch.object(
        IssueCursor, "after_history", lambda cursor, **_: replace(cursor, history_read_back_to=BEGINNING)
    )


def _notes_as_messages() -> AbstractContextManager[object]:
    return patch.object(privacy, "is_public", lambda _message: True)


def _repeating() -> AbstractContextManager[object]:
    return patch.object(Recipient, "take_change", lambda recipient, listed: recipient.stream.accepts(listed))


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (_without_lag, "ahead"),
        (_without_changes, "stale"),
        (_changes_ahead_of_their_issues, "lost"),
        (_notes_as_messages, "leaked"),
        (_repeating, "repeated"),
    ],
)
def test_the_oracle_notices_a_planted_defect(plant: Callable[[], AbstractContextManager[object]], rule: str) -> None:
    def rules() -> Iterator[str]:
        for seed in range(60):
            yield from (violation.rule for violation in simulate(draw(seed)).violations)

    with plant():
        assert rule in rules()


# --- What the simulation found, each as small as it gets --------------------------------------------------------------

SINCE_THREE_DAYS = -3 * DAY


@pytest.mark.parametrize("kill_after", range(40))
def test_a_sync_with_a_start_date_may_be_killed_after_any_output(kill_after: int) -> None:
    """Seed 35: killed between the end of the history and the older, active issues, those were never read."""
    plan = SyncPlan(start=SINCE_THREE_DAYS)
    scenario = Scenario(
        seed=3,
        initial_issues=20,
        span=20 * DAY,
        issues_per_checkpoint=2,
        syncs=(replace(plan, kill_after=kill_after),),
        quiet=(plan, plan, plan),
    )
    assert violations(scenario) == []


@pytest.mark.parametrize("kill_after", [5, 10, 20])
def test_a_start_date_set_while_the_history_is_read_still_emits_older_active_issues(kill_after: int) -> None:
    """Seeds 204 and 227: the history had passed the start date, and nothing read the older, active issues."""
    plan = SyncPlan(start=-HOUR)
    for seed in range(20):
        scenario = Scenario(
            seed=seed,
            initial_issues=20,
            span=20 * DAY,
            issues_per_checkpoint=1,
            syncs=(SyncPlan(kill_after=kill_after),),
            quiet=(plan, plan, plan),
        )
        assert violations(scenario) == []


def test_a_search_that_ignores_its_filter_repeats_no_issue_within_a_sync() -> None:
    """Seed 12: issues after the start date came once more among the older ones."""
    plan = SyncPlan(start=SINCE_THREE_DAYS)
    for seed in range(20):
        scenario = Scenario(seed=seed, span=10 * DAY, search_filter_ignored=True, syncs=(plan,), quiet=(plan, plan))
        assert violations(scenario) == []


def test_a_note_found_late_repeats_no_issue_within_a_sync() -> None:
    """The reader before this one emitted an unchanged issue twice in such worlds."""
    for lag in (SECOND, MINUTE):
        for seed in range(30):
            scenario = Scenario(
                seed=seed,
                lag=lag,
                messages_move_updated=False,
                notes_move_updated=False,
                change_share=0.4,
                page_cap=3,
                syncs=(SyncPlan(), SyncPlan(gap=40 * DAY), SyncPlan()),
            )
            assert violations(scenario) == []


def test_an_unread_issue_that_pylon_refuses_later_does_not_fail_every_sync() -> None:
    """Seed 2262: Pylon refused the issue by itself for ever, and its stream never completed again."""
    failing = []
    for seed in range(200):
        scenario = Scenario(
            seed=seed,
            initial_issues=3,
            changes_between=8,
            broken_issues=2,
            scrubs=True,
            syncs=(SyncPlan(), SyncPlan(), SyncPlan()),
        )
        failing += violations(scenario)
    assert failing == []


@pytest.mark.parametrize("start", [None, -HOUR])
def test_a_machine_whose_clock_is_days_behind_reads_the_newest_issues_in_its_first_sync(start: int | None) -> None:
    """Seed 5301: before the first response only this machine's clock was known, and the list ended there."""
    for seed in range(10):
        plan = SyncPlan(machine_skew=-6 * DAY, start=start)
        assert violations(Scenario(seed=seed, span=3 * DAY, syncs=(), quiet=(plan,))) == []

"""What one seed decides: how Pylon behaves, how wrong the clocks are, what each sync is, and where it is killed."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from typing import Any

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

STREAMS = ("issues", "conversations", "tickets", "issue_messages")


@dataclass(frozen=True)
class SyncPlan:
    """One sync: when it runs, with which configuration and streams, and after how many outputs it is killed."""

    gap: int = HOUR
    """Milliseconds since the sync before."""
    streams: tuple[str, ...] = ("issues",)
    start: int | None = None
    """The start date, in milliseconds of the model's time."""
    include_messages: bool = True
    lookback_days: int = 0
    kill_after: int | None = None
    machine_skew: int = 0
    date_skew: int | None = 0
    """How far Pylon's `Date` header is off; None where Pylon sends none."""
    full_refresh: bool = False
    forgets: tuple[str, ...] = ()
    """Streams whose state is reset before the sync."""


@dataclass(frozen=True)
class Scenario:
    """All dimensions of one run; the defaults are a Pylon without surprises."""

    seed: int = 0
    initial_issues: int = 10
    span: int = 100 * DAY
    """How long before the first sync the oldest issue was created."""
    same_second: bool = False
    """Whether most issues were created in the same second."""
    page_cap: int = 1_000
    """How many issues the server returns at most, whatever limit is requested."""
    messages_per_page: int = 1_000
    lag: int = 0
    """How old the index is that searches are answered from."""
    lag_varies: bool = False
    list_lags: bool = False
    fresh_records: bool = False
    """Whether a search shows the current record of an issue that an old index found."""
    exclusive_bounds: bool = True
    notes_in_search: bool = True
    notes_in_record: bool = True
    notes_move_updated: bool = True
    messages_move_updated: bool = True
    deletions_move_updated: bool = True
    imports_move_updated: bool = True
    change_share: float = 0.0
    """Probability of a change by somebody else at each request."""
    changes_between: int = 3
    glitch_share: float = 0.0
    error_share: float = 0.0
    throttle_share: float = 0.0
    error_date_skew: int | None = None
    """How far the `Date` header of 5xx responses is off; None if it is like that of successful responses."""
    search_filter_ignored: bool = False
    list_bounds_ignored: bool = False
    list_mode: str = "ok"
    """ok, months (a year is refused), forbidden, missing, or rejected."""
    broken_issues: int = 0
    """How many issues' messages fail with 500 for some hours."""
    refused_issues: int = 0
    """How many issues' messages are always refused although the issue exists."""
    scrubs: bool = False
    """Whether issues can be scrubbed: 400 on everything about them, while searches still show them for a while."""
    issues_per_checkpoint: int = 1_000
    first_page: int = 100
    checkpoint_interval: int = 0
    syncs: tuple[SyncPlan, ...] = (SyncPlan(), SyncPlan())
    quiet: tuple[SyncPlan, ...] = (SyncPlan(), SyncPlan(), SyncPlan())
    skipped_changes: frozenset[int] = frozenset()
    """Changes by others, by their number, that do not happen: for reducing a failing run."""

    def differences(self) -> dict[str, Any]:
        """Return the dimensions that are not at their default."""
        return {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default
        }


def draw(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    rng = random.Random(f"scenario {seed}")

    def seldom(share: float = 0.1) -> bool:
        return rng.random() < share

    span = rng.choice([MINUTE, HOUR, 3 * DAY, 100 * DAY, 100 * DAY, 900 * DAY])
    lag = rng.choice([0, 0, SECOND, MINUTE, 5 * MINUTE, 590 * SECOND])
    scenario = Scenario(
        seed=seed,
        initial_issues=rng.choice([0, 1, 3, 8, 20, 40]),
        span=span,
        same_second=seldom(0.15),
        page_cap=rng.choice([1_000, 1_000, 20, 5, 3, 2]),
        messages_per_page=rng.choice([1_000, 1_000, 2]),
        lag=lag,
        lag_varies=seldom(0.3),
        list_lags=seldom(0.5),
        fresh_records=seldom(0.3),
        exclusive_bounds=seldom(0.5),
        notes_in_search=seldom(0.5),
        notes_in_record=seldom(0.5),
        notes_move_updated=seldom(0.5),
        messages_move_updated=seldom(0.6),
        deletions_move_updated=seldom(0.6),
        imports_move_updated=seldom(0.7),
        change_share=rng.choice([0.0, 0.02, 0.1, 0.4]),
        changes_between=rng.choice([0, 1, 3, 8]),
        glitch_share=rng.choice([0.0, 0.0, 0.0, 0.1]),
        error_share=rng.choice([0.0, 0.0, 0.0, 0.1]),
        throttle_share=rng.choice([0.0, 0.0, 0.0, 0.05]),
        error_date_skew=rng.choice([None, None, 5 * HOUR, 75 * 365 * DAY, -3 * DAY]),
        search_filter_ignored=seldom(0.04),
        list_bounds_ignored=seldom(0.04),
        list_mode=rng.choice(["ok"] * 12 + ["months", "forbidden", "missing", "rejected"]),
        broken_issues=rng.choice([0, 0, 0, 0, 1, 2]),
        refused_issues=rng.choice([0, 0, 0, 0, 0, 1]),
        scrubs=seldom(0.1),
        issues_per_checkpoint=rng.choice([1_000, 10, 3, 1]),
        first_page=rng.choice([100, 5, 2]),
        checkpoint_interval=rng.choice([0, 0, MINUTE]),
    )
    changing = seldom(0.4)
    plan = SyncPlan(
        streams=_some_streams(rng),
        start=rng.choice([None, None, _start(rng, span)]),
        include_messages=not seldom(0.1),
        lookback_days=rng.choice([0, 0, 0, 0, 3]),
    )
    syncs = []
    for _ in range(rng.randint(1, 5)):
        if changing and seldom(0.6):
            plan = _changed(rng, plan, span)
        syncs.append(
            replace(
                plan,
                gap=rng.choice([MINUTE, HOUR, HOUR, HOUR, DAY, 40 * DAY]),
                kill_after=rng.choice([None, rng.randint(0, 6), rng.randint(0, 60)]),
                full_refresh=seldom(0.03),
                forgets=tuple(name for name in STREAMS if seldom(0.03)) if changing else (),
                **_skews(rng, lag),
            )
        )
    # The clocks are right in the last one: where both are days behind, a state is in the future and nothing is read.
    quiet = (*(replace(plan, gap=HOUR, **_skews(rng, lag)) for _ in range(2)), plan)
    return replace(scenario, syncs=tuple(syncs), quiet=quiet)


def _some_streams(rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(STREAMS, rng.choice([1, 1, 2, 3, 4])))


def _start(rng: random.Random, span: int) -> int:
    """Return a start date within the history or shortly before the first sync, some with a fraction of a second."""
    return -int(span * rng.choice([0.05, 0.3, 0.7, 1.2])) + rng.choice([0, 0, 500])


def _changed(rng: random.Random, plan: SyncPlan, span: int) -> SyncPlan:
    which = rng.choice(["start", "start", "no start", "messages", "streams", "streams", "lookback"])
    if which == "start":
        return replace(plan, start=_start(rng, span))
    if which == "no start":
        return replace(plan, start=None)
    if which == "messages":
        return replace(plan, include_messages=not plan.include_messages)
    if which == "streams":
        return replace(plan, streams=_some_streams(rng))
    return replace(plan, lookback_days=rng.choice([0, 3]))


def _skews(rng: random.Random, lag: int) -> dict[str, Any]:
    """Return how far both clocks are off. At least one is not ahead: what is promised with two wrong clocks is less."""
    machine, date = rng.choice(
        [(0, 0)] * 8
        + [(HOUR, 0), (5 * DAY, 0), (-HOUR, 0), (-6 * DAY, 0), (0, 5 * HOUR), (0, -2 * MINUTE), (0, -2 * DAY)]
        + [(0, None), (-2 * MINUTE, None), (-3 * DAY, -3 * DAY), (4 * SECOND, 3 * SECOND)]
    )
    ahead = machine if date is None else min(machine, date)
    return {"machine_skew": machine if ahead + lag < 595 * SECOND else 0, "date_skew": date}

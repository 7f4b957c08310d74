"""The time of a sync against the least that Pylon's rate limits permit.

python -m benchmarks.sync_time [--minute 12] [--only WORDS]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import minimum_requests
from benchmarks.measure import Run, connector, files, run
from benchmarks.pylon import Call, Pylon
from benchmarks.report import Report, met, table
from benchmarks.requests import ALL, EVERYTHING, HOURLY, ISSUE_STREAMS
from source_pylon.api.endpoints import MESSAGES

_START_UP = 3.0
_OCTOBER, _JULY = "2026-10", "2026-07"
_APART = 5.0
"""Seconds between two starts: a start takes a core for two of them."""


@dataclass(frozen=True)
class Scenario:
    """A sync under limits: those of the server, and those that the client believes in."""

    title: str
    streams: tuple[str, ...] = ("issues",)
    issues: int = 1_200
    server: str | Mapping[str, int] = _OCTOBER
    client: str = _OCTOBER
    latency: float = 0.05
    later: bool = False
    factor: float = 1.05

    @property
    def limits(self) -> str:
        """The server's limits in words."""
        return self.server if isinstance(self.server, str) else "raised"


_BOTH = (0.05, 0.3)
SCENARIOS = tuple(
    replace(scenario, latency=latency)
    for scenario in (
        Scenario("first sync, issues"),
        Scenario("first sync, issues + conversations + tickets", ISSUE_STREAMS),
        Scenario("first sync, all streams", ALL),
        Scenario("first sync, issues", issues=200, server=_JULY, client=_JULY),
        Scenario("an hour later, 40 changed", later=True),
        Scenario("first sync, issues; client believes October's table", issues=200, server=_JULY, factor=1.15),
        Scenario("first sync, issues; limit doubled, unknown to the client", server={MESSAGES.key: 240},
                 factor=1.15),
    )
    for latency in _BOTH
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a sync went."""

    run: Run
    calls: Sequence[Call]
    minimum: Mapping[str, int]
    limits: Mapping[str, int]
    in_vain: int


def measure(scenario: Scenario, minute: float, delay: float) -> Outcome:
    """Runs one scenario."""
    size = {**(EVERYTHING if scenario.streams == ALL else {}), "issues": scenario.issues}
    with Pylon(size=size, limits=None) as pylon:
        config = {**pylon.config, **minimum_requests.CUSTOM}
        time.sleep(delay)
        states: Mapping[str, Any] = {}
        minimum: Mapping[str, int] = HOURLY
        if scenario.later:
            with files(config, scenario.streams) as arguments:
                states = run(connector(arguments)).states
            pylon.an_hour_passes(25, 15)
        else:
            minimum = pylon.minimum_requests(scenario.streams)
        pylon.forget()
        server = scenario.server if isinstance(scenario.server, str) else dict(scenario.server)
        limits = pylon.limit(server, minute)
        pylon.set_latency(scenario.latency)
        with files(config, scenario.streams, states.values()) as arguments:
            result = run(connector(arguments, minute=minute, limits=scenario.client))
        return Outcome(result, pylon.calls(), minimum, limits, pylon.asked_in_vain())


def longest_pause(calls: Sequence[Call], allowed: int, minute: float) -> float:
    """The longest time for which a message request could have been granted and none came, until the last of them."""
    times = sorted(call.at for call in calls if call.template == MESSAGES.key and call.status != 429)
    free = [times[number - allowed] + minute if number >= allowed else times[0] for number in range(len(times))]
    return max(
        (at - max(before, since) for before, at, since in zip(times, times[1:], free[1:], strict=False)), default=0.0
    )


def row(scenario: Scenario, outcome: Outcome, minute: float) -> list[str]:
    """A scenario's row of the table."""
    wall = outcome.run.wall
    plain = minimum_requests.minutes(outcome.minimum, outcome.limits) * minute
    sliding = minimum_requests.sliding_minutes(outcome.minimum, outcome.limits) * minute
    refused = sum(call.status == 429 for call in outcome.calls)
    asked = Counter(call.id for call in outcome.calls if call.template == MESSAGES.key and call.status != 429)
    twice = sum(count - 1 for count in asked.values())
    made = len(outcome.calls) - refused
    work = outcome.run.ended - outcome.calls[0].at
    return [
        f"{scenario.title}, {scenario.issues:,}", scenario.limits, f"{scenario.latency * 1000:.0f}",
        f"{plain:.1f}", f"{wall:.1f}", f"{wall / plain:.2f}", met(wall <= scenario.factor * plain + _START_UP),
        f"{work:.1f}", f"{work / plain:.2f}", f"{sliding:.0f}", f"{work / sliding:.2f}" if sliding else "",
        f"{longest_pause(outcome.calls, outcome.limits[MESSAGES.key], minute):.1f}",
        str(refused), f"{made / sum(outcome.minimum.values()):.3f}", f"{twice} / {outcome.in_vain}",
    ]  # fmt: skip


def main() -> None:
    """Runs all scenarios beside each other, since they mostly wait, and writes the section."""
    parser = argparse.ArgumentParser("benchmarks.sync_time")
    parser.add_argument("--minute", type=float, default=12.0, help="seconds per minute of the limits")
    parser.add_argument("--only", default="", help="scenarios whose title holds these words; nothing is written")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if options.only in scenario.title]
    report = Report("sync_time", "Time against Pylon's rate limits")
    with ThreadPoolExecutor(len(chosen)) as pool:
        jobs = [
            pool.submit(measure, scenario, options.minute, number * _APART) for number, scenario in enumerate(chosen)
        ]
        rows = []
        for scenario, job in zip(chosen, jobs, strict=True):
            rows.append(row(scenario, job.result(), options.minute))
            print(rows[-1], flush=True)
    report.add(
        f"A minute of the limits is scaled to {options.minute:g} s; latencies are not scaled, so they weigh "
        f"{60 / options.minute:g} times as much as they would. July's limit for messages is a sixth of October's, "
        "so those syncs have a sixth of the issues. All syncs of this table ran beside each other, started "
        f"{_APART:g} s apart.",
        "*Least* is the largest of: an endpoint's unavoidable requests by its limit a minute. A sliding window that "
        "starts empty lets the first minute's worth through at once, so a sync can be faster than that: *sliding* "
        "counts n requests at a limit of a as ceil(n / a) - 1 whole minutes. The target is "
        f"{SCENARIOS[0].factor} x least + {_START_UP:g} s of start-up, {SCENARIOS[-1].factor} x with a wrong table. "
        "*At work* counts from the first request on. *Pause*: the longest time for which a message request would have "
        "been granted and none came.",
        table(
            ["Sync, issues", "Limits", "Latency ms", "Least s", "Wall s", "Wall / least", "met", "At work s",
             "at work / least", "Sliding s", "at work / sliding", "Pause s", "Refused", "Requests / unavoidable",
             "Messages asked twice / in vain"],
            rows,
        ),
    )  # fmt: skip
    if not options.only:
        report.save([dict(zip(("title", "limits", "latency", "least", "wall"), one, strict=False)) for one in rows])


if __name__ == "__main__":
    main()

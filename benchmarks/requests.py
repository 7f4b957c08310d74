"""Requests made, divided by requests that cannot be avoided.

python -m benchmarks.requests
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.least import CUSTOM
from benchmarks.measure import connector, files, run
from benchmarks.pylon import Pylon
from benchmarks.report import Report, met, table
from source_pylon.api.endpoints import MESSAGES
from source_pylon.extraction.issues.listing import SEARCH
from source_pylon.streams import STREAMS

ALL = tuple(definition.name for definition in STREAMS)
ISSUE_STREAMS = ("issues", "conversations", "tickets")
EVERYTHING = {
    "issues": 3_000,
    "accounts": 1_000,
    "contacts": 5_000,
    "call_recordings": 2_000,
    "surveys": 5,
    "survey_responses": 3_000,
}
HOURLY = {SEARCH.key: 2, MESSAGES.key: 40}
"""One search by message, one by update, and the messages of 40 changed issues."""

_MOST = 1.02


@dataclass(frozen=True)
class Scenario:
    """A first sync of some streams, or what follows on it."""

    title: str
    streams: tuple[str, ...] = ("issues",)
    size: Mapping[str, int] = field(default_factory=lambda: {"issues": 3_000})
    config: Mapping[str, Any] = field(default_factory=dict)
    before: int = 0
    changed: tuple[int, int] | None = None
    least: Mapping[str, int] | None = None


SCENARIOS = (
    Scenario("first sync, 3,000 issues over two years, four months of them empty"),
    Scenario("the same by issues, conversations and tickets together", ISSUE_STREAMS),
    Scenario("3,000 issues, and 100 more before three empty years", before=100),
    Scenario("3,000 issues, listing only", config={"include_messages": False}),
    Scenario("3,000 issues, and 100 more before three empty years, listing only", before=100,
             config={"include_messages": False}),
    Scenario("100,000 issues, listing only", size={"issues": 100_000}, config={"include_messages": False}),
    Scenario("all streams", ALL, EVERYTHING, CUSTOM),
    Scenario("an hour later, 40 issues changed, 15 of them without a message", changed=(25, 15), least=HOURLY),
    Scenario("an hour later, by all three issue streams", ISSUE_STREAMS, changed=(25, 15), least=HOURLY),
    Scenario("an hour later, nothing changed", changed=(0, 0), least={SEARCH.key: 2}),
)  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """What one sync asked for."""

    made: Counter[str]
    least: Mapping[str, int]
    twice: int
    in_vain: int


def measure(scenario: Scenario) -> Counts:
    """Runs one scenario without limits."""
    with Pylon(size=scenario.size, limits=None) as pylon:
        if scenario.before:
            pylon.add_before(scenario.before, days=5 * 365)
        config = {**pylon.config, **scenario.config}
        states: Mapping[str, Any] = {}
        if scenario.changed is not None:
            with files(config, scenario.streams) as arguments:
                states = run(connector(arguments)).states
            pylon.an_hour_passes(*scenario.changed)
            pylon.forget()
        with files(config, scenario.streams, states.values()) as arguments:
            run(connector(arguments))
        calls = pylon.calls()
        least = dict(scenario.least or pylon.least(scenario.streams))
        if scenario.config.get("include_messages") is False:
            del least[MESSAGES.key]
        asked = Counter(call.id for call in calls if call.template == MESSAGES.key)
        made = Counter(call.template for call in calls)
        return Counts(made, least, sum(count - 1 for count in asked.values()), pylon.asked_in_vain())


def main() -> None:
    """Counts and writes the section."""
    report = Report("requests", "Requests made, and those that cannot be avoided")
    rows = []
    data = {}
    extra: Counter[str] = Counter()
    for scenario in SCENARIOS:
        counts = measure(scenario)
        made, least = counts.made.total(), sum(counts.least.values())
        searches = f"{counts.made[SEARCH.key]} / {counts.least.get(SEARCH.key, 0)}"
        rows.append([
            scenario.title, f"{made:,}", f"{least:,}", f"{made / least:.3f}", met(made <= _MOST * least), searches,
            str(counts.twice), str(counts.in_vain),
        ])  # fmt: skip
        print(rows[-1], flush=True)
        data[scenario.title] = {"made": dict(counts.made), "least": dict(counts.least)}
        if scenario.streams == ALL:
            extra = Counter({key: counts.made[key] - counts.least.get(key, 0) for key in counts.made})
    report.add(
        "*Cannot be avoided*: the pages of each list (999 records each), one request for the messages of each issue "
        "that has any, one for each parent of child streams, one for each type; issue searches ask for at most 29 "
        "days, so at least the fewest such windows that cover all issues, with their pages (`benchmarks/least.py`).",
        table(
            ["Sync", "Made", "Unavoidable", "Ratio", f"at most {_MOST}", "Issue searches / unavoidable",
             "Messages asked twice", "asked in vain"],
            rows,
        ),
        "Beyond the unavoidable when all streams are read: "
        + ", ".join(f"{count} x `{key}`" for key, count in extra.most_common() if count > 0)
        + ".",
    )  # fmt: skip
    report.save(data)


if __name__ == "__main__":
    main()

"""Requests made, divided by requests that cannot be avoided.

python -m benchmarks.requests
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import connector, files, run
from benchmarks.minimum_requests import CUSTOM
from benchmarks.pylon import Pylon
from benchmarks.report import Report, met, table
from source_pylon.api.endpoints import ISSUE_LIST, ISSUE_SEARCH, MESSAGES
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
HOURLY = {ISSUE_SEARCH.key: 1, MESSAGES.key: 40}
"""One search for what changed, and the messages of 40 changed issues."""

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
    minimum: Mapping[str, int] | None = None


SCENARIOS = (
    Scenario("first sync, 3,000 issues over two years, four months of them empty"),
    Scenario("the same by issues, conversations and tickets together", ISSUE_STREAMS),
    Scenario("3,000 issues, and 100 more before three empty years", before=100),
    Scenario("3,000 issues, listing only", config={"include_messages": False}),
    Scenario("3,000 issues, and 100 more before three empty years, listing only", before=100,
             config={"include_messages": False}),
    Scenario("100,000 issues, listing only", size={"issues": 100_000}, config={"include_messages": False}),
    Scenario("all streams", ALL, EVERYTHING, CUSTOM),
    Scenario("an hour later, 40 issues changed, 15 of them without a message", changed=(25, 15), minimum=HOURLY),
    Scenario("an hour later, by all three issue streams", ISSUE_STREAMS, changed=(25, 15), minimum=HOURLY),
    Scenario("an hour later, nothing changed", changed=(0, 0), minimum={ISSUE_SEARCH.key: 1}),
)  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """What one sync requested."""

    made: Counter[str]
    minimum: Mapping[str, int]
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
        messages = scenario.config.get("include_messages", True)
        minimum = scenario.minimum or pylon.minimum_requests(scenario.streams, messages)
        asked = Counter(call.id for call in calls if call.template == MESSAGES.key)
        made = Counter(call.template for call in calls)
        return Counts(made, minimum, sum(count - 1 for count in asked.values()), pylon.asked_in_vain())


def main() -> None:
    """Counts and writes the section."""
    report = Report("requests", "Requests made, and those that cannot be avoided")
    rows = []
    data = {}
    extra: Counter[str] = Counter()
    for scenario in SCENARIOS:
        counts = measure(scenario)
        made, minimum = counts.made.total(), sum(counts.minimum.values())
        listing = [f"{counts.made[key]} / {counts.minimum.get(key, 0)}" for key in (ISSUE_LIST.key, ISSUE_SEARCH.key)]
        rows.append([
            scenario.title, f"{made:,}", f"{minimum:,}", f"{made / minimum:.3f}", met(made <= _MOST * minimum),
            *listing, str(counts.twice), str(counts.in_vain),
        ])  # fmt: skip
        print(rows[-1], flush=True)
        data[scenario.title] = {"made": dict(counts.made), "minimum": dict(counts.minimum)}
        if scenario.streams == ALL:
            extra = Counter({key: counts.made[key] - counts.minimum.get(key, 0) for key in counts.made})
    report.add(
        "*Cannot be avoided*: the pages of each list, one request for the messages of each issue that has any or whose "
        "body or files wait to be compared with internal notes, one for each parent of child streams, one for each "
        "type; lists of issues cover a year and 4 MB at most (`benchmarks/minimum_requests.py`).",
        table(
            ["Sync", "Made", "Unavoidable", "Ratio", f"at most {_MOST}", "Issue lists / unavoidable",
             "Issue searches / unavoidable", "Messages asked twice", "asked in vain"],
            rows,
        ),
        "Beyond the unavoidable when all streams are read: "
        + ", ".join(f"{count} x `{key}`" for key, count in extra.most_common() if count > 0)
        + ".",
    )  # fmt: skip
    report.save(data)


if __name__ == "__main__":
    main()

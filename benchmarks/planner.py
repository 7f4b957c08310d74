"""How long a first sync takes: the table of docs/pylon.md, from the limits that the connector itself knows.

python -m benchmarks.planner [--write]
"""

from __future__ import annotations

import math
import sys

from benchmarks.generated_table import GeneratedTable
from benchmarks.measure import ROOT
from integration_tests.sandbox.limits import calls_per_minute_july_2026
from source_pylon.api.endpoints import ISSUE_LIST, MESSAGES, calls_per_minute

ISSUES = (1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)
ISSUES_PER_PAGE = 1_000
"""An issue of 4 KB, which is large, a thousand times in the 4 MB of a response of the list."""
LIMITS = (
    (calls_per_minute(MESSAGES), "message requests a minute (published October 2026)"),
    (calls_per_minute_july_2026(MESSAGES), "a minute (published July 2026)"),
)


def minutes(issues: int, message_calls: int, list_calls: int) -> float:
    """A first sync: one message request for each issue beside the listing; the slower of the two decides."""
    return max(issues / message_calls, listing_minutes(issues, list_calls))


def listing_minutes(issues: int, list_calls: int) -> float:
    """The listing alone."""
    return math.ceil(issues / ISSUES_PER_PAGE) / list_calls


def duration(length: float) -> str:
    """Minutes as people say them."""
    if length < 1:
        return "less than a minute"
    if length < 100:
        return f"{length:.0f} min"
    hours = length / 60
    if hours < 72:
        return f"{hours:.1f} hours" if hours < 10 else f"{hours:.0f} hours"
    return f"{hours / 24:.0f} days"


def table() -> str:
    """The table as Markdown."""
    heads = [f"{calls} {words}" for calls, words in LIMITS]
    lines = [
        f"| Issues | {' | '.join(heads)} | Include Messages switched off |",
        "| -----: | :--- | :--- | :--- |",
    ]
    listing = calls_per_minute(ISSUE_LIST)
    for issues in ISSUES:
        times = [duration(minutes(issues, calls, listing)) for calls, _ in LIMITS]
        lines.append(f"| {issues:,} | {' | '.join(times)} | {duration(listing_minutes(issues, listing))} |")
    return "\n".join(lines)


TABLE = GeneratedTable(ROOT / "docs" / "pylon.md", "first sync table", table)

if __name__ == "__main__":
    sys.exit(TABLE.main("benchmarks.planner"))

"""How long a first sync takes: the table of docs/pylon.md, from the limits that the connector itself knows.

python -m benchmarks.planner [--write]
"""

from __future__ import annotations

import argparse
import math
import sys

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
BEGIN, END = "<!-- first sync table -->", "<!-- /first sync table -->"
DOCS = ROOT / "docs" / "pylon.md"


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


def in_page(text: str) -> str:
    """A page with the table in its place. Raises ValueError when the page has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} and {END} in the page")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    """Prints the table; with --write, puts it into the page."""
    parser = argparse.ArgumentParser("benchmarks.planner")
    parser.add_argument("--write", action="store_true", help="put it into docs/pylon.md")
    write = parser.parse_args().write
    print(table())
    text = DOCS.read_text(encoding="utf-8")
    wanted = in_page(text)
    if write:
        DOCS.write_text(wanted, encoding="utf-8")
    elif wanted != text:
        print("\ndocs/pylon.md holds another table; write this one with --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What one connection needs, and how many fit on a node: the table of docs/scaling.md, from what was measured.

python -m benchmarks.scaling [--write]
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from benchmarks.generated_table import GeneratedTable
from benchmarks.measure import ROOT
from benchmarks.report import data_of
from source_pylon.api.endpoints import MESSAGES, calls_per_minute, get_paginated

NODE_CORES, NODE_MB = 4, 16_000
_SYSTEM_MB = 2_000


def read(name: str) -> Any:
    """A question's figures."""
    return json.loads(data_of(name).read_text(encoding="utf-8"))


def table() -> str:
    """The table as Markdown. Raises FileNotFoundError when a question has not been measured."""
    cost, memory, startup = read("cost"), read("memory"), read("startup")
    fixed = startup["cpu"]["discover"]
    each = {}
    for name in ("accounts of 1 KB", "issues with messages, no latency"):
        ours = cost[name]["connector"]
        each[name] = (ours["cpu"] - fixed) / ours["records"]
    account, issue = each.values()
    issue_share = issue * calls_per_minute(MESSAGES) / 60
    account_share = account * calls_per_minute(get_paginated("/accounts")) * 999 / 60
    peak = max(point["peak"] for point in memory["sizes"])
    by_memory = math.floor((NODE_MB - _SYSTEM_MB) / peak)
    by_cpu = math.floor(NODE_CORES / issue_share)
    rows = [
        ("CPU to start, each sync", f"{fixed:.1f} s"),
        ("CPU for an issue with its messages", f"{issue * 1000:.1f} ms"),
        (f"the same while Pylon allows {calls_per_minute(MESSAGES)} issues a minute", f"{issue_share:.1%} of a core"),
        ("CPU for an account of 1 KB", f"{account * 1e6:.0f} µs"),
        (
            f"the same at {calls_per_minute(get_paginated('/accounts'))} pages a minute, the most that Pylon allows",
            f"{min(1, account_share):.0%} of a core, for as long as the list is",
        ),
        (f"Memory at most, up to {max(point['issues'] for point in memory['sizes']):,} issues", f"{peak:.0f} MB"),
        ("Memory at most, with the large records of the benchmark", f"{memory['extreme']:.0f} MB"),
        (f"Syncs at once on {NODE_CORES} cores and {NODE_MB / 1000:.0f} GB, by memory", f"{by_memory}"),
        ("the same, by CPU", f"{by_cpu}"),
    ]
    return "\n".join(["| | |", "| :--- | ---: |", *(f"| {what} | {figure} |" for what, figure in rows)])


TABLE = GeneratedTable(ROOT / "docs" / "scaling.md", "measured", table)

if __name__ == "__main__":
    sys.exit(TABLE.main("benchmarks.scaling"))

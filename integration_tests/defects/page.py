"""docs/reliability.md as a table of rows: the tests that prove each, and the defects that they notice."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from integration_tests.defects.planted import ROOT

PAGE = ROOT / "docs" / "reliability.md"
_NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_DEFECT = re.compile(r"`([a-z0-9-]+)`")


@dataclass(frozen=True)
class Row:
    """A row of the page."""

    cells: tuple[str, ...]
    tests: tuple[str, ...]
    """Node ids for pytest."""
    notices: tuple[str, ...]
    """Names of defects."""


def node_ids(text: str) -> tuple[str, ...]:
    """Return the tests that a text of the page names; those without a folder are in integration_tests/faults."""
    return tuple(
        f"{file if '/' in file else f'integration_tests/faults/{file}'}::{name}" for file, name in _NAMED.findall(text)
    )


def row_of(line: str) -> Row | None:
    """Return the row that a line of the page holds; None for any other line."""
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    place = next((number for number, cell in enumerate(cells) if _NAMED.search(cell)), None)
    if not line.startswith("| ") or place is None:
        return None
    notices = tuple(_DEFECT.findall(" ".join(cells[place + 1 :])))
    return Row(tuple(cells[: place + 1]), node_ids(cells[place]), notices)


def rows(text: str) -> list[Row]:
    """Return the rows of the page."""
    return [row for line in text.splitlines() if (row := row_of(line)) is not None]


def with_notices(text: str, noticed: Mapping[str, Collection[str]]) -> str:
    """Return the page with a last column that names, for each row, the defects that its tests notice.

    `noticed` maps each test to the names of the defects.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if (row := row_of(line)) is not None:
            names = sorted({name for test in row.tests for name in noticed.get(test, ())})
            lines[number] = f"| {' | '.join(row.cells)} | {', '.join(f'`{name}`' for name in names)} |"
        elif line.startswith(("| Fault |", "| Promise |")):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            cells = [*(cell for cell in cells if cell != "Notices"), "Notices"]
            lines[number] = f"| {' | '.join(cells)} |"
            lines[number + 1] = "| --- " * len(cells) + "|"
    return "\n".join(lines) + "\n"

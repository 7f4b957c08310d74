"""The page on reliability: each row names a test, and each of those tests exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    return [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| Fault", "| Promise"))
    ]


def path_of(file: str) -> Path:
    return ROOT / file if "/" in file else ROOT / "integration_tests" / "faults" / file


def _tests_in(path: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def test_every_row_names_the_test_that_proves_it() -> None:
    without = [row for row in rows() if not row.startswith("| ---") and not NAMED.search(row)]
    assert len(rows()) > 40
    assert without == []


def test_every_test_that_a_row_names_exists() -> None:
    missing = [f"{file}::{name}" for file, name in NAMED.findall(PAGE) if name not in _tests_in(path_of(file))]
    assert missing == []


def test_every_fault_that_is_tested_has_a_row() -> None:
    named = {name for _, name in NAMED.findall(PAGE)}
    for path in sorted((ROOT / "integration_tests" / "faults").glob("test_*.py")):
        assert _tests_in(path) & named, f"{path.name} is proven, but no row says so"

"""The planted defects: each can be planted, each row of the page has one, and the page names those that are noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.defects import page
from integration_tests.defects.catalog import DEFECTS, SAMPLE, proofs
from integration_tests.defects.planted import PACKAGE, Edit

PAGE = page.PAGE.read_text(encoding="utf-8")


def test_every_defect_can_be_planted_and_is_valid_code(tmp_path: Path) -> None:
    for name, defect in DEFECTS.items():
        sources = defect.sources()
        assert sources
        for path, source in sources.items():
            assert source != path.read_text(encoding="utf-8"), name
            (tmp_path / f"{name}--{path.stem}.py").write_text(source, encoding="utf-8")
    # Undefined names and syntax errors would make any test fail, whatever it looks at.
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E9,F63,F7,F82", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_an_edit_whose_passage_is_gone_or_stands_twice_is_refused() -> None:
    source = (PACKAGE / "timing.py").read_text(encoding="utf-8")
    for passage in ("no such passage", "self"):
        with pytest.raises(ValueError, match=r"timing\.py"):
            Edit("timing.py", passage, "").applied(source)


def test_every_row_of_the_page_has_a_defect() -> None:
    tests = set(proofs(PAGE).values())
    assert [row.cells[0] for row in page.rows(PAGE) if not tests & set(row.tests)] == []


def test_the_page_names_defects_beside_the_tests_that_notice_them() -> None:
    named = {name for row in page.rows(PAGE) for name in row.notices}
    assert named
    by_test: dict[str, list[str]] = {}
    for name, test in proofs(PAGE).items():
        if name in named:
            by_test.setdefault(test, []).append(name)
    assert page.with_notices(PAGE, by_test) == PAGE


def test_the_sample_has_defects_of_every_kind() -> None:
    assert set(SAMPLE) <= set(DEFECTS)
    assert {test.partition("::")[0] for test in map(proofs(PAGE).__getitem__, SAMPLE)} > {
        "integration_tests/faults/test_answers.py",
        "integration_tests/faults/test_time.py",
        "integration_tests/test_privacy.py",
    }

"""The planted defects: each can be planted, each row of the page has one, and the page names those that are noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.defects import page
from integration_tests.defects.__main__ import time_limit
from integration_tests.defects.catalog import DEFECTS, SAMPLE, proofs
from integration_tests.defects.planted import PACKAGE, Edit
from integration_tests.defects.results import Results
from integration_tests.defects.scenarios import SECONDS, Outcome

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


def test_an_edit_whose_passage_is_missing_or_ambiguous_is_refused() -> None:
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
        "integration_tests/faults/test_irregular_responses.py",
        "integration_tests/faults/test_time.py",
        "integration_tests/test_privacy.py",
    }


def test_an_interrupted_measurement_is_continued_with_the_last_result_of_each_defect(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    first = Results(file)
    first.add_clean("test_a", Outcome("passed", "", 2.0))
    first.add_planted("no-retries", Outcome("passed", "", 3.0))
    first.add_planted("no-retries", Outcome("failed", "assert 1 == 2", 4.0))
    again = Results(file)
    assert again.clean == {"test_a": Outcome("passed", "", 2.0)}
    assert again.planted == {"no-retries": Outcome("failed", "assert 1 == 2", 4.0)}
    assert again.with_verdict("failed", ["no-retries", "never-run"]) == ["no-retries"]


@pytest.mark.parametrize(("seconds", "limit"), [(0.5, 30), (12, 120), (60, SECONDS)])
def test_a_test_counts_as_hung_after_ten_times_its_duration_within_bounds(seconds: float, limit: float) -> None:
    assert time_limit(Outcome("passed", "", seconds)) == limit
    assert time_limit(None) == SECONDS


def test_a_test_that_timed_out_is_distinguished_from_one_that_noticed_the_defect() -> None:
    assert Outcome("failed", "Failed: Timeout (>30.0s) from pytest-timeout.", 30.0).is_hung
    assert not Outcome("failed", "AssertionError: assert 3 == 4", 30.0).is_hung
    assert not Outcome("passed", "", 1.0).is_hung

"""The table of first syncs in the documentation is the one that the planner makes."""

import pytest

from benchmarks import planner, scaling
from benchmarks.report import data_of
from source_pylon.api.endpoints import MESSAGES, calls_per_minute
from source_pylon.extraction.issues.history import BYTES_PER_PAGE


def test_the_documentation_holds_exactly_the_planners_table() -> None:
    text = planner.TABLE.page.read_text(encoding="utf-8")
    assert planner.TABLE.in_page(text) == text


@pytest.mark.skipif(
    not all(data_of(name).exists() for name in ("cost", "memory", "startup")), reason="not measured yet"
)
def test_the_page_on_scaling_holds_exactly_what_was_measured() -> None:
    text = scaling.TABLE.page.read_text(encoding="utf-8")
    assert scaling.TABLE.in_page(text) == text


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="first sync table"):
        planner.TABLE.in_page("# Pylon")


def test_messages_decide_the_duration_while_listing_runs_in_parallel() -> None:
    assert planner.minutes(10_001, 120, 30) == 10_001 / 120
    assert planner.minutes(10_001, 1_000_000, 1) == planner.listing_minutes(10_001, 1) == 11


def test_a_hundred_thousand_issues_with_messages_take_about_14_hours() -> None:
    row = next(line for line in planner.table().splitlines() if line.startswith("| 100,000 "))
    assert row.split(" | ")[1] == "14 hours"
    assert "100,000 issues with messages take about 14 hours" in planner.TABLE.page.read_text(encoding="utf-8")


def test_a_page_of_the_list_is_as_large_as_the_connector_asks_for() -> None:
    assert planner.ISSUES_PER_PAGE * 4_000 == BYTES_PER_PAGE


def test_the_published_limit_comes_first() -> None:
    assert planner.LIMITS[0][0] == calls_per_minute(MESSAGES)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0.5, "less than a minute"),
        (33.3, "33 min"),
        (334, "5.6 hours"),
        (833, "14 hours"),
        (10_000, "7 days"),
    ],
)
def test_durations_read_well(minutes: float, text: str) -> None:
    assert planner.duration(minutes) == text

"""The option issues_lookback_days."""

from __future__ import annotations

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import ISSUE_STREAMS, read
from integration_tests.support.expected import ago


def test_issues_within_the_lookback_are_read_again_and_older_ones_are_not(empty_pylon: Sandbox) -> None:
    ages = {days: empty_pylon.store.add_issue(at=ago(days=days), type="ticket") for days in (1, 4, 6, 30)}
    active = empty_pylon.store.add_issue(at=ago(days=40), type="ticket")
    empty_pylon.store.add_message(active, at=ago(days=3))
    state = read(empty_pylon, ISSUE_STREAMS).state
    # A change that no timestamp shows.
    empty_pylon.store.update_issue(ages[4], bump=False, title="Changed without a trace")
    assert read(empty_pylon, ISSUE_STREAMS, state=state).ids("issues") == []
    again = read(empty_pylon, ISSUE_STREAMS, state=state, issues_lookback_days=5)
    for stream in ("issues", "tickets"):
        assert set(again.ids(stream)) == {ages[1], ages[4], active}
    titles = {record["id"]: record["title"] for record in again.records("issues")}
    assert titles[ages[4]] == "Changed without a trace"

"""Connections that were set up with Airbyte's low-code connector go on with this one.

Its streams of the same names, of which only `issues` had a cursor: `created_at` up to version 0.0.5, then `updated_at`.
Streams without a cursor carry the states that Airbyte's CDK writes after a full read. Each of these states is answered
by a full backfill and, where the stream has a state here at all, one log line.
"""

from __future__ import annotations

from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.all_streams import definition_of, expected_records, keys, sync
from integration_tests.support.connector import Output, stream_state
from source_pylon.timestamps import render

SAME_NAME = (
    "accounts",
    "contacts",
    "issues",
    "issue_messages",
    "tags",
    "teams",
    "users",
    "custom_fields",
    "knowledge_bases",
    "knowledge_base_articles",
    "ticket_forms",
    "user_roles",
    "activity_types",
    "issue_statuses",
)
"""All of its fifteen but `issue_threads`, which hold internal notes."""

READ_WHOLE: tuple[dict[str, Any], ...] = (
    {"__ab_full_refresh_sync_complete": True},
    {"__ab_no_cursor_state_message": True},
    {"next_page_token": "MjAyNi0wNS0wMVQwMDowMDowMFp8eA=="},
    {},
)
OF_ISSUES: tuple[dict[str, Any], ...] = (
    {"updated_at": "2026-05-01T00:00:00Z"},
    {"created_at": "2026-05-01T00:00:00Z"},
    {"updated_at": "2026-05-01T00:00:00.000Z", "created_at": "2026-05-01T00:00:00Z"},
    {"state_type": "date-range", "slices": [{"start": "2026-04-01T00:00:00Z", "end": "2026-05-01T00:00:00Z"}]},
)
PER_PARENT = {
    "states": [{"partition": {"issue_id": "a", "parent_slice": {}}, "cursor": {"updated_at": "2026-05-01T00:00:00Z"}}],
    "parent_state": {"issues": {"updated_at": "2026-05-01T00:00:00Z"}},
}


def about_state(output: Output, name: str) -> list[str]:
    """The log lines that speak of a stream's state."""
    return [line for line in output.logs if "state" in line.lower() and line.startswith(f"Stream {name}: ")]


def kind_of(state: dict[str, Any]) -> str:
    """A state's keys, as a test's name."""
    return "+".join(state) or "empty"


@pytest.mark.parametrize("state", READ_WHOLE, ids=kind_of)
def test_every_full_refresh_stream_stays_one(state: dict[str, Any], pylon: Sandbox) -> None:
    output = sync(pylon, SAME_NAME, state=[stream_state(name, state) for name in SAME_NAME])
    for name in SAME_NAME:
        assert set(keys(output, name)) == expected_records(pylon, name).keys(), name
        assert output.statuses(name)[-1] == "COMPLETE"
        assert len(about_state(output, name)) == (1 if state and definition_of(name).cursor_field else 0), name


@pytest.mark.parametrize("state", [*OF_ISSUES, PER_PARENT], ids=kind_of)
@pytest.mark.parametrize("name", ["issues", "issue_messages"])
def test_a_foreign_state_of_issues_is_logged_in_one_line_and_all_issues_are_read(
    name: str, state: dict[str, Any], pylon: Sandbox
) -> None:
    output = sync(pylon, [name], state=[stream_state(name, state)])
    assert set(keys(output, name)) == expected_records(pylon, name).keys()
    assert output.statuses(name)[-1] == "COMPLETE"
    (line,) = about_state(output, name)
    assert "read from its beginning" in line
    second = sync(pylon, [name], state=output.state)
    assert second.records(name) == []
    assert about_state(second, name) == []


def test_streams_of_one_connection_are_judged_one_by_one(pylon: Sandbox) -> None:
    ours = sync(pylon, ["tasks", "accounts"]).state
    foreign = stream_state("issues", {"updated_at": "2026-05-01T00:00:00Z"})
    output = sync(pylon, ["issues", "tasks", "accounts"], state=[*ours, foreign])
    assert set(keys(output, "issues")) == expected_records(pylon, "issues").keys()
    assert output.records("tasks") == output.records("accounts") == []
    assert about_state(output, "tasks") == about_state(output, "accounts") == []


@pytest.mark.parametrize("name", ["accounts", "tasks", "projects"])
def test_a_foreign_state_of_the_same_form_is_trusted(name: str, pylon: Sandbox) -> None:
    """The low-code connector never wrote one: its accounts had no cursor, and it had no tasks and no projects."""
    by_age = sorted(pylon.expected(name), key=lambda record: str(record["updated_at"]))
    since = by_age[len(by_age) // 2]["updated_at"]
    output = sync(pylon, [name], state=[stream_state(name, {"updated_at": since})])
    later = {(record["id"],) for record in by_age if record["updated_at"] > since}
    assert set(keys(output, name)) == later
    assert about_state(output, name) == []
    assert output.states(name)[-1]["updated_at"] > since


def test_a_state_of_accounts_with_another_cursor_field_reads_all_of_them(pylon: Sandbox) -> None:
    state = {"latest_customer_activity_time": render(pylon.clock.now())}
    output = sync(pylon, ["accounts"], state=[stream_state("accounts", state)])
    assert set(keys(output, "accounts")) == expected_records(pylon, "accounts").keys()
    assert len(about_state(output, "accounts")) == 1

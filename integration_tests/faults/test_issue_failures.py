"""Single issues that Pylon cannot give: none is emitted as if it had no messages, and a later sync brings it."""

from __future__ import annotations

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.sandbox.faults import status
from integration_tests.support.assertions import assert_failed, assert_state_never_ahead, assert_synced
from integration_tests.support.connector import ISSUE_STREAMS
from integration_tests.support.fault_runs import read
from integration_tests.support.faults import MESSAGES


@pytest.mark.parametrize("code", [500, 503])
def test_persistent_server_errors_on_one_issues_messages_leave_it_to_the_next_sync(pylon: Sandbox, code: int) -> None:
    broken = next(issue for issue in pylon.expected("issues")[40:] if pylon.messages(issue["id"]))
    pylon.faults.add(Fault(MESSAGES, status(code), times=None, when=lambda seen: seen.params["id"] == broken["id"]))
    streams = [
        stream for stream in ISSUE_STREAMS if stream == "issues" or stream.startswith(str(broken["type"]).lower())
    ]
    failed = read(pylon, ISSUE_STREAMS)
    assert_failed(failed, *streams, says=[broken["id"]])
    for stream in ISSUE_STREAMS:
        assert broken["id"] not in failed.ids(stream)
    assert set(failed.ids("issues")) == {issue["id"] for issue in pylon.expected("issues")} - {broken["id"]}
    assert_state_never_ahead(pylon, failed)
    pylon.faults.clear()
    later = read(pylon, ISSUE_STREAMS, failed.state)
    assert later.ids("issues") == [broken["id"]]
    assert_synced(pylon, failed, later, streams=ISSUE_STREAMS)


def test_an_unread_issue_that_was_merged_is_emitted_as_the_one_it_was_merged_into(
    pylon: Sandbox,
) -> None:
    """Otherwise it would be tried for ever, and its stream would never be complete again."""
    merged, primary = pylon.expected("issues")[5:7]
    pylon.faults.add(Fault(MESSAGES, status(500), times=None, when=lambda seen: seen.params["id"] == merged["id"]))
    failed = read(pylon, ["issues"])
    assert_failed(failed, "issues", says=[merged["id"]])
    pylon.faults.clear()
    pylon.store.delete("issues", merged["id"])
    answer = status(200, {"data": primary, "request_id": "r"})
    pylon.faults.add(Fault("GET /issues/{id}", answer, times=None, when=lambda seen: seen.params["id"] == merged["id"]))
    later = read(pylon, ["issues"], failed.state)
    assert (later.code, later.ids("issues")) == (0, [primary["id"]])
    assert "unread_issues" not in later.states("issues")[-1]


def test_an_issue_for_which_pylon_returns_nothing_stays_in_the_state_and_is_reported(pylon: Sandbox) -> None:
    issue = pylon.expected("issues")[5]["id"]
    pylon.faults.add(Fault(MESSAGES, status(500), times=None, when=lambda seen: seen.params["id"] == issue))
    failed = read(pylon, ["issues"])
    pylon.faults.add(Fault("GET /issues/{id}", status(200, {"data": None, "request_id": "r"}), times=None))
    later = read(pylon, ["issues"], failed.state)
    assert_failed(later, "issues", says=[issue, "returned no issue", "Pylon's support"])
    assert later.states("issues")[-1]["unread_issues"] == [issue]

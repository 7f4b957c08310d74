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
def test_server_errors_for_good_on_one_issues_messages_leave_it_to_the_next_sync(pylon: Sandbox, code: int) -> None:
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

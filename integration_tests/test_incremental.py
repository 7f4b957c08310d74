"""A later sync emits what changed since the one before: nothing missing, nothing stale, little twice."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import delay, transform
from integration_tests.support.connector import CURSORS, FAST, ISSUE_STREAMS, STREAMS, Output, read, stream_state
from integration_tests.support.expected import (
    ago,
    assert_kept_equals_stored,
    expected,
    moment,
    newest,
    stored_issues,
    type_of,
    without_signatures,
)
from integration_tests.support.faults import LIST, MESSAGES, SEARCH, hook, unfiltered_search
from source_pylon import source
from source_pylon.api.client import PylonClient
from source_pylon.timestamps import render

SHORT = replace(FAST, consistency_lag=timedelta(seconds=1))
"""A consistency lag that a test can wait for."""
NO_LAG = replace(FAST, consistency_lag=timedelta(0))
"""For a server whose search shows changes at once: a lag would hide that a state claims too much."""


def of_type(pylon: Sandbox, kind: str, number: int = 0) -> str:
    """The id of an issue of a type that has messages."""
    issues = [issue for issue in stored_issues(pylon) if type_of(issue) == kind and pylon.messages(issue["id"])]
    return str(issues[number]["id"])


def cursor(issue: dict[str, Any]) -> str:
    """An issue's cursor value."""
    return str(issue.get("latest_message_time") or issue["created_at"])


def evolve_when_asked(pylon: Sandbox, template: str, *, seed: int, n: int, after: int, deletions: bool = True) -> None:
    """Makes changes once a request arrives, after so many others."""
    hook(pylon, template, lambda seen: pylon.evolve(seed=seed, n=n, deletions=deletions), after=after)


def change_a_little(pylon: Sandbox) -> dict[str, set[str]]:
    """Changes something in every stream, and returns the ids that a second sync must emit for each."""
    store = pylon.store
    conversation, ticket, untyped = of_type(pylon, "conversation"), of_type(pylon, "ticket"), of_type(pylon, "")
    store.add_message(conversation, html="<p>New</p>")
    store.close_issue(ticket)
    store.update_issue(untyped, tags=["changed"])
    noted = of_type(pylon, "ticket", 3)
    store.add_message(noted, private=True)
    created = store.add_issue(type="conversation")
    recording = store.add_call_recording(start_time=ago(days=2))
    surveys = [survey["id"] for survey in pylon.expected("surveys")]
    late_survey = store.add("surveys", name="Late", type="csat")
    responses = {store.add_survey_response(surveys[0]), store.add_survey_response(late_survey)}
    account = pylon.expected("accounts")[-1]["id"]
    store.update("accounts", account, name="Renamed")
    accounts = {account, store.add("accounts")}
    return {
        "issues": {conversation, ticket, untyped, noted, created},
        "conversations": {conversation, created},
        "tickets": {ticket, noted},
        "call_recordings": {recording},
        "survey_responses": responses,
        "accounts": accounts,
    }


def test_the_second_sync_emits_exactly_what_changed_with_and_without_messages(pylon: Sandbox) -> None:
    first = read(pylon)
    changed = change_a_little(pylon)
    second = read(pylon, state=first.state, call_recordings_lookback_days=3)
    for stream in CURSORS:
        wanted = expected(pylon, stream)
        if stream == "call_recordings":
            changed[stream] |= {r["id"] for r in wanted.values() if moment(r["start_time"]) > ago(days=3, minutes=11)}
        if stream == "survey_responses":
            changed[stream] |= {r["id"] for r in wanted.values() if moment(r["submitted_at"]) > ago(days=7, minutes=11)}
        assert Counter(second.ids(stream)) == Counter(changed[stream]), stream
        for record in second.records(stream):
            assert without_signatures(record) == wanted[record["id"]]
    assert set(second.ids("contacts")) == expected(pylon, "contacts").keys()


def test_a_sync_without_changes_emits_nothing_but_full_refresh_streams(pylon: Sandbox) -> None:
    first = read(pylon, call_recordings_lookback_days=0)
    pylon.log.clear()
    second = read(pylon, state=first.state, call_recordings_lookback_days=0)
    assert [stream for stream in CURSORS if second.records(stream)] in ([], ["survey_responses"])
    assert all(
        moment(record["submitted_at"]) > ago(days=7, minutes=11) for record in second.records("survey_responses")
    )
    assert pylon.count(MESSAGES) == 0
    assert pylon.count(SEARCH) <= 4


def test_changes_are_repeated_only_within_the_consistency_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(size=Size(issues=60), limits=None, base_time=ago(hours=1)) as sandbox:
        monkeypatch.setattr(source, "PylonClient", partial(PylonClient, now=sandbox.clock.now))
        outputs = [read(sandbox, ISSUE_STREAMS, timing=SHORT)]
        sandbox.evolve(seed=1, n=20, deletions=False)
        changed = {issue["id"] for issue in stored_issues(sandbox) if moment(issue["updated_at"]) > ago(minutes=30)}
        outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=SHORT))
        assert set(outputs[-1].ids("issues")) == changed
        # Cursors are whole seconds, and one short of the consistency lag; the Date header that tells the time is, too.
        sandbox.clock.advance(SHORT.consistency_lag + timedelta(seconds=5))
        outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=SHORT))
        assert set(outputs[-1].ids("issues")) <= changed
        outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=SHORT))
        assert outputs[-1].ids("issues") == []


def test_the_state_of_each_stream_has_its_documented_shape(pylon: Sandbox) -> None:
    output = read(pylon)
    for stream, field in CURSORS.items():
        states = output.states(stream)
        for state in states:
            assert moment(state[field]) <= ago(minutes=9.9)
            if stream in ISSUE_STREAMS:
                assert state.keys() == {field, "changes_read_until", "history_read_back_to", "include_messages"}
                assert moment(state[field]) <= moment(state["changes_read_until"]) <= ago(minutes=9.9)
                assert state["include_messages"] is True
            else:
                assert state.keys() == {field}
        if stream in ISSUE_STREAMS:
            assert states[-1]["history_read_back_to"] == "complete"
    assert output.states("contacts")[-1] == {"__ab_no_cursor_state_message": True}


def test_states_never_go_back(pylon: Sandbox) -> None:
    outputs = [read(pylon)]
    for seed in range(3):
        pylon.evolve(seed=seed, n=10)
        outputs.append(read(pylon, state=outputs[-1].state))
    for stream in CURSORS:
        states = [state for output in outputs for state in output.states(stream)]
        for field in {CURSORS[stream], "changes_read_until"} & states[0].keys():
            values = [moment(state[field]) for state in states]
            assert values == sorted(values), (stream, field)
        if stream in ISSUE_STREAMS:
            reached = [state["history_read_back_to"] for state in states]
            assert reached == sorted(reached, reverse=True, key=lambda value: "" if value == "complete" else value)


def test_a_recording_that_arrives_late_is_found_within_the_lookback(pylon: Sandbox) -> None:
    state = read(pylon, ["call_recordings"]).state
    late = pylon.store.add_call_recording(start_time=ago(days=6))
    too_late = pylon.store.add_call_recording(start_time=ago(days=20))
    second = read(pylon, ["call_recordings"], state=state)
    assert late in second.ids("call_recordings")
    assert too_late not in second.ids("call_recordings")
    assert too_late in read(pylon, ["call_recordings"], state=state, call_recordings_lookback_days=30).ids(
        "call_recordings"
    )


def test_a_summary_that_arrives_late_is_read_again(pylon: Sandbox) -> None:
    recording = pylon.store.add_call_recording(start_time=ago(days=3), summary=None, at=ago(days=2))
    state = read(pylon, ["call_recordings"]).state
    pylon.store.update("call_recordings", recording, summary="They love it")
    records = {
        record["id"]: record for record in read(pylon, ["call_recordings"], state=state).records("call_recordings")
    }
    assert records[recording]["feedback_text"] == "They love it"


def test_a_survey_created_since_the_last_sync_is_read(pylon: Sandbox) -> None:
    state = read(pylon, ["survey_responses"]).state
    survey = pylon.store.add("surveys", name="Exit", type="custom")
    response = pylon.store.add_survey_response(survey)
    records = read(pylon, ["survey_responses"], state=state).records("survey_responses")
    (record,) = [record for record in records if record["survey_id"] == survey]
    assert (record["id"], record["survey_name"]) == (response, "Exit")


def test_what_is_added_to_a_survey_response_within_a_week_is_emitted(pylon: Sandbox) -> None:
    survey = pylon.expected("surveys")[0]["id"]
    recent = pylon.store.add_survey_response(survey, at=ago(days=6))
    old = pylon.store.add_survey_response(survey, at=ago(days=8))
    state = read(pylon, ["survey_responses"]).state
    ids = read(pylon, ["survey_responses"], state=state).ids("survey_responses")
    assert recent in ids
    assert old not in ids


def test_only_changed_accounts_are_emitted(pylon: Sandbox) -> None:
    state = read(pylon, ["accounts"]).state
    assert read(pylon, ["accounts"], state=state).records("accounts") == []
    account = pylon.expected("accounts")[7]["id"]
    pylon.store.update("accounts", account, name="Renamed")
    (record,) = read(pylon, ["accounts"], state=state).records("accounts")
    assert (record["id"], record["name"]) == (account, "Renamed")


def test_nothing_is_lost_or_stale_if_search_lags_behind() -> None:
    timing = replace(FAST, consistency_lag=timedelta(seconds=3))
    with Sandbox(size=Size(issues=80), limits=None, base_time=ago(minutes=5), search_lag=1.5) as sandbox:
        # What the first sync cannot see yet must not be lost either.
        sandbox.evolve(seed=50, n=12)
        outputs: list[Output] = [read(sandbox, ISSUE_STREAMS, timing=timing)]
        for seed in range(4):
            sandbox.evolve(seed=seed, n=12)
            time.sleep(0.4)
            outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=timing))
        time.sleep(1.6)
        outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=timing))
        for stream in ISSUE_STREAMS:
            assert_kept_equals_stored(newest(outputs, stream), sandbox, stream)


@pytest.mark.parametrize("which", ["first sync", "second sync"])
def test_what_changes_while_a_sync_runs_is_emitted_by_it_or_the_next(which: str) -> None:
    with Sandbox(size=Size(issues=250), limits=None, base_time=ago(hours=1)) as sandbox:
        outputs: list[Output] = []
        state: Any = None
        if which == "second sync":
            outputs.append(read(sandbox, ISSUE_STREAMS, timing=NO_LAG))
            state = outputs[-1].state
            sandbox.evolve(seed=100, n=80)
        for number, after in enumerate((3, 15, 30)):
            evolve_when_asked(sandbox, MESSAGES, seed=number, n=25, after=after)
        if which == "first sync":
            evolve_when_asked(sandbox, LIST, seed=9, n=10, after=1)
        else:
            evolve_when_asked(sandbox, SEARCH, seed=9, n=10, after=0)
        # Cursors are written seconds after the changes, and must claim only what was known when the sync began.
        sandbox.faults.add(Fault(MESSAGES, delay(4.0), after=35))
        outputs.append(read(sandbox, ISSUE_STREAMS, state=state, timing=NO_LAG))
        assert all(fault.fired for fault in sandbox.faults)
        outputs.append(read(sandbox, ISSUE_STREAMS, state=outputs[-1].state, timing=NO_LAG))
        for stream in ISSUE_STREAMS:
            assert_kept_equals_stored(newest(outputs, stream), sandbox, stream)


@pytest.mark.parametrize("deletions", [False, True], ids=["without deletions", "with deletions"])
def test_one_sync_emits_each_record_once_even_if_it_changes_meanwhile(deletions: bool, pylon: Sandbox) -> None:
    first = read(pylon)
    pylon.evolve(seed=1, n=40, deletions=deletions)
    for after in (0, 5, 10):
        evolve_when_asked(pylon, MESSAGES, seed=after, n=10, after=after, deletions=deletions)
    second = read(pylon, state=first.state)
    for stream in STREAMS:
        assert max(Counter(second.ids(stream)).values(), default=1) == 1


def test_records_from_before_the_start_date_are_not_read(pylon: Sandbox) -> None:
    start = ago(days=200).replace(microsecond=0)
    output = read(pylon, start_date=render(start))
    for stream in ISSUE_STREAMS:
        wanted = {i["id"] for i in stored_issues(pylon, stream) if moment(cursor(i)) >= start}
        assert Counter(output.ids(stream)) == Counter(wanted)
        assert 0 < len(wanted) < len(stored_issues(pylon, stream))
    for stream in ("call_recordings", "survey_responses"):
        records = expected(pylon, stream).values()
        wanted = {record["id"] for record in records if moment(record[CURSORS[stream]]) >= start}
        assert Counter(output.ids(stream)) == Counter(wanted)
        assert 0 < len(wanted) < len(records)
    for stream in ("contacts", "accounts"):
        assert set(output.ids(stream)) == expected(pylon, stream).keys()


def test_records_from_before_the_start_date_are_not_read_by_later_syncs_either(pylon: Sandbox) -> None:
    start = render(ago(days=200))
    state = read(pylon, ISSUE_STREAMS, start_date=start).state
    issue = next(i["id"] for i in stored_issues(pylon) if moment(cursor(i)) < ago(days=210))
    pylon.store.update_issue(issue, tags=["changed"])
    assert issue not in read(pylon, ISSUE_STREAMS, state=state, start_date=start).ids("issues")
    pylon.store.add_message(issue)
    assert issue in read(pylon, ISSUE_STREAMS, state=state, start_date=start).ids("issues")


def test_a_full_refresh_reads_everything_whatever_the_state(pylon: Sandbox) -> None:
    state = read(pylon).state
    again = read(pylon, state=state, full_refresh=STREAMS)
    for stream in STREAMS:
        assert Counter(again.ids(stream)) == Counter(expected(pylon, stream).keys())
        assert again.states(stream)


def test_streams_with_different_states_still_request_messages_once(pylon: Sandbox) -> None:
    states = {"issues": ago(days=300), "conversations": ago(days=500), "tickets": ago(days=30)}
    state = [
        stream_state(stream, {"changes_read_until": render(since), "history_read_back_to": "complete"})
        for stream, since in states.items()
    ]
    output = read(pylon, ISSUE_STREAMS, state=state)
    asked = Counter(seen.params["id"] for seen in pylon.log if seen.template == MESSAGES)
    assert max(asked.values()) == 1
    for stream, since in states.items():
        wanted = {
            issue["id"]
            for issue in stored_issues(pylon, stream)
            if moment(cursor(issue)) > since or moment(issue["updated_at"]) > since
        }
        assert wanted
        assert Counter(output.ids(stream)) == Counter(wanted)


def test_a_stream_added_to_a_connection_is_read_completely_beside_the_others(pylon: Sandbox) -> None:
    state = read(pylon, ["issues"]).state
    output = read(pylon, ["issues", "tickets"], state=state)
    assert output.ids("issues") == []
    assert Counter(output.ids("tickets")) == Counter(expected(pylon, "tickets").keys())


def test_an_issue_deleted_between_listing_and_messages_is_skipped_and_does_no_harm(pylon: Sandbox) -> None:
    gone = of_type(pylon, "conversation")
    hook(pylon, MESSAGES, lambda seen: pylon.store.delete("issues", gone))
    output = read(pylon, ISSUE_STREAMS)
    assert gone not in output.ids("issues")
    for stream in ISSUE_STREAMS:
        assert Counter(output.ids(stream)) == Counter(expected(pylon, stream).keys())
        assert output.statuses(stream)[-1] == "COMPLETE"


@pytest.mark.parametrize("streams", [ISSUE_STREAMS, ("tickets",)], ids=["all", "one type"])
def test_a_server_that_ignores_filters_is_noticed_and_harmless(streams: tuple[str, ...], pylon: Sandbox) -> None:
    pylon.faults.add(Fault(SEARCH, unfiltered_search(pylon), times=None))
    first = read(pylon, streams)
    for stream in streams:
        wanted = expected(pylon, stream)
        assert Counter(first.ids(stream)) == Counter(wanted.keys())
        assert {r["id"]: without_signatures(r) for r in first.records(stream)} == wanted
    assert len([text for text in first.warnings if f"ignores the time range of {SEARCH}" in text]) == 1
    ticket = of_type(pylon, "ticket")
    pylon.store.close_issue(ticket)
    second = read(pylon, streams, state=first.state)
    assert [stream for stream in streams if ticket in second.ids(stream)] == [
        s for s in streams if s != "conversations"
    ]
    assert len(second.ids(streams[0])) < 20


def test_a_recording_search_that_ignores_its_filter_is_noticed_and_harmless(pylon: Sandbox) -> None:
    state = read(pylon, ["call_recordings"]).state
    everything = [record for _, record in sorted((r["id"], r) for r in pylon.expected("call_recordings"))]
    pagination = {"cursor": "", "has_next_page": False}
    envelope = {"data": everything, "pagination": pagination, "request_id": "x"}
    pylon.faults.add(Fault("POST /call-recordings/search", transform(lambda answer: envelope), times=None))
    output = read(pylon, ["call_recordings"], state=state)
    recent = {r["id"] for r in everything if moment(r["start_time"]) > ago(days=7, minutes=11)}
    assert Counter(output.ids("call_recordings")) == Counter(recent)
    assert [text for text in output.warnings if "ignores the time filter" in text]


FAR_FUTURE = "2222-01-01T00:00:00Z"


def test_with_a_state_in_the_far_future_there_are_no_records_but_a_state(pylon: Sandbox) -> None:
    state = [
        stream_state(stream, {field: FAR_FUTURE, "changes_read_until": FAR_FUTURE}) for stream, field in CURSORS.items()
    ]
    output = read(pylon, CURSORS, state=state)
    for stream in CURSORS:
        assert output.records(stream) == []
        assert output.states(stream)
        assert output.statuses(stream)[-1] == "COMPLETE"
        assert [text for text in output.warnings if f"Stream {stream}: the saved state is in the future" in text]


@pytest.mark.parametrize(
    "foreign",
    [
        {"updated_at": "2026-01-01T00:00:00Z"},
        {"latest_message_time": "yesterday", "updated_at": "2026-01-01T00:00:00Z"},
        {"start_time": None},
        {"state_type": "date-range", "slices": []},
        {"cursor": 7},
    ],
    ids=["the official connector's", "not a time", "null", "another CDK cursor", "anything"],
)
def test_a_state_of_another_connector_is_reported_once_and_everything_is_read(
    foreign: dict[str, Any], pylon: Sandbox
) -> None:
    streams = [stream for stream in CURSORS if stream != "accounts" or "updated_at" not in foreign]
    output = read(pylon, streams, state=[stream_state(stream, foreign) for stream in streams])
    for stream in streams:
        said = [
            text
            for text in output.warnings
            if f"Stream {stream}: the saved state" in text and "read from its beginning" in text
        ]
        assert len(said) == 1
        assert Counter(output.ids(stream)) == Counter(expected(pylon, stream).keys())

"""A first sync emits every record of every stream once, as Pylon stores it, with what the connector adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from integration_tests.sandbox import MISSING, Sandbox, Size
from integration_tests.support.connector import FAST, ISSUE_STREAMS, STREAMS, Output, read, schemas
from integration_tests.support.expected import (
    ago,
    expected,
    moment,
    public_messages,
    stored_issues,
    type_of,
    without_signatures,
)
from integration_tests.support.faults import LIST, MESSAGES, add_long_thread

ISSUES = 2_200


@pytest.fixture(scope="module")
def organisation() -> Iterator[Sandbox]:
    """An organisation that no test of this module changes."""
    size = Size(issues=ISSUES, contacts=1_500, accounts=1_200, call_recordings=1_100, survey_responses=300, surveys=4)
    with Sandbox(size=size, limits=None, seed=7, irregular=0.3) as sandbox:
        for kind in ("Conversation", "TICKET", "ticket"):
            sandbox.store.add_issue(type=kind, at=ago(days=3))
        sandbox.store.add_issue(type=None, at=ago(days=3))
        sandbox.store.add_issue(type=MISSING, at=ago(days=3))
        sandbox.store.add_issue(type="incident", at=ago(days=3))
        notes_only = sandbox.store.add_issue(body_html="<p>Only notes here</p>", at=ago(days=4))
        sandbox.store.add_message(notes_only, private=True, files=1, at=ago(days=3))
        yield sandbox


@pytest.fixture(scope="module")
def first_sync(organisation: Sandbox) -> Output:
    """A first sync of all streams."""
    return read(organisation)


@pytest.fixture(scope="module")
def stored(organisation: Sandbox) -> dict[str, dict[str, Any]]:
    """What each stream must give."""
    return {stream: expected(organisation, stream) for stream in STREAMS}


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_is_emitted_once_and_no_other(stream: str, first_sync: Output, stored: Any) -> None:
    counts = Counter(first_sync.ids(stream))
    assert counts == Counter(stored[stream].keys())


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_equals_what_is_stored_except_for_documented_additions(
    stream: str, first_sync: Output, stored: Any
) -> None:
    for record in first_sync.records(stream):
        assert without_signatures(record) == stored[stream][record["id"]]


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_validates_against_its_discovered_schema(stream: str, first_sync: Output) -> None:
    schema = schemas()[stream]
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema, format_checker=FormatChecker())
    assert first_sync.records(stream)
    for record in first_sync.records(stream):
        validator.validate(record)


def test_the_data_set_is_large_and_varied_enough_to_prove_something(organisation: Sandbox, first_sync: Output) -> None:
    issues = first_sync.records("issues")
    assert len(issues) >= 2_000
    assert {record["feedback_source"] for record in issues} == {"messages", "body", "none"}
    assert {"conversation", "Conversation", "ticket", "Ticket", None} <= {record.get("type") for record in issues}
    assert any("type" not in record for record in issues)
    assert any("assignee" not in record for record in issues)
    assert any(not record["messages"] and organisation.messages(record["id"]) for record in issues)


@pytest.mark.parametrize("stream", ISSUE_STREAMS)
def test_messages_are_public_and_oldest_first(stream: str, organisation: Sandbox, first_sync: Output) -> None:
    some = 0
    for record in first_sync.records(stream):
        times = [moment(message["timestamp"]) for message in record["messages"]]
        assert times == sorted(times)
        assert all(message["is_private"] is False for message in record["messages"])
        assert [m["id"] for m in record["messages"]] == [m["id"] for m in public_messages(organisation, record["id"])]
        some += len(times) > 1
    assert some


def test_feedback_text_is_the_public_messages_or_the_body_or_null(first_sync: Output) -> None:
    for record in first_sync.records("issues"):
        source, text = record["feedback_source"], record["feedback_text"]
        if source == "messages":
            assert text == "\n\n".join(message["text"] for message in record["messages"] if message["text"])
        elif source == "body":
            assert text
            assert not any(message["text"] for message in record["messages"])
        else:
            assert text is None
            assert not record.get("body_html")


def test_for_an_issue_with_only_notes_the_body_is_the_feedback(first_sync: Output) -> None:
    (record,) = [item for item in first_sync.records("issues") if item["feedback_text"] == "Only notes here"]
    assert (record["messages"], record["feedback_source"]) == ([], "body")


def test_ids_for_joins_are_columns_beside_the_nested_objects(first_sync: Output) -> None:
    for stream in ISSUE_STREAMS:
        for record in first_sync.records(stream):
            for name in ("account", "requester", "assignee", "team"):
                assert record[f"{name}_id"] == (record.get(name) or {}).get("id")
    for contact in first_sync.records("contacts"):
        assert contact["account_id"] == (contact.get("account") or {}).get("id")
    assert any(record["account_id"] for record in first_sync.records("issues"))


def test_files_of_private_messages_are_not_among_the_attachments(organisation: Sandbox, first_sync: Output) -> None:
    hidden = 0
    for record in first_sync.records("issues"):
        private = [m for m in organisation.messages(record["id"]) if m["is_private"]]
        paths = {url.split("?")[0] for message in private for url in message.get("file_urls") or ()}
        emitted = {url.split("?")[0] for url in record.get("attachment_urls") or ()}
        hidden += len(paths)
        assert not paths & emitted
    assert hidden


def test_the_cursor_of_an_issue_is_never_null(first_sync: Output) -> None:
    for stream in ISSUE_STREAMS:
        assert all(record["latest_message_time"] for record in first_sync.records(stream))


def test_issue_types_are_compared_without_regard_to_case(organisation: Sandbox, first_sync: Output) -> None:
    types = {stream: {r["type"] for r in first_sync.records(stream)} for stream in ("conversations", "tickets")}
    assert types == {"conversations": {"conversation", "Conversation"}, "tickets": {"ticket", "Ticket", "TICKET"}}
    for stream in types:
        assert set(first_sync.ids(stream)) == {issue["id"] for issue in stored_issues(organisation, stream)}


def test_an_issue_of_no_or_an_unknown_type_is_only_in_issues(organisation: Sandbox, first_sync: Output) -> None:
    untyped = {i["id"] for i in stored_issues(organisation) if type_of(i) not in ("conversation", "ticket")}
    assert len(untyped) > 3
    assert untyped <= set(first_sync.ids("issues"))
    assert not untyped & {*first_sync.ids("conversations"), *first_sync.ids("tickets")}


def test_no_request_has_a_key_that_pylon_does_not_know(organisation: Sandbox, first_sync: Output) -> None:
    assert not organisation.unknown_keys
    assert {seen.status for seen in organisation.log} == {200}


def test_messages_are_requested_once_per_issue_and_only_if_there_may_be_some(
    organisation: Sandbox, first_sync: Output
) -> None:
    asked = Counter(seen.params["id"] for seen in organisation.log if seen.template == MESSAGES)
    with_messages = {i["id"] for i in stored_issues(organisation) if organisation.messages(i["id"])}
    # A body or a file may belong to a private message that no time of the issue shows.
    may_be_notes = {i["id"] for i in stored_issues(organisation) if i.get("body_html") or i.get("attachment_urls")}
    assert max(asked.values()) == 1
    assert with_messages <= asked.keys() <= with_messages | may_be_notes
    assert len(with_messages | may_be_notes) < ISSUES


def test_the_history_costs_a_few_requests_a_year_and_one_search_for_what_is_older(
    organisation: Sandbox, first_sync: Output
) -> None:
    # The first page is small; later ones hold as many issues as fit into some megabytes. The year that holds nothing
    # is the one before the oldest issue.
    assert organisation.count(LIST) < 12
    assert organisation.count("POST /issues/search") == 1


def test_an_organisation_without_records_yields_only_a_state_for_each_stream(empty_pylon: Sandbox) -> None:
    output = read(empty_pylon)
    for stream in STREAMS:
        assert output.records(stream) == []
        assert output.statuses(stream) == ["STARTED", "COMPLETE"]
        assert output.states(stream)
    again = read(empty_pylon, state=output.state)
    assert not any(again.records(stream) for stream in STREAMS)


def test_an_issue_added_to_an_empty_organisation_is_found_by_the_next_sync(empty_pylon: Sandbox) -> None:
    state = read(empty_pylon).state
    issue = empty_pylon.store.add_issue()
    assert read(empty_pylon, state=state).ids("issues") == [issue]


def test_without_messages_no_message_is_requested_and_no_body_emitted(pylon: Sandbox) -> None:
    output = read(pylon, ISSUE_STREAMS, include_messages=False)
    assert pylon.count(MESSAGES) == 0
    assert len(output.ids("issues")) == len(stored_issues(pylon))
    for record in output.records("issues"):
        assert record["messages"] is None
        assert record["attachment_urls"] is None
        assert record.get("body_html") is None
        assert (record["feedback_text"], record["feedback_source"]) == (None, "none")


def test_without_messages_the_feedback_is_the_trusted_body(pylon: Sandbox) -> None:
    output = read(pylon, ISSUE_STREAMS, include_messages=False, trust_issue_body=True)
    assert pylon.count(MESSAGES) == 0
    bodies = {issue["id"]: issue.get("body_html") for issue in stored_issues(pylon)}
    for record in output.records("issues"):
        assert record.get("body_html") == bodies[record["id"]]
        assert record["messages"] is None
    assert any(record["feedback_source"] == "body" for record in output.records("issues"))


def test_a_record_says_when_it_was_read(pylon: Sandbox) -> None:
    before = ago(seconds=1)
    output = read(pylon, ["issues"])
    assert all(before <= moment(record["issue_read_at"]) <= ago() for record in output.records("issues"))


@pytest.mark.parametrize("stream", ISSUE_STREAMS)
def test_a_stream_read_alone_emits_the_same_records(stream: str, pylon: Sandbox) -> None:
    output = read(pylon, [stream])
    wanted = expected(pylon, stream)
    assert Counter(output.ids(stream)) == Counter(wanted.keys())
    assert {record["id"]: without_signatures(record) for record in output.records(stream)} == wanted


def test_a_stream_without_issues_costs_no_request_beside_another() -> None:
    requests = []
    for streams in (["conversations"], ["tickets", "conversations"]):
        with Sandbox(size=Size(issues=0), limits=None) as sandbox:
            for number in range(300):
                sandbox.store.add_issue(type="conversation", at=ago(days=1 + number))
            output = read(sandbox, streams)
            assert len(output.ids("conversations")) == 300
            assert output.ids("tickets") == []
            requests.append(Counter(seen.template for seen in sandbox.log))
    assert requests[0] == requests[1]


def test_a_thread_of_many_messages_is_read_completely() -> None:
    with Sandbox(size=Size(issues=30), limits=None) as sandbox:
        issue = add_long_thread(sandbox, 2_500)
        (record,) = [item for item in read(sandbox, ["issues"]).records("issues") if item["id"] == issue]
        assert [m["id"] for m in record["messages"]] == [m["id"] for m in public_messages(sandbox, issue)]


@pytest.mark.parametrize(
    "behaviour",
    [
        {"inclusive_bounds": True},
        {"match_without_messages": True},
        {"private_counts": False},
        {"private_in_record": False},
        {"private_counts": False, "private_in_record": False},
        {"max_range_days": 30.0},
    ],
    ids=" ".join,
)
def test_what_pylon_does_not_document_makes_no_difference(behaviour: dict[str, Any]) -> None:
    with Sandbox(size=Size(issues=400), limits=None, seed=3, **behaviour) as sandbox:
        output = read(sandbox, ISSUE_STREAMS, timing=FAST)
        for stream in ISSUE_STREAMS:
            wanted = expected(sandbox, stream)
            assert Counter(output.ids(stream)) == Counter(wanted.keys())
            assert {record["id"]: without_signatures(record) for record in output.records(stream)} == wanted


@pytest.mark.parametrize("behaviour", [{}, {"private_counts": False}, {"private_in_record": False}], ids=" ".join)
@pytest.mark.parametrize("note", [300, 61, 30, 1])
def test_an_issue_in_a_gap_is_found_by_whichever_time_pylon_filters(note: int, behaviour: dict[str, Any]) -> None:
    with Sandbox(size=Size.empty(), limits=None, **behaviour) as sandbox:
        # More than two years without an issue: a list that shows nothing of one of them does not end the history.
        for created in (1_500, 400, 2):
            issue = sandbox.store.add_issue(at=ago(days=created))
            sandbox.store.add_message(issue, at=ago(days=created, hours=-1))
            if created > note:
                sandbox.store.add_message(issue, private=True, at=ago(days=note))
        output = read(sandbox, ["issues"], timing=FAST)
        assert Counter(output.ids("issues")) == Counter(expected(sandbox, "issues").keys())

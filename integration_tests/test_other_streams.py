"""Every stream of the table, read from the sandbox; and what the streams besides the seven main ones promise."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from integration_tests.sandbox import MISSING, Fault, Sandbox, Size
from integration_tests.sandbox.dataset import PARENTS
from integration_tests.sandbox.faults import Seen, status, transform
from integration_tests.sandbox.text import PRIVATE
from integration_tests.support import connector
from integration_tests.support.all_streams import (
    NAMES,
    TYPES,
    definition_of,
    expected_messages,
    expected_records,
    key_of,
    keys,
    sync,
)
from integration_tests.support.connector import FAST, Output, Record, schemas, stream_state
from integration_tests.support.expected import ago, moment, newest, public_messages, type_of, without_signatures
from integration_tests.support.faults import LIST, MESSAGES, SEARCH, hook
from source_pylon import source
from source_pylon.api.client import PylonClient
from source_pylon.config import Config
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.per_type import PerTypeStream
from source_pylon.extraction.search import SearchStream
from source_pylon.extraction.substream import SubStream
from source_pylon.timestamps import render

REPOSITORY = Path(__file__).resolve().parent.parent
NO_CURSOR = {"__ab_no_cursor_state_message": True}
INCREMENTAL = [name for name in NAMES if definition_of(name).cursor_field and name not in connector.STREAMS]
FULL_REFRESH = [name for name in NAMES if definition_of(name).cursor_field is None]
SEARCHED = [name for name in INCREMENTAL if isinstance(definition_of(name), SearchStream)]
CHILDREN = ["knowledge_base_articles", "knowledge_base_collections", "account_relationships", "account_activities"]
OBJECT_TYPES = {"account", "issue", "contact", "task", "project", "meeting", "opportunity"}

every_stream = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def still() -> Iterator[Sandbox]:
    """An organisation that no test changes."""
    with Sandbox(size=Size(issues=120), limits=None, base_time=ago(hours=1)) as pylon:
        yield pylon


@pytest.fixture(scope="module")
def whole(still: Sandbox) -> Output:
    """A first sync of every stream at once."""
    return sync(still)


@pytest.fixture(scope="module")
def again(still: Sandbox, whole: Output) -> Output:
    """A second sync of every stream, with the states of the first."""
    return sync(still, state=whole.state)


def logged(pylon: Sandbox, start: int) -> list[Seen]:
    """The requests since there were `start` of them."""
    return list(pylon.log)[start:]


def templates(pylon: Sandbox, start: int) -> Counter[str]:
    """How often each endpoint was called since there were `start` requests."""
    return Counter(seen.template for seen in logged(pylon, start))


def messages_read(requests: list[Seen]) -> Counter[str]:
    """How often the messages of each issue were requested."""
    return Counter(seen.params["id"] for seen in requests if seen.template == MESSAGES)


def with_messages(pylon: Sandbox) -> set[str]:
    """The issues whose messages are requested: those with a message, or with a body or files, which may be a note's."""
    return {
        issue["id"]
        for issue in pylon.expected("issues")
        if issue.get("latest_message_time") or issue.get("body_html") or issue.get("attachment_urls")
    }


def lookback_of(name: str) -> timedelta:
    """How far a stream reads back at each sync."""
    definition = definition_of(name)
    if isinstance(definition, SubStream | SearchStream):
        return definition.lookback(Config(api_token="none"))
    return timedelta(0)


def later_than(pylon: Sandbox, name: str, since: datetime) -> set[tuple[Any, ...]]:
    """The keys of what a stream must emit after a state of this moment."""
    cursor, after = str(definition_of(name).cursor_field), since - lookback_of(name)
    return {key for key, record in expected_records(pylon, name).items() if moment(record[cursor]) > after}


def looked_back_at(pylon: Sandbox, name: str, output: Output) -> set[tuple[Any, ...]]:
    """The keys of what the sync after `output` reads once more because the stream looks back."""
    cursor = str(definition_of(name).cursor_field)
    return later_than(pylon, name, moment(output.states(name)[-1][cursor])) if lookback_of(name) else set()


def change(pylon: Sandbox, name: str) -> set[tuple[Any, ...]]:
    """Makes a change, dated some minutes ago, that the stream must notice; returns the keys of the records that show
    it. Its time lies before the first sync, as that of a change which Pylon shows late."""
    definition, at = definition_of(name), (pylon.clock.now() - timedelta(minutes=5)).replace(microsecond=0)
    if isinstance(definition, IssueStream):
        issue = next(issue for issue in pylon.expected("issues") if issue.get("latest_message_time"))
        pylon.store.add_message(issue["id"], at=at)
        return {(message["id"],) for message in public_messages(pylon, issue["id"])}
    if definition.cursor_field == "updated_at":
        record = pylon.expected(name)[-1]
        pylon.store.update(name, record["id"], at=at)
        return {key_of(definition, record)}
    if name == "task_comments":
        task = pylon.expected("tasks")[0]["id"]
        pylon.store.add(name, parent=task, at=at, is_internal=False)
        pylon.store.update("tasks", task, at=at)
        return {key for key, comment in expected_records(pylon, name).items() if comment["task_id"] == task}
    fields: Record = {str(definition.cursor_field): render(at)}
    parent = pylon.expected(PARENTS[name])[0]["id"] if name in PARENTS else None
    added = pylon.store.add(name, parent=parent, at=at, **fields)
    return {(added,)}


# Every stream of the table.


@every_stream
def test_every_stored_object_is_emitted_exactly_once(name: str, still: Sandbox, whole: Output) -> None:
    emitted = keys(whole, name)
    assert len(emitted) == len(set(emitted))
    assert set(emitted) == expected_records(still, name).keys()
    assert emitted, "a stream without a record proves nothing"


@every_stream
def test_every_record_equals_what_is_stored(name: str, still: Sandbox, whole: Output) -> None:
    definition = definition_of(name)
    emitted = {key_of(definition, record): without_signatures(record) for record in whole.records(name)}
    assert emitted == expected_records(still, name)


@every_stream
def test_every_record_is_valid_against_the_discovered_schema(name: str, whole: Output) -> None:
    validator = Draft7Validator(schemas()[name])
    for record in whole.records(name):
        assert not list(validator.iter_errors(record))


@every_stream
def test_the_schema_knows_every_field_that_is_emitted(name: str, whole: Output) -> None:
    known = schemas()[name]["properties"].keys()
    assert {field for record in whole.records(name) for field in record} <= known


@every_stream
def test_a_stream_ends_complete_with_a_state(name: str, whole: Output) -> None:
    assert whole.statuses(name) == ["STARTED", "RUNNING", "COMPLETE"]
    state = whole.states(name)[-1]
    cursor = definition_of(name).cursor_field
    assert (cursor in state) if cursor else (state == NO_CURSOR)


@every_stream
def test_a_stream_alone_makes_the_requests_that_it_needs_and_no_other(name: str, still: Sandbox) -> None:
    definition, start = definition_of(name), len(still.log)
    sync(still, [name])
    calls = templates(still, start)
    if isinstance(definition, IssueStream):
        kind = definition.issue_type
        mine = {issue["id"] for issue in still.expected("issues") if kind is None or type_of(issue) == kind}
        assert messages_read(logged(still, start)) == Counter(mine & with_messages(still))
        assert set(calls) == {LIST, SEARCH, MESSAGES}
    elif isinstance(definition, SubStream):
        assert calls == {definition.parents.key: 1, definition.endpoint.key: len(still.expected(PARENTS[name]))}
    elif isinstance(definition, PerTypeStream):
        types = TYPES if "{" in definition.endpoint.path else OBJECT_TYPES
        assert calls == {definition.endpoint.key: len(types)}
    else:
        assert calls == {endpoint.key: 1 for endpoint in definition.endpoints}


def test_all_streams_at_once_send_nothing_that_pylon_does_not_know(still: Sandbox, whole: Output) -> None:
    assert whole.code == 0
    assert not still.unknown_keys
    assert {seen.status for seen in still.log} == {200}


def test_the_output_of_a_sync_of_all_streams_has_no_private_text(still: Sandbox, whole: Output) -> None:
    assert len(still.private_markers()) > 50
    assert PRIVATE in json.dumps(still.messages(_issue_with_a_note(still)))
    assert PRIVATE not in whole.text
    assert PRIVATE not in whole.stderr


def _issue_with_a_note(pylon: Sandbox) -> str:
    return next(
        str(issue["id"])
        for issue in pylon.expected("issues")
        if any(message["is_private"] for message in pylon.messages(issue["id"]))
    )


def test_an_empty_organisation_yields_no_record_and_no_error(empty_pylon: Sandbox) -> None:
    output = sync(empty_pylon)
    assert {name: output.records(name) for name in NAMES if output.records(name)} == {}
    assert {name: output.statuses(name)[-1] for name in NAMES} == dict.fromkeys(NAMES, "COMPLETE")
    assert output.warnings == []


# Incremental streams besides the seven.


@pytest.mark.parametrize("name", INCREMENTAL)
def test_a_second_sync_without_changes_emits_only_its_lookback(name: str, pylon: Sandbox) -> None:
    first = sync(pylon, [name])
    start = len(pylon.log)
    second = sync(pylon, [name], state=first.state)
    assert set(keys(second, name)) == looked_back_at(pylon, name, first)
    definition, calls = definition_of(name), templates(pylon, start)
    if isinstance(definition, SearchStream | ListStream):
        assert calls == {definition.endpoint.key: 1}
    elif isinstance(definition, SubStream):
        asked = 0 if definition.reads_changed_parents else len(pylon.expected(PARENTS[name]))
        assert calls == Counter({definition.parents.key: 1, definition.endpoint.key: asked})
    else:
        # The changes are searched for, and there is no issue to read messages of.
        assert set(calls) == {SEARCH}


@pytest.mark.parametrize("name", INCREMENTAL)
def test_a_later_sync_emits_changes_and_repeats_only_the_consistency_lag(name: str, pylon: Sandbox) -> None:
    first = sync(pylon, [name])
    changed = change(pylon, name)
    second = sync(pylon, [name], state=first.state)
    assert set(keys(second, name)) == changed | looked_back_at(pylon, name, first)
    third = sync(pylon, [name], state=second.state)
    assert set(keys(third, name)) == changed | looked_back_at(pylon, name, second)
    kept = {
        key_of(definition_of(name), record): record for one in (first, second, third) for record in one.records(name)
    }
    assert {key: without_signatures(record) for key, record in kept.items()} == expected_records(pylon, name)


@pytest.mark.parametrize("name", [name for name in INCREMENTAL if not lookback_of(name)])
def test_what_is_older_than_the_consistency_lag_is_not_read_again(
    name: str, pylon: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PylonClient", partial(PylonClient, now=pylon.clock.now))
    first = sync(pylon, [name])
    change(pylon, name)
    pylon.clock.advance(timedelta(minutes=30))
    second = sync(pylon, [name], state=first.state)
    assert second.records(name)
    third = sync(pylon, [name], state=second.state)
    assert third.records(name) == []


@pytest.mark.parametrize("name", SEARCHED)
def test_a_change_that_search_shows_minutes_late_is_emitted(name: str) -> None:
    with Sandbox(size=Size(issues=5), limits=None, base_time=ago(hours=1), search_lag=300.0) as pylon:
        first = sync(pylon, [name])
        changed = change(pylon, name)
        early = sync(pylon, [name], state=first.state)
        assert not changed & set(keys(early, name))
        pylon.clock.advance(timedelta(seconds=301))
        late = sync(pylon, [name], state=early.state)
        assert changed <= set(keys(late, name))


@pytest.mark.parametrize("name", SEARCHED)
def test_the_state_stays_behind_the_present_by_the_consistency_lag(name: str, pylon: Sandbox) -> None:
    before = pylon.clock.now()
    output = sync(pylon, [name])
    after = pylon.clock.now()
    state = output.states(name)[-1]
    assert list(state) == [definition_of(name).cursor_field]
    reached = moment(next(iter(state.values()))) + FAST.consistency_lag
    # The date of Pylon's responses has whole seconds.
    # Cursors are whole seconds, one short, and the Date header tells the time to the second.
    assert before - timedelta(seconds=4) <= reached <= after


@pytest.mark.parametrize("name", SEARCHED)
def test_an_old_state_is_continued_in_windows_of_at_most_29_days(name: str, pylon: Sandbox) -> None:
    cursor = str(definition_of(name).cursor_field)
    since = ago(days=80).replace(microsecond=0)
    start = len(pylon.log)
    output = sync(pylon, [name], state=[stream_state(name, {cursor: render(since)})])
    wanted = later_than(pylon, name, since)
    assert set(keys(output, name)) == wanted != set()
    filters: list[Record] = [(seen.body or {})["filter"] for seen in logged(pylon, start)]
    # The windows are requested concurrently, so in any order.
    assert sorted(one["operator"] for one in filters) == ["time_is_after", "time_range", "time_range"]
    assert {one["field"] for one in filters} == {cursor}
    for one in (one for one in filters if "values" in one):
        lower, upper = map(moment, one["values"])
        assert timedelta(days=29) <= upper - lower < timedelta(days=30)


@pytest.mark.parametrize("name", SEARCHED)
def test_a_window_that_fails_loses_nothing_for_the_next_sync(name: str, pylon: Sandbox) -> None:
    cursor = str(definition_of(name).cursor_field)
    since = ago(days=80).replace(microsecond=0)

    def second_window(seen: Seen) -> bool:
        values: list[str] = (seen.body or {}).get("filter", {}).get("values", [])
        return bool(values) and moment(values[0]) > since + timedelta(days=1)

    pylon.faults.add(Fault(definition_of(name).endpoints[0].key, status(403), times=None, when=second_window))
    failed = sync(pylon, [name], state=[stream_state(name, {cursor: render(since)})], succeeds=False)
    assert failed.statuses(name)[-1] == "INCOMPLETE"
    assert moment(failed.states(name)[-1][cursor]) <= since + timedelta(days=29)
    pylon.faults.clear()
    resumed = sync(pylon, [name], state=failed.state)
    assert later_than(pylon, name, since) <= {*keys(failed, name), *keys(resumed, name)}


@pytest.mark.parametrize("name", INCREMENTAL)
def test_a_full_refresh_emits_everything_whatever_the_state(name: str, pylon: Sandbox) -> None:
    first = sync(pylon, [name])
    again = sync(pylon, [name], state=first.state, full_refresh=[name])
    assert set(keys(again, name)) == expected_records(pylon, name).keys()


@pytest.mark.parametrize("name", FULL_REFRESH)
def test_a_stream_without_a_cursor_emits_everything_in_every_sync(name: str, still: Sandbox, again: Output) -> None:
    assert Counter(keys(again, name)) == Counter(expected_records(still, name).keys())


# Users, lists and types.


def test_deactivated_users_are_emitted_too(still: Sandbox, whole: Output) -> None:
    gone = {user["id"] for user in still.expected("users") if user["is_deactivated"]}
    assert gone
    assert gone <= set(whole.ids("users"))
    (seen,) = [seen for seen in still.log if seen.template == "GET /users"][:1]
    assert seen.query == {"include_deactivated": "true"}


def test_custom_fields_of_every_object_type_are_read(whole: Output) -> None:
    assert {record["object_type"] for record in whole.records("custom_fields")} == OBJECT_TYPES


def of_type(kind: str) -> Any:
    """A condition of faults: the request is for one type of custom fields."""
    return lambda seen: seen.query.get("object_type") == kind


@pytest.mark.parametrize("code", [400, 403, 404, 422])
def test_a_type_of_custom_fields_that_the_plan_refuses_is_skipped_with_a_log_line(code: int, pylon: Sandbox) -> None:
    pylon.faults.add(Fault("GET /custom-fields", status(code), times=None, when=of_type("opportunity")))
    output = sync(pylon, ["custom_fields"])
    assert output.statuses("custom_fields")[-1] == "COMPLETE"
    assert {record["object_type"] for record in output.records("custom_fields")} == OBJECT_TYPES - {"opportunity"}
    assert sum("custom_fields" in line and "'opportunity'" in line for line in output.logs) == 1


def test_when_every_type_of_custom_fields_is_refused_the_stream_fails_and_says_why(pylon: Sandbox) -> None:
    pylon.forbid("GET /custom-fields")
    output = sync(pylon, ["custom_fields", "tags"], succeeds=False)
    assert output.statuses("custom_fields")[-1] == "INCOMPLETE"
    assert output.statuses("tags")[-1] == "COMPLETE"
    error = next(error for error in output.errors if "custom_fields" in error["message"])
    assert error["failure_type"] == "config_error"
    assert "GET /custom-fields" in error["message"]
    assert "permission" in error["message"]


def test_a_type_of_custom_fields_that_fails_for_another_reason_is_not_skipped(pylon: Sandbox) -> None:
    pylon.faults.add(Fault("GET /custom-fields", status(503), times=None, when=of_type("meeting")))
    output = sync(pylon, ["custom_fields"], succeeds=False)
    assert output.statuses("custom_fields")[-1] == "INCOMPLETE"


def test_a_missing_object_type_is_added_to_custom_fields(pylon: Sandbox) -> None:
    wanted = {(record["object_type"], record["id"]) for record in pylon.expected("custom_fields")}

    def without_types(answer: Record) -> Record:
        return {**answer, "data": [{**item, "object_type": None} for item in answer["data"]]}

    pylon.faults.add(Fault("GET /custom-fields", transform(without_types), times=None))
    assert set(keys(sync(pylon, ["custom_fields"]), "custom_fields")) == wanted


def test_only_the_configured_types_of_custom_objects_are_read(pylon: Sandbox) -> None:
    output = sync(pylon, ["custom_objects"], custom_object_types=TYPES[:1])
    wanted = {
        (record["type"], record["id"]) for record in pylon.expected("custom_objects") if record["type"] == TYPES[0]
    }
    assert set(keys(output, "custom_objects")) == wanted != set()


def test_custom_objects_are_requested_in_pages_of_one_hundred() -> None:
    with Sandbox(size=replace(Size.empty(), others=230), limits=None, base_time=ago(hours=1)) as pylon:
        output = sync(pylon, ["custom_objects"], custom_object_types=TYPES[:1])
        assert len(set(keys(output, "custom_objects"))) == 230
        assert pylon.count("GET /custom-objects/{type}") == 3


def test_without_configured_types_custom_objects_are_empty_and_a_log_line_says_so(pylon: Sandbox) -> None:
    output = sync(pylon, ["custom_objects"], custom_object_types=[])
    assert output.records("custom_objects") == []
    assert output.statuses("custom_objects")[-1] == "COMPLETE"
    assert pylon.log == []
    assert any("custom_objects" in line and "configuration" in line for line in output.logs)


def test_a_configured_type_that_pylon_does_not_have_is_a_config_error_that_names_it(
    pylon: Sandbox,
) -> None:
    output = sync(pylon, ["custom_objects"], custom_object_types=["starships"], succeeds=False)
    (error,) = [error for error in output.errors if "starships" in error["message"]]
    assert error["failure_type"] == "config_error"
    assert "configuration" in error["message"]


def test_a_slug_of_a_custom_object_type_cannot_lead_to_another_path(pylon: Sandbox) -> None:
    sync(pylon, ["custom_objects"], custom_object_types=["../issues"], succeeds=False)
    assert {seen.path for seen in pylon.log} == {"/custom-objects/../issues"}, "the slash must arrive encoded"


def test_a_list_of_feature_requests_that_reaches_the_limit_says_that_more_may_exist() -> None:
    with Sandbox(size=replace(Size.empty(), others=1001), limits=None, base_time=ago(hours=1)) as pylon:
        output = sync(pylon, ["feature_requests"])
        assert len(output.records("feature_requests")) == 1000
        assert sum("feature_requests" in line and "1000" in line for line in output.warnings) == 1


# Children.


@pytest.mark.parametrize("name", ["knowledge_base_articles", "knowledge_base_collections"])
def test_articles_and_collections_name_their_knowledge_base(name: str, still: Sandbox, whole: Output) -> None:
    parents = {record["id"]: parent for parent, record in still.expected(name)}
    assert {record["id"]: record["knowledge_base_id"] for record in whole.records(name)} == parents
    assert len(set(parents.values())) > 1


@pytest.mark.parametrize("name", CHILDREN)
def test_a_parent_deleted_while_its_siblings_are_read_is_skipped(name: str, pylon: Sandbox) -> None:
    template = definition_of(name).endpoints[-1].key
    gone = pylon.expected(PARENTS[name])[-1]["id"]
    hook(pylon, template, lambda seen: pylon.store.delete(PARENTS[name], gone))
    output = sync(pylon, [name])
    assert pylon.count(template, status=404) == 1
    assert set(keys(output, name)) == {(record["id"],) for parent, record in pylon.expected(name) if parent != gone}


@pytest.mark.parametrize("name", CHILDREN)
def test_an_endpoint_that_is_missing_is_an_error_and_not_an_empty_table(name: str, pylon: Sandbox) -> None:
    pylon.faults.add(Fault(definition_of(name).endpoints[-1].key, status(404), times=None))
    output = sync(pylon, [name], succeeds=False)
    assert output.statuses(name)[-1] == "INCOMPLETE"
    assert definition_of(name).endpoints[-1].key in output.errors[0]["message"]


def test_relationships_cost_one_request_for_each_account(pylon: Sandbox) -> None:
    sync(pylon, ["account_relationships"])
    asked = Counter(
        seen.params["account_id"] for seen in pylon.log if seen.template == "GET /accounts/{account_id}/relationships"
    )
    assert asked == Counter(account["id"] for account in pylon.expected("accounts"))


def test_later_syncs_request_only_the_activities_of_the_last_days(pylon: Sandbox) -> None:
    first = sync(pylon, ["account_activities"])
    start = len(pylon.log)
    sync(pylon, ["account_activities"], state=first.state)
    since = moment(first.states("account_activities")[-1]["happened_at"]) - lookback_of("account_activities")
    asked = [seen for seen in logged(pylon, start) if seen.template == "GET /accounts/{id}/activities"]
    assert len(asked) == len(pylon.expected("accounts"))
    for seen in asked:
        # Whether Pylon's start is inclusive is not documented, so a second more is requested.
        assert timedelta(0) < since - moment(seen.query["start_time"]) < timedelta(seconds=2)


# Messages.


def test_only_public_messages_are_emitted_and_they_name_their_issue(still: Sandbox, whole: Output) -> None:
    issues = {issue["id"]: issue for issue in whole.records("issues")}
    for record in whole.records("issue_messages"):
        issue = issues[record["issue_id"]]
        assert record["is_private"] is False
        assert record["issue_number"] == issue["number"]
        assert record["issue_type"] == issue["issue_type"]
        assert record["account_id"] == issue["account_id"]
        assert record["latest_message_time"] == issue["latest_message_time"]
    emitted = Counter(record["issue_id"] for record in whole.records("issue_messages"))
    assert emitted == Counter({key: len(issue["messages"]) for key, issue in issues.items() if issue["messages"]})


def test_messages_without_a_clear_privacy_flag_are_left_out(pylon: Sandbox) -> None:
    def without_flag(answer: Record) -> Record:
        return {**answer, "data": [{key: item[key] for key in item if key != "is_private"} for item in answer["data"]]}

    pylon.faults.add(Fault(MESSAGES, transform(without_flag), times=None))
    output = sync(pylon, ["issue_messages"])
    assert output.records("issue_messages") == []
    assert PRIVATE not in output.text


@pytest.mark.parametrize(
    "others", [("issues",), ("conversations", "tickets"), ("issues", "conversations", "tickets")], ids="+".join
)
def test_messages_cost_no_request_of_their_own_beside_issue_streams(others: tuple[str, ...], pylon: Sandbox) -> None:
    output = sync(pylon, [*others, "issue_messages"])
    assert messages_read(list(pylon.log)) == Counter(with_messages(pylon))
    assert set(keys(output, "issue_messages")) == expected_records(pylon, "issue_messages").keys()


def test_messages_are_read_once_for_each_issue_even_if_the_streams_have_different_states(pylon: Sandbox) -> None:
    state = sync(pylon, ["issues"]).state
    for issue in list(with_messages(pylon))[:5]:
        pylon.store.add_message(issue)
    start = len(pylon.log)
    output = sync(pylon, ["issues", "tickets", "issue_messages"], state=state)
    assert messages_read(logged(pylon, start)) == Counter(with_messages(pylon))
    assert set(keys(output, "issue_messages")) == expected_records(pylon, "issue_messages").keys()
    assert len(output.records("issues")) == 5


def test_a_later_sync_reads_messages_only_of_changed_issues(pylon: Sandbox) -> None:
    first = sync(pylon, ["issues", "issue_messages"])
    changed = sorted(with_messages(pylon))[:3]
    for issue in changed:
        pylon.store.add_message(issue)
    start = len(pylon.log)
    second = sync(pylon, ["issues", "issue_messages"], state=first.state)
    assert messages_read(logged(pylon, start)) == Counter(changed)
    stored = [issue for issue in pylon.expected("issues") if issue["id"] in changed]
    wanted = {record["id"]: record for issue in stored for record in expected_messages(pylon, issue)}
    emitted = {record["id"]: without_signatures(record) for record in second.records("issue_messages")}
    assert emitted == wanted


def test_a_redacted_message_is_emitted_again_without_its_text(pylon: Sandbox) -> None:
    first = sync(pylon, ["issue_messages"])
    issue = next(
        issue
        for issue in pylon.expected("issues")
        if any(message["message_html"] for message in public_messages(pylon, issue["id"]))
    )
    message = next(one for one in public_messages(pylon, issue["id"]) if one["message_html"])
    pylon.store.delete_message(issue["id"], message["id"], redact=True)
    second = sync(pylon, ["issue_messages"], state=first.state)
    redacted = next(record for record in second.records("issue_messages") if record["id"] == message["id"])
    assert not redacted["message_html"]
    assert not redacted["text"]


def test_messages_are_read_from_the_start_date_of_the_issues(pylon: Sandbox) -> None:
    start = ago(days=200).replace(microsecond=0)
    output = sync(pylon, ["issue_messages"], start_date=render(start))
    recent = [
        issue
        for issue in pylon.expected("issues")
        if moment(issue.get("latest_message_time") or issue["created_at"]) >= start
    ]
    wanted = {(record["id"],) for issue in recent for record in expected_messages(pylon, issue)}
    assert set(keys(output, "issue_messages")) == wanted
    assert len(wanted) < len(expected_records(pylon, "issue_messages"))


def test_with_messages_switched_off_only_the_stream_of_messages_fails_with_advice(pylon: Sandbox) -> None:
    output = sync(pylon, ["issues", "issue_messages", "tags"], include_messages=False, succeeds=False)
    assert output.statuses("issue_messages")[-1] == "INCOMPLETE"
    assert output.statuses("issues")[-1] == output.statuses("tags")[-1] == "COMPLETE"
    assert set(keys(output, "issues")) == {(issue["id"],) for issue in pylon.expected("issues")}
    assert pylon.count(MESSAGES) == 0
    error = next(error for error in output.errors if "issue_messages" in error["message"])
    assert error["failure_type"] == "config_error"
    assert "Include Messages" in error["message"]


def test_with_messages_switched_off_the_stream_of_messages_makes_no_request(pylon: Sandbox) -> None:
    output = sync(pylon, ["issue_messages"], include_messages=False, succeeds=False)
    assert output.records("issue_messages") == []
    assert pylon.log == []


def test_the_messages_of_an_issue_deleted_after_it_was_listed_are_skipped(pylon: Sandbox) -> None:
    gone = min(message["issue_id"] for message in expected_records(pylon, "issue_messages").values())
    pylon.faults.add(Fault(MESSAGES, status(404), times=None, when=lambda seen: seen.params["id"] == gone))
    output = sync(pylon, ["issue_messages"])
    wanted = {key for key, record in expected_records(pylon, "issue_messages").items() if record["issue_id"] != gone}
    assert set(keys(output, "issue_messages")) == wanted


def test_a_public_message_without_an_id_fails_the_stream_instead_of_being_lost_silently(pylon: Sandbox) -> None:
    issue = next(issue["id"] for issue in pylon.expected("issues") if len(public_messages(pylon, issue["id"])) > 1)

    def without_ids(answer: Record) -> Record:
        return {**answer, "data": [{**item, "id": None} for item in answer["data"]]}

    pylon.faults.add(Fault(MESSAGES, transform(without_ids), times=None, when=lambda seen: seen.params["id"] == issue))
    output = sync(pylon, ["issue_messages", "issues"], succeeds=False)
    assert output.statuses("issue_messages")[-1] == "INCOMPLETE"
    assert output.statuses("issues")[-1] == "COMPLETE"
    assert len(output.records("issues")) == len(pylon.expected("issues"))
    assert any("issue_messages" in error["message"] and "without id" in error["message"] for error in output.errors)
    # The next sync, in which they have their ids again, emits all that is missing.
    pylon.faults.clear()
    second = sync(pylon, ["issue_messages"], state=output.state)
    assert {*keys(output, "issue_messages"), *keys(second, "issue_messages")} == expected_records(
        pylon, "issue_messages"
    ).keys()


# Audit logs.


def audit_queries() -> list[str]:
    """The SQL examples of the documentation that read audit logs."""
    page = (REPOSITORY / "docs" / "pylon.md").read_text(encoding="utf-8")
    return [sql for sql in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "audit_logs" in sql]


def into_tables(outputs: list[Output], names: tuple[str, ...]) -> sqlite3.Connection:
    """A database with a table for each stream, deduplicated by id as a destination does it."""
    database = sqlite3.connect(":memory:")
    for name in names:
        rows = newest(outputs, name).values()
        columns = sorted({column for row in rows for column in row})
        database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        for row in rows:
            values = [row.get(column) for column in columns]
            plain = [json.dumps(value) if isinstance(value, (dict, list)) else value for value in values]
            database.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", plain)
    return database


def log_action(pylon: Sandbox, action: str, object_id: str) -> None:
    """Writes an entry of the audit log, as Pylon does for each action."""
    now = render(pylon.clock.now().replace(microsecond=0))
    pylon.store.add(
        "audit_logs",
        action=action,
        object_type=action.split(".", maxsplit=1)[0],
        object_id=object_id,
        action_happened_at=now,
    )


def test_the_documented_query_finds_deleted_and_merged_accounts_and_no_other(pylon: Sandbox) -> None:
    streams = ("accounts", "audit_logs")
    first = sync(pylon, streams)
    deleted, duplicate, survivor, changed = (account["id"] for account in pylon.expected("accounts")[:4])
    pylon.store.delete("accounts", deleted)
    log_action(pylon, "account.deleted", deleted)
    for contact in pylon.expected("contacts"):
        if (contact.get("account") or {}).get("id") == duplicate:
            pylon.store.update("contacts", contact["id"], account={"id": survivor})
    pylon.store.delete("accounts", duplicate)
    log_action(pylon, "account.merged", duplicate)
    pylon.store.update("accounts", changed)
    log_action(pylon, "account.updated", changed)
    second = sync(pylon, streams, state=first.state)
    database = into_tables([first, second], streams)
    stored = {account["id"] for account in pylon.expected("accounts")}
    in_warehouse = {row[0] for row in database.execute("SELECT id FROM accounts")}
    assert in_warehouse - stored == {deleted, duplicate}
    (query,) = [sql for sql in audit_queries() if "JOIN audit_logs" in sql]
    assert {row[0] for row in database.execute(query)} == {deleted, duplicate}


def test_every_documented_query_of_audit_logs_runs(whole: Output) -> None:
    database = into_tables([whole], ("accounts", "issues", "contacts", "audit_logs"))
    assert audit_queries()
    for query in audit_queries():
        assert database.execute(query).fetchall() is not None


def test_an_audit_log_written_hours_after_the_action_is_found(pylon: Sandbox) -> None:
    first = sync(pylon, ["audit_logs"])
    happened: Record = {"action_happened_at": render(ago(hours=5).replace(microsecond=0))}
    late = pylon.store.add("audit_logs", **happened)
    second = sync(pylon, ["audit_logs"], state=first.state)
    assert (late,) in keys(second, "audit_logs")


def test_audit_logs_show_an_action_in_the_next_sync(pylon: Sandbox) -> None:
    first = sync(pylon, ["audit_logs"])
    log_action(pylon, "issue.deleted", "gone")
    second = sync(pylon, ["audit_logs"], state=first.state)
    assert ("issue.deleted", "gone") in {(one["action"], one["object_id"]) for one in second.records("audit_logs")}


def test_records_without_their_cursor_field_are_emitted(pylon: Sandbox) -> None:
    for name in ("tasks", "projects"):
        record = pylon.expected(name)[0]
        pylon.store.update(name, record["id"], updated_at=MISSING)
    output = sync(pylon, ["tasks", "projects"])
    for name in ("tasks", "projects"):
        assert set(keys(output, name)) == expected_records(pylon, name).keys()

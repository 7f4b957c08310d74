"""The reader of issues: changes first, then the history, newest first; and what it does where Pylon refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import Action, Reply, Seen, html, status, transform
from integration_tests.support.assertions import (
    assert_complete_and_fresh,
    assert_failed,
    assert_green,
    assert_state_never_ahead,
    assert_synced,
)
from integration_tests.support.connector import (
    ISSUE_STREAMS,
    Files,
    Output,
    Record,
    config_for,
    configured_catalog,
    run,
    stream_state,
)
from integration_tests.support.expected import ago, expected, is_covered, moment, stored_issues, type_of
from integration_tests.support.fault_runs import fault_timing, read
from integration_tests.support.faults import ISSUE, LIST, MESSAGES, SEARCH
from source_pylon.timestamps import render


@pytest.fixture
def large() -> Iterator[Sandbox]:
    """An organisation whose history takes several checkpoints."""
    with Sandbox(size=Size(issues=450), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


def read_part(pylon: Sandbox, streams: tuple[str, ...] = ("issues",), states: int = 2, **config: Any) -> Output:
    """A first sync as if it had been killed after so many states of its first stream."""
    lines = read(pylon, streams, **config).text.splitlines(keepends=True)
    seen = 0
    for number, line in enumerate(lines):
        seen += (
            '"type":"STATE"' in line and json.loads(line)["state"]["stream"]["stream_descriptor"]["name"] == streams[0]
        )
        if seen == states:
            return Output(1, "".join(lines[: number + 1]))
    raise AssertionError("there were not so many states")


def emitted(run: Output) -> list[tuple[str, str]]:
    """The records of a run in order: each as its stream and its id."""
    records = [line["record"] for line in run.lines if line["type"] == "RECORD"]
    return [(record["stream"], record["data"]["id"]) for record in records]


def an_issue(pylon: Sandbox, number: int = 40) -> str:
    """An issue with messages, so many from the newest."""
    issues = [issue for issue in stored_issues(pylon) if pylon.messages(issue["id"])]
    return str(sorted(issues, key=lambda issue: str(issue["created_at"]), reverse=True)[number]["id"])


def of_issue(issue: str) -> Any:
    """A condition of faults: the request is for one issue."""
    return lambda seen: seen.params.get("id") == issue


# --- the order ---


def test_a_first_sync_emits_the_newest_issues_first(large: Sandbox) -> None:
    run = read(large, ISSUE_STREAMS)
    assert_synced(large, run, streams=ISSUE_STREAMS)
    for stream in ISSUE_STREAMS:
        created = [moment(record["created_at"]) for record in run.records(stream)]
        assert created == sorted(created, reverse=True)


def test_the_first_records_need_a_list_of_one_hundred_issues_and_not_all_of_it(large: Sandbox) -> None:
    read(large)
    first, second = [seen for seen in large.log if seen.template == LIST][:2]
    assert first.query["limit"] == "100"
    assert sum(seen.template == MESSAGES for seen in large.log[: large.log.index(second)]) > 50


def test_a_sync_during_the_first_history_emits_changes_before_it_continues(large: Sandbox) -> None:
    first = read_part(large)
    back_to = first.states("issues")[-1]["history_read_back_to"]
    seen_before = [i for i in stored_issues(large) if moment(i["created_at"]) >= moment(back_to)]
    unseen = [i for i in stored_issues(large) if moment(i["created_at"]) < moment(back_to)]
    changed = {large.store.add_issue(), large.store.add_issue()}
    for issue in (seen_before[0], seen_before[-1], unseen[0], unseen[-1]):
        large.store.add_message(issue["id"])
        changed.add(issue["id"])
    second = read(large, state=first.state)
    assert_synced(large, first, second)
    assert set(second.ids("issues")[: len(changed)]) == changed
    assert len(second.ids("issues")) < len(unseen) + len(changed) + 5


def test_syncs_that_are_killed_repeatedly_reach_the_end_of_the_history(large: Sandbox) -> None:
    oldest = min(moment(issue["created_at"]) for issue in stored_issues(large))
    runs = [read_part(large)]
    while moment(runs[-1].states("issues")[-1]["history_read_back_to"]) > oldest:
        assert len(runs) < 10
        large.evolve(seed=len(runs), n=15, deletions=False)
        # Each gets one state of the history further than the one before.
        before = runs[-1].states("issues")[-1]["history_read_back_to"]
        lines: list[str] = []
        for line in read(large, state=runs[-1].state).text.splitlines(keepends=True):
            lines.append(line)
            message = json.loads(line)
            if (
                message["type"] == "STATE"
                and message["state"]["stream"]["stream_state"]["history_read_back_to"] != before
            ):
                break
        runs.append(Output(1, "".join(lines)))
        assert_state_never_ahead(large, *runs)
    runs.append(read(large, state=runs[-1].state))
    assert_green(runs[-1])
    assert_complete_and_fresh(large, *runs)


def test_checkpoints_are_at_most_a_minute_of_message_requests_apart(large: Sandbox) -> None:
    run = read(large, limits=lambda endpoint: 120)
    counts = [message["sourceStats"]["recordCount"] for message in run.state_messages("issues")]
    assert len(counts) > 3
    assert max(counts) <= 120


# --- a stream that is added ---


def test_a_stream_added_later_does_not_hold_up_the_others(large: Sandbox) -> None:
    first = read(large, ["issues"])
    changed = {large.store.add_issue(type="conversation"), large.store.add_issue(type="ticket")}
    second = read(large, ["issues", "tickets"], state=first.state)
    assert_synced(large, first, second, streams=["issues"])
    assert set(second.ids("tickets")) == expected(large, "tickets").keys()
    assert {identity for stream, identity in emitted(second) if stream == "issues"} == changed
    last_of_issues = max(place for place, (stream, _) in enumerate(emitted(second)) if stream == "issues")
    assert last_of_issues <= 2 * len(changed)


def test_a_stream_added_during_the_first_history_is_read_beside_it(large: Sandbox) -> None:
    first = read_part(large)
    second = read(large, ["issues", "conversations"], state=first.state)
    assert_synced(large, first, second, streams=["issues"])
    assert_complete_and_fresh(large, second, streams=["conversations"])
    asked = [seen.params["id"] for seen in large.log if seen.template == MESSAGES]
    assert max(asked[len(first.ids("issues")) :].count(one) for one in set(asked)) <= 2


# --- start dates ---


def expected_since(pylon: Sandbox, start: datetime) -> set[str]:
    """The issues within a start date: created, or with a message, since then."""
    return {i["id"] for i in stored_issues(pylon) if moment(i.get("latest_message_time") or i["created_at"]) >= start}


def test_a_start_date_moved_back_continues_the_history(large: Sandbox) -> None:
    starts = [ago(days=days).replace(microsecond=0) for days in (60, 300)]
    first = read(large, start_date=render(starts[0]))
    assert set(first.ids("issues")) == expected_since(large, starts[0])
    second = read(large, state=first.state, start_date=render(starts[1]))
    assert {*first.ids("issues"), *second.ids("issues")} == expected_since(large, starts[1])
    created = {issue["id"]: moment(issue["created_at"]) for issue in stored_issues(large)}
    assert second.ids("issues")
    assert all(created[identity] < starts[0] for identity in second.ids("issues"))
    third = read(large, state=second.state)
    assert_synced(large, first, second, third)
    assert all(created[identity] < starts[1] for identity in third.ids("issues"))


@pytest.mark.parametrize("earlier", [None, 400], ids=["without one before", "of a later date"])
def test_a_start_date_moved_forward_and_back_leaves_nothing_stale(large: Sandbox, earlier: int | None) -> None:
    config: dict[str, Any] = {} if earlier is None else {"start_date": render(ago(days=earlier))}
    runs = [read(large, **config)]
    (old,) = [i for i in runs[0].ids("issues") if i == an_issue(large, 200)]
    large.store.update_issue(old, tags=["changed"])
    runs.append(read(large, state=runs[-1].state, start_date=render(ago(days=5))))
    runs.append(read(large, state=runs[-1].state, **config))
    newest = {record["id"]: record for run in runs for record in run.records("issues")}
    assert newest[old]["tags"] == ["changed"]
    for one in runs:
        assert_green(one)


# --- messages switched off and on ---


def test_switching_messages_on_reads_the_history_again_and_logs_it(pylon: Sandbox) -> None:
    without = read(pylon, ISSUE_STREAMS, include_messages=False)
    assert_green(without, *ISSUE_STREAMS)
    again = read(pylon, ISSUE_STREAMS, state=without.state)
    assert_synced(pylon, again, streams=ISSUE_STREAMS)
    for stream in ISSUE_STREAMS:
        assert again.said(f"Stream {stream}: Include Messages was switched on", "history is read once more")
    third = read(pylon, ISSUE_STREAMS, state=again.state)
    assert [stream for stream in ISSUE_STREAMS if third.records(stream)] == []
    assert not third.said("Include Messages was switched on")


def test_after_messages_are_switched_on_all_arrive_even_if_the_sync_is_killed(large: Sandbox) -> None:
    without = read(large, include_messages=False)
    lines = read(large, state=without.state).text.splitlines(keepends=True)
    states = [number for number, line in enumerate(lines) if '"type":"STATE"' in line]
    killed = Output(1, "".join(lines[: states[len(states) // 2] + 1]))
    assert 0 < len(killed.ids("issues")) < 450
    last = read(large, state=killed.state)
    assert_synced(large, killed, last)


def test_switching_messages_off_repeats_nothing(pylon: Sandbox) -> None:
    first = read(pylon)
    second = read(pylon, state=first.state, include_messages=False)
    assert second.ids("issues") == []
    assert second.states("issues")[-1]["include_messages"] is False


# --- what GET /issues refuses ---


def test_if_a_year_is_refused_months_are_listed(pylon: Sandbox) -> None:
    with Sandbox(size=Size(issues=150), limits=None, base_time=ago(hours=1), max_range_days=30) as strict:
        run = read(strict, ISSUE_STREAMS)
        assert_synced(strict, run, streams=ISSUE_STREAMS)
        assert strict.count(LIST, 400) == 1
        assert strict.count(SEARCH) < 5
        created = [moment(record["created_at"]) for record in run.records("issues")]
        assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("code", [400, 403, 404])
def test_if_the_list_is_refused_altogether_the_history_is_read_by_search(pylon: Sandbox, code: int) -> None:
    pylon.faults.add(Fault(LIST, status(code), times=None))
    first = read(pylon, ISSUE_STREAMS)
    assert_synced(pylon, first, streams=ISSUE_STREAMS)
    assert first.said(LIST, "read through", SEARCH)
    assert pylon.count(LIST) <= 2
    pylon.evolve(1, 20, deletions=False)
    second = read(pylon, ISSUE_STREAMS, first.state)
    assert_synced(pylon, first, second, streams=ISSUE_STREAMS)


def test_a_missing_permission_for_the_list_is_no_error(pylon: Sandbox) -> None:
    pylon.forbid(LIST)
    assert_synced(pylon, read(pylon, ISSUE_STREAMS), streams=ISSUE_STREAMS)


def test_a_permission_for_the_list_withdrawn_during_a_sync_loses_nothing_that_was_read(large: Sandbox) -> None:
    large.faults.add(Fault(LIST, status(403), times=None, after=1))
    first = read(large)
    second = read(large, state=first.state)
    assert_synced(large, first, second)


def unbounded_list(pylon: Sandbox) -> Action:
    """A list that ignores its time range: all issues, newest created first, in one page."""

    def answer(seen: Seen) -> Reply:
        envelope = {"data": pylon.expected("issues"), "request_id": "unbounded"}
        return Reply(200, json.dumps(envelope).encode(), {"Content-Type": "application/json"})

    return Action(instead=answer)


def test_a_list_that_ignores_its_range_is_logged_once_and_repeats_nothing(pylon: Sandbox) -> None:
    pylon.faults.add(Fault(LIST, unbounded_list(pylon), times=None))
    run = read(pylon, ISSUE_STREAMS)
    assert_synced(pylon, run, streams=ISSUE_STREAMS)
    assert len([text for text in run.warnings if "ignores the time range" in text]) == 1


# --- states of other versions ---


def test_a_state_of_version_0_1_0_is_recognised_and_the_history_read_once_more(pylon: Sandbox) -> None:
    since = render(ago(days=20))
    state = [stream_state("issues", {"latest_message_time": since, "updated_at": since})]
    run = read(pylon, state=state)
    assert_synced(pylon, run)
    assert len([text for text in run.logs if "version 0.1.0" in text]) == 1
    changed = {
        issue["id"]
        for issue in stored_issues(pylon)
        if max(moment(issue["updated_at"]), moment(issue["created_at"])) > moment(since)
    }
    assert changed
    assert changed <= set(run.ids("issues")[: len(changed) + 5])
    assert run.states("issues")[-1]["history_read_back_to"] == "complete"
    assert read(pylon, state=run.state).ids("issues") == []


# --- issues that cannot be read ---


@pytest.mark.parametrize("answer", [status(500), html(200)], ids=["500", "a web page"])
@pytest.mark.parametrize("which", ["first sync", "later sync"])
def test_an_issue_that_cannot_be_read_is_kept_in_the_state_and_tried_first_next_time(
    pylon: Sandbox, answer: Action, which: str
) -> None:
    broken = an_issue(pylon)
    runs: list[Output] = []
    if which == "later sync":
        runs.append(read(pylon, ISSUE_STREAMS))
        pylon.store.add_message(broken)
        pylon.evolve(1, 10, deletions=False)
    pylon.faults.add(Fault(MESSAGES, answer, times=None, when=of_issue(broken)))
    kind = type_of(pylon.store.get("issues", broken).record())
    concerned = ["issues", *(stream for stream in ISSUE_STREAMS[1:] if stream == f"{kind}s")]
    for _ in range(2):
        pylon.log.clear()
        runs.append(read(pylon, ISSUE_STREAMS, state=runs[-1].state if runs else None))
        assert runs[-1].code == 1
        for stream in ISSUE_STREAMS:
            ended = "INCOMPLETE" if stream in concerned else "COMPLETE"
            assert runs[-1].ended(stream) == ended
            state = runs[-1].states(stream)[-1]
            assert state.get("unread_issues") == ([broken] if stream in concerned else None)
            assert state["history_read_back_to"] == "complete"
        assert_failed(runs[-1], *concerned, says=[broken])
        assert_state_never_ahead(pylon, *runs)
    # The second time it came before all changes. Messages are requested by several threads, in no certain order.
    first = next(seen for seen in pylon.log if seen.template in (ISSUE, SEARCH, LIST))
    assert (first.template, first.params["id"]) == (ISSUE, broken)
    assert broken in {seen.params["id"] for seen in pylon.log if seen.template == MESSAGES}
    everything = {issue["id"] for issue in stored_issues(pylon)}
    assert {i for run in runs for i in run.ids("issues")} >= everything - {broken}
    pylon.faults.clear()
    runs.append(read(pylon, ISSUE_STREAMS, state=runs[-1].state))
    assert_synced(pylon, *runs, streams=ISSUE_STREAMS)
    assert all("unread_issues" not in runs[-1].states(stream)[-1] for stream in ISSUE_STREAMS)


def test_an_unread_issue_that_is_deleted_or_changes_its_type_is_forgotten(pylon: Sandbox) -> None:
    conversations = [i["id"] for i in stored_issues(pylon, "conversations") if pylon.messages(i["id"])]
    gone, other = conversations[20], conversations[40]
    pylon.faults.add(Fault(MESSAGES, status(500), times=None, when=lambda seen: seen.params["id"] in (gone, other)))
    streams = ("conversations", "tickets")
    first = read(pylon, streams)
    assert set(first.states("conversations")[-1]["unread_issues"]) == {gone, other}
    pylon.faults.clear()
    pylon.store.delete("issues", gone)
    pylon.store.update_issue(other, type="ticket")
    second = read(pylon, streams, first.state)
    assert_synced(pylon, first, second, streams=streams)
    assert "unread_issues" not in second.states("conversations")[-1]


@pytest.mark.parametrize("code", [403, 429, 500], ids=str)
def test_an_unread_issue_whose_own_record_is_refused_blocks_nothing_else(pylon: Sandbox, code: int) -> None:
    broken = an_issue(pylon)
    state = {"changes_read_until": render(ago(minutes=30)), "history_read_back_to": "complete"}
    pylon.faults.add(Fault(ISSUE, status(code), times=None, when=of_issue(broken)))
    new = pylon.store.add_issue()
    run = read(
        pylon,
        state=[stream_state("issues", {**state, "unread_issues": [broken]})],
        timing=fault_timing(rate_limit_patience=0.5),
    )
    assert new in run.ids("issues")
    assert run.states("issues")[-1]["unread_issues"] == [broken]
    assert_failed(run, says=[broken])


@pytest.mark.parametrize("code", [400, 404, 410])
def test_an_issue_whose_messages_do_not_exist_is_emitted_without_them(pylon: Sandbox, code: int) -> None:
    issue = an_issue(pylon)
    pylon.faults.add(Fault(MESSAGES, status(code), times=None, when=of_issue(issue)))
    run = read(pylon, ISSUE_STREAMS)
    assert_synced(pylon, run, streams=ISSUE_STREAMS, unread=[issue])
    assert run.said("refuses the messages", issue)
    (record,) = [record for record in run.records("issues") if record["id"] == issue]
    assert record["messages"] is None
    assert record.get("body_html") is None
    assert record["feedback_source"] == "none"


@pytest.mark.parametrize("code", [400, 404, 410])
def test_if_messages_are_refused_for_every_issue_none_counts_as_deleted(pylon: Sandbox, code: int) -> None:
    pylon.faults.add(Fault(MESSAGES, status(code), times=None))
    run = read(pylon)
    assert_failed(run, says=["/messages"])
    assert run.ids("issues") == []
    pylon.faults.clear()
    assert_synced(pylon, run, read(pylon, state=run.state))


@pytest.mark.parametrize("extra", [{}, {"id": None, "title": "no id"}], ids=["empty", "null"])
def test_an_issue_without_an_id_freezes_the_state_and_nothing_is_lost(large: Sandbox, extra: Record) -> None:
    def add(answer: Record) -> Record:
        return {**answer, "data": [extra, *answer["data"]]}

    large.faults.add(Fault(LIST, transform(add), times=1))
    failed = read(large)
    assert_failed(failed, says=["without id"])
    assert set(failed.ids("issues")) == expected(large, "issues").keys()
    for state in failed.states("issues"):
        assert not any(is_covered(state, issue) for issue in stored_issues(large))
    assert_synced(large, failed, read(large, state=failed.state))


# --- times ---


@pytest.mark.parametrize("imported", [0.3, 1.0])
def test_imported_issues_do_not_look_like_an_ignored_filter(imported: float) -> None:
    with Sandbox(size=Size(issues=250), limits=None, base_time=ago(hours=1), imported=imported) as pylon:
        first = read(pylon, ISSUE_STREAMS)
        assert_synced(pylon, first, streams=ISSUE_STREAMS)
        pylon.evolve(1, 60, deletions=False)
        pylon.clock.advance(timedelta(hours=1))
        old = [stream_state(s, {"changes_read_until": render(ago(days=300)), "history_read_back_to": "complete"})
               for s in ISSUE_STREAMS]  # fmt: skip
        second = read(pylon, ISSUE_STREAMS, first.state)
        third = read(pylon, ISSUE_STREAMS, old)
        for run in (first, second, third):
            assert not run.said("ignores the time")
        assert_synced(pylon, first, second, streams=ISSUE_STREAMS)
        assert_synced(pylon, first, second, third, streams=ISSUE_STREAMS)


def test_an_issue_of_the_year_1_is_emitted_and_later_syncs_continue(pylon: Sandbox) -> None:
    ancient = pylon.store.add_issue(at=datetime(1, 1, 1, tzinfo=timezone.utc))
    first = read(pylon)
    assert_synced(pylon, first)
    assert ancient in first.ids("issues")
    pylon.store.add_message(ancient)
    second = read(pylon, state=first.state)
    assert_synced(pylon, first, second)
    assert second.ids("issues") == [ancient]


def test_a_namespace_of_the_catalog_stays_in_the_states(pylon: Sandbox) -> None:
    catalog = configured_catalog(["issues"])
    catalog["streams"][0]["stream"]["namespace"] = "support"
    with Files(config_for(pylon), catalog) as files:
        first = run(files.arguments("read"))
    assert_green(first)
    descriptors = {json.dumps(item["stream"]["stream_descriptor"]) for item in first.state_messages("issues")}
    assert [json.loads(one)["namespace"] for one in descriptors] == ["support"]
    with Files(config_for(pylon), catalog, first.state) as files:
        second = run(files.arguments("read"))
    assert second.ids("issues") == []

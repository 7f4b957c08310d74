"""Responses that are refusals, nonsense or wrong: each does no harm or fails its stream with a clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size, cursors
from integration_tests.sandbox.faults import (
    Action,
    Reply,
    gzipped,
    html,
    padded,
    status,
    too_many,
    transform,
    truncated,
)
from integration_tests.support.assertions import (
    assert_complete_and_fresh,
    assert_failed,
    assert_green,
    assert_state_never_ahead,
    assert_synced,
)
from integration_tests.support.connector import ISSUE_STREAMS, STREAMS, Output
from integration_tests.support.expected import ago, expected, moment
from integration_tests.support.fault_runs import check, fault_timing, read
from integration_tests.support.faults import ISSUE, LIST, MESSAGES, SEARCH, Gate, hook, unfiltered_search

Record = dict[str, Any]

ACCOUNTS = "GET /accounts"


@pytest.fixture
def paged() -> Iterator[Sandbox]:
    """An organisation whose accounts and busiest month fill several pages."""
    size = Size(issues=1200, same_second=1100, accounts=2100, contacts=20)
    with Sandbox(size=size, limits=None, base_time=ago(hours=1), irregular=0.3) as sandbox:
        yield sandbox


def some_issue(pylon: Sandbox, *, with_messages: bool = True) -> str:
    """An issue in the middle of the history, with public messages or without any."""
    for issue in pylon.expected("issues")[40:]:
        messages = pylon.messages(issue["id"])
        if bool(messages) == with_messages and (not messages or not messages[0]["is_private"]):
            return str(issue["id"])
    raise AssertionError("no such issue")


def in_issues(pylon: Sandbox, action: Action) -> None:
    """Changes every response that lists issues."""
    for template in (LIST, SEARCH):
        pylon.faults.add(Fault(template, action, times=None))


def recovers(pylon: Sandbox, failed: Output, *streams: str, **config: Any) -> Output:
    """Without the fault, a sync from the failed one's states completes what both emitted."""
    pylon.faults.clear()
    assert_state_never_ahead(pylon, failed)
    later = read(pylon, streams or ("issues",), failed.state, **config)
    assert_synced(pylon, failed, later, streams=streams or ("issues",))
    return later


# --- 5xx ---


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_burst_of_server_errors_does_no_harm(pylon: Sandbox, code: int) -> None:
    burst = pylon.faults.add(Fault("*", status(code), times=5, after=4))
    scattered = pylon.faults.add(Fault("*", status(code), times=30, after=20, probability=0.15, seed=code))
    run = read(pylon, STREAMS)
    assert (burst.fired, scattered.fired > 5) == (5, True)
    assert_synced(pylon, run, streams=STREAMS)


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_persistent_server_errors_fail_only_their_stream_and_the_next_sync_completes_it(
    pylon: Sandbox, code: int
) -> None:
    pylon.faults.add(Fault(MESSAGES, status(code), times=None, after=40))
    gate = Gate()
    waiting = pylon.faults.add(gate.fault(ACCOUNTS))
    run = read(pylon, ("issues", "accounts", "contacts"), on_write=gate.watch)
    assert_failed(run, "issues", kind="transient_error", says=["/messages", str(code)])
    for stream in ("accounts", "contacts"):
        assert run.ended(stream) == "COMPLETE"
    assert waiting.fired
    assert run.ids("issues")
    recovers(pylon, run, "issues", "accounts", "contacts")


# --- 429 ---

# Without minutes and seconds, so that all processes that run tests in parallel give this test the same name.
NOON = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0)

UNSAID, LONGEST = 0.3, 0.9
"""The wait after a 429 that says nothing usable, a quarter of a minute of 1.2 seconds; and the longest wait."""

WAITS: list[tuple[dict[str, str], float]] = [
    ({"X-Retry-After": "0.6"}, 0.6),
    ({"Retry-After": "0.6"}, 0.6),
    ({}, UNSAID),
    ({"X-Retry-After": "0"}, UNSAID),
    ({"X-Retry-After": "-5"}, UNSAID),
    ({"Retry-After": format_datetime(NOON + timedelta(days=1), usegmt=True)}, LONGEST),
    ({"Retry-After": format_datetime(NOON - timedelta(days=1), usegmt=True)}, UNSAID),
    ({"X-Retry-After": "86400"}, LONGEST),
    ({"X-Retry-After": "soon"}, UNSAID),
    ({"X-Retry-After": "inf"}, UNSAID),
    ({"X-Retry-After": "nan", "Retry-After": "0.6"}, 0.6),
    ({"X-Retry-After": ""}, UNSAID),
]


@pytest.mark.parametrize(("headers", "wait"), WAITS, ids=str)
def test_the_wait_of_a_429_is_obeyed_in_every_form(pylon: Sandbox, headers: dict[str, str], wait: float) -> None:
    pylon.faults.add(Fault(LIST, too_many(headers), times=2, after=1))
    pylon.faults.add(Fault(MESSAGES, too_many(headers), times=2, after=5))
    run = read(pylon, timing=fault_timing(minute=4 * UNSAID, longest_rate_limit_wait=LONGEST))
    assert pylon.refused() == 4
    listed = [seen for seen in pylon.log if seen.template == LIST]
    refused = [number for number, seen in enumerate(listed) if seen.status == 429]
    gaps = [listed[number + 1].monotonic - listed[number].monotonic for number in refused]
    assert len(gaps) == 2
    # The upper bound only tells a wait that is cut from one that is not: the machine may be busy.
    assert all(wait <= gap < wait + 5 for gap in gaps), gaps
    assert_synced(pylon, run)


def test_repeated_429s_use_up_no_retries(pylon: Sandbox) -> None:
    storm = pylon.faults.add(Fault("*", too_many({"X-Retry-After": "0.01"}), times=200, after=6))
    run = read(pylon, STREAMS, timing=fault_timing(retry_attempts=2))
    assert storm.fired == 200
    assert_synced(pylon, run, streams=STREAMS)


def test_a_persistent_429_fails_its_stream_and_names_the_likely_cause(pylon: Sandbox) -> None:
    pylon.faults.add(Fault(MESSAGES, too_many({"X-Retry-After": "0.1"}), times=None, after=30))
    run = read(pylon, ("issues", "accounts"), timing=fault_timing(rate_limit_patience=1.0))
    assert_failed(run, "issues", kind="transient_error", says=["rate limit", "another integration"])
    assert run.ended("accounts") == "COMPLETE"
    recovers(pylon, run, "issues", "accounts")


@pytest.mark.parametrize("header", ["X-Retry-After", "Retry-After"])
def test_the_wait_of_a_503_is_obeyed(pylon: Sandbox, header: str) -> None:
    fault = pylon.faults.add(Fault(ACCOUNTS, status(503, None, {header: "1.2"})))
    run = read(pylon, ("accounts",))
    assert fault.fired == 1
    first, second = [seen.monotonic for seen in pylon.log if seen.template == ACCOUNTS][:2]
    assert second - first >= 1.2
    assert_synced(pylon, run, streams=["accounts"])


# --- 401, 403 ---


def assert_unauthorized(run: Output, *streams: str) -> None:
    """The streams are incomplete, and one error, that of the sync, says what to do about the token."""
    assert run.code == 1
    assert {run.ended(stream) for stream in streams} == {"INCOMPLETE"}
    (error,) = run.errors
    assert error["failure_type"] == "config_error"
    assert "token" in error["message"]
    assert "Settings" in error["message"]


def test_a_token_revoked_during_a_sync_ends_it_with_advice(pylon: Sandbox) -> None:
    hook(pylon, MESSAGES, lambda seen: pylon.revoke(), after=30)
    run = read(pylon, ("issues", "tickets"))
    assert_unauthorized(run, "issues", "tickets")
    pylon.tokens[pylon.token] = "us"
    recovers(pylon, run, "issues", "tickets")


def test_after_a_token_is_rotated_the_next_sync_continues_from_the_state(pylon: Sandbox) -> None:
    # The first state of a first sync is that of its first hundred issues.
    hook(pylon, MESSAGES, lambda seen: pylon.revoke(), after=120)
    run = read(pylon)
    assert_unauthorized(run, "issues")
    pylon.tokens["rotated"] = "us"
    later = recovers(pylon, run, "issues", api_token="rotated")
    assert len(later.ids("issues")) < 150


@pytest.mark.parametrize("stream_and_endpoint", [
    ("call_recordings", "POST /call-recordings/search"),
    ("survey_responses", "GET /surveys"),
    ("survey_responses", "GET /surveys/{id}/responses"),
    ("contacts", "GET /contacts"),
    ("accounts", ACCOUNTS),
], ids=lambda pair: pair[1])  # fmt: skip
def test_a_403_on_one_endpoint_fails_only_its_stream_and_names_the_permission(
    pylon: Sandbox, stream_and_endpoint: tuple[str, str]
) -> None:
    stream, endpoint = stream_and_endpoint
    pylon.forbid(endpoint)
    run = read(pylon, STREAMS)
    assert_failed(run, stream, kind="config_error", says=[endpoint, "permission"])
    for other in set(STREAMS) - {stream}:
        assert run.ended(other) == "COMPLETE"
    pylon.allow(endpoint)
    recovers(pylon, run, *STREAMS)


@pytest.mark.parametrize("code", [402, 403, 404, 405])
def test_an_endpoint_outside_the_plan_or_role_fails_only_its_stream(pylon: Sandbox, code: int) -> None:
    pylon.faults.add(Fault("POST /call-recordings/search", status(code), times=None))
    run = read(pylon, STREAMS)
    assert_failed(run, "call_recordings", says=["POST /call-recordings/search"])
    for other in set(STREAMS) - {"call_recordings"}:
        assert run.ended(other) == "COMPLETE"
    recovers(pylon, run, *STREAMS)


@pytest.mark.parametrize("state", ["deactivated", "suspended", "inactive"])
def test_a_suspended_organisation_is_reported_as_such(pylon: Sandbox, state: str) -> None:
    stopped = status(403, {"errors": ["no"], "code": f"organization_{state}", "request_id": "x"})
    pylon.faults.add(Fault("*", stopped, times=None))
    run = read(pylon, ("issues", "accounts"))
    assert_failed(run, "issues", "accounts", kind="config_error", says=["organization", state.removeprefix("de")])
    assert run.said(f"organization_{state}")
    assert "token" not in run.error_text()
    result = check(pylon)
    assert result["status"] == "FAILED"
    assert "organization" in result["message"]
    recovers(pylon, run, "issues", "accounts")


@pytest.mark.parametrize("after", [0, 40])
def test_a_403_on_all_messages_fails_the_issue_streams_at_the_start_and_during_a_sync(
    pylon: Sandbox, after: int
) -> None:
    hook(pylon, MESSAGES, lambda seen: pylon.forbid(MESSAGES), after=after)
    run = read(pylon, STREAMS)
    assert_failed(run, *ISSUE_STREAMS, kind="config_error", says=["/messages"])
    assert run.ended("accounts") == "COMPLETE"
    assert len([record for record in run.records("issues") if record.get("messages") is None]) == 0
    pylon.allow(MESSAGES)
    recovers(pylon, run, *STREAMS)


@pytest.mark.parametrize("code", [404, 410])
def test_an_issue_deleted_after_it_was_listed_is_skipped_and_counted(pylon: Sandbox, code: int) -> None:
    gone = some_issue(pylon)

    def is_gone(seen: Any) -> bool:
        return bool(seen.params["id"] == gone)

    for template in (MESSAGES, ISSUE):
        pylon.faults.add(Fault(template, status(code), times=None, when=is_gone))
    run = read(pylon)
    pylon.store.delete("issues", gone)
    assert_synced(pylon, run)
    assert gone not in run.ids("issues")
    assert run.said("1 issue", "deleted")


@pytest.mark.parametrize(
    "refusal",
    [status(403, {"errors": ["no"], "code": "permission_denied"}), status(403, b"", content_type="text/html")],
    ids=["json", "empty html"],
)
def test_an_issue_whose_messages_are_refused_is_emitted_without_them(pylon: Sandbox, refusal: Action) -> None:
    issue = some_issue(pylon)
    pylon.faults.add(Fault(MESSAGES, refusal, times=None, when=lambda seen: seen.params["id"] == issue))
    run = read(pylon, ISSUE_STREAMS)
    assert_synced(pylon, run, streams=ISSUE_STREAMS, unread=[issue])
    assert run.said("refuses the messages", issue)
    record = next(record for record in run.records("issues") if record["id"] == issue)
    assert (record.get("body_html"), record["feedback_source"]) == (None, "none")


@pytest.mark.parametrize("code", [403, 404, 410])
def test_refusals_for_many_issues_in_a_row_mean_that_the_endpoint_is_refused(pylon: Sandbox, code: int) -> None:
    pylon.faults.add(Fault(MESSAGES, status(code), times=None, after=40))
    run = read(pylon)
    assert_failed(run, "issues", says=["/messages"])
    recovers(pylon, run)


# --- not what Pylon returns ---

NONSENSE: dict[str, Action] = {
    "an HTML page with 200": html(200),
    "an HTML page with 502": html(502),
    "nothing with 200": status(200, ""),
    "truncated JSON": truncated(0.5),
    "JSON cut to one byte": truncated(0.001),
    "a list": transform(lambda answer: [answer]),
    "a number": transform(lambda answer: 5),
    "null": transform(lambda answer: None),
    "an empty object": transform(lambda answer: {}),
    "data an object": transform(lambda answer: {**answer, "data": {"id": "x"}}),
    "data a text": transform(lambda answer: {**answer, "data": "x"}),
    "data a list of numbers": transform(lambda answer: {**answer, "data": [1, 2]}),
    "data a list with null": transform(lambda answer: {**answer, "data": [*answer.get("data", ()), None]}),
    "data missing with more to come": transform(
        lambda answer: {"request_id": "x", "pagination": {"cursor": "c", "has_next_page": True}}
    ),
    "data null with more to come": transform(
        lambda answer: {**answer, "data": None, "pagination": {"cursor": "c", "has_next_page": True}}
    ),
    "errors with 200": transform(lambda answer: {"errors": ["internal"], "request_id": "x"}),
    "pagination a list": transform(lambda answer: {**answer, "pagination": ["x"]}),
    "more without a cursor": transform(lambda answer: {**answer, "pagination": {"cursor": "", "has_next_page": True}}),
    "more with a cursor that is a number": transform(
        lambda answer: {**answer, "pagination": {"cursor": 5, "has_next_page": True}}
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_an_invalid_response_is_requested_again(pylon: Sandbox, what: str) -> None:
    faults = [
        pylon.faults.add(Fault(template, NONSENSE[what], times=1, after=after))
        for template, after in ((LIST, 1), (MESSAGES, 20), (ACCOUNTS, 0), ("GET /surveys", 0))
    ]
    run = read(pylon, STREAMS)
    assert [fault.fired for fault in faults] == [1, 1, 1, 1]
    assert_synced(pylon, run, streams=STREAMS)


@pytest.mark.parametrize("what", NONSENSE)
def test_persistent_invalid_responses_fail_their_stream_and_never_count_as_empty(pylon: Sandbox, what: str) -> None:
    pylon.faults.add(Fault(LIST, NONSENSE[what], times=None, after=1))
    pylon.faults.add(Fault(ACCOUNTS, NONSENSE[what], times=None))
    run = read(pylon, ("issues", "accounts", "contacts"))
    assert_failed(run, "issues", kind="transient_error", says=[LIST])
    assert_failed(run, "accounts", kind="transient_error", says=[ACCOUNTS])
    assert run.ended("contacts") == "COMPLETE"
    recovers(pylon, run, "issues", "accounts", "contacts")


# --- JSON that parsers refuse ---

IRREGULAR: dict[str, tuple[str, Any]] = {
    "a lone surrogate": (r'"half an emoji: \ud83d"', "half an emoji: \ufffd"),
    # Powers of two would equal the floats that a parser makes of them.
    "an integer beyond 64 bits": (str(2**64 + 1), 2**64 + 1),
    "a long negative integer": (str(-(2**90) - 1), -(2**90) - 1),
    "bytes that are not UTF-8": ("LATIN-1", "caf\ufffd"),
}


@pytest.mark.parametrize("what", IRREGULAR)
def test_json_that_most_parsers_refuse_or_change_is_read_correctly(pylon: Sandbox, what: str) -> None:
    written, expected = IRREGULAR[what]
    raw = b'"caf\xe9"' if written == "LATIN-1" else written.encode()

    def change(reply: Reply) -> Reply:
        return replace(reply, body=reply.body.replace(b'"data":[{', b'"data":[{"odd": ' + raw + b", ", 1))

    fault = pylon.faults.add(Fault(ACCOUNTS, Action(after=change)))
    run = read(pylon, ("accounts", "contacts"))
    assert fault.fired == 1
    assert_green(run, "accounts", "contacts")
    assert [record["odd"] for record in run.records("accounts") if "odd" in record] == [expected]


@pytest.mark.parametrize("levels", [300, 3_000, 100_000])
def test_deep_nesting_fails_no_stream(pylon: Sandbox, levels: int) -> None:
    nested = b"[" * levels + b"]" * levels

    def change(reply: Reply) -> Reply:
        return replace(reply, body=reply.body.replace(b'"data":[{', b'"data":[{"odd": ' + nested + b", ", 1))

    pylon.faults.add(Fault(ACCOUNTS, Action(after=change)))
    run = read(pylon, ("accounts",))
    assert_green(run, "accounts")
    assert run.ids("accounts") == [record["id"] for record in pylon.expected("accounts")]


@pytest.mark.parametrize("id_", ["..", ".", "../../me"])
def test_an_id_does_not_lead_to_another_path(pylon: Sandbox, id_: str) -> None:
    issue = some_issue(pylon)
    change = _in_issues(lambda found: {**found, "id": id_} if found["id"] == issue else found)
    in_issues(pylon, change)
    read(pylon)
    paths = [seen.path for seen in pylon.log if seen.method == "GET"]
    assert len(paths) > 100
    own = {"/issues"}
    if "/" in id_:
        # The sandbox shows slashes that arrive encoded as they are. Dots alone are not even sent.
        own |= {f"/issues/{id_}", f"/issues/{id_}/messages"}
    own |= {f"/issues/{one['id']}{suffix}" for one in pylon.expected("issues") for suffix in ("", "/messages")}
    assert set(paths) <= own


# --- the clock ---


@pytest.mark.parametrize(("code", "date"), [
    (502, "five hours ahead"), (503, "five hours ahead"), (502, "2099"), (200, "2099"), (200, "five hours ahead"),
])  # fmt: skip
def test_a_date_header_in_the_future_moves_no_state_into_the_future(pylon: Sandbox, code: int, date: str) -> None:
    ahead = datetime.now(timezone.utc) + timedelta(hours=5)
    header = {"Date": "Thu, 01 Jan 2099 00:00:00 GMT" if date == "2099" else format_datetime(ahead, usegmt=True)}
    dated = Action(after=lambda reply: replace(reply, headers={**reply.headers, **header}))
    pylon.faults.add(Fault("*", dated if code == 200 else status(code, None, header), times=3))
    run = read(pylon, ("issues", "accounts", "survey_responses"))
    assert_synced(pylon, run, streams=("issues", "accounts", "survey_responses"))
    for message in run.state_messages():
        for name, value in message["stream"]["stream_state"].items():
            if name not in ("history_read_back_to", "include_messages"):
                assert moment(value) < datetime.now(timezone.utc)


# --- pages ---


GLITCHED = {
    "data missing": transform(lambda answer: {"request_id": "x", "pagination": {"cursor": "c", "has_next_page": True}}),
    "data empty, without a cursor": transform(
        lambda answer: {"request_id": "x", "data": [], "pagination": {"cursor": "", "has_next_page": True}}
    ),
}


@pytest.mark.parametrize("what", GLITCHED)
def test_a_glitched_page_is_requested_ten_more_times(paged: Sandbox, what: str) -> None:
    faults = [paged.faults.add(Fault(template, GLITCHED[what], times=10, after=1)) for template in (ACCOUNTS, LIST)]
    run = read(paged, ("accounts", "issues"), timing=fault_timing(retry_attempts=2))
    assert [fault.fired for fault in faults] == [10, 10]
    assert_synced(paged, run, streams=("accounts", "issues"))


def test_an_empty_page_that_announces_another_does_not_end_the_list(paged: Sandbox) -> None:
    order = paged.store.collection("accounts").live.order
    # The cursor of the empty page begins one record before the page that was requested.
    going_on = cursors.encode(order[-998])
    answer = {"data": [], "pagination": {"cursor": going_on, "has_next_page": True}, "request_id": "x"}
    fault = paged.faults.add(Fault(ACCOUNTS, status(200, answer), when=lambda seen: "cursor" in seen.query))
    run = read(paged, ("accounts",))
    assert fault.fired == 1
    assert_synced(paged, run, streams=["accounts"])


def _in_every_answer(change: Callable[[Record, int], Record]) -> Action:
    count = iter(range(10**9))
    return transform(lambda answer: change(answer, next(count)))


ENDLESS: dict[str, Callable[[], Action]] = {
    "the same cursor": lambda: _in_every_answer(
        lambda answer, n: {**answer, "pagination": {"cursor": "again", "has_next_page": True}}
    ),
    "new cursors without a new id": lambda: _in_every_answer(
        lambda answer, n: {**answer, "pagination": {"cursor": f"c{n}", "has_next_page": True}}
    ),
    "empty pages": lambda: _in_every_answer(
        lambda answer, n: {**answer, "data": [], "pagination": {"cursor": f"c{n}", "has_next_page": True}}
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_list_fails(pylon: Sandbox, what: str) -> None:
    # A server that ignores the cursor returns the first page again and again.
    def without_cursor(seen: Any) -> bool:
        seen.query.pop("cursor", None)
        return True

    pages = pylon.expected("accounts")
    endless = ENDLESS[what]()
    first = {"data": pages, "request_id": "x"}
    assert endless.after is not None
    answer = Action(instead=status(200, first).instead)
    pylon.faults.add(Fault(ACCOUNTS, endless, times=None))
    pylon.faults.add(Fault(ACCOUNTS, answer, times=None, when=without_cursor))
    run = read(pylon, ("accounts", "contacts"))
    assert_failed(run, "accounts", says=["come to an end"])
    assert pylon.count(ACCOUNTS) < 60
    assert run.ended("contacts") == "COMPLETE"
    recovers(pylon, run, "accounts", "contacts")


def test_a_page_that_returns_its_own_cursor_does_not_end_the_list(paged: Sandbox) -> None:
    asked: list[str] = []

    def has_cursor(seen: Any) -> bool:
        asked.extend(seen.query.get("cursor", "").split())
        return "cursor" in seen.query

    own = transform(lambda answer: {**answer, "pagination": {"cursor": asked[-1], "has_next_page": True}})
    fault = paged.faults.add(Fault(ACCOUNTS, own, times=None, when=has_cursor))
    run = read(paged, ("accounts",))
    assert fault.fired
    # The page itself is kept; the one that would follow it is missing.
    assert 1_000 < len(run.ids("accounts")) < 2_100
    assert_failed(run, "accounts", says=["come to an end"])
    recovers(paged, run, "accounts")


@pytest.mark.parametrize("stream_and_endpoint", [("accounts", ACCOUNTS), ("issues", LIST)], ids=lambda pair: pair[1])
def test_after_a_refused_cursor_the_list_is_read_again_without_repeating_a_record(
    paged: Sandbox, stream_and_endpoint: tuple[str, str]
) -> None:
    stream, endpoint = stream_and_endpoint
    fault = paged.faults.add(
        Fault(endpoint, status(400), when=lambda seen: "cursor" in seen.query or "cursor" in (seen.body or {}))
    )
    run = read(paged, (stream,))
    assert fault.fired == 1
    assert_synced(paged, run, streams=[stream])


def test_a_record_on_two_neighbouring_pages_is_emitted_once(paged: Sandbox) -> None:
    last: list[Record] = []

    def repeat(answer: Record) -> Record:
        data = [*last, *answer.get("data", ())]
        last[:] = data[-2:]
        return {**answer, "data": data}

    for template in (ACCOUNTS, LIST):
        paged.faults.add(Fault(template, transform(repeat), times=None))
        last.clear()
        stream = "accounts" if template == ACCOUNTS else "issues"
        assert_synced(paged, read(paged, (stream,)), streams=[stream])
        paged.faults.clear()


@pytest.mark.parametrize("id_", [{}, {"id": None}, {"id": ""}, None], ids=str)
@pytest.mark.parametrize("stream_and_endpoint", [
    ("issues", LIST),
    ("accounts", ACCOUNTS),
    ("contacts", "GET /contacts"),
    ("call_recordings", "POST /call-recordings/search"),
    ("survey_responses", "GET /surveys/{id}/responses"),
], ids=lambda pair: pair[0])  # fmt: skip
def test_a_record_without_an_id_is_left_out_and_its_stream_ends_incomplete_after_all_others(
    pylon: Sandbox, stream_and_endpoint: tuple[str, str], id_: Record | None
) -> None:
    stream, endpoint = stream_and_endpoint
    lost: list[str] = []

    def without_id(answer: Record) -> Record:
        data = list(answer["data"])
        place = len(data) // 2
        lost.append(data[place]["id"])
        rest = {name: value for name, value in data[place].items() if name != "id"}
        data[place] = {} if id_ is None else {**rest, **id_}
        return {**answer, "data": data}

    fault = pylon.faults.add(Fault(endpoint, transform(without_id), times=1, after=1 if stream == "issues" else 0))
    run = read(pylon, (stream,))
    assert fault.fired == 1
    assert_failed(run, stream, says=["without"])
    assert set(run.ids(stream)) == expected(pylon, stream).keys() - set(lost)
    # No state has passed it, so the next sync emits it.
    later = recovers(pylon, run, stream)
    assert set(lost) <= set(later.ids(stream))


def test_a_parent_without_an_id_ends_its_stream_incomplete_after_the_records_of_all_others(pylon: Sandbox) -> None:
    lost: list[str] = []

    def without_id(response: Record) -> Record:
        first, *others = response["data"]
        lost.append(first["id"])
        return {**response, "data": [{**first, "id": None}, *others]}

    pylon.faults.add(Fault("GET /surveys", transform(without_id), times=1))
    run = read(pylon, ("survey_responses",))
    assert_failed(run, "survey_responses", says=["without id"])
    wanted = expected(pylon, "survey_responses")
    missing = {key for key, response in wanted.items() if response["survey_id"] in lost}
    assert missing
    assert set(run.ids("survey_responses")) == wanted.keys() - missing
    later = recovers(pylon, run, "survey_responses")
    assert missing <= set(later.ids("survey_responses"))


# --- fields ---


def _in_issues(change: Callable[[Record], Record]) -> Action:
    return transform(
        lambda answer: {**answer, "data": [change(issue) for issue in answer["data"]]} if answer.get("data") else answer
    )


def _times(write: Callable[[datetime, Record], str]) -> Action:
    def change(issue: Record) -> Record:
        changed = {
            name: write(moment(issue[name]), issue)
            for name in ("created_at", "updated_at", "latest_message_time")
            if issue.get(name)
        }
        return {**issue, **changed}

    return _in_issues(change)


TIMES: dict[str, Callable[[datetime, Record], str]] = {
    "milliseconds": lambda time, issue: time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{issue['number'] % 1000:03d}Z",
    "nanoseconds": lambda time, issue: time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{issue['number']:09d}Z",
    "an offset": lambda time, issue: time.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat(),
    "an offset west": lambda time, issue: time.astimezone(timezone(timedelta(hours=-11))).isoformat(),
    "a space and no offset": lambda time, issue: time.strftime("%Y-%m-%d %H:%M:%S"),
}


@pytest.mark.parametrize("how", TIMES)
def test_times_in_other_formats_are_understood(pylon: Sandbox, how: str) -> None:
    in_issues(pylon, _times(TIMES[how]))
    times = ["created_at", "updated_at", "latest_message_time"]
    first = read(pylon)
    assert_green(first)
    assert_complete_and_fresh(pylon, first, changed=times)
    pylon.clock.advance(timedelta(hours=1))
    changed = {change.id for change in pylon.evolve(3, 30, deletions=False) if change.kind == "issues"}
    second = read(pylon, state=first.state)
    assert_green(second)
    assert_complete_and_fresh(pylon, first, second, changed=times)
    assert set(second.ids("issues")) == changed


@pytest.mark.parametrize("value", ["yesterday", 1700000000, "2026-02-30T00:00:00Z", {"at": 1}], ids=str)
def test_an_issue_without_valid_times_is_emitted_once_and_moves_no_cursor(pylon: Sandbox, value: Any) -> None:
    broken = some_issue(pylon)
    names = ("created_at", "latest_message_time", "updated_at")

    def change(issue: Record) -> Record:
        if issue["id"] != broken:
            return issue
        kept = {name: text for name, text in issue.items() if name not in names}
        return {**kept, **dict.fromkeys(names, value)}

    in_issues(pylon, _in_issues(change))
    first = read(pylon)
    assert_green(first)
    assert_complete_and_fresh(pylon, first, changed=names)
    second = read(pylon, state=first.state)
    assert_green(second)
    for state in first.states("issues") + second.states("issues"):
        assert moment(state["latest_message_time"]) < datetime.now(timezone.utc)


def test_an_issue_from_the_far_future_is_emitted_and_does_not_move_the_state_there(pylon: Sandbox) -> None:
    far = some_issue(pylon)
    change = {"latest_message_time": "9999-12-31T23:59:59Z", "updated_at": "9999-12-31T23:59:59Z"}
    in_issues(pylon, _in_issues(lambda i: {**i, **change} if i["id"] == far else i))
    first = read(pylon)
    assert_green(first)
    assert_complete_and_fresh(pylon, first, changed=change)
    pylon.store.close_issue(some_issue(pylon, with_messages=False))
    pylon.clock.advance(timedelta(minutes=30))
    second = read(pylon, state=first.state)
    assert_green(second)
    assert_complete_and_fresh(pylon, first, second, changed=change)
    for state in first.states("issues") + second.states("issues"):
        assert moment(state["latest_message_time"]).year < 9999
        assert moment(state["changes_read_until"]).year < 9999


def test_unknown_fields_and_fields_of_unexpected_types_are_passed_on_unchanged(pylon: Sandbox) -> None:
    change: Record = {
        "brand_new": {"deep": [1, None, {"x": "é"}]},
        "number": "twelve",
        "tags": "one text",
        "custom_fields": [1, 2],
        "account": "acc-1",
        "requester": 5,
        "body_html": ["<p>x</p>"],
        "title": None,
        "state": 7,
    }
    in_issues(pylon, _in_issues(lambda issue: {**issue, **change}))
    run = read(pylon, ISSUE_STREAMS)
    assert_green(run, *ISSUE_STREAMS)
    joins = {"account_id", "requester_id", "requester_email", "feedback_text", "feedback_source"}
    assert_complete_and_fresh(pylon, run, streams=ISSUE_STREAMS, changed=change.keys() | joins)
    for record in run.records("issues"):
        # A body that cannot be compared with the issue's internal notes is held back.
        noted = any(message["is_private"] for message in pylon.messages(record["id"]))
        kept = {**change, "body_html": None} if noted else change
        assert {name: record.get(name) for name in change} == kept


def test_messages_with_fields_of_unexpected_types_are_emitted_and_one_without_a_flag_is_not(pylon: Sandbox) -> None:
    issue = some_issue(pylon)

    def change(answer: Record) -> Record:
        first, *rest = answer["data"]
        odd = {**first, "message_html": 5, "author": "someone", "file_urls": "none", "timestamp": 3}
        unflagged = {name: value for name, value in first.items() if name != "is_private"}
        return {**answer, "data": [odd, {**unflagged, "id": "unflagged", "message_html": "SECRET NOTE"}, *rest]}

    pylon.faults.add(Fault(MESSAGES, transform(change), when=lambda seen: seen.params["id"] == issue))
    run = read(pylon)
    assert_green(run)
    record = next(record for record in run.records("issues") if record["id"] == issue)
    assert record["messages"][0]["author"] == "someone"
    assert "SECRET NOTE" not in run.text


def test_a_response_of_50_megabytes_is_read(pylon: Sandbox) -> None:
    pylon.faults.add(Fault(ACCOUNTS, padded(50_000_000)))
    assert_synced(pylon, read(pylon, ("accounts",)), streams=["accounts"])


def test_compressed_responses_are_read(pylon: Sandbox) -> None:
    pylon.faults.add(Fault("*", gzipped(), times=None))
    assert_synced(pylon, read(pylon, STREAMS), streams=STREAMS)


def test_a_response_with_broken_compression_is_requested_again(pylon: Sandbox) -> None:
    fault = pylon.faults.add(Fault(LIST, status(200, b"not gzip", {"Content-Encoding": "gzip"}), times=2, after=1))
    run = read(pylon)
    assert fault.fired == 2
    assert_synced(pylon, run)


def test_ignored_filters_are_noticed_and_harmless(pylon: Sandbox) -> None:
    pylon.faults.add(Fault(SEARCH, unfiltered_search(pylon), times=None))
    first = read(pylon, ISSUE_STREAMS)
    assert_synced(pylon, first, streams=ISSUE_STREAMS)
    assert first.said("ignores the time range", SEARCH)
    pylon.evolve(5, 20, deletions=False)
    pylon.clock.advance(timedelta(hours=1))
    second = read(pylon, ISSUE_STREAMS, first.state)
    assert_synced(pylon, first, second, streams=ISSUE_STREAMS)
    assert len(second.ids("issues")) < 60


def test_no_request_has_a_field_that_pylon_does_not_know(pylon: Sandbox) -> None:
    first = read(pylon, STREAMS)
    read(pylon, STREAMS, first.state)
    assert not pylon.unknown_keys

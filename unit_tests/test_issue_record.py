"""What the connector adds to records: nothing private, nothing invented, nothing lost of what Pylon gave."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from source_pylon.transform.clean import dump_line
from source_pylon.transform.issue_record import issue_record, message_records
from source_pylon.transform.truncation import MAX_LINE_BYTES, issue_within, message_within


def message(number: int, html: str | None = None, **fields: Any) -> dict[str, Any]:
    base = {"id": str(number), "is_private": False, "timestamp": f"2026-01-01T00:00:{number:02d}Z"}
    return {**base, "message_html": f"<p>{number}</p>" if html is None else html, **fields}


def emitted(issue: dict[str, Any], messages: list[dict[str, Any]] | None, **options: Any) -> dict[str, Any]:
    """The issue's record as it leaves: a large one is cut when it is written."""
    return issue_within(issue_record(issue, messages, **options))


ISSUE = {"id": "i", "created_at": "2026-01-01T00:00:00Z", "latest_message_time": "2026-01-01T00:01:00Z"}


def test_private_messages_leave_no_trace() -> None:
    messages = [message(1), message(2, "<p>SECRET</p>", is_private=True, author={"name": "SECRET"})]
    record = emitted(ISSUE, messages)
    assert b"SECRET" not in orjson.dumps(record)
    assert record["feedback_text"] == "1"


def test_messages_come_oldest_first_each_with_its_text() -> None:
    record = emitted(ISSUE, [message(3), message(1), message(2)])
    assert [(one["id"], one["text"]) for one in record["messages"]] == [("1", "1"), ("2", "2"), ("3", "3")]
    assert (record["feedback_text"], record["feedback_source"]) == ("1\n\n2\n\n3", "messages")


@pytest.mark.parametrize(
    ("body", "messages", "text", "source"),
    [
        ("<p>Body</p>", [], "Body", "body"),
        ("<p>Body</p>", [message(1, "<p> </p>")], "Body", "body"),
        ("<p>Body</p>", [message(1, is_private=True)], "Body", "body"),
        ("<p>Body</p>", [message(1, "<p>Body</p>", is_private=True)], None, "none"),
        ("<p>Body</p>", [message(1, "<p>Body</p>", is_private=True), message(2)], "2", "messages"),
        ("<p>Body</p>", None, None, "none"),
        ("", [], None, "none"),
        (None, [message(1, "")], None, "none"),
        (7, [], "7", "body"),
        ({"a": 1}, [], None, "none"),
    ],
)
def test_the_feedback_falls_back_to_the_body_and_then_to_null(body: Any, messages: Any, text: Any, source: str) -> None:
    record = emitted({**ISSUE, "body_html": body}, messages)
    assert (record["feedback_text"], record["feedback_source"]) == (text, source)


def test_everything_from_pylon_stays_including_unknown_fields_and_nulls() -> None:
    issue = {**ISSUE, "title": None, "brand_new": {"deep": [None, 1]}}
    record = emitted(issue, [])
    assert {key: record[key] for key in issue} == issue
    assert issue.keys() == {*ISSUE, "title", "brand_new"}, "the given record is left as it is"


@pytest.mark.parametrize("latest", [None, ""])
def test_the_cursor_of_an_issue_without_messages_is_its_creation(latest: Any) -> None:
    assert emitted({**ISSUE, "latest_message_time": latest}, [])["latest_message_time"] == ISSUE["created_at"]


def test_join_ids_are_plain_nullable_strings() -> None:
    issue = {**ISSUE, "account": {"id": "a"}, "requester": None, "assignee": "odd", "team": {"id": 7}}
    record = emitted(issue, [])
    ids = [record[name] for name in ("account_id", "requester_id", "assignee_id", "team_id")]
    assert ids == ["a", None, None, None]


def test_an_id_from_pylon_is_not_replaced() -> None:
    assert emitted({**ISSUE, "account_id": "given", "account": {"id": "other"}}, [])["account_id"] == "given"


FILE = "https://files.example/i/shot.png?X-Amz-Signature="


def test_attachments_are_emitted_only_if_they_are_known_to_be_public() -> None:
    messages = [message(1, file_urls=[f"{FILE}1"]), message(2, is_private=True, file_urls=[f"{FILE.upper()}1"])]
    record = emitted({**ISSUE, "attachment_urls": [f"{FILE}2", f"{FILE.upper()}2"]}, messages)
    assert record["attachment_urls"] == [f"{FILE}2"]


def test_neither_body_nor_attachments_are_emitted_if_messages_were_not_read() -> None:
    issue = {
        **ISSUE,
        "body_html": f'<p>Body</p><img src="{FILE}1">',
        "attachment_urls": [f"{FILE}2", "https://x.example/y"],
    }
    record = emitted(issue, None)
    own = ("messages", "body_html", "attachment_urls", "feedback_text", "feedback_source")
    assert [record[name] for name in own] == [None, None, None, None, "none"]
    trusted = emitted(issue, None, trust_issue_body=True)
    assert [trusted[name] for name in own] == [None, issue["body_html"], [f"{FILE}2"], "Body", "body"]


def test_files_of_a_body_that_is_held_back_are_held_back() -> None:
    body = f'<p>Note</p><img src="{FILE}1">'
    record = emitted({**ISSUE, "body_html": body, "attachment_urls": [f"{FILE}2"]}, [message(1, body, is_private=True)])
    assert (record["body_html"], record["attachment_urls"]) == (None, [])


def test_a_missing_body_and_missing_attachments_stay_missing() -> None:
    assert {"body_html", "attachment_urls"}.isdisjoint(emitted(ISSUE, []))


def test_messages_are_sorted_by_time_in_whatever_format() -> None:
    times = ["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00"]
    record = emitted(ISSUE, [message(number, timestamp=at) for number, at in enumerate(times)])
    assert [one["timestamp"] for one in record["messages"]] == [times[2], times[1], times[0]]


@pytest.mark.parametrize("character", ["x", "é", "\u0001", '"', "💬"])
def test_a_record_stays_below_what_destinations_accept_and_says_that_it_was_cut(character: str) -> None:
    # 1.5 MB each as JSON: without their HTML, all messages fit.
    text = character * (1_500_000 // (len(orjson.dumps(character)) - 2))
    messages = [message(number, f"<p>{text}</p>") for number in range(1, 5)]
    record = emitted({**ISSUE, "body_html": text}, messages)
    assert len(orjson.dumps(record)) <= MAX_LINE_BYTES
    assert record["messages_truncated"] is True
    assert [one["message_html"] for one in record["messages"]] == [None] * 4
    assert [one["text"] for one in record["messages"]] == [text] * 4
    assert record["feedback_text"] == "\n\n".join([text] * 4)


CONTACT = {"name": "Ada", "contact": {"id": "c", "email": "ada@a.example"}}
USER = {"name": "Bob", "avatar_url": None, "user": {"id": "u", "email": "bob@v.example"}}


def test_flat_columns_are_added_beside_the_nested_objects() -> None:
    issue = {
        **ISSUE,
        "assignee": {"id": "u", "email": "bob@v.example"},
        "requester": {"id": "c", "email": "ada@a.example"},
        "type": "Conversation",
        "csat_responses": [{"score": 1}, {"score": 4, "comment": "Better"}],
    }
    record = emitted(issue, [])
    names = ("assignee_email", "requester_email", "issue_type", "csat_score", "type")
    assert [record[name] for name in names] == ["bob@v.example", "ada@a.example", "conversation", 4, "Conversation"]


@pytest.mark.parametrize(
    "issue",
    [
        {},
        {"assignee": None, "requester": "odd", "type": 7, "csat_responses": [{"score": 5}, "odd"]},
        {"assignee": {"email": 7}, "requester": {"email": ""}, "type": "", "csat_responses": [{"score": True}]},
        {"assignee": [], "requester": {}, "type": ["ticket"], "csat_responses": {"score": 5}},
        {"csat_responses": [{"score": 5}, {"score": "5"}]},
        {"csat_responses": []},
    ],
)
def test_flat_columns_are_null_if_pylon_has_no_value(issue: dict[str, Any]) -> None:
    record = emitted({**ISSUE, **issue}, [])
    assert [record[name] for name in ("assignee_email", "requester_email", "issue_type", "csat_score")] == [None] * 4


COUNTED = ("public_message_count", "customer_message_count", "last_customer_message_at", "last_team_message_at")


def test_counts_of_the_conversation_are_of_its_public_messages() -> None:
    messages = [
        message(4, author=USER, timestamp="2026-01-01T02:00:04+02:00"),
        message(1, author=CONTACT),
        message(3, author=CONTACT),
        message(2, author=USER),
        message(5, author={"name": "Nobody"}),
        message(6, author=CONTACT, timestamp="odd"),
        message(8, author=CONTACT, is_private=True),
        message(9, author=USER, thread_id="t"),
    ]
    record = emitted(ISSUE, messages)
    assert [record[name] for name in COUNTED] == [6, 3, "2026-01-01T00:00:03Z", "2026-01-01T00:00:04Z"]


def test_counts_are_zero_without_public_messages_and_null_if_messages_were_not_read() -> None:
    for messages in ([], [message(1, author=CONTACT, is_private=True)]):
        assert [emitted(ISSUE, messages)[name] for name in COUNTED] == [0, 0, None, None]
    assert [emitted(ISSUE, None)[name] for name in COUNTED] == [None] * 4


@pytest.mark.parametrize(
    ("author", "columns"),
    [
        (CONTACT, ["c", "ada@a.example", "Ada", "contact"]),
        (USER, ["u", "bob@v.example", "Bob", "user"]),
        ({**USER, **CONTACT}, ["c", "ada@a.example", "Ada", "contact"]),
        ({"name": "Form", "user": None, "contact": None}, [None, None, "Form", None]),
        ({"user": {}}, [None, None, None, "user"]),
        ({"name": 7, "user": "odd"}, [None, None, None, None]),
        (None, [None, None, None, None]),
        ("odd", [None, None, None, None]),
    ],
)
def test_separate_messages_name_their_author(author: Any, columns: list[Any]) -> None:
    (record,) = message_records(issue_record(ISSUE, [message(1, author=author)]))
    assert [record[name] for name in ("author_id", "author_email", "author_name", "author_type")] == columns


def test_all_messages_of_one_issue_have_the_time_of_reading_and_of_the_issues_last_change() -> None:
    read_at = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    issue = {**ISSUE, "updated_at": "2026-04-30T00:00:00Z", "type": "TICKET"}
    made = issue_record(issue, [message(1), message(2)], read_at=read_at)
    assert made["issue_read_at"] == "2026-05-01T10:00:00Z"
    for record in message_records(made):
        names = ("issue_read_at", "issue_updated_at", "issue_type")
        assert [record[name] for name in names] == ["2026-05-01T10:00:00Z", "2026-04-30T00:00:00Z", "ticket"]
    assert emitted(issue, [])["issue_read_at"] is None


def test_a_record_of_usual_size_is_not_cut() -> None:
    record = emitted(ISSUE, [message(1, "<p>" + "x" * 100_000 + "</p>")])
    assert record["messages_truncated"] is False
    assert record["messages"][0]["message_html"]


def test_separate_messages_name_their_issue() -> None:
    issue = emitted({**ISSUE, "number": 5, "type": "Ticket", "account": {"id": "a"}}, [message(1)])
    (record,) = message_records(issue)
    assert (record["id"], record["issue_id"], record["issue_number"], record["issue_type"]) == ("1", "i", 5, "ticket")
    assert (record["account_id"], record["latest_message_time"]) == ("a", ISSUE["latest_message_time"])


def line_of(record: dict[str, Any]) -> bytes:
    return dump_line("conversations", record, 1_700_000_000_000)


MANY = [{"tag": number} for number in range(1_500_000)]
HUGE = "x" * 17_000_000


@pytest.mark.parametrize(
    "field",
    [
        {"title": HUGE},
        {"body_html": HUGE},
        {"tags": MANY},
        {"custom_fields": {"log": {"slug": "log", "value": HUGE}, "tier": {"slug": "tier", "value": "gold"}}},
        {"custom_fields": {str(part): {"value": HUGE[:9_000_000]} for part in range(3)}},
        {"brand_new": [[{"deep": HUGE}]], "title": HUGE, "tags": MANY},
    ],
    ids=["title", "body", "many small values", "custom field", "several custom fields", "several fields"],
)
def test_a_field_that_is_too_large_by_itself_is_cut_and_named_while_the_messages_stay(
    field: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given = {**ISSUE, **field}
    record = emitted(given, [message(1), message(2)])
    assert len(line_of(record)) < MAX_LINE_BYTES
    assert record["messages_truncated"] is True
    assert [one["text"] for one in record["messages"]] == ["1", "2"]
    assert record["feedback_text"] == "1\n\n2"
    for name in field:
        assert "Issue i " in caplog.text
        assert name in caplog.text
    if "tier" in given.get("custom_fields", ()):
        assert record["custom_fields"]["tier"] == given["custom_fields"]["tier"]
    assert given == {**ISSUE, **field}, "the given record is left as it is"


def test_the_feedback_uses_the_space_to_the_last_byte() -> None:
    record = emitted(ISSUE, [message(1, f"<p>{'é' * 10_000_000}</p>")])
    assert MAX_LINE_BYTES - 2_000 < len(line_of(record)) < MAX_LINE_BYTES


def test_a_record_just_below_the_limit_is_not_cut() -> None:
    room = MAX_LINE_BYTES - 1_000 - len(orjson.dumps(emitted({**ISSUE, "title": ""}, [])))
    whole, cut = (emitted({**ISSUE, "title": "x" * (room + more)}, []) for more in (0, 1))
    # One byte of `true` for `false`: what is cut has room for one more.
    assert (whole["title"], whole["messages_truncated"]) == ("x" * room, False)
    assert cut["messages_truncated"] is True


def test_a_cut_issue_without_messages_still_says_that_they_were_not_read() -> None:
    record = emitted({**ISSUE, "title": HUGE}, None)
    assert (record["messages"], record["messages_truncated"]) == (None, True)


@pytest.mark.parametrize("field", [{"message_html": f"<p>{HUGE}</p>"}, {"author": {"name": HUGE}}, {"source": HUGE}])
def test_a_large_separate_message_is_cut_as_well(field: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    messages = [{**message(1), **field}, message(2)]
    large, small = map(message_within, message_records(issue_record(ISSUE, messages)))
    assert len(line_of(large)) < MAX_LINE_BYTES
    assert large["message_html"] is None
    assert small["message_html"] == "<p>2</p>"
    assert large["text"][:1] == ("x" if "message_html" in field else "1")
    assert "Message 1 of issue i " in caplog.text

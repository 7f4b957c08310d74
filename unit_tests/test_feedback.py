"""What the connector adds to records: nothing private, nothing invented, nothing lost of what Pylon gave."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from source_pylon.sync.packs import record_line
from source_pylon.transform.feedback import is_public, issue_record, message_records, public_messages
from source_pylon.transform.truncation import MOST_BYTES, shortened


def message(number: int, html: str | None = None, **fields: Any) -> dict[str, Any]:
    base = {"id": str(number), "is_private": False, "timestamp": f"2026-01-01T00:00:{number:02d}Z"}
    return {**base, "message_html": f"<p>{number}</p>" if html is None else html, **fields}


def emitted(issue: dict[str, Any], messages: list[dict[str, Any]] | None) -> dict[str, Any]:
    return issue_record(issue, None if messages is None else public_messages(messages), messages)


ISSUE = {"id": "i", "created_at": "2026-01-01T00:00:00Z", "latest_message_time": "2026-01-01T00:01:00Z"}


@pytest.mark.parametrize("flag", [True, None, "false", 0, "", "missing"])
def test_only_a_plain_false_makes_a_message_public(flag: Any) -> None:
    one = message(1) if flag != "missing" else {}
    assert not is_public({**one, "is_private": flag} if flag != "missing" else one)
    assert is_public(message(1))


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
        ("<p>Body</p>", None, "Body", "body"),
        ("", [], None, "none"),
        (None, [message(1, "")], None, "none"),
        (7, [], "7", "body"),
        ({"a": 1}, [], None, "none"),
    ],
)
def test_the_feedback_falls_back_to_the_body_then_to_null(body: Any, messages: Any, text: Any, source: str) -> None:
    record = emitted({**ISSUE, "body_html": body}, messages)
    assert (record["feedback_text"], record["feedback_source"]) == (text, source)


def test_everything_that_pylon_gave_stays_unknown_fields_and_nulls_too() -> None:
    issue = {**ISSUE, "title": None, "brand_new": {"deep": [None, 1]}}
    record = emitted(issue, [])
    assert {key: record[key] for key in issue} == issue
    assert issue.keys() == {*ISSUE, "title", "brand_new"}, "the given record is left as it is"


@pytest.mark.parametrize("latest", [None, ""])
def test_an_issue_without_messages_carries_its_creation_as_cursor(latest: Any) -> None:
    assert emitted({**ISSUE, "latest_message_time": latest}, [])["latest_message_time"] == ISSUE["created_at"]


def test_join_ids_are_plain_nullable_strings() -> None:
    issue = {**ISSUE, "account": {"id": "a"}, "requester": None, "assignee": "odd", "team": {"id": 7}}
    record = emitted(issue, [])
    ids = [record[name] for name in ("account_id", "requester_id", "assignee_id", "team_id")]
    assert ids == ["a", None, None, None]


def test_an_id_that_pylon_gives_itself_is_not_replaced() -> None:
    assert emitted({**ISSUE, "account_id": "given", "account": {"id": "other"}}, [])["account_id"] == "given"


FILE = "https://files.example/i/note%20one.png?X-Signature="


def test_a_private_messages_file_is_taken_out_whatever_its_signature() -> None:
    own = "https://files.example/i/own.png?X-Signature=1"
    messages = [message(1, is_private=True, file_urls=[f"{FILE}1"])]
    record = emitted({**ISSUE, "attachment_urls": [own, f"{FILE}2", "https://files.example/i/note one.png"]}, messages)
    assert record["attachment_urls"] == [own]


def test_a_file_that_a_public_message_holds_too_stays() -> None:
    messages = [message(1, is_private=True, file_urls=[f"{FILE}1"]), message(2, file_urls=[f"{FILE}2"])]
    assert emitted({**ISSUE, "attachment_urls": [f"{FILE}3"]}, messages)["attachment_urls"] == [f"{FILE}3"]


def test_attachments_are_null_where_messages_were_not_read() -> None:
    record = emitted({**ISSUE, "attachment_urls": [f"{FILE}1"]}, None)
    assert record["attachment_urls"] is None
    assert record["messages"] is None


@pytest.mark.parametrize("files", [None, [], {}, ["http://[broken"]])
def test_a_note_without_the_file_leaves_it(files: Any) -> None:
    messages = [message(1, is_private=True, file_urls=files)]
    assert emitted({**ISSUE, "attachment_urls": [f"{FILE}1"]}, messages)["attachment_urls"] == [f"{FILE}1"]


@pytest.mark.parametrize("files", [f"{FILE}1", [None, 7], [{"url": f"{FILE}1"}], {"url": f"{FILE}1"}])
def test_no_file_leaves_where_those_of_a_note_have_a_shape_that_is_not_known(files: Any) -> None:
    messages = [message(1, is_private=True, file_urls=files)]
    assert emitted({**ISSUE, "attachment_urls": [f"{FILE}1"]}, messages)["attachment_urls"] is None


@pytest.mark.parametrize("files", ["text", [None, 7, "http://[broken"], {"url": 1}])
def test_files_of_a_public_message_may_have_any_shape(files: Any) -> None:
    messages = [message(1, file_urls=files)]
    assert emitted({**ISSUE, "attachment_urls": [f"{FILE}1"]}, messages)["attachment_urls"] == [f"{FILE}1"]


def test_a_body_that_is_the_note_which_an_issue_began_with_does_not_leave() -> None:
    record = emitted(
        {**ISSUE, "body_html": "<p>We lose <b>them</b></p>"}, [message(1, "We lose them", is_private=True)]
    )
    assert record["body_html"] is None
    assert (record["feedback_text"], record["feedback_source"]) == (None, "none")


def test_messages_are_in_the_order_of_their_times_however_these_are_written() -> None:
    times = ["2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00"]
    record = emitted(ISSUE, [message(number, timestamp=at) for number, at in enumerate(times)])
    assert [one["timestamp"] for one in record["messages"]] == [times[2], times[1], times[0]]


@pytest.mark.parametrize("character", ["x", "é", "\u0001", '"', "💬"])
def test_a_record_stays_below_what_destinations_take_and_says_that_it_was_cut(character: str) -> None:
    messages = [message(number, f"<p>{character * 3_000_000}</p>") for number in range(1, 5)]
    record = emitted({**ISSUE, "body_html": character * 1_000_000}, messages)
    assert len(orjson.dumps(record)) <= MOST_BYTES
    assert record["messages_truncated"] is True
    assert all(one["message_html"] is None for one in record["messages"])
    assert record["feedback_text"]


def test_the_newest_messages_stay_when_a_record_is_cut() -> None:
    messages = [message(number, f"<p>{'x' * 5_000_000}</p>") for number in range(1, 6)]
    kept = [one["id"] for one in emitted(ISSUE, messages)["messages"]]
    assert kept == sorted(kept)
    assert "1" not in kept
    assert not kept or kept[-1] == "5"


def test_a_record_of_usual_size_is_not_cut() -> None:
    record = emitted(ISSUE, [message(1, "<p>" + "x" * 100_000 + "</p>")])
    assert record["messages_truncated"] is False
    assert record["messages"][0]["message_html"]


def test_messages_as_records_of_their_own_name_their_issue() -> None:
    issue = emitted({**ISSUE, "number": 5, "type": "ticket", "account": {"id": "a"}}, [message(1), message(2, id=None)])
    (record,) = message_records(issue, issue["messages"])
    assert (record["id"], record["issue_id"], record["issue_number"], record["issue_type"]) == ("1", "i", 5, "ticket")
    assert (record["account_id"], record["latest_message_time"]) == ("a", ISSUE["latest_message_time"])


def line_of(record: dict[str, Any]) -> bytes:
    return record_line("conversations", record, 1_700_000_000_000)


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
def test_a_field_that_is_too_large_by_itself_is_cut_and_named_and_the_messages_stay(
    field: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given = {**ISSUE, **field}
    record = emitted(given, [message(1), message(2)])
    assert len(line_of(record)) < MOST_BYTES
    assert record["messages_truncated"] is True
    assert [one["text"] for one in record["messages"]] == ["1", "2"]
    assert record["feedback_text"] == "1\n\n2"
    for name in field:
        assert "Issue i " in caplog.text
        assert name in caplog.text
    if "tier" in given.get("custom_fields", ()):
        assert record["custom_fields"]["tier"] == given["custom_fields"]["tier"]
    assert given == {**ISSUE, **field}, "the given record is left as it is"


@pytest.mark.parametrize("character", ["x", "é", "\u0001", '"', "\\", "💬"])
@pytest.mark.parametrize("most", range(2, 40))
def test_as_much_of_a_text_stays_as_fits(character: str, most: int) -> None:
    text = "ab" + character * 30
    kept = shortened(text, most)
    assert text.startswith(kept)
    assert len(orjson.dumps(kept)) <= most
    assert kept == text or len(orjson.dumps(text[: len(kept) + 1])) > most


def test_feedback_takes_the_room_to_the_last_byte() -> None:
    record = emitted(ISSUE, [message(1, f"<p>{'é' * 10_000_000}</p>")])
    assert MOST_BYTES - 2_000 < len(line_of(record)) < MOST_BYTES


def test_a_record_just_below_the_limit_is_whole() -> None:
    room = MOST_BYTES - 1_000 - len(orjson.dumps(emitted({**ISSUE, "title": ""}, [])))
    whole, cut = (emitted({**ISSUE, "title": "x" * (room + more)}, []) for more in (0, 1))
    # One byte of `true` for `false`: what is cut has room for one more.
    assert (whole["title"], whole["messages_truncated"]) == ("x" * room, False)
    assert cut["messages_truncated"] is True


def test_a_cut_issue_without_messages_still_says_that_they_were_not_read() -> None:
    record = emitted({**ISSUE, "title": HUGE}, None)
    assert (record["messages"], record["messages_truncated"]) == (None, True)


@pytest.mark.parametrize("field", [{"message_html": f"<p>{HUGE}</p>"}, {"author": {"name": HUGE}}, {"source": HUGE}])
def test_a_large_message_of_its_own_is_cut_as_well(field: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    messages = [{**message(1), **field}, message(2)]
    public = public_messages(messages)
    large, small = message_records(issue_record(ISSUE, public, messages), public)
    assert len(line_of(large)) < MOST_BYTES
    assert large["message_html"] is None
    assert small["message_html"] == "<p>2</p>"
    assert large["text"][:1] == ("x" if "message_html" in field else "1")
    assert "Message 1 of issue i " in caplog.text

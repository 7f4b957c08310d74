"""Records stay below what destinations take, and lose first what is worth least."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest

from source_pylon.transform.clean import dump_line, size
from source_pylon.transform.issue_record import issue_record, message_records
from source_pylon.transform.truncation import MAX_LINE_BYTES, issue_within, message_within, record_within, shortened

ISSUE = {"id": "i", "created_at": "2026-01-01T00:00:00Z"}


def message(number: int, characters: int, character: str = "x") -> dict[str, Any]:
    return {
        "id": str(number),
        "is_private": False,
        "timestamp": f"2026-01-01T00:00:{number:02d}Z",
        "message_html": f"<p>{character * characters}</p>",
        "author": {"contact": {"id": "c"}},
    }


def length(record: dict[str, Any]) -> int:
    return len(dump_line("conversations", record, 1_700_000_000_000))


@pytest.mark.parametrize(
    ("megabytes", "kept"),
    [
        (4.5, ["1", "2", "3", "4", "5"]),
        (7.5, ["1", "2", "3", "4", "5"]),
        (8.5, ["2", "3", "4", "5"]),
        (10, ["4", "5"]),
        (12.5, ["5"]),
        (15.5, []),
    ],
)
def test_the_oldest_messages_are_left_out_first(megabytes: float, kept: list[str]) -> None:
    """Texts stand twice in the record, alone and in `feedback_text`: from 8 MB on not all messages fit beside that."""
    messages = [message(number, int(megabytes * 200_000)) for number in (3, 1, 5, 2, 4)]
    record = issue_within(issue_record(ISSUE, messages))
    assert [one["id"] for one in record["messages"]] == kept
    assert all(len(one["text"]) == int(megabytes * 200_000) for one in record["messages"])
    assert length(record) < MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("megabytes", "truncated", "said"),
    [(4.5, False, ""), (7.5, True, "message_html\n"), (8.5, True, "message_html, the oldest 1 of 5 messages\n")],
)
def test_each_cut_is_reported_once(
    megabytes: float, truncated: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [message(number, int(megabytes * 200_000)) for number in range(1, 6)]
    record = issue_within(issue_record(ISSUE, messages))
    assert record["messages_truncated"] is truncated
    assert all((one["message_html"] is None) is truncated for one in record["messages"])
    expected = f"Issue i exceeded 16 MB; truncated: {said}" if said else ""
    assert caplog.text.partition("Issue i")[1:] == expected.partition("Issue i")[1:]


def test_the_feedback_keeps_the_text_of_all_messages_even_if_some_are_left_out() -> None:
    messages = [message(number, 2_500_000) for number in range(1, 6)]
    record = issue_record(ISSUE, messages)
    cut = issue_within(dict(record))
    assert len(cut["messages"]) < 5
    assert cut["feedback_text"] == "\n\n".join(["x" * 2_500_000] * 5)
    # The stream of messages emits those that were cut, too.
    assert [one["id"] for one in message_records(record)] == ["1", "2", "3", "4", "5"]


def test_counts_and_times_cover_all_messages_even_if_some_are_left_out() -> None:
    messages = [message(number, 5_000_000) for number in range(1, 6)]
    record = issue_within(issue_record(ISSUE, messages))
    assert len(record["messages"]) < 5
    assert (record["public_message_count"], record["customer_message_count"]) == (5, 5)
    assert record["last_customer_message_at"] == "2026-01-01T00:00:05Z"


@pytest.mark.parametrize(
    "poison", ["\ud83d", "\0", 2**70, [[[]]] * 10], ids=["surrogate", "null", "integer", "nesting"]
)
@pytest.mark.parametrize("characters", [10, 17_000_000])
def test_what_orjson_refuses_is_measured_and_cut_as_well(poison: Any, characters: int) -> None:
    deep: Any = poison
    for _ in range(300):
        deep = [deep]
    html = f"<p>{'x' * characters}{poison if isinstance(poison, str) else ''}</p>"
    issue = {**ISSUE, "odd": deep, "title": poison, "body_html": html}
    record = issue_within(issue_record(issue, [{**message(1, characters), "source": poison, "odd": deep}]))
    assert length(record) < MAX_LINE_BYTES
    assert record["messages_truncated"] is (characters > 1_000)
    assert length(record_within({**issue, "title": html}, "tasks")) < MAX_LINE_BYTES


@pytest.mark.parametrize("value", ['é"\\\u0001💬' * 50_000, "x" * 65_536, "x" * 65_537, "\ud83d\ude00" * 40_000])
def test_large_texts_are_measured_to_the_byte(value: str) -> None:
    whole = len(orjson.dumps(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))
    assert size(value) == whole
    assert size({"a": value, "b": [1], "c": value}) == len('{"a":,"b":[1],"c":}') + 2 * whole


@pytest.mark.parametrize("character", ["x", "é", '"', "💬"])
@pytest.mark.parametrize("most", [65_530, 65_538, 65_540, 131_080, 200_000, 1_000_000])
def test_as_much_of_a_long_text_is_kept_as_fits(character: str, most: int) -> None:
    text = character * 150_000
    kept = shortened(text, most)
    assert text.startswith(kept)
    assert len(orjson.dumps(kept)) <= most
    assert kept == text or len(orjson.dumps(text[: len(kept) + 1])) > most


@pytest.mark.parametrize("character", ["x", "é", "\u0001", '"', "\\", "💬"])
@pytest.mark.parametrize("most", range(2, 40))
def test_as_much_of_a_text_is_kept_as_fits(character: str, most: int) -> None:
    text = "ab" + character * 30
    kept = shortened(text, most)
    assert text.startswith(kept)
    assert len(orjson.dumps(kept)) <= most
    assert kept == text or len(orjson.dumps(text[: len(kept) + 1])) > most


@pytest.mark.parametrize("most", [-5, 0, 1, 2])
def test_if_no_character_fits_an_empty_text_remains(most: int) -> None:
    assert shortened("abc", most) == ""


def test_making_a_large_record_takes_little_more_memory_than_what_it_adds() -> None:
    """The plain text of 15 MB of messages and the feedback text: 30 MB. Measuring and cutting hold none of it again."""
    messages = [message(number, 1_000_000) for number in range(15)]
    issue_record(ISSUE, [message(1, 10)])
    tracemalloc.start()
    record = issue_within(issue_record(ISSUE, messages))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(record["feedback_text"]) > 15_000_000
    assert peak < 36_000_000


# --- What is cut, to the byte -----------------------------------------------------------------------------------------

LIMIT = MAX_LINE_BYTES - 1_000
"""A record's own part of its line."""
MB = 1_000_000


def padded(record: dict[str, Any], name: str, length: int) -> dict[str, Any]:
    """The record with a field that makes it `length` bytes long."""
    empty = {**record, name: ""}
    return {**record, name: "x" * (length - len(orjson.dumps(empty)))}


def test_a_record_of_exactly_the_limit_is_kept_and_one_byte_more_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    message = {"id": "m", "issue_id": "i", "message_html": "<p>1</p>"}
    issue = {"id": "i", "messages": [message], "messages_truncated": False}
    fitting = [padded(record, "text", LIMIT) for record in (issue, {"id": "i"}, message)]
    assert [
        issue_within(dict(fitting[0])),
        record_within(fitting[1], "tasks"),
        message_within(dict(fitting[2])),
    ] == fitting
    assert record_within(fitting[1], "tasks") is fitting[1], "what fits is not copied"
    assert caplog.text == ""
    beyond = [{**record, "text": record["text"] + "x"} for record in fitting]
    assert issue_within(dict(beyond[0]))["messages"][0]["message_html"] is None
    assert len(orjson.dumps(record_within(beyond[1], "tasks"))) == LIMIT
    assert message_within(dict(beyond[2]))["message_html"] is None


@pytest.mark.parametrize("messages", [None, []])
def test_a_text_that_is_one_byte_too_long_loses_one_character(messages: Any) -> None:
    issue = padded({"id": "i", "messages": messages, "messages_truncated": True}, "feedback_text", LIMIT + 1)
    assert issue_within(dict(issue)) == {**issue, "feedback_text": issue["feedback_text"][:-1]}


def test_no_more_messages_are_left_out_than_necessary(caplog: pytest.LogCaptureFixture) -> None:
    messages = [{"id": str(number), "message_html": None, "text": "x" * 1_000 * number} for number in (1, 2, 3)]
    oldest = len(orjson.dumps(messages[0])) + 1
    issue = {"id": "i", "messages": messages, "messages_truncated": True}
    record = issue_within(padded(issue, "title", LIMIT + oldest))
    assert [one["id"] for one in record["messages"]] == ["2", "3"]
    assert len(orjson.dumps(record)) == LIMIT
    record = issue_within(padded(issue, "title", LIMIT + oldest + 1))
    assert [one["id"] for one in record["messages"]] == ["3"]
    assert "truncated: message_html, the oldest 2 of 3 messages\n" in caplog.text


@pytest.mark.parametrize(("beyond", "messages", "said"), [(0, 0, "the oldest 1 of 1 messages"), (1, 1, "title")])
def test_fields_that_are_too_large_without_any_message_are_cut_to_half_and_the_messages_stay(
    beyond: int, messages: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    title = padded({"id": "i", "messages_truncated": True}, "title", LIMIT + beyond)["title"]
    # The id does not count among the fields that can be cut.
    title += "x" * len('"id":"i",')
    message = {"id": "m", "message_html": "<p>1</p>"}
    record = issue_within({"id": "i", "messages": [message], "messages_truncated": False, "title": title})
    assert len(record["messages"]) == messages
    assert f"truncated: message_html, {said}\n" in caplog.text
    own = {"messages_truncated": True, "title": record["title"]}
    assert len(orjson.dumps(own)) == (MAX_LINE_BYTES // 2 if messages else LIMIT)


@pytest.mark.parametrize(
    ("body", "feedback", "expected", "said"),
    [
        (9 * MB, 9 * MB, (None, 9 * MB), "body_html"),
        (1 * MB, 17 * MB, (0, None), "body_html, feedback_text"),
        (17 * MB, 10 * MB, (None, 10 * MB), "body_html"),
        (17 * MB, 1 * MB, (None, 1 * MB), "body_html"),
    ],
)
def test_the_body_is_cut_before_the_feedback_and_named_once(
    body: int, feedback: int, expected: tuple[int | None, int | None], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"id": "i", "messages": None, "body_html": "b" * body, "feedback_text": "f" * feedback}
    record = issue_within(given)
    lengths = len(record["body_html"]), len(record["feedback_text"])
    assert all(wanted is None or length == wanted for length, wanted in zip(lengths, expected, strict=True))
    assert f"Issue i exceeded 16 MB; truncated: {said}\n" in caplog.text
    assert record["messages"] is None
    # Fields that are too large without any message are cut to half of the limit; everything else to the limit.
    if expected[1] == 1 * MB:
        own = {name: value for name, value in record.items() if name not in ("id", "messages", "feedback_text")}
        assert len(orjson.dumps(own)) == MAX_LINE_BYTES // 2
    else:
        assert len(orjson.dumps(record)) == LIMIT


def test_a_message_loses_its_html_before_its_fields_and_its_fields_before_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = {"id": "m", "issue_id": "i", "message_html": "<p>1</p>", "text": "t" * 100, "source": None}

    record = message_within({**message, "message_html": "x" * 17 * MB})
    assert record == {**message, "message_html": None}
    assert "Message m of issue i exceeded 16 MB; truncated: message_html\n" in caplog.text

    record = message_within({**message, "source": "x" * 17 * MB})
    own = {name: value for name, value in record.items() if name not in ("id", "text")}
    assert (record["text"], record["id"]) == ("t" * 100, "m")
    assert len(orjson.dumps(own)) == MAX_LINE_BYTES // 2
    assert "truncated: message_html, source\n" in caplog.text

    record = message_within({**message, "source": "x" * 9 * MB, "text": "t" * 9 * MB})
    assert record["source"] == "x" * 9 * MB
    assert len(orjson.dumps(record)) == LIMIT
    assert "truncated: message_html, text\n" in caplog.text


def test_the_largest_fields_of_a_record_are_cut_first_and_its_key_never(caplog: pytest.LogCaptureFixture) -> None:
    longest = "a" * 7 * MB
    given: dict[str, Any] = {"id": "x" * 2 * MB, "slug": "y" * 2 * MB, "small": 7, "b": "b" * 6 * MB, "a": longest}
    record = record_within(given, "tasks")
    assert record == {**given, "a": "a" * len(record["a"])}
    assert list(record) == list(given)
    assert len(orjson.dumps(record)) == LIMIT
    assert given["a"] is longest, "the given record stays as it is"
    assert "of stream tasks exceeded 16 MB; truncated: a\n" in caplog.text


@pytest.mark.parametrize("key", ["id", "slug"])
def test_the_key_of_a_record_stays_though_it_is_its_largest_field(key: str) -> None:
    given = {key: "x" * 9 * MB, "a": "a" * 8 * MB}
    record = record_within(given, "tasks")
    assert record[key] == given[key]
    assert len(orjson.dumps(record)) == LIMIT


@pytest.mark.parametrize(("beyond", "said"), [(0, "text"), (1, "source")])
def test_fields_of_a_message_that_are_too_large_without_its_text_are_cut_to_half(
    beyond: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = padded({"message_html": None}, "source", LIMIT + beyond)
    record = message_within({"id": "m", "text": "words", **own})
    assert record["text"] == ("words" if beyond else "")
    kept = {"message_html": None, "source": record["source"]}
    assert len(orjson.dumps(kept)) == (MAX_LINE_BYTES // 2 if beyond else LIMIT)
    assert f"truncated: message_html, {said}\n" in caplog.text


def test_as_many_fields_of_a_record_are_cut_as_necessary(caplog: pytest.LogCaptureFixture) -> None:
    given = {"id": "1", "tags": ["x" * 500] * 40_000, "b": "b" * 18 * MB, "c": "c" * MB}
    record = record_within(given, "tasks")
    assert (record["tags"], record["c"]) == (None, given["c"])
    assert len(orjson.dumps(record)) == LIMIT
    assert "Record 1 of stream tasks exceeded 16 MB; truncated: tags, b\n" in caplog.text


@pytest.mark.parametrize("shape", [list, dict])
def test_within_a_field_the_largest_values_are_cut_first(shape: type) -> None:
    texts = ["a" * 5 * MB, "b" * 6 * MB, "c" * 7 * MB]
    held: Any = texts if shape is list else dict(zip("xyz", texts, strict=True))
    record = record_within({"id": "1", "held": held}, "tasks")
    kept = record["held"] if shape is list else list(record["held"].values())
    assert kept[:2] == texts[:2]
    assert kept[2] == "c" * len(kept[2])
    assert len(orjson.dumps(record)) == LIMIT


@pytest.mark.parametrize(("size_of_each", "stays"), [(1_000, True), (999, False)])
def test_a_field_of_small_values_is_left_out_as_a_whole(size_of_each: int, stays: bool) -> None:
    held = ["x" * (size_of_each - 2)] * 17_000
    record = record_within({"id": "1", "held": held}, "tasks")
    assert (record["held"] is not None) is stays
    if stays:
        assert len(record["held"]) == len(held)
        assert LIMIT - 1_000 < len(orjson.dumps(record)) <= LIMIT

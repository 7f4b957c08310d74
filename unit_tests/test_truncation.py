"""Records stay below what destinations take, and lose first what is worth least."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest

from source_pylon.transform.clean import dump_line, size
from source_pylon.transform.feedback import issue_record, message_records
from source_pylon.transform.truncation import MOST_BYTES, issue_within, record_within, shortened

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
    record = issue_within(issue_record(ISSUE, messages).record)
    assert [one["id"] for one in record["messages"]] == kept
    assert all(len(one["text"]) == int(megabytes * 200_000) for one in record["messages"])
    assert length(record) < MOST_BYTES


@pytest.mark.parametrize(
    ("megabytes", "truncated", "said"),
    [(4.5, False, ""), (7.5, True, "message_html\n"), (8.5, True, "message_html, the oldest 1 of 5 messages\n")],
)
def test_what_was_cut_is_said_once(
    megabytes: float, truncated: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [message(number, int(megabytes * 200_000)) for number in range(1, 6)]
    record = issue_within(issue_record(ISSUE, messages).record)
    assert record["messages_truncated"] is truncated
    assert all((one["message_html"] is None) is truncated for one in record["messages"])
    expected = f"Issue i exceeded 16 MB; truncated: {said}" if said else ""
    assert caplog.text.partition("Issue i")[1:] == expected.partition("Issue i")[1:]


def test_the_whole_text_of_the_messages_stays_in_the_feedback_though_messages_are_left_out() -> None:
    messages = [message(number, 2_500_000) for number in range(1, 6)]
    record, public = issue_record(ISSUE, messages)
    record = issue_within(record)
    assert record["feedback_text"] == "\n\n".join(["x" * 2_500_000] * 5)
    assert public is not None
    assert [one["id"] for one in message_records(record, public)] == ["1", "2", "3", "4", "5"]


def test_counts_and_times_are_of_all_messages_though_some_are_left_out() -> None:
    messages = [message(number, 5_000_000) for number in range(1, 6)]
    record = issue_within(issue_record(ISSUE, messages).record)
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
    record = issue_within(issue_record(issue, [{**message(1, characters), "source": poison, "odd": deep}]).record)
    assert length(record) < MOST_BYTES
    assert record["messages_truncated"] is (characters > 1_000)
    assert length(record_within({**issue, "title": html}, "tasks")) < MOST_BYTES


@pytest.mark.parametrize("value", ['é"\\\u0001💬' * 50_000, "x" * 65_536, "x" * 65_537, "\ud83d\ude00" * 40_000])
def test_large_texts_are_measured_to_the_byte(value: str) -> None:
    whole = len(orjson.dumps(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))
    assert size(value) == whole
    assert size({"a": value, "b": [1], "c": value}) == len('{"a":,"b":[1],"c":}') + 2 * whole


@pytest.mark.parametrize("character", ["x", "é", '"', "💬"])
@pytest.mark.parametrize("most", [65_530, 65_538, 65_540, 131_080, 200_000, 1_000_000])
def test_as_much_of_a_long_text_stays_as_fits(character: str, most: int) -> None:
    text = character * 150_000
    kept = shortened(text, most)
    assert text.startswith(kept)
    assert len(orjson.dumps(kept)) <= most
    assert kept == text or len(orjson.dumps(text[: len(kept) + 1])) > most


def test_making_a_large_record_takes_little_more_memory_than_what_it_adds() -> None:
    """The plain text of 15 MB of messages and the feedback text: 30 MB. Measuring and cutting hold none of it again."""
    messages = [message(number, 1_000_000) for number in range(15)]
    issue_record(ISSUE, [message(1, 10)])
    tracemalloc.start()
    record = issue_within(issue_record(ISSUE, messages).record)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(record["feedback_text"]) > 15_000_000
    assert peak < 36_000_000

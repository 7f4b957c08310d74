"""Lines that every destination takes: valid JSON, no U+0000, no lone surrogate, times in UTC."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_pylon.streams import STREAMS
from source_pylon.streams.accounts import Account
from source_pylon.streams.issues import Issue
from source_pylon.transform.clean import TimeFields, clean, clean_text, dump_line, size, time_fields

TIMES = TimeFields(("at",), (("inner", TimeFields(("at",), ())),))


def written(record: dict[str, Any]) -> Any:
    """The record's data as a strict parser reads it from its line."""
    return json.loads(dump_line("accounts", record, 5), parse_constant=pytest.fail)["record"]["data"]


# --- Lines


def test_a_line_is_a_record_message_with_its_nulls_and_its_end() -> None:
    line = dump_line("accounts", {"id": "a", "name": None}, 1_700_000_000_000)
    assert line == (
        b'{"type":"RECORD","record":{"stream":"accounts","data":{"id":"a","name":null},"emitted_at":1700000000000}}\n'
    )


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"title": "a\0b"}, {"title": "ab"}),
        ({"k\0ey": 1}, {"key": 1}),
        ({"deep": [{"a": ["\0"]}]}, {"deep": [{"a": [""]}]}),
        ({"title": "half \ud83d of it"}, {"title": "half \ufffd of it"}),
        ({"title": "\udc00\ud83d\ude00\0"}, {"title": "\ufffd\U0001f600"}),
        ({"\ud83d": "x"}, {"\ufffd": "x"}),
        ({"title": "a literal \\u0000 stays"}, {"title": "a literal \\u0000 stays"}),
        ({"a\0": 1, "b": [], "c": {}, "d": [[], 1.5, True]}, {"a": 1, "b": [], "c": {}, "d": [[], 1.5, True]}),
        ({"number": 2**64, "other": -(2**70)}, {"number": 2**64, "other": -(2**70)}),
        ({"a": 2**64, "b": float("nan"), "c": float("-inf")}, {"a": 2**64, "b": None, "c": None}),
        ({"number": 10**3_900}, {"number": 10**3_900}),
        ({"number": 10**5_000, "title": "x"}, {"number": None, "title": "x"}),
    ],
)  # fmt: skip
def test_what_databases_and_parsers_refuse_is_repaired(given_: dict[str, Any], expected: dict[str, Any]) -> None:
    assert written(given_) == expected


def nested(levels: int, of: type) -> Any:
    value: Any = "core"
    for _ in range(levels):
        value = [value] if of is list else {"a": value}
    return value


@pytest.mark.parametrize("of", [list, dict])
@pytest.mark.parametrize("levels", [200, 300, 450])
def test_deep_nesting_is_written_unchanged(of: type, levels: int, caplog: pytest.LogCaptureFixture) -> None:
    assert written({"id": "a", "value": nested(levels, of)})["value"] == nested(levels, of)
    assert not caplog.text


@pytest.mark.parametrize("of", [list, dict])
def test_values_deeper_than_parsers_read_become_null_with_a_warning(of: type, caplog: pytest.LogCaptureFixture) -> None:
    record = written({"id": "a1", "value": nested(100_000, of), "title": "x"})
    assert record["title"] == "x"
    assert b"core" not in orjson.dumps(json.dumps(record["value"]))
    assert "Record a1 of stream accounts has more than 500 levels of nesting" in caplog.text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=[]) | st.sampled_from("\0\ud83d\ude00\\u")),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=4), values, max_size=4),
    max_leaves=20,
)  # fmt: skip


def cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    return {cleaned(key): cleaned(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.text(alphabet="ab\0\ud83d", max_size=3), JSON_VALUES, max_size=5))
def test_any_json_value_is_written_unchanged_except_for_its_characters(record: dict[str, Any]) -> None:
    assert written(record) == cleaned(record)
    line = dump_line("accounts", record, 5)
    assert b"\\u0000" not in line.replace(rb"\\", b"")
    line.decode("utf-8")


@pytest.mark.parametrize(
    ("value", "length"), [({"a": [1, "é"]}, 14), (2**70, 22), ("\ud83d", 5), (nested(300, list), 606)]
)
def test_the_size_of_a_value_is_that_of_its_json_even_if_orjson_refuses_it(value: Any, length: int) -> None:
    assert size(value) == length


def test_a_clean_text_is_the_same_object() -> None:
    text = "plain é" * 10
    assert clean_text(text) is text


# --- Times


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.5-0130", "2026-01-01T01:30:00.500000Z"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00z", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "2026-01-01T00:00:00Z"),
        ("", None),
        ("  ", None),
        (None, None),
        ("soon", "soon"),
        (1_700_000_000, 1_700_000_000),
        (["2026-01-01"], ["2026-01-01"]),
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
    ],
)
@pytest.mark.parametrize("place", ["top", "object", "list"])
def test_declared_times_are_written_in_utc_and_empty_ones_as_null(place: str, given_: Any, expected: Any) -> None:
    def record(value: Any) -> dict[str, Any]:
        inner = {"at": value, "other": "2026-01-01T02:00:00+02:00"}
        return inner if place == "top" else {"inner": inner if place == "object" else [None, 7, inner, "x"]}

    assert clean(record(given_), TIMES) == record(expected)


@pytest.mark.parametrize("inner", [None, "x", 7, {}, []])
def test_a_record_without_its_times_stays_as_it_is(inner: Any) -> None:
    assert clean({"inner": inner}, TIMES) == {"inner": inner}


def test_time_fields_come_from_the_models_including_nested_objects() -> None:
    fields = time_fields(Issue)
    assert {"created_at", "updated_at", "latest_message_time"} <= set(fields.names)
    assert "title" not in fields.names
    nested_ = dict(fields.nested)
    assert "timestamp" in nested_["messages"].names
    assert dict(nested_["team_slas"].nested)["resolution"].names == ("breach_time",)
    assert time_fields(Account) is time_fields(Account), "made once for each model"


@pytest.mark.parametrize("stream", [one for one in STREAMS if one.cursor_field], ids=lambda stream: stream.name)
def test_the_cursor_of_every_incremental_stream_is_among_its_times(stream: Any) -> None:
    assert stream.cursor_field in time_fields(stream.model).names

"""What the functions for added columns promise, whatever a record holds."""

from __future__ import annotations

from typing import Any

import pytest

from source_pylon.transform.columns import nested_text, plain_text, with_feedback, with_ids


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<b>R&D</b> &copy  \n\n\n x", "<b>R&D</b> &copy\n\n x"),
        (7, "7"),
        (4.5, "4.5"),
        ("", ""),
        (None, ""),
        (True, ""),
        (["a"], ""),
        ({}, ""),
    ],
)
def test_texts_and_numbers_become_plain_text_and_anything_else_is_empty(value: Any, text: str) -> None:
    assert plain_text(value) == text


@pytest.mark.parametrize("value", [None, {}, {"id": None}, {"id": ""}, {"id": 7}, "odd", ["id"]])
def test_only_a_text_counts_as_an_id(value: Any) -> None:
    assert nested_text(value, "id") is None


def test_ids_of_nested_objects_become_columns_of_the_record() -> None:
    record = {"id": "t", "account": {"id": "a"}, "team": None}
    assert with_ids(record, account_id="account", team_id="team", owner_id="owner") is record
    assert record == {
        "id": "t",
        "account": {"id": "a"},
        "team": None,
        "account_id": "a",
        "team_id": None,
        "owner_id": None,
    }


def test_an_existing_id_of_the_record_stays_and_a_null_one_is_filled() -> None:
    assert with_ids({"owner_id": "own", "owner": {"id": "other"}}, owner_id="owner")["owner_id"] == "own"
    assert with_ids({"owner_id": None, "owner": {"id": "other"}}, owner_id="owner")["owner_id"] == "other"


def test_the_first_field_with_text_is_the_feedback_and_the_original_record_is_not_changed() -> None:
    record = {"summary": " \n ", "title": " <Call> "}
    assert with_feedback(record, "summary", "title") == {
        **record,
        "feedback_text": "<Call>",
        "feedback_source": "title",
    }
    assert with_feedback(record, "notes") == {**record, "feedback_text": None, "feedback_source": "none"}
    assert record.keys() == {"summary", "title"}

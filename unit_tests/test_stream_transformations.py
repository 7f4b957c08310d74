"""What streams other than the issue streams add to their records."""

from __future__ import annotations

from typing import Any

import pytest

from source_pylon.streams.call_recordings import call_recording_record
from source_pylon.streams.contacts import contact_record
from source_pylon.streams.knowledge_base import child_of_knowledge_base
from source_pylon.streams.surveys import survey_response_record


def test_a_contact_has_its_accounts_id_as_a_column() -> None:
    contact = {"id": "c", "account": {"id": "a"}}
    assert contact_record(contact) == {"id": "c", "account": {"id": "a"}, "account_id": "a"}
    assert contact == {"id": "c", "account": {"id": "a"}}, "the given record is left as it is"


def test_an_article_names_its_knowledge_base() -> None:
    assert child_of_knowledge_base({"id": "a"}, {"id": "k"}) == {"id": "a", "knowledge_base_id": "k"}


@pytest.mark.parametrize(
    ("recording", "text", "source"),
    [
        ({"summary": "<b>Good</b>", "title": "Call"}, "Good", "summary"),
        ({"summary": "", "title": "Call"}, "Call", "title"),
        ({"summary": None, "title": None}, None, "none"),
        ({}, None, "none"),
        ({"summary": ["odd"], "title": 7}, "7", "title"),
    ],
)
def test_a_recordings_feedback_is_its_summary_else_its_title(recording: Any, text: Any, source: str) -> None:
    record = call_recording_record({"id": "r", **recording})
    assert (record["feedback_text"], record["feedback_source"]) == (text, source)


def test_a_survey_response_names_its_survey_and_reads_as_questions_and_answers() -> None:
    answers = [
        {"prompt": "How likely?", "value": "9"},
        {"prompt": "Why?", "value": None},
        {"prompt": None, "value": "Great"},
        "odd",
    ]
    record = survey_response_record({"id": "r", "answers": answers}, {"id": "s", "name": "NPS", "type": "nps"})
    assert record["feedback_text"] == "How likely?\n9\n\nGreat"
    assert (record["survey_id"], record["survey_name"], record["survey_type"]) == ("s", "NPS", "nps")


@pytest.mark.parametrize("answers", [None, [], "odd", [{"prompt": "Why?"}], [{"prompt": "Why?", "value": ""}]])
def test_a_response_without_an_answer_has_no_feedback(answers: Any) -> None:
    assert survey_response_record({"id": "r", "answers": answers}, {"id": "s"})["feedback_text"] is None

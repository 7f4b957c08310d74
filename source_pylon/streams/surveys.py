"""Surveys (`GET /surveys`) and their responses (`GET /surveys/{id}/responses`)."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from source_pylon.api.endpoints import get_all, get_paginated
from source_pylon.config import Config
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Record
from source_pylon.extraction.substream import SubStream
from source_pylon.streams.records import RecordModel, Timestamp, added, field, key
from source_pylon.transform.columns import plain_text


class Survey(RecordModel):
    id: str = key("The unique identifier of the survey.")
    name: str | None = field("The name of the survey.")
    type: str | None = field("The type of the survey: nps, csat, custom, or a newer one.")
    updated_at: Timestamp | None = field("When the survey was last changed.")


class SurveyResponseAnswer(RecordModel):
    prompt: str | None = field("The question.")
    question_id: str | None = field("The ID of the question, if it has one.")
    question_type: str | None = field("The type of the question: score, comment or a newer one.")
    value: str | None = field("The answer; scores too are text.")


class SurveyResponse(RecordModel):
    id: str = key("The unique identifier of the survey response.")
    account_id: str | None = field("The ID of the account associated with the response.")
    answers: list[SurveyResponseAnswer] | None = field("The answers submitted in this response.")
    contact_id: str | None = field("The ID of the contact who submitted the response.")
    excluded_at: Timestamp | None = field(
        "When it was excluded from Pylon's analytics; null for a response that counts. Filter on excluded_at IS NULL."
    )
    issue_id: str | None = field("The ID of the issue that the survey was about, if it was about one.")
    submitted_at: Timestamp | None = field("When the response was submitted, the stream's cursor.")
    survey_id: str | None = field("The survey's ID. Set by the connector where the API leaves it out.")
    survey_instance_id: str | None = field("The ID of the single delivery of the survey that led to the response.")
    survey_type: str | None = field(
        "The survey's type: nps, csat, custom or another. Set by the connector where the API leaves it out."
    )
    survey_name: str | None = added("the name of the survey that was answered.")
    score: float | None = added("the answer to the first score question, as a number; null where there is none.")
    comment: str | None = added("the answer to the first comment question, as plain text; null where there is none.")
    feedback_text: str | None = added("the questions and answers as plain text; null when there is none.")


def _answers(answers: object) -> Iterator[tuple[object, str, str]]:
    """Question type, question and answer, as plain text, of each question that was answered."""
    for answer in answers if isinstance(answers, list) else ():
        if isinstance(answer, Mapping) and (value := plain_text(answer.get("value"))):
            yield answer.get("question_type"), plain_text(answer.get("prompt")), value


def _number(text: str) -> float | None:
    # Not float() alone: it also takes "nan", "infinity" and "1_0", none of which is a score.
    return float(text) if re.fullmatch(r"[+-]?[0-9]{1,9}([.][0-9]{1,9})?", text) else None


class Surveys(ListStream):
    name = "surveys"
    endpoint = get_all("/surveys")
    model = Survey


class SurveyResponses(SubStream):
    """Responses of every survey, with the survey and its questions and answers."""

    name = "survey_responses"
    parents = Surveys.endpoint
    endpoint = get_paginated("/surveys/{id}/responses")
    model = SurveyResponse
    cursor_field = "submitted_at"
    since_parameter = "submitted_after"
    begins_at_start_date = True
    checked = True

    def lookback(self, config: Config) -> timedelta:
        """Seven days: a comment may be added to a score, and responses have no time of change."""
        return timedelta(days=7)

    def transform_child(self, record: Record, parent: Record) -> Record:
        """Add the survey, its score and comment as columns, and all answers as feedback text.

        Pylon gives every answer as text with the `question_type` "score" or "comment", which decides about the columns
        `score` and `comment`. A score that is not a decimal number is in `answers` only.
        """
        record = dict(record)
        record["survey_id"] = record.get("survey_id") or parent.get("id")
        record["survey_name"] = parent.get("name")
        record["survey_type"] = record.get("survey_type") or parent.get("type")
        answers = list(_answers(record.get("answers")))
        scores = (number for kind, _, value in answers if kind == "score" and (number := _number(value)) is not None)
        record["score"] = next(scores, None)
        record["comment"] = next((value for kind, _, value in answers if kind == "comment"), None)
        texts = (f"{prompt}\n{value}" if prompt else value for _, prompt, value in answers)
        record["feedback_text"] = "\n\n".join(texts) or None
        return record

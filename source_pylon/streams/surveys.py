"""Surveys (`GET /surveys`) and their responses (`GET /surveys/{id}/responses`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from source_pylon.streams.records import Record, Timestamp, added, field, key
from source_pylon.transform.columns import plain_text


class Survey(Record):
    """A survey, as emitted by the stream surveys."""

    id: str = key("The unique identifier of the survey.")
    name: str | None = field("The name of the survey.")
    type: str | None = field("The type of the survey: nps, csat, custom, or a newer one.")
    updated_at: Timestamp | None = field("When the survey was last changed.")


class SurveyResponseAnswer(Record):
    """The answer to one question of a survey."""

    prompt: str | None = field("The question.")
    question_type: str | None = field("The type of the question: score, comment or a newer one.")
    value: str | None = field("The answer; scores too are text.")


class SurveyResponse(Record):
    """A response to a survey, as emitted by the stream survey_responses."""

    id: str = key("The unique identifier of the survey response.")
    account_id: str | None = field("The ID of the account associated with the response.")
    answers: list[SurveyResponseAnswer] | None = field("The answers submitted in this response.")
    contact_id: str | None = field("The ID of the contact who submitted the response.")
    submitted_at: Timestamp | None = field("When the response was submitted, the stream's cursor.")
    survey_id: str | None = added("the id of the survey that was answered.")
    survey_name: str | None = added("the name of the survey that was answered.")
    survey_type: str | None = added("the type of the survey that was answered: nps, csat, custom, or a newer one.")
    feedback_text: str | None = added("the questions and answers as plain text; null when there is none.")


def survey_response_record(response: dict[str, Any], survey: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response as emitted: with the survey's name, and its questions and answers as feedback text."""
    record = dict(response)
    record["survey_id"] = survey.get("id")
    record["survey_name"] = survey.get("name")
    record["survey_type"] = survey.get("type")
    record["feedback_text"] = "\n\n".join(_answer_texts(record.get("answers"))) or None
    return record


def _answer_texts(answers: object) -> Iterator[str]:
    for answer in answers if isinstance(answers, list) else ():
        if isinstance(answer, Mapping):
            prompt, value = plain_text(answer.get("prompt")), plain_text(answer.get("value"))
            if value:
                yield f"{prompt}\n{value}" if prompt else value

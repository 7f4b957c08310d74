"""What streams other than the issue streams add to their records."""

from __future__ import annotations

from typing import Any

import pytest

from source_pylon.streams.accounts import AccountActivities, Accounts
from source_pylon.streams.call_recordings import CallRecordings
from source_pylon.streams.contacts import Contacts
from source_pylon.streams.knowledge_base import ArticleFeedbacks, Articles
from source_pylon.streams.projects import (
    Milestones,
    Projects,
    TaskComments,
    Tasks,
    is_public_comment,
)
from source_pylon.streams.surveys import SurveyResponses


def test_a_contact_has_its_accounts_id_as_a_column() -> None:
    assert Contacts().transform({"id": "c", "account": {"id": "a"}}) == {
        "id": "c",
        "account": {"id": "a"},
        "account_id": "a",
    }


def test_an_article_names_its_knowledge_base() -> None:
    assert Articles().transform_child({"id": "a"}, {"id": "k"}) == {"id": "a", "knowledge_base_id": "k"}


@pytest.mark.parametrize(
    ("recording", "text", "source"),
    [
        ({"summary": "Good", "title": "Call"}, "Good", "summary"),
        (
            {"summary": "The <Button> breaks ?a=1&copy=2  \n\n\nfor R&D"},
            "The <Button> breaks ?a=1&copy=2\n\nfor R&D",
            "summary",
        ),
        ({"summary": " \n", "title": " 1 &lt; 2 "}, "1 &lt; 2", "title"),
        ({"summary": "", "title": "Call"}, "Call", "title"),
        ({"summary": None, "title": None}, None, "none"),
        ({}, None, "none"),
        ({"summary": ["odd"], "title": 7}, "7", "title"),
    ],
)
def test_the_feedback_of_a_recording_is_its_summary_or_its_title(recording: Any, text: Any, source: str) -> None:
    record = CallRecordings().transform({"id": "r", **recording})
    assert (record["feedback_text"], record["feedback_source"]) == (text, source)


def test_the_feedback_of_a_survey_response_is_its_questions_and_answers() -> None:
    answers = [
        {"prompt": "How likely?", "value": "9"},
        {"prompt": "Why?", "value": None},
        {"prompt": None, "value": "Great"},
        "odd",
    ]
    record = SurveyResponses().transform_child(
        {"id": "r", "answers": answers}, {"id": "s", "name": "NPS", "type": "nps"}
    )
    assert record["feedback_text"] == "How likely?\n9\n\nGreat"
    assert (record["survey_id"], record["survey_name"], record["survey_type"]) == ("s", "NPS", "nps")


def test_answers_are_plain_text_and_stay_unchanged() -> None:
    answers = [{"prompt": "What about <us>?", "value": "The <Button> component is broken, see ?a=1&copy=2"}]
    record = SurveyResponses().transform_child({"id": "r", "answers": answers}, {"id": "s"})
    assert record["feedback_text"] == "What about <us>?\nThe <Button> component is broken, see ?a=1&copy=2"


@pytest.mark.parametrize("answers", [None, [], "odd", [{"prompt": "Why?"}], [{"prompt": "Why?", "value": ""}]])
def test_a_response_without_an_answer_has_no_feedback(answers: Any) -> None:
    assert SurveyResponses().transform_child({"id": "r", "answers": answers}, {"id": "s"})["feedback_text"] is None


def response(*answers: tuple[str | None, Any], **fields: Any) -> dict[str, Any]:
    """A survey response with answers of these question types and values."""
    given = [{"prompt": "Question?", "question_type": kind, "value": value} for kind, value in answers]
    return SurveyResponses().transform_child(
        {"id": "r", "answers": given, **fields}, {"id": "s", "name": "NPS", "type": "nps"}
    )


def test_the_survey_of_a_response_is_not_replaced_by_the_one_it_was_listed_under() -> None:
    record = response(survey_id="own", survey_type="csat", issue_id="i")
    assert (record["survey_id"], record["survey_type"], record["issue_id"]) == ("own", "csat", "i")


@pytest.mark.parametrize(
    ("value", "score"),
    [("9", 9), ("-1", -1), ("4.5", 4.5), (7, 7), ("0", 0)]
    + [(odd, None) for odd in ("", None, "good", "nan", "infinity", "1_0", "9/10", "1" * 400, ["9"], True)],
)
def test_the_score_is_the_answer_to_the_score_question_as_a_number(value: Any, score: float | None) -> None:
    record = response(("comment", "8"), ("score", value))
    assert record["score"] == score
    assert isinstance(record["score"], float | None)


def test_the_comment_is_the_answer_to_the_comment_question_as_plain_text() -> None:
    assert response(("score", "9"), ("comment", " Very <good>  \n"))["comment"] == "Very <good>"


@pytest.mark.parametrize("kind", ["score", "comment"])
def test_of_several_answers_of_a_type_the_first_that_was_given_counts(kind: str) -> None:
    record = response((kind, None), (kind, ""), (kind, "3"), (kind, "5"))
    assert str(record[kind]) in ("3", "3.0")
    assert record["feedback_text"] == "Question?\n3\n\nQuestion?\n5"


@pytest.mark.parametrize("kind", [None, "matrix"])
def test_an_answer_of_an_unknown_type_is_neither_score_nor_comment(kind: str | None) -> None:
    record = response((kind, "7"))
    assert (record["score"], record["comment"], record["feedback_text"]) == (None, None, "Question?\n7")


def test_an_account_has_its_owners_id_as_a_column() -> None:
    assert Accounts().transform({"id": "a", "owner": {"id": "u", "email": "u@example.com"}})["owner_id"] == "u"
    assert Accounts().transform({"id": "a", "owner": None})["owner_id"] is None


def test_a_task_has_the_ids_of_what_it_refers_to_as_columns() -> None:
    task = {"account": {"id": "a"}, "project": {"id": "p"}, "milestone": {"id": "m"}, "assignee": None}
    record = Tasks().transform(task)
    assert [record[name] for name in ("account_id", "project_id", "milestone_id", "assignee_id")] == [
        "a",
        "p",
        "m",
        None,
    ]


@pytest.mark.parametrize(
    ("assignee", "found"),
    [
        ({"user": {"id": "u"}, "contact": None}, "u"),
        ({"contact": {"id": "c"}}, "c"),
        ({"user": None, "contact": {"email": "x@example.com"}}, None),
        ({}, None),
        ("odd", None),
    ],
)
def test_the_assignee_of_a_task_is_a_user_or_a_contact(assignee: Any, found: str | None) -> None:
    assert Tasks().transform({"id": "t", "assignee": assignee})["assignee_id"] == found


def test_an_id_from_pylon_is_kept() -> None:
    assert Tasks().transform({"assignee_id": "own", "assignee": {"user": {"id": "u"}}})["assignee_id"] == "own"
    assert Projects().transform({"owner_id": "own", "account_id": "given", "account": {"id": "a"}}) == {
        "owner_id": "own",
        "account_id": "given",
        "account": {"id": "a"},
    }


def test_projects_and_milestones_have_the_ids_of_what_they_refer_to_as_columns() -> None:
    assert Projects().transform({"id": "p", "account": {"id": "a"}})["account_id"] == "a"
    milestone = Milestones().transform({"id": "m", "account": {"id": "a"}, "project": {"id": "p"}})
    assert (milestone["account_id"], milestone["project_id"]) == ("a", "p")


@pytest.mark.parametrize("flag", [True, None, "false", 0, "", "missing"])
def test_only_a_plain_false_makes_a_comment_on_a_task_public(flag: Any) -> None:
    assert not is_public_comment({} if flag == "missing" else {"is_internal": flag})
    assert is_public_comment({"is_internal": False})


def test_a_comment_names_its_task_and_an_activity_its_account() -> None:
    task = {"id": "t", "updated_at": "2026-01-01T00:00:00Z"}
    public = {"id": "c", "is_internal": False}
    comment = {**public, "task_id": "t", "task_updated_at": "2026-01-01T00:00:00Z"}
    assert TaskComments().transform_child(public, task) == comment
    assert TaskComments().transform_child({**public, "task_id": "own"}, task) == {**comment, "task_id": "own"}
    assert AccountActivities().transform_child({"id": "v"}, {"id": "a"}) == {"id": "v", "account_id": "a"}
    assert AccountActivities().transform_child({"id": "v", "account_id": "own"}, {"id": "a"})["account_id"] == "own"


@pytest.mark.parametrize(("comment", "text"), [(" Too <short> ", "Too <short>"), ("", None), (None, None)])
def test_the_feedback_of_an_article_is_the_comment_as_plain_text(comment: Any, text: str | None) -> None:
    given = {"id": "f", "score": 2, "comment": comment}
    assert ArticleFeedbacks().transform(given) == {**given, "feedback_text": text}

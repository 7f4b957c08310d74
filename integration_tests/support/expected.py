"""What each stream must emit of what the sandbox holds now.

Written from Pylon's facts and the connector's documentation, not from the connector's code. Only the conversion of HTML
into text is taken from the connector; it has tests of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import ISSUE_STREAMS, Output, Record
from source_pylon.timestamps import parse
from source_pylon.transform.html_to_text import html_to_text


def without_signatures(value: Any) -> Any:
    """A record without what differs at every read: the query strings of its file links, and when it was read."""
    if isinstance(value, dict):
        return {
            key: [_path_of(url) for url in item]
            if key in ("attachment_urls", "file_urls") and isinstance(item, list)
            else without_signatures(item)
            for key, item in value.items()
            if key != "issue_read_at"
        }
    return [without_signatures(item) for item in value] if isinstance(value, list) else value


def _path_of(url: str) -> str:
    return urlsplit(url).path


def _feedback(parts: Iterable[str]) -> str | None:
    return "\n\n".join(part for part in parts if part) or None


def join_ids(record: Record, names: Iterable[str]) -> Record:
    """The ids of nested objects, as the columns that the connector adds."""
    return {f"{name}_id": (record.get(name) or {}).get("id") for name in names}


def public_messages(pylon: Sandbox, issue_id: str) -> list[Record]:
    """The public messages of an issue as stored, oldest first."""
    return [message for message in pylon.messages(issue_id) if not message["is_private"]]


def expected_issue(
    pylon: Sandbox, stored: Record, *, include_messages: bool = True, trust_issue_body: bool = False
) -> Record:
    """What a stored issue must be emitted as, without what differs at every read."""
    record = {**stored, **join_ids(stored, ("account", "requester", "assignee", "team")), "messages_truncated": False}
    record["latest_message_time"] = stored.get("latest_message_time") or stored["created_at"]
    record["assignee_email"] = (stored.get("assignee") or {}).get("email")
    record["requester_email"] = (stored.get("requester") or {}).get("email")
    record["issue_type"] = type_of(stored) or None
    responses = stored.get("csat_responses") or [{}]
    record["csat_score"] = responses[-1].get("score")
    messages = pylon.messages(stored["id"]) if include_messages else []
    public = [{**one, "text": html_to_text(one["message_html"])} for one in messages if not one["is_private"]]
    texts = [message["text"] for message in public]
    body_is_public = _is_public_body(stored, messages) if include_messages else trust_issue_body
    if "body_html" in stored and not body_is_public:
        record["body_html"] = None
    if include_messages:
        record["messages"] = public
        if stored.get("attachment_urls"):
            shown = {_path_of(url) for message in public for url in message.get("file_urls") or ()}
            record["attachment_urls"] = [url for url in stored["attachment_urls"] if _path_of(url) in shown]
    else:
        # No body of the sandbox shows a file.
        record["messages"] = None
        record["attachment_urls"] = (
            [] if trust_issue_body and stored.get("body_html") and stored.get("attachment_urls") else None
        )
    record.update(_conversation_columns(public if include_messages else None))
    from_messages, from_body = _feedback(texts), html_to_text(record.get("body_html")) or None
    record["feedback_text"] = from_messages or from_body
    record["feedback_source"] = "messages" if from_messages else "body" if from_body else "none"
    cleaned: Record = without_signatures(record)
    return cleaned


def _is_public_body(stored: Record, messages: Iterable[Record]) -> bool:
    """Whether no internal note equals the body, contains it or is contained in it, and the body does not show most of a
    note, apart from what a public message shows: letters and digits count.
    """
    messages = list(messages)
    body = _letters(stored.get("body_html"))
    notes = [_letters(message["message_html"]) for message in messages if message["is_private"]]
    if any(body == note or (len(body) >= 20 and note and (body in note or note in body)) for note in notes):
        return False
    leaving = set(_runs(stored.get("body_html")).values())
    shown_notes = [
        message["message_html"]
        for message in messages
        if message["is_private"] and _shows_most(message["message_html"], leaving)
    ]
    if shown_notes:
        for message in messages:
            if not message["is_private"]:
                leaving -= set(_runs(message["message_html"]).values())
    return not any(_shows_most(note, leaving) for note in shown_notes)


def _shows_most(note: str | None, leaving: set[tuple[str, ...]]) -> bool:
    words = _words(note)
    shown = {at + offset for at, run in _runs(note).items() if run in leaving for offset in range(len(run))}
    return 2 * sum(len(words[at]) for at in shown) > len("".join(words))


def _letters(html: str | None) -> str:
    return re.sub(r"[\W_]+", "", (html_to_text(html, links=False) or "").casefold())


def _words(html: str | None) -> list[str]:
    text = re.sub(r"\w+://\S*", " ", html_to_text(html, links=False) or "")
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def _runs(html: str | None) -> dict[int, tuple[str, ...]]:
    """For each word, by its position: the words from it on to the first that completes 24 letters."""
    words = _words(html)
    runs = {}
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if len("".join(words[start:end])) >= 24:
                runs[start] = tuple(words[start:end])
                break
    return runs


CONVERSATION = ("public_message_count", "customer_message_count", "last_customer_message_at", "last_team_message_at")
"""Columns of issues that are made from their public messages."""


def _conversation_columns(public: list[Record] | None) -> Record:
    """How many public messages there are, how many of them contacts wrote, and when each side wrote last."""
    if public is None:
        return dict.fromkeys(CONVERSATION)
    customer = [message["timestamp"] for message in public if author_type(message) == "contact"]
    team = [message["timestamp"] for message in public if author_type(message) == "user"]
    return {
        "public_message_count": len(public),
        "customer_message_count": len(customer),
        "last_customer_message_at": max(customer, default=None),
        "last_team_message_at": max(team, default=None),
    }


def author_type(message: Record) -> str | None:
    """`contact` for what a customer wrote, `user` for what the team or a bot wrote."""
    author = message.get("author") or {}
    return "contact" if author.get("contact") else "user" if author.get("user") else None


def type_of(issue: Record) -> str:
    """An issue's type in lower case, empty where it has none."""
    return str(issue.get("type") or "").lower()


def stored_issues(pylon: Sandbox, stream: str = "issues") -> list[Record]:
    """The stored issues that a stream owes."""
    issues: list[Record] = pylon.expected("issues")
    if stream == "issues":
        return issues
    return [issue for issue in issues if type_of(issue) == stream.removesuffix("s")]


def expected(pylon: Sandbox, stream: str) -> dict[str, Record]:
    """What a stream must emit of what is stored now, by id, without the signatures of links."""
    if stream in ISSUE_STREAMS:
        return {issue["id"]: expected_issue(pylon, issue) for issue in stored_issues(pylon, stream)}
    if stream == "survey_responses":
        surveys = {survey["id"]: survey for survey in pylon.expected("surveys")}
        return {record["id"]: _expected_response(record, surveys[parent]) for parent, record in pylon.expected(stream)}
    records: list[Record] = pylon.expected(stream)
    if stream == "contacts":
        return {record["id"]: {**record, **join_ids(record, ("account",))} for record in records}
    if stream == "accounts":
        return {record["id"]: {**record, **join_ids(record, ("owner",))} for record in records}
    if stream == "call_recordings":
        return {record["id"]: _expected_recording(record) for record in records}
    return {record["id"]: record for record in records}


def _expected_recording(record: Record) -> Record:
    source = "summary" if record.get("summary") else "title" if record.get("title") else "none"
    text = html_to_text(record[source]) if source != "none" else None
    return {**record, "feedback_text": text, "feedback_source": source}


def _expected_response(record: Record, survey: Record) -> Record:
    answers = record.get("answers") or ()
    asked = [f"{answer['prompt']}\n{answer['value']}" for answer in answers]
    given = {answer["question_type"]: answer["value"] for answer in reversed(answers) if answer["value"]}
    return {
        **record,
        "survey_id": record.get("survey_id") or survey["id"],
        "survey_name": survey["name"],
        "survey_type": record.get("survey_type") or survey["type"],
        "score": float(given["score"]) if "score" in given else None,
        "comment": given.get("comment"),
        "feedback_text": _feedback(asked),
    }


def newest(outputs: Iterable[Output], stream: str) -> dict[str, Record]:
    """The last emission of each record over several syncs, as a destination that deduplicates keeps it."""
    kept: dict[str, Record] = {}
    for output in outputs:
        kept.update((record["id"], record) for record in output.records(stream))
    return kept


def assert_kept_equals_stored(kept: Mapping[str, Record], pylon: Sandbox, stream: str) -> None:
    """Every stored record is kept as it is stored; deleted ones may be kept, too, because nothing tells of them."""
    wanted = expected(pylon, stream)
    assert not wanted.keys() - kept.keys(), f"{stream}: lost"
    stale = {key: (without_signatures(kept[key]), wanted[key]) for key in wanted}
    different = {key: pair for key, pair in stale.items() if pair[0] != pair[1]}
    assert not different, (
        f"{stream}: {len(different)} records are not as stored, such as {next(iter(different.items()))}"
    )


def is_covered(state: Mapping[str, Any], issue: Record) -> bool:
    """Whether the state of an issue stream says that an issue has been emitted as it is now stored.

    Its creation lies in the part of the history that has been read, none of its times is later than the changes that
    have been read, and it is not among those that could not be read.
    """
    back_to, until = state.get("history_read_back_to"), parse(state.get("changes_read_until"))
    if until is None or back_to is None or issue["id"] in state.get("unread_issues", ()):
        return False
    if back_to != "complete" and moment(issue["created_at"]) < moment(back_to):
        return False
    times = (issue["created_at"], issue["updated_at"], issue.get("latest_message_time"))
    return all(moment(value) <= until for value in times if value)


def moment(text: Any) -> datetime:
    """A time of a record or a state."""
    value = parse(text)
    assert value is not None, text
    return value


def ago(**delta: float) -> datetime:
    """A moment before now."""
    return datetime.now(timezone.utc) - timedelta(**delta)

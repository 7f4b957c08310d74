"""Makes the record of an issue and of its messages: public messages, feedback text, columns for joins and filters.

Everything here takes plain records as the API gives them and returns new ones; fields of an unexpected type are left
as they are and contribute nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from source_pylon.timestamps import EPOCH, parse, render
from source_pylon.transform import privacy
from source_pylon.transform.columns import as_text, nested_text, with_ids
from source_pylon.transform.html_to_text import html_to_text

Record = dict[str, Any]

_PARAGRAPH = "\n\n"


def issue_record(
    issue: Record,
    messages: list[Record] | None,
    *,
    trust_issue_body: bool = False,
    read_at: datetime | None = None,
) -> Record:
    """Make the record of an issue, with its public messages, feedback text, and flat columns.

    `messages` are all messages of the issue, internal notes included; None where they were not read. `read_at` is when
    they were read. `source_pylon.transform.privacy` decides what is emitted. The issue and the messages that were
    given are left as they are.
    """
    record = with_ids(
        dict(issue), account_id="account", requester_id="requester", assignee_id="assignee", team_id="team"
    )
    if not record.get("latest_message_time"):
        record["latest_message_time"] = record.get("created_at")
    if "body_html" in issue:
        record["body_html"] = privacy.public_body(issue["body_html"], messages, trust_issue_body=trust_issue_body)
    if "attachment_urls" in issue or messages is None:
        record["attachment_urls"] = privacy.public_attachments(
            issue.get("attachment_urls"), record.get("body_html"), messages
        )
    public = None if messages is None else _readable(privacy.public_messages(messages))
    record["messages"] = public
    record["messages_truncated"] = False
    _add_feedback(record, public)
    _add_columns(record, public)
    record["issue_read_at"] = None if read_at is None else render(read_at)
    return record


def message_records(issue: Record) -> Iterator[Record]:
    """Yield the public messages of an issue as records of their own that name their issue.

    `issue` is the record that `issue_record` made. `issue_read_at` is the same for all messages of one reading: a row
    that the issue's latest reading did not give is of a message that was deleted.
    """
    for message in issue.get("messages") or ():
        yield {
            **message,
            **_author_columns(message),
            "issue_id": issue.get("id"),
            "issue_number": issue.get("number"),
            "issue_type": issue.get("issue_type"),
            "issue_updated_at": issue.get("updated_at"),
            "issue_read_at": issue.get("issue_read_at"),
            "account_id": issue.get("account_id"),
            "latest_message_time": issue.get("latest_message_time"),
        }


def _readable(messages: list[Record]) -> list[Record]:
    """Return messages oldest first, each with its plain text."""
    readable = [{**message, "text": html_to_text(as_text(message.get("message_html")))} for message in messages]
    # Pylon lists the oldest first, but a message that arrived late may be elsewhere.
    readable.sort(key=lambda message: parse(message.get("timestamp")) or EPOCH)
    return readable


def _add_feedback(record: Record, public: list[Record] | None) -> None:
    texts = [message["text"] for message in public or () if message["text"]]
    if texts:
        record["feedback_text"], record["feedback_source"] = _PARAGRAPH.join(texts), "messages"
    else:
        body = html_to_text(as_text(record.get("body_html")))
        record["feedback_text"], record["feedback_source"] = (body, "body") if body else (None, "none")


def _add_columns(record: Record, public: list[Record] | None) -> None:
    """Add the flat columns that people filter and join on; null where the API's value has another shape."""
    record["assignee_email"] = nested_text(record.get("assignee"), "email")
    record["requester_email"] = nested_text(record.get("requester"), "email")
    kind = record.get("type")
    record["issue_type"] = (kind.lower() or None) if isinstance(kind, str) else None
    record["csat_score"] = _csat_score(record.get("csat_responses"))
    record.update(_conversation_columns(public))


def _csat_score(responses: object) -> int | float | None:
    """Return the score of the last CSAT response. Responses have no times, so the last is assumed to be the latest."""
    last = responses[-1] if isinstance(responses, list) and responses else None
    score = last.get("score") if isinstance(last, dict) else None
    return score if isinstance(score, (int, float)) and not isinstance(score, bool) else None


def _conversation_columns(public: list[Record] | None) -> Record:
    """Count public messages and find when each side wrote last: contacts are customers, users the team."""
    written = [(_author(message)[1], parse(message.get("timestamp"))) for message in public or ()]

    def latest(side: str) -> str | None:
        moments = [moment for author_type, moment in written if author_type == side and moment is not None]
        return render(max(moments)) if moments else None

    columns = {
        "public_message_count": len(written),
        "customer_message_count": sum(author_type == "contact" for author_type, _ in written),
        "last_customer_message_at": latest("contact"),
        "last_team_message_at": latest("user"),
    }
    return dict.fromkeys(columns) if public is None else columns


def _author(message: Mapping[str, Any]) -> tuple[Record, str | None]:
    """Return the author of a message, and whether that is a `contact` or a `user`; who is both counts as a contact."""
    author = message.get("author")
    if not isinstance(author, dict):
        return {}, None
    return author, next((kind for kind in ("contact", "user") if isinstance(author.get(kind), dict)), None)


def _author_columns(message: Mapping[str, Any]) -> Record:
    """Return the author of a message as flat columns."""
    author, kind = _author(message)
    person = author[kind] if kind else None
    return {
        "author_id": nested_text(person, "id"),
        "author_email": nested_text(person, "email"),
        "author_name": nested_text(author, "name"),
        "author_type": kind,
    }


def approximate_size(record: Mapping[str, Any]) -> int:
    """Estimate cheaply how many characters the long texts of a record hold, to bound what is kept in memory."""
    total = 500 + sum(len(value) for value in record.values() if type(value) is str)
    for message in record.get("messages") or ():
        total += 500 + len(str(message.get("message_html") or "")) + len(message["text"])
    return total

"""What the connector adds to a record: public messages, feedback text, ids for joins. No HTTP, no private message.

Everything here takes plain records as the API gives them and gives new ones; fields of an unexpected type are left
as they are and contribute nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from source_pylon.timestamps import EPOCH, parse
from source_pylon.transform.html_to_text import html_to_text
from source_pylon.transform.truncation import issue_within, message_within

Record = dict[str, Any]

_JOIN_IDS = (("account_id", "account"), ("requester_id", "requester"), ("assignee_id", "assignee"), ("team_id", "team"))
_PARAGRAPH = "\n\n"


def is_public(message: Mapping[str, Any]) -> bool:
    """Whether a message is certainly visible to the requester.

    `is_private` true marks internal notes. A message without a plain `false` there is not shown to be public, so it
    counts as private.
    """
    return message.get("is_private") is False


def with_join_ids(record: Record, fields: Iterable[tuple[str, str]] = _JOIN_IDS) -> Record:
    """Adds the ids of nested objects as plain nullable strings; an id that the API gives itself stays."""
    for name, nested in fields:
        if record.get(name) is None:
            value = record.get(nested)
            found = value.get("id") if isinstance(value, dict) else None
            record[name] = found if isinstance(found, str) else None
    return record


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def public_messages(messages: list[Record]) -> list[Record]:
    """The public ones of an issue's messages, oldest first, each with its plain text."""
    public = [
        {**message, "text": html_to_text(_text(message.get("message_html")))}
        for message in messages
        if is_public(message)
    ]
    # Pylon lists the oldest first; one that came late may stand elsewhere.
    public.sort(key=lambda message: parse(message.get("timestamp")) or EPOCH)
    return public


def issue_record(issue: Record, public: list[Record] | None, messages: list[Record] | None) -> Record:
    """An issue as emitted, with its public messages. `messages` are all of them, None where they were not read.

    Private messages go no further. An attachment that belongs to a private message and to no public one is taken
    out; where messages were not read, attachments cannot be judged, and the list is null.
    """
    record = with_join_ids(dict(issue))
    if not record.get("latest_message_time"):
        record["latest_message_time"] = record.get("created_at")
    record["messages"] = public
    record["messages_truncated"] = False
    if messages is None:
        record["attachment_urls"] = None
    else:
        _keep_public_attachments(record, messages)
        _keep_public_body(record, messages)
    texts = [message["text"] for message in public or () if message["text"]]
    if texts:
        record["feedback_text"], record["feedback_source"] = _PARAGRAPH.join(texts), "messages"
    else:
        body = html_to_text(_text(record.get("body_html")))
        record["feedback_text"], record["feedback_source"] = (body, "body") if body else (None, "none")
    return issue_within(record)


def message_records(issue: Record, public: list[Record]) -> Iterator[Record]:
    """The public messages of an emitted issue, as records of their own that name their issue."""
    for message in public:
        if message.get("id"):
            record = {
                **message,
                "issue_id": issue.get("id"),
                "issue_number": issue.get("number"),
                "issue_type": issue.get("type"),
                "account_id": issue.get("account_id"),
                "latest_message_time": issue.get("latest_message_time"),
            }
            # A message is no larger than an issue that holds it.
            yield message_within(record) if issue.get("messages_truncated") else record


def _keep_public_attachments(record: Record, messages: list[Record]) -> None:
    urls = record.get("attachment_urls")
    if urls is None:
        return
    private: set[str] = set()
    public: set[str] = set()
    for message in messages:
        if not is_public(message) and not _are_links(message.get("file_urls")):
            # Files of a shape that is not known cannot be found among the issue's.
            record["attachment_urls"] = None
            return
        (public if is_public(message) else private).update(_paths(message.get("file_urls")))
    hidden = private - public
    if not isinstance(urls, list):
        record["attachment_urls"] = None
    elif hidden:
        record["attachment_urls"] = [url for url in urls if isinstance(url, str) and _path(url) not in hidden]


def _keep_public_body(record: Record, messages: list[Record]) -> None:
    # An issue's body is its first message. Where that one is an internal note, the body may be the note.
    if not messages or is_public(messages[0]) or not record.get("body_html"):
        return
    body = html_to_text(_text(record["body_html"]))
    note = html_to_text(_text(messages[0].get("message_html")))
    if body and body == note:
        record["body_html"] = None


def _are_links(urls: object) -> bool:
    return not urls or (isinstance(urls, list) and all(isinstance(url, str) for url in urls))


def _paths(urls: object) -> Iterable[str]:
    return (_path(url) for url in urls if isinstance(url, str)) if isinstance(urls, list) else ()


def _path(url: str) -> str:
    # A file's link is signed: its query string is another one at every read.
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return unquote(url.split("?", 1)[0])


def weight(record: Mapping[str, Any]) -> int:
    """About how many characters a record's long texts hold, at little cost: for bounding what is kept in memory."""
    total = 500 + sum(len(value) for value in record.values() if type(value) is str)
    for message in record.get("messages") or ():
        total += 500 + len(str(message.get("message_html") or "")) + len(message["text"])
    return total

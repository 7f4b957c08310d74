"""Every stream of the connector's table: a sync of some of them, and what each of them owes.

Nothing here names a stream unless its records differ from what the API lists, so a new row of the table is covered as
it is. What records must be is written from Pylon's document, as in `expected.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES, PARENTS
from integration_tests.support import connector
from integration_tests.support.connector import FAST, Files, Output, Record, config_for, configured_catalog, run
from integration_tests.support.expected import (
    author_type,
    expected,
    join_ids,
    public_messages,
    type_of,
    without_signatures,
)
from source_pylon.extraction.stream import Stream
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing
from source_pylon.transform.html_to_text import html_to_text

NAMES = tuple(definition.name for definition in STREAMS)
TYPES = list(CUSTOM_OBJECT_TYPES)
"""The types of custom objects that the sandbox has."""

_PARENT_COLUMNS = {
    "account_activities": "account_id",
    "knowledge_base_articles": "knowledge_base_id",
    "knowledge_base_collections": "knowledge_base_id",
}
"""The columns that name the parent of a record, whether or not the API does."""

Key = tuple[Any, ...]


def definition_of(name: str) -> Stream:
    """A stream's row."""
    return next(definition for definition in STREAMS if definition.name == name)


def sync(
    pylon: Sandbox,
    names: Iterable[str] = NAMES,
    *,
    state: Any = None,
    full_refresh: Collection[str] = (),
    succeeds: bool = True,
    timing: Timing = FAST,
    **config: Any,
) -> Output:
    """One sync of some streams, with all types of custom objects. Fails where it does not end as `succeeds` says."""
    fields = {"custom_object_types": TYPES, **config}
    with Files(config_for(pylon, **fields), configured_catalog(names, full_refresh), state) as files:
        output = run(files.arguments("read"), timing)
    assert (output.code == 0) is succeeds, output.errors or output.text[-3000:]
    return output


def key_of(definition: Stream, record: Record) -> Key:
    """A record's primary key."""
    return tuple(record[name] for name in definition.primary_key)


def keys(output: Output, name: str) -> list[Key]:
    """The primary keys of a stream's records, in order."""
    return [key_of(definition_of(name), record) for record in output.records(name)]


def expected_records(pylon: Sandbox, name: str) -> dict[Key, Record]:
    """What a stream must emit of what is stored now, by primary key, without the signatures of links."""
    definition = definition_of(name)
    records = expected(pylon, name).values() if name in connector.STREAMS else _expected_records(pylon, name)
    return {key_of(definition, record): record for record in records}


def _expected_records(pylon: Sandbox, name: str) -> list[Record]:
    if name == "issue_messages":
        return [message for issue in pylon.expected("issues") for message in expected_messages(pylon, issue)]
    if name == "task_comments":
        tasks = {task["id"]: task for task in pylon.expected("tasks")}
        return [
            {**comment, "task_id": comment.get("task_id") or task, "task_updated_at": tasks[task].get("updated_at")}
            for task, comment in pylon.expected(name)
            if comment.get("is_internal") is False
        ]
    if name in PARENTS:
        column = _PARENT_COLUMNS.get(name)
        return [
            {**record, **({column: record.get(column) or parent} if column else {})}
            for parent, record in pylon.expected(name)
        ]
    records: list[Record] = pylon.expected(name)
    return [_with_columns(name, record) for record in records]


def _with_columns(name: str, record: Record) -> Record:
    """A stored object with the columns that the connector adds to the stream's records."""
    ids = {"tasks": ("account", "project", "milestone"), "projects": ("account",), "milestones": ("account", "project")}
    record = {**record, **join_ids(record, ids.get(name, ()))}
    if name == "tasks":
        assignee = record.get("assignee") or {}
        record["assignee_id"] = (assignee.get("user") or assignee.get("contact") or {}).get("id")
    if name == "article_feedback":
        record["feedback_text"] = html_to_text(record.get("comment")) or None
    return record


def expected_messages(pylon: Sandbox, issue: Record) -> list[Record]:
    """The public messages of an issue as the stream of messages must emit them."""
    context = {
        "issue_id": issue["id"],
        "issue_number": issue["number"],
        "issue_type": type_of(issue) or None,
        "issue_updated_at": issue["updated_at"],
        "account_id": (issue.get("account") or {}).get("id"),
        "latest_message_time": issue.get("latest_message_time") or issue["created_at"],
    }
    messages = public_messages(pylon, issue["id"])
    cleaned: list[Record] = without_signatures(
        [
            {**message, **context, **_author(message), "text": html_to_text(message["message_html"])}
            for message in messages
        ]
    )
    return cleaned


def _author(message: Record) -> Record:
    """The columns that say who wrote a message."""
    author, kind = message.get("author") or {}, author_type(message)
    person = author[kind] if kind else {}
    return {
        "author_id": person.get("id"),
        "author_email": person.get("email"),
        "author_name": author.get("name") or None,
        "author_type": kind,
    }

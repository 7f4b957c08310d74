"""Messages of the data set, written when they are asked for: the same each time."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import shown
from integration_tests.sandbox.issues import IssueFactory, Planned, file_of
from integration_tests.sandbox.options import Size
from integration_tests.sandbox.versions import Key


class Message(NamedTuple):
    """One message: its time (milliseconds), whether it is internal, and its record as stored."""

    at: int
    private: bool
    record: dict[str, Any]

    @property
    def key(self) -> Key:
        """The place in the thread: by time, and by id where times are equal."""
        return self.at, self.record["id"]


class MessageFactory:
    """Writes the messages of generated issues."""

    def __init__(self, seed: int, size: Size, issues: IssueFactory) -> None:
        """Needs the stories of the issues."""
        self._seed = seed
        self._size = size
        self._issues = issues

    def thread(self, index: int) -> list[Message]:
        """The messages of an issue by its number in the data set, oldest first."""
        rng = Random(self._seed << 40 | index << 1 | 1)
        issue = self._issues.id(index)
        thread = [
            Message(planned.at, planned.private, self._record(rng, index, issue, position, planned))
            for position, planned in enumerate(self._issues.story(index).messages)
        ]
        return sorted(thread, key=lambda message: message.key)

    def markers(self, index: int) -> list[str]:
        """The markers of an issue's internal notes."""
        issue = self._issues.id(index)
        planned = enumerate(self._issues.story(index).messages)
        return [text.marker(self._seed, issue, position) for position, message in planned if message.private]

    def _record(self, rng: Random, index: int, issue: str, position: int, planned: Planned) -> dict[str, Any]:
        marker = text.marker(self._seed, issue, position) if planned.private else None
        files = [file_of(self._seed, issue, position, planned.private, number) for number in range(planned.files)]
        record = compose(
            rng,
            identity=text.identity(self._seed, issue, "messages", position),
            at=planned.at,
            author=self._author(rng, marker),
            html=text.body(rng),
            marker=marker,
            files=files,
        )
        if index == self._issues.large_message and position == 0:
            filler = "<p>" + "A long log line with words in it. " * 30 + "</p>"
            record["message_html"] = filler * (self._size.large_message_bytes // len(filler) + 1)
        return record

    def _author(self, rng: Random, marker: str | None) -> dict[str, Any]:
        draw = rng.random()
        if marker is not None or draw < 0.4:
            number = int(rng.random() * max(1, self._size.users))
            user = {
                "id": text.identity(self._seed, "users", number),
                "email": f"agent{number}@vendor.example",
            }
            if draw < 0.1:
                # Posts by bots carry a user, too.
                return {"name": f"Workflow Bot {marker or ''}".strip(), "avatar_url": None, "user": user}
            return {"name": text.NAMES[number % len(text.NAMES)], "avatar_url": "", "user": user}
        number = int(rng.random() * max(1, self._size.contacts))
        contact = {
            "id": text.identity(self._seed, "contacts", number),
            "email": f"person{number}@customer.example",
        }
        return {"name": text.NAMES[number % len(text.NAMES)], "avatar_url": None, "contact": contact}


def compose(
    rng: Random,
    *,
    identity: str,
    at: int,
    author: dict[str, Any],
    html: str,
    marker: str | None,
    files: list[str],
) -> dict[str, Any]:
    """The record of one message; `marker` is set for an internal note and stands in its text."""
    record: dict[str, Any] = {
        "id": identity,
        "author": author,
        "is_private": marker is not None,
        "message_html": f"{html}<p>{marker}</p>" if marker else html,
        "source": ("email", "slack", "chat_widget")[int(rng.random() * 3)],
        "timestamp": shown(at),
    }
    if marker:
        record["thread_id"] = text.identity(identity, "thread")
    if files:
        record["file_urls"] = files
    elif rng.random() < 0.5:
        record["file_urls"] = None if rng.random() < 0.5 else []
    if record["source"] == "email":
        record["email_info"] = {
            "from_email": (author.get("contact") or author.get("user") or {}).get("email"),
            "to_emails": ["support@vendor.example"],
            "cc_emails": None,
            "bcc_emails": [],
            "message_id": f"<{identity}@mail.example>",
        }
    return record

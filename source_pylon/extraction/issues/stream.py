"""The kind of the four issue streams: declared one by one, read together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import ClassVar

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.config import Config
from source_pylon.extraction.issues.cursor import LATEST_MESSAGE
from source_pylon.extraction.issues.endpoints import ISSUE, LIST, MESSAGES, SEARCH
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.stream import ConfiguredStream, Event, Reading, Record, State, Stream, SyncContext
from source_pylon.transform.truncation import issue_within

logger = logging.getLogger("airbyte")


class IssueStream(Stream):
    """All issues, or those of one type. All issue streams of a sync share one reading."""

    cursor_field = LATEST_MESSAGE
    issue_type: ClassVar[str | None] = None
    """`conversation` or `ticket`; None for issues of every type."""
    emits_every_issue: ClassVar[bool] = False
    """Whether it emits one record for each issue, so that their number is an estimate of its records."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list, the search, single issues, and messages."""
        return (LIST, SEARCH, ISSUE, MESSAGES)

    @property
    def reading_group(self) -> str:
        """All issue streams are read together."""
        return "issues"

    @classmethod
    def reading(cls, streams: Sequence[ConfiguredStream]) -> Reading:
        """Return the reader of issues for these streams."""
        # Imported here because the reader imports this module.
        from source_pylon.extraction.issues.reader import IssueReading

        return IssueReading(streams)

    def read(self, context: SyncContext, state: State | None) -> Iterator[Event]:
        """Read this stream alone."""
        yield from self.reading([ConfiguredStream(self, state)]).read(context)

    def accepts(self, listed: ListedIssue) -> bool:
        """Return whether an issue belongs to the stream."""
        return self.issue_type is None or listed.type == self.issue_type

    def check_config(self, config: Config) -> None:
        """Raise DisabledByConfig if the stream needs an option that is switched off."""

    def records(self, issue: Record) -> list[Record]:
        """Return the records that the stream emits of a finished issue: the issue itself."""
        return [issue]

    def fit(self, record: Record) -> Record:
        """Return an issue that is too large for destinations, cut to size."""
        return issue_within(record)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Request one issue, and one of its messages if messages are included."""
        body: Record = {"limit": 1}
        if self.issue_type:
            body["filter"] = {"field": "issue_type", "operator": "equals", "value": self.issue_type}
        issues = responses.items(client.request(SEARCH, body=body))
        for issue in issues[:1] if config.include_messages else ():
            try:
                client.request(MESSAGES, str(issue.get("id")), query={"limit": 1})
            except (errors.NotFound, errors.Rejected):
                logger.debug("The issue of the check was deleted in the meantime.")

"""The kind of the four issue streams: declared one by one, read together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import ClassVar

from source_pylon.api import errors, responses
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import ISSUE, ISSUE_LIST, ISSUE_SEARCH, MESSAGES, Endpoint
from source_pylon.config import Config
from source_pylon.extraction.issues.cursor import LATEST_MESSAGE
from source_pylon.extraction.issues.listed import ListedIssue
from source_pylon.extraction.issues.reader import read_issues
from source_pylon.extraction.stream import ConfiguredStream, Event, Record, State, Stream, SyncContext
from source_pylon.transform.truncation import issue_within

logger = logging.getLogger("airbyte")


class IssueStream(Stream):
    """All issues, or those of one type. All issue streams of a sync share one reading."""

    cursor_field = LATEST_MESSAGE
    group = "issues"
    issue_type: ClassVar[str | None] = None
    """`conversation` or `ticket`; None for issues of every type."""
    emits_every_issue: ClassVar[bool] = False
    """Whether it emits one record for each issue, so that their number is an estimate of its records."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list, the search, single issues, and messages."""
        return (ISSUE_LIST, ISSUE_SEARCH, ISSUE, MESSAGES)

    def read(self, context: SyncContext, state: State | None) -> Iterator[Event]:
        """Read this stream alone."""
        return self.read_group(context, [ConfiguredStream(self, state)])

    def read_group(self, context: SyncContext, streams: Sequence[ConfiguredStream]) -> Iterator[Event]:
        """Read all issue streams together."""
        return read_issues(context, streams)

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
        issues = responses.items(client.request(ISSUE_SEARCH, body=body))
        for issue in issues[:1] if config.include_messages else ():
            try:
                client.request(MESSAGES, str(issue.get("id")), query={"limit": 1})
            except (errors.NotFound, errors.Rejected):
                logger.debug("The issue of the check was deleted in the meantime.")

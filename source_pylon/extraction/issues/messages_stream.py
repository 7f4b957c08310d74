"""Messages as a stream of their own."""

from collections.abc import Iterator

from pydantic import BaseModel

from source_pylon.api import errors
from source_pylon.api.endpoints import MESSAGES
from source_pylon.extraction.issues.feed import Finished
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.stream import Record, Slice, State, Sync
from source_pylon.transform.feedback import message_records


class IssueMessageStream(IssueStream):
    """The public messages of all issues, one record each, out of the same reading as the issue streams."""

    emits_messages = True

    def __init__(self, name: str, model: type[BaseModel]) -> None:
        super().__init__(name, model, main=False)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """As the issue streams'; raises when messages are not to be read."""
        if not sync.config.include_messages:
            raise errors.DisabledByConfig(
                "Include Messages is switched off in the configuration. Switch it on, or leave this stream out.",
                MESSAGES.key,
            )
        return super().slices(sync, state)

    def emit(self, sync: Sync, finished: Finished) -> Iterator[Record]:
        """The issue's messages."""
        public = finished.messages or []
        yield from message_records(finished.record, public)
        if keyless := sum(1 for message in public if not message.get("id")):
            sync.count_keyless(self.name, keyless)

"""Lists with a cursor field emit what changed since the state, judged by each record's own times."""

from __future__ import annotations

from typing import Any

import pytest

from source_pylon.api.client import PylonClient
from source_pylon.api.transport import Transport
from source_pylon.config import Config
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Checkpoint, Page, SyncContext
from source_pylon.streams import STREAMS
from source_pylon.streams.accounts import Accounts
from source_pylon.streams.knowledge_base import ArticleFeedbacks
from source_pylon.timing import Timing
from source_pylon.transform.clean import time_fields

HOST = "https://api.usepylon.com"
BEFORE, STATE, AFTER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture
def context() -> SyncContext:
    timing = Timing()
    client = PylonClient(Transport(HOST, "token", timing, connections=1), timing=timing)
    return SyncContext(client, Config.load({"api_token": "token"}), timing)


def emitted(stream: ListStream, context: SyncContext, state: dict[str, Any]) -> list[str]:
    """The ids that a sync with this state emits."""
    events = list(stream.read(context, state))
    assert isinstance(events[-1], Checkpoint)
    return [record["id"] for event in events if isinstance(event, Page) for record in event.records]


@pytest.mark.parametrize("stream", [Accounts(), ArticleFeedbacks()], ids=lambda stream: stream.name)
@pytest.mark.parametrize(
    ("created", "updated", "is_new"),
    [
        (BEFORE, BEFORE, False),
        (BEFORE, STATE, False),
        (BEFORE, AFTER, True),
        (AFTER, NEVER, True),
        (AFTER, BEFORE, True),
        (BEFORE, NEVER, False),
        (BEFORE, None, True),
        (None, BEFORE, False),
    ],
)
def test_a_record_is_emitted_if_it_was_created_or_changed_after_the_state(
    stream: ListStream, created: str | None, updated: str | None, is_new: bool, context: SyncContext, pylon: Any
) -> None:
    record = {"id": "a", stream.created_field: created, "updated_at": updated}
    pylon.get(f"{HOST}{stream.endpoint.path}", json={"data": [record], "request_id": "r"})
    assert emitted(stream, context, {"updated_at": STATE}) == (["a"] if is_new else [])
    assert emitted(stream, context, {}) == ["a"], "a first sync emits everything"


@pytest.mark.parametrize(
    "stream",
    [one for one in STREAMS if isinstance(one, ListStream) and one.cursor_field],
    ids=lambda stream: stream.name,
)
def test_the_creation_field_of_every_incremental_list_is_a_time_in_its_schema(stream: ListStream) -> None:
    assert stream.created_field in time_fields(stream.model).names

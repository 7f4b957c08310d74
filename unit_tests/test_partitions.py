"""Slices as partitions: a state never covers a slice that was not read whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
from airbyte_cdk.sources.message import InMemoryMessageRepository
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from pydantic import BaseModel

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.api.transport import Transport
from source_pylon.config import Config
from source_pylon.extraction.stream import Record, Selection, Slice, State, Stream, Sync
from source_pylon.output.progress import Progress
from source_pylon.sync.checkpoints import CheckpointCursor
from source_pylon.sync.partitions import SliceGenerator
from source_pylon.timing import Timing


class Slices(Stream):
    """A stream of given slices; `error` ends the making of them."""

    name = "things"
    cursor_field = "at"
    model = BaseModel

    def __init__(self, slices: list[Slice], error: Exception | None = None) -> None:
        self._slices = slices
        self._error = error

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return ()

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        yield from self._slices
        if self._error is not None:
            raise self._error

    def probe(self, client: PylonClient) -> None:
        """Nothing."""


def good(number: int) -> Slice:
    return Slice({}, lambda: [{"id": number}], lambda: {"at": number})


def bad(number: int) -> Slice:
    def read() -> Iterable[Record]:
        raise errors.Unavailable("no answer")

    return Slice({}, read, lambda: {"at": number})


def prepared(definition: Slices) -> tuple[SliceGenerator, CheckpointCursor]:
    timing = Timing()
    config = Config(api_token="token")
    progress = Progress(timing)
    client = PylonClient(Transport("http://127.0.0.1:1", "token", timing, 1), timing=timing)
    selection = Selection(definition, {"at": 0})
    sync = Sync(client, config, timing, progress, [selection])
    progress._records[definition.name] = 0
    cursor = CheckpointCursor(definition.name, {"at": 0}, InMemoryMessageRepository(), 0.0)
    return SliceGenerator(sync, selection, cursor, keeps_state=True), cursor


def process(partition: Partition, cursor: CheckpointCursor) -> list[Any]:
    """What the CDK does with a partition."""
    found = [record.data for record in partition.read()]
    cursor.close_partition(partition)
    return found


def test_a_slice_that_another_ones_failure_kept_from_being_read_does_not_move_the_state() -> None:
    generator, cursor = prepared(Slices([good(1), bad(2)]))
    first, second = islice(generator.generate(), 2)
    with pytest.raises(AirbyteTracedException):
        process(second, cursor)
    found = process(first, cursor)
    assert cursor.state == {"at": 1 if found else 0}


def test_a_slice_that_was_made_before_the_making_failed_is_read_or_does_not_move_the_state() -> None:
    generator, cursor = prepared(Slices([good(1)], errors.Unavailable("no answer")))
    made = generator.generate()
    first = next(iter(made))
    with pytest.raises(AirbyteTracedException):
        list(made)
    found = process(first, cursor)
    assert cursor.state == {"at": 1 if found else 0}


def test_slices_that_are_read_whole_move_the_state_in_order() -> None:
    generator, cursor = prepared(Slices([good(1), good(2)]))
    made = generator.generate()
    first, second = islice(made, 2)
    assert process(second, cursor) == [{"id": 2}]
    assert cursor.state == {"at": 0}
    assert process(first, cursor) == [{"id": 1}]
    assert list(made) == []
    assert cursor.state == {"at": 2}


def test_records_without_a_key_fail_their_stream_when_the_others_have_been_read_and_hold_its_state_back() -> None:
    def with_one_left_out() -> Iterable[Record]:
        yield {"id": 2}
        generator._sync.count_keyless("things", 1)

    generator, cursor = prepared(Slices([good(1), Slice({}, with_one_left_out, lambda: {"at": 2}), good(3)]))
    made = generator.generate()
    for number, partition in enumerate(islice(made, 3), 1):
        assert process(partition, cursor) == [{"id": number}]
    with pytest.raises(AirbyteTracedException, match="1 records without id"):
        list(made)
    assert cursor.state == {"at": 1}

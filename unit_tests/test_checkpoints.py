"""States leave in the order of the slices, never for more than was given, and not too often."""

from __future__ import annotations

from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.message import InMemoryMessageRepository

from source_pylon.sync.checkpoints import NO_CURSOR, CheckpointCursor


class Closed:
    """A partition that has been read."""

    def __init__(self, number: int, state: Any = None, *, whole: bool = True) -> None:
        self.number = number
        self.next_state = None if state is None else lambda: {"mark": state}
        self.whole = whole

    def to_slice(self) -> dict[str, Any]:
        return {"number": self.number}


class Harness:
    """A cursor whose states are kept, at a time that the test sets."""

    def __init__(self, least_interval: float = 0.0, initial: dict[str, Any] | None = None) -> None:
        self.now = 0.0
        self.repository = InMemoryMessageRepository()
        self.order: list[str] = []
        self.cursor = CheckpointCursor(
            "issues",
            {} if initial is None else initial,
            self.repository,
            least_interval,
            monotonic=lambda: self.now,
            hand_over=lambda: self.order.append("records"),
            on_emit=lambda: self.order.append("state"),
        )

    def close(self, *partitions: Closed) -> list[Any]:
        for partition in partitions:
            self.cursor.close_partition(partition)  # type: ignore[arg-type]
        return self.emitted()

    def emitted(self) -> list[Any]:
        messages: list[AirbyteMessage] = list(self.repository.consume_queue())
        states = [message.state for message in messages]
        return [vars(state.stream.stream_state) for state in states if state and state.stream]


def test_a_slice_that_closes_early_waits_for_those_before_it() -> None:
    harness = Harness()
    assert harness.close(Closed(1, 1), Closed(2, 2)) == []
    assert harness.close(Closed(0, 0)) == [{"mark": 2}]


def test_a_slice_that_was_not_given_whole_holds_the_state_back_for_good() -> None:
    harness = Harness()
    assert harness.close(Closed(0, 0)) == [{"mark": 0}]
    assert harness.close(Closed(1, 1, whole=False), Closed(2, 2), Closed(3, 3)) == []
    assert harness.cursor.state == {"mark": 0}


def test_a_slice_without_a_state_of_its_own_leaves_it_as_it_is() -> None:
    harness = Harness()
    harness.close(Closed(0, 0))
    assert harness.close(Closed(1)) == []
    assert harness.close(Closed(2, 2)) == [{"mark": 2}]


def test_states_leave_at_most_once_in_the_least_interval() -> None:
    harness = Harness(least_interval=60)
    assert harness.close(Closed(0, 0), Closed(1, 1)) == []
    harness.now = 60
    assert harness.close(Closed(2, 2)) == [{"mark": 2}]
    harness.now = 100
    assert harness.close(Closed(3, 3)) == []


def test_the_last_state_leaves_when_all_is_closed_however_early() -> None:
    harness = Harness(least_interval=60)
    harness.close(Closed(0, 0), Closed(1, 1))
    harness.cursor.all_made(2)
    assert harness.emitted() == [{"mark": 1}]


def test_the_last_slice_to_close_after_all_are_made_brings_the_last_state() -> None:
    harness = Harness(least_interval=60)
    harness.close(Closed(0, 0))
    harness.cursor.all_made(2)
    assert harness.emitted() == []
    assert harness.close(Closed(1, 1)) == [{"mark": 1}]
    harness.cursor.ensure_at_least_one_state_emitted()
    assert harness.emitted() == []


@pytest.mark.parametrize("initial", [NO_CURSOR, {"mark": "old"}])
def test_a_stream_without_slices_still_has_one_state(initial: dict[str, Any]) -> None:
    harness = Harness(initial=initial)
    harness.cursor.all_made(0)
    harness.cursor.ensure_at_least_one_state_emitted()
    assert harness.emitted() == [initial]


def test_records_are_handed_over_before_the_state_that_covers_them() -> None:
    harness = Harness()
    harness.close(Closed(0, 0))
    assert harness.order == ["records", "state"]


def test_an_empty_state_does_not_leave_in_between() -> None:
    assert Harness().close(Closed(0)) == []


def test_a_sign_of_life_repeats_a_state_that_can_be_resumed_from_and_no_other() -> None:
    harness = Harness(initial={"mark": "old"})
    harness.cursor.repeat()
    assert harness.emitted() == [{"mark": "old"}]
    for nothing in ({}, NO_CURSOR):
        harness = Harness(initial=dict(nothing))
        harness.cursor.repeat()
        assert harness.emitted() == []

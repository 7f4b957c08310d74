"""The queue before standard output is bounded by bytes, and lets everybody go when it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airbyte_cdk.models import AirbyteMessage, Type

from source_pylon.output.lines import Output, RecordBatch
from source_pylon.output.queue import OutputQueue

WAIT = 10.0
"""Seconds after which a test counts as hanging."""
A_MOMENT = 0.05
STATE = AirbyteMessage(type=Type.STATE)


def batch(size: int) -> RecordBatch:
    return RecordBatch("issues", None, b"x" * size, 1)


def started(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_items_come_out_in_the_order_in_which_they_were_added() -> None:
    queue = OutputQueue()
    items: list[Output | None] = [batch(1), STATE, batch(2), None]
    for item in items:
        queue.put(item)
    assert not queue.is_empty()
    assert [queue.get() for _ in items] == items
    assert queue.is_empty()


def test_a_batch_that_would_pass_the_bound_waits_until_there_is_room() -> None:
    queue = OutputQueue(max_bytes=100)
    queue.put(batch(60))
    queue.put(batch(40))
    thread = started(lambda: queue.put(batch(1)))
    thread.join(A_MOMENT)
    assert thread.is_alive()
    queue.get()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_only_batches_ever_wait() -> None:
    queue = OutputQueue(max_bytes=100)
    queue.put(batch(100))
    for item in (STATE, None):
        thread = started(lambda item=item: queue.put(item))  # type: ignore[misc]
        thread.join(WAIT)
        assert not thread.is_alive()


def test_close_drops_everything_and_releases_whoever_waits() -> None:
    queue = OutputQueue(max_bytes=100)
    queue.put(batch(100))
    threads = [started(lambda: queue.put(batch(100))) for _ in range(3)]
    queue.close()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    queue.put(STATE)
    assert queue.is_empty()


def test_seal_keeps_what_is_there_and_drops_what_follows() -> None:
    queue = OutputQueue(max_bytes=100)
    queue.put(batch(100))
    thread = started(lambda: queue.put(batch(1)))
    queue.seal()
    thread.join(WAIT)
    assert not thread.is_alive()
    queue.put(STATE)
    assert queue.get() == batch(100)
    assert queue.is_empty()


def test_get_waits_for_an_item() -> None:
    queue = OutputQueue()
    assert not queue.wait(0)
    taken = []
    thread = started(lambda: taken.append(queue.get()))
    thread.join(A_MOMENT)
    assert thread.is_alive()
    queue.put(STATE)
    thread.join(WAIT)
    assert taken == [STATE]

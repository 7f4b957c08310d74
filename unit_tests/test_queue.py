"""The queue between the reading threads and the writing one: bounded by the bytes that wait in it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from source_pylon.output.lines import RecordBatch, batch
from source_pylon.output.queue import OutputQueue

LONG = 5.0
SHORT = 0.2


def of_size(size: int) -> RecordBatch:
    return batch("accounts", None, [b"x" * size])


def in_a_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_the_bytes_that_wait_for_a_slow_reader_are_bounded() -> None:
    queue = OutputQueue(max_bytes=1_000)
    added: list[int] = []

    def add() -> None:
        for number in range(5):
            queue.put(of_size(400))
            added.append(number)

    writer = in_a_thread(add)
    writer.join(SHORT)
    assert added == [0, 1]
    for taken in range(1, 4):
        assert queue.get() == of_size(400)
        writer.join(SHORT)
        assert added == list(range(min(5, 2 + taken)))
    assert not writer.is_alive()


def test_a_batch_larger_than_the_limit_passes_alone() -> None:
    queue = OutputQueue(max_bytes=1_000)
    writer = in_a_thread(lambda: queue.put(of_size(5_000)))
    writer.join(LONG)
    assert not writer.is_alive()
    second = in_a_thread(lambda: queue.put(of_size(1)))
    second.join(SHORT)
    assert second.is_alive()
    assert queue.get() == of_size(5_000)
    second.join(LONG)
    assert not second.is_alive()

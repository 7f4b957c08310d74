"""What is fetched ahead comes in order, within a budget of bytes, and not after anybody wants it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from source_pylon.extraction.prefetch import Prefetch, Turn

WORKERS = 4
WAIT = 10.0
"""Seconds after which a test counts as hanging."""


def same(item: int, turn: Turn) -> int:
    return item


def values(results: Iterator[int | None]) -> list[int]:
    return [result for result in results if result is not None]


def test_results_come_in_the_order_of_the_items_whatever_takes_longest() -> None:
    delays = random.Random(1)

    def fetch(item: int, turn: Turn) -> int:
        time.sleep(delays.random() / 200)
        return item * 10

    assert values(Prefetch(fetch, WORKERS).results(range(50))) == [item * 10 for item in range(50)]


def test_several_items_are_in_progress_at_once_and_never_more_than_there_are_workers() -> None:
    together = threading.Barrier(WORKERS)
    running: list[int] = []
    most = []

    def fetch(item: int, turn: Turn) -> int:
        running.append(item)
        most.append(len(running))
        together.wait(WAIT)
        running.remove(item)
        return item

    assert values(Prefetch(fetch, WORKERS).results(range(3 * WORKERS))) == list(range(3 * WORKERS))
    assert max(most) == WORKERS


def test_items_that_need_no_thread_are_handled_by_the_caller_and_stay_in_order() -> None:
    threads = {}

    def fetch(item: int, turn: Turn) -> int:
        threads[item] = threading.current_thread()
        return item

    prefetch = Prefetch(fetch, WORKERS, needs_thread=lambda item: item % 2 == 0)
    assert values(prefetch.results(range(20))) == list(range(20))
    caller = threading.current_thread()
    assert [threads[item] is caller for item in range(20)] == [item % 2 == 1 for item in range(20)]


def test_an_error_is_raised_in_place_of_its_result() -> None:
    def fetch(item: int, turn: Turn) -> int:
        if item == 3:
            raise ValueError(item)
        return item

    made = (result for result in Prefetch(fetch, WORKERS).results(range(10)) if result is not None)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(made)


def test_results_begun_before_an_error_of_the_items_are_still_yielded() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    results = Prefetch(same, WORKERS).results(items())
    seen = [next(results) for _ in range(5)]
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no more"):
        next(results)


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1_000):
            taken.append(item)
            yield item

    results = Prefetch(same, WORKERS).results(items())
    assert next(result for result in results if result is not None) == 0
    assert len(taken) <= 2 * WORKERS
    results.close()  # type: ignore[attr-defined]


def test_nothing_is_begun_after_the_caller_has_stopped() -> None:
    begun = []
    gate = threading.Event()

    def fetch(item: int, turn: Turn) -> int:
        begun.append(item)
        if item:
            gate.wait(WAIT)
        return item

    results = Prefetch(fetch, 1).results(range(1_000))
    assert next(result for result in results if result is not None) == 0
    results.close()  # type: ignore[attr-defined]
    before = list(begun)
    gate.set()
    time.sleep(0.05)
    assert begun == before
    assert len(before) <= 2


def test_none_means_that_the_next_result_is_not_ready() -> None:
    gate = threading.Event()

    def fetch(item: int, turn: Turn) -> int:
        assert gate.wait(WAIT)
        return item

    results = Prefetch(fetch, WORKERS).results([1])
    assert next(results) is None
    gate.set()
    assert next(results) == 1


def test_only_one_item_is_begun_at_a_time_while_more_bytes_wait_than_the_budget_allows() -> None:
    begun = []

    def fetch(item: int, turn: Turn) -> int:
        begun.append(item)
        turn.size = 100
        return item

    # Made by the caller, so that each size is known before the next item is begun.
    results = Prefetch(fetch, WORKERS, needs_thread=lambda item: False, max_bytes=250).results(range(100))
    ahead = [len(begun) - number for number, _ in enumerate(results, 1)]
    assert begun == list(range(100))
    # Three of them pass the budget.
    assert max(ahead) == 2


def test_one_item_at_a_time_may_be_large() -> None:
    large = threading.Semaphore(1)
    collisions = []

    def fetch(item: int, turn: Turn) -> int:
        turn.wait()
        if not large.acquire(blocking=False):
            collisions.append(item)
        else:
            time.sleep(0.002)
            large.release()
        return item

    assert values(Prefetch(fetch, WORKERS).results(range(20))) == list(range(20))
    assert collisions == []


def test_the_item_that_the_caller_waits_for_may_be_large_whatever_else_waits() -> None:
    others = threading.Event()

    def fetch(item: int, turn: Turn) -> int:
        if item == 0:
            assert others.wait(WAIT)
            turn.wait()
        else:
            turn.size = 1_000
            others.set()
        return item

    assert values(Prefetch(fetch, WORKERS, max_bytes=10).results(range(4))) == [0, 1, 2, 3]

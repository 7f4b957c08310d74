"""Fetches a few items ahead, concurrently and in order, within a budget of bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BYTES_HELD = 8_000_000
"""How many bytes of results may wait to be used before no further item is begun."""
_PATIENCE = 0.1
"""Seconds to wait for the next result before the caller hands on what it has. Without them, each small result would
travel by itself, and that costs as much as reading it."""


def thread_pool(workers: int) -> Executor:
    """Return a pool of `workers` threads."""
    return ThreadPoolExecutor(workers, thread_name_prefix="prefetch")


class Turn:
    """One item's permission to be large. Making something of a large answer takes some times its size for a moment."""

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget
        self.weight = 0
        """Bytes that the result holds; to be set by whoever makes it."""

    def wait(self) -> None:
        """Block until this item may be large: one at a time, and only where what waits leaves room for it.

        The item that the caller waits for gets its turn in any case, so the reading always goes on.
        """
        self._budget.wait_for_turn(self)


class _Budget:
    """What is in progress and what waits to be used, in order."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._turns: deque[Turn] = deque()
        self._held = 0
        self._large: Turn | None = None

    def has_room(self, max_items: int) -> bool:
        with self._changed:
            return len(self._turns) < (1 if self._held > self._max_bytes else max_items)

    def begin(self) -> Turn:
        with self._changed:
            turn = Turn(self)
            self._turns.append(turn)
            return turn

    def wait_for_turn(self, turn: Turn) -> None:
        with self._changed:
            self._changed.wait_for(lambda: turn not in self._turns or self._may_be_large(turn))
            self._large = turn

    def _may_be_large(self, turn: Turn) -> bool:
        if self._large is not None:
            return self._large is turn
        return self._held <= self._max_bytes or self._turns[0] is turn

    def made(self, turn: Turn) -> None:
        with self._changed:
            self._held += turn.weight
            self._end_large(turn)

    def used(self) -> None:
        with self._changed:
            turn = self._turns.popleft()
            self._held -= turn.weight
            self._end_large(turn)

    def close(self) -> None:
        with self._changed:
            self._turns.clear()
            self._large = None
            self._changed.notify_all()

    def _end_large(self, turn: Turn) -> None:
        if self._large is turn:
            self._large = None
        self._changed.notify_all()


class Prefetch(Generic[Item, Result]):
    """Applies a function to items in a pool of threads and yields the results in the order of the items."""

    def __init__(
        self,
        fetch: Callable[[Item, Turn], Result],
        workers: int,
        *,
        needs_thread: Callable[[Item], bool] = lambda item: True,
        max_bytes: int = MAX_BYTES_HELD,
        make_executor: Callable[[int], Executor] = thread_pool,
    ) -> None:
        """Fetch with `workers` threads. Items for which `needs_thread` is false are made by the caller's thread.

        `make_executor` returns what runs the fetches, given the number of workers.
        """
        self._fetch = fetch
        self._needs_thread = needs_thread
        self._workers = workers
        self._max_bytes = max_bytes
        self._make_executor = make_executor

    def results(self, items: Iterable[Item]) -> Iterator[Result | None]:
        """Yield the results in order, and None wherever the next one is not there yet.

        Items are taken from `items` only as they are needed. What `fetch` raises is raised in its place. When the
        caller stops early, nothing further is begun.
        """
        budget = _Budget(self._max_bytes)
        queue: deque[Future[Result] | Item] = deque()
        source = iter(items)
        exhausted = False
        failure: Exception | None = None
        pool = self._make_executor(self._workers)
        try:
            while True:
                while not exhausted and budget.has_room(2 * self._workers):
                    try:
                        item = next(source)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:
                        # What was fetched before it is still good.
                        exhausted, failure = True, error
                    else:
                        turn = budget.begin()
                        queue.append(pool.submit(self._make, budget, turn, item) if self._needs_thread(item) else item)
                if not queue:
                    if failure is not None:
                        raise failure
                    return
                head = queue.popleft()
                if isinstance(head, Future):
                    if not head.done() and wait([head], _PATIENCE).not_done:
                        yield None
                    result = head.result()
                else:
                    result = self._fetch(head, Turn(budget))
                del head
                yield result
                del result
                budget.used()
        finally:
            budget.close()
            pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, budget: _Budget, turn: Turn, item: Item) -> Result:
        try:
            return self._fetch(item, turn)
        finally:
            budget.made(turn)

"""Fetches a few items ahead, concurrently and in order, within a budget of bytes."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BYTES_HELD = 8_000_000
"""No further item is started while more bytes of results than this wait to be used."""
_PATIENCE = 0.1
"""Seconds to wait for the next result before yielding None, which lets the caller emit what it has collected. Without
the wait, each small result would be emitted by itself, which costs as much as fetching it."""


class Turn:
    """The place of one item in the order of results."""

    __slots__ = ("_prefetch", "error", "is_done", "item", "result", "size")

    def __init__(self, prefetch: Prefetch[Any, Any], item: object) -> None:
        self._prefetch = prefetch
        self.item = item
        self.result: object = None
        self.error: BaseException | None = None
        self.is_done = False
        self.size = 0
        """Size of the result in bytes; set by the fetch function."""

    def wait(self) -> None:
        """Block until this item may hold a large response, whose processing briefly takes several times its size.

        One item at a time may, and only while the waiting results are within their budget. The item that the caller is
        waiting for is always let through, so reading never deadlocks.
        """
        self._prefetch.wait_for_large(self)


class Threads:
    """A few threads, started when they are needed. Cheaper than an executor, whose futures have locks of their own."""

    def __init__(self, max_threads: int, make: Callable[[Turn], None]) -> None:
        self._max_threads = max_threads
        self._make = make
        self._started = 0
        self._turns: SimpleQueue[Turn | None] = SimpleQueue()

    def run(self, turn: Turn) -> None:
        """Fetch the result of a turn in one of the threads."""
        if self._started < self._max_threads:
            self._started += 1
            threading.Thread(target=self._work, name=f"prefetch-{self._started}", daemon=True).start()
        self._turns.put(turn)

    def expect(self, turn: Turn) -> None:
        """Called before the caller waits for a turn. Nothing to do for threads; a simulation overrides it."""

    def stop(self) -> None:
        """End the threads; items that have not been started are dropped."""
        with contextlib.suppress(Empty):
            while True:
                self._turns.get_nowait()
        for _ in range(self._started):
            self._turns.put(None)

    def _work(self) -> None:
        while (turn := self._turns.get()) is not None:
            self._make(turn)
            # Do not keep the last result alive while the thread waits for its next item.
            turn = None


class Prefetch(Generic[Item, Result]):
    """Applies a function to items in a few threads and yields the results in the order of the items."""

    def __init__(
        self,
        fetch: Callable[[Item, Turn], Result],
        workers: int,
        *,
        needs_thread: Callable[[Item], bool] = lambda item: True,
        max_bytes: int = MAX_BYTES_HELD,
        make_threads: Callable[[int, Callable[[Turn], None]], Threads] = Threads,
    ) -> None:
        """Fetch with `workers` threads. Items for which `needs_thread` is false are handled by the caller's thread."""
        self._fetch = fetch
        self._needs_thread = needs_thread
        self._max_items = 2 * workers
        self._max_bytes = max_bytes
        self._threads = make_threads(workers, self._make)
        self._changed = threading.Condition()
        self._turns: deque[Turn] = deque()
        """Items that have been started but whose results have not been used, in order."""
        self._held = 0
        self._large: Turn | None = None
        self._large_waiting = 0

    def results(self, items: Iterable[Item]) -> Iterator[Result | None]:
        """Yield the results in order, and None whenever the next one is not ready. For one call only.

        Items are taken from `items` only as they are needed. An exception from `fetch` is raised in the item's place,
        one from `items` after all earlier results. When the caller stops early, no further item is started.
        """
        source = iter(items)
        failure: Exception | None = None
        is_exhausted = False
        try:
            while True:
                while not is_exhausted and self._has_room():
                    try:
                        item = next(source)
                    except StopIteration:
                        is_exhausted = True
                    except Exception as error:
                        is_exhausted, failure = True, error
                    else:
                        self._begin(item)
                if not self._turns:
                    break
                head = self._turns[0]
                self._threads.expect(head)
                if not self._is_done_within(head, _PATIENCE):
                    yield None
                    self._is_done_within(head, None)
                if head.error is not None:
                    raise head.error
                yield head.result  # type: ignore[misc]
                # Do not keep a large result alive while waiting for the next one.
                head.result = None
                self._drop_first()
        finally:
            with self._changed:
                self._turns.clear()
                self._large = None
                self._changed.notify_all()
            self._threads.stop()
        if failure is not None:
            raise failure

    def _has_room(self) -> bool:
        return len(self._turns) < (1 if self._held > self._max_bytes else self._max_items)

    def _begin(self, item: Item) -> None:
        turn = Turn(self, item)
        with self._changed:
            self._turns.append(turn)
        if self._needs_thread(item):
            self._threads.run(turn)
        else:
            self._make(turn)

    def _make(self, turn: Turn) -> None:
        try:
            turn.result = self._fetch(turn.item, turn)  # type: ignore[arg-type]
        except BaseException as error:
            turn.error = error
        turn.item = None
        with self._changed:
            turn.is_done = True
            self._held += turn.size
            self._end_large(turn)
            if self._large_waiting or (self._turns and self._turns[0] is turn):
                self._changed.notify_all()

    def _is_done_within(self, turn: Turn, timeout: float | None) -> bool:
        if turn.is_done:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: turn.is_done, timeout)

    def _drop_first(self) -> None:
        with self._changed:
            turn = self._turns.popleft()
            self._held -= turn.size
            self._end_large(turn)
            if self._large_waiting:
                self._changed.notify_all()

    def wait_for_large(self, turn: Turn) -> None:
        """Block until `turn` may hold a large response; see `Turn.wait`."""
        with self._changed:
            self._large_waiting += 1
            self._changed.wait_for(lambda: turn not in self._turns or self._may_be_large(turn))
            self._large_waiting -= 1
            self._large = turn

    def _may_be_large(self, turn: Turn) -> bool:
        if self._large is not None:
            return self._large is turn
        return self._held <= self._max_bytes or self._turns[0] is turn

    def _end_large(self, turn: Turn) -> None:
        if self._large is turn:
            self._large = None

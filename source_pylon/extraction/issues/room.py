"""How much of what was read may wait to be taken."""

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Room(Generic[Item]):
    """Bounds what is read ahead, by number and by size. Thread-safe.

    Items enter in the order in which they will be taken. Making a record of a conversation takes some times its size
    for a moment, so large ones are made one at a time. One is begun only where what is made and not yet taken leaves
    room, or where everything before it was taken: so what the slowest stream waits for always comes.
    """

    def __init__(self, places: int, most_bytes: int) -> None:
        """At most `places` items at once; only one while those that are made weigh more than `most_bytes`."""
        self._places = places
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._weights: dict[Item, int] = {}
        self._held = 0
        self._large: Item | None = None

    def items(self) -> list[Item]:
        """What is inside, in order."""
        with self._changed:
            return list(self._weights)

    def has_place(self) -> bool:
        """Whether one more may enter."""
        with self._changed:
            return len(self._weights) < (1 if self._held > self._most_bytes else self._places)

    def enter(self, item: Item) -> None:
        """An item is going to be read."""
        with self._changed:
            self._weights[item] = 0

    def await_turn(self, item: Item) -> None:
        """Blocks until a large item may be made; at once where it may already, or has left."""
        with self._changed:
            self._changed.wait_for(lambda: item not in self._weights or self._may_be_made(item))
            if item in self._weights:
                self._large = item

    def _may_be_made(self, item: Item) -> bool:
        if self._large is not None:
            return self._large == item
        return self._held <= self._most_bytes or next(iter(self._weights)) == item

    def made(self, item: Item, weight: int) -> None:
        """An item is made, and weighs so many bytes until it leaves."""
        with self._changed:
            if item in self._weights:
                self._weights[item] = weight
                self._held += weight
            self._end_turn(item)

    def leave(self, item: Item) -> None:
        """An item was taken, or is not wanted any more."""
        with self._changed:
            self._held -= self._weights.pop(item, 0)
            self._end_turn(item)

    def _end_turn(self, item: Item) -> None:
        if self._large == item:
            self._large = None
        self._changed.notify_all()

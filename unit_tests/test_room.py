"""What is read ahead is bounded by number and by size, and what is waited for always comes."""

from __future__ import annotations

import threading

from source_pylon.extraction.issues.room import Room

SOON = 30.0


def waits(room: Room[str], item: str) -> threading.Thread:
    thread = threading.Thread(target=room.await_turn, args=(item,))
    thread.start()
    thread.join(0.1)
    return thread


def test_places_are_counted() -> None:
    room: Room[str] = Room(2, 100)
    room.enter("a")
    assert room.has_place()
    room.enter("b")
    assert not room.has_place()
    room.leave("a")
    assert room.has_place()


def test_one_large_item_is_made_at_a_time() -> None:
    room: Room[str] = Room(5, 100)
    for item in "abc":
        room.enter(item)
    room.await_turn("b")
    room.await_turn("b")
    waiting = waits(room, "c")
    assert waiting.is_alive()
    room.made("b", 10)
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_while_much_is_held_only_the_first_may_be_made() -> None:
    room: Room[str] = Room(5, 100)
    for item in "abc":
        room.enter(item)
    room.await_turn("a")
    room.made("a", 101)
    waiting = waits(room, "b")
    assert waiting.is_alive()
    room.leave("a")
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_while_much_is_held_one_place_is_left() -> None:
    room: Room[str] = Room(5, 100)
    room.enter("a")
    room.made("a", 101)
    assert not room.has_place()
    room.leave("a")
    assert room.has_place()


def test_an_item_that_nobody_wants_any_more_waits_for_nothing() -> None:
    room: Room[str] = Room(5, 100)
    for item in "ab":
        room.enter(item)
    room.await_turn("a")
    waiting = waits(room, "b")
    room.leave("b")
    waiting.join(SOON)
    assert not waiting.is_alive()

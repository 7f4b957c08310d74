"""One reading for all issue streams: none runs far ahead of another, and whoever leaves keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

from source_pylon.extraction.issues.feed import IssueFeed
from source_pylon.extraction.issues.parts import Batch
from source_pylon.extraction.issues.plan import Listed, Range
from source_pylon.extraction.time_windows import Window

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
BATCHES = 40
SOON = 30.0


class Reader:
    """Gives each issue one message, or none before it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.go = threading.Event()
        if not held:
            self.go.set()

    def read(self, issue_id: str, on_large: Callable[[], None] | None = None) -> list[dict[str, Any]]:
        self.go.wait(SOON)
        return [{"id": f"m{issue_id}", "is_private": False, "message_html": "Hi"}]


def feed_of(names: list[str], reader: Reader, listed: list[int], takers: frozenset[str]) -> IssueFeed:
    def batches() -> Iterator[Batch]:
        for number in range(BATCHES):
            listed.append(number)
            time = f"2026-01-01T00:00:{number:02d}Z"
            issue = Listed.of({"id": str(number), "created_at": time, "latest_message_time": time})
            window = Window(START + timedelta(seconds=number), START + timedelta(seconds=number + 1))
            yield Batch([issue], {issue.id: takers}, window, latest=window.until)

    ranges = {name: Range(None, None, None) for name in names}
    return IssueFeed(batches(), reader, ranges, include_messages=True, keep_messages=False, num_workers=2)  # type: ignore[arg-type]


def taken(feed: IssueFeed, name: str) -> list[str]:
    return [str(one.record["id"]) for delivery in feed.deliveries(name) for one in delivery.issues()]


def test_a_stream_without_issues_does_not_list_the_whole_history_for_another() -> None:
    listed: list[int] = []
    feed = feed_of(["issues", "tickets"], Reader(), listed, frozenset({"issues"}))
    tickets = threading.Thread(target=taken, args=(feed, "tickets"))
    tickets.start()
    tickets.join(0.2)
    assert tickets.is_alive()
    assert len(listed) <= 5
    assert taken(feed, "issues") == [str(number) for number in range(BATCHES)]
    tickets.join(SOON)
    assert not tickets.is_alive()
    assert len(listed) == BATCHES


def test_streams_that_take_turns_at_listing_all_come_to_the_end() -> None:
    names = ["issues", "conversations", "tickets", "issue_messages"]
    for _ in range(20):
        feed = feed_of(names, Reader(), [], frozenset(names[:2]))
        with ThreadPoolExecutor(len(names)) as pool:
            got = [pool.submit(taken, feed, name) for name in names]
            assert [len(one.result(SOON)) for one in got] == [BATCHES, BATCHES, 0, 0]


def test_a_stream_that_leaves_keeps_nobody_waiting() -> None:
    reader, errors = Reader(held=True), list[BaseException]()
    feed = feed_of(["issues"], reader, [], frozenset({"issues"}))

    def take() -> None:
        try:
            taken(feed, "issues")
        except BaseException as error:
            errors.append(error)

    waiting = threading.Thread(target=take)
    waiting.start()
    waiting.join(0.2)
    feed.leave("issues")
    reader.go.set()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_a_stream_that_has_left_lists_no_more() -> None:
    listed: list[int] = []
    feed = feed_of(["issues"], Reader(), listed, frozenset({"issues"}))
    deliveries = feed.deliveries("issues")
    next(deliveries)
    feed.leave("issues")
    assert list(deliveries) == []
    assert len(listed) == 1

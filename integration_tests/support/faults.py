"""What Pylon can do to a sync beyond the sandbox's own faults, and the endpoints of issues."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.sandbox.faults import Action, Reply, Seen, delay, too_many

SEARCH = "POST /issues/search"
LIST = "GET /issues"
ISSUE = "GET /issues/{id}"
MESSAGES = "GET /issues/{id}/messages"


def hook(pylon: Sandbox, template: str, call: Callable[[Seen], object], *, after: int = 0) -> Fault:
    """Calls a function once, within the server, when the request after the first `after` ones arrives; the request
    itself passes unharmed."""
    fault = Fault(template, delay(0.0), times=1, after=after)
    original = fault.meets

    def meets(seen: Seen) -> bool:
        struck = original(seen)
        if struck:
            call(seen)
        return struck

    fault.meets = meets  # type: ignore[method-assign]
    return pylon.faults.add(fault)


def add_long_thread(pylon: Sandbox, messages: int) -> str:
    """Adds an issue with so many messages, every seventh of them internal, and returns its id."""
    start = pylon.clock.now() - timedelta(days=30)
    issue = pylon.store.add_issue(at=start)
    for number in range(messages):
        pylon.store.add_message(issue, private=number % 7 == 3, at=start + timedelta(minutes=number))
    return issue


def unfiltered_search(pylon: Sandbox, page: int = 100) -> Action:
    """A search that ignores every filter: all issues, newest created first, in pages of at most `page`."""

    def answer(seen: Seen) -> Reply:
        body = seen.body or {}
        start = int(body.get("cursor") or 0)
        issues = pylon.expected("issues")
        end = start + min(page, int(body.get("limit", 100)))
        more = end < len(issues)
        pagination = {"cursor": str(end) if more else "", "has_next_page": more}
        envelope = {"data": issues[start:end], "pagination": pagination, "request_id": "unfiltered"}
        return Reply(200, json.dumps(envelope).encode(), {"Content-Type": "application/json"})

    return Action(instead=answer)


class Gate:
    """Refuses requests until a stream has ended INCOMPLETE: the streams that need them are still being read then.

    With 429, because the sandbox answers one request after the other, so that none can be held back in it.
    """

    def __init__(self) -> None:
        self._opened = threading.Event()

    def watch(self, text: str) -> None:
        """Look at the output, as `on_write` of `read`."""
        if "INCOMPLETE" in text:
            self._opened.set()

    def fault(self, template: str) -> Fault:
        """The fault for the requests to be refused."""
        refusal = too_many({"X-Retry-After": "0.1"})
        return Fault(template, refusal, times=None, when=lambda seen: not self._opened.is_set())

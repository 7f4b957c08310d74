"""Pylon's rate limits: dated tables of calls per minute, and the limiter that enforces one of them.

The limits hold per endpoint (method and path template) and per organisation; endpoints do not draw on each other.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from integration_tests.sandbox.operations import Operation


class HasTemplate(Protocol):
    """An operation of Pylon's API, as the sandbox or the connector describes it."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


def calls_per_minute_july_2026(operation: HasTemplate) -> int:
    """What Pylon's OpenAPI document of July 2026 said."""
    if operation.path in ("/issues", "/issue-statuses", "/task-statuses", "/activity-types", "/audit-logs/search"):
        return 10
    return (
        20 if operation.method == "POST" or operation.path.endswith(("/messages", "/threads", "/voice-calls")) else 60
    )


TABLES: dict[str, Callable[[Operation], int]] = {
    "2026-07": calls_per_minute_july_2026,
    # What the SDK of October 2026 says.
    "2026-10": lambda operation: operation.calls,
}
DEFAULT_TABLE = "2026-10"


class Limiter:
    """A sliding window per endpoint.

    `limits` names a table, or maps templates to calls per minute on top of the October table, or is None for no
    limits; anything else raises ValueError. `minute` is how many real seconds a minute of the limits lasts. `taken` is
    the share (0 to 1) of each limit that another client of the organisation uses up. Refused requests do not count.
    Used from the server's thread; `calls`, `minute` and `taken` may be changed from any other.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        limits: str | Mapping[str, int] | None,
        minute: float = 60.0,
        taken: float = 0.0,
    ) -> None:
        self.minute = minute
        self.taken = taken
        self._seen: dict[str, deque[float]] = {}
        table, own = (limits, {}) if isinstance(limits, str) else (DEFAULT_TABLE, limits or {})
        if table not in TABLES or own.keys() - operations.keys():
            raise ValueError(f"no table of limits or endpoint named {limits!r}; there are {sorted(TABLES)}")
        calls = {} if limits is None else {name: TABLES[table](operation) for name, operation in operations.items()}
        self.calls: dict[str, int] = {**calls, **own}

    def allowed(self, template: str) -> int | None:
        """How many calls per minute this client may make; None for any number."""
        calls = self.calls.get(template)
        return None if calls is None else max(1, math.floor(calls * (1 - self.taken)))

    def wait(self, template: str) -> float:
        """Take one call from the rate limit; returns 0 if it was granted, else the real seconds until one is free."""
        allowed = self.allowed(template)
        if allowed is None:
            return 0.0
        now = time.monotonic()
        seen = self._seen.setdefault(template, deque())
        while seen and seen[0] <= now - self.minute:
            seen.popleft()
        if len(seen) < allowed:
            seen.append(now)
            return 0.0
        return seen[len(seen) - allowed] + self.minute - now

    def header(self, wait: float) -> str:
        """Format a wait for its header: whole seconds, rounded up; with decimals only if the minute is scaled."""
        return str(math.ceil(wait)) if self.minute == 60 else f"{wait:.3f}"

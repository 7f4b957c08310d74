"""Faults that a test can request: which requests they affect, how often, and what happens to the response.

pylon.faults.add(Fault("POST /issues/search", status(503), times=3))
pylon.faults.add(Fault("GET /issues/{id}/messages", hang(), when=lambda seen: seen.params["id"] == issue))
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from random import Random
from typing import Any

import orjson


@dataclass
class Seen:
    """One request as the server saw it; `status` is None until it is answered, or when it never was."""

    monotonic: float
    method: str
    template: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any] | None
    token_ok: bool
    status: int | None = None


@dataclass(frozen=True)
class Reply:
    """A response before it is sent; the last three fields disturb its transport.

    delay: seconds before anything is sent. cut: the connection is reset after this share (0 to 1) of the body, before
    the status line if 0. speed: bytes per second.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: float | None = None
    speed: float | None = None


@dataclass(frozen=True)
class Action:
    """What a fault does: `instead` responds without calling the API, `after` changes the response before it is sent."""

    instead: Callable[[Seen], Reply] | None = None
    after: Callable[[Reply], Reply] | None = None


@dataclass
class Fault:
    """A fault: for which requests, and what.

    match: an endpoint template such as `GET /issues/{id}/messages`; `*` stands for anything.
    action: what happens, made by a function of this module.
    times: how many requests it meets; None for all.
    after: how many matching requests pass unharmed before.
    when: a further condition on the request.
    probability: the chance that a matching request is met, drawn from `seed`.
    """

    match: str
    action: Action
    times: int | None = 1
    after: int = 0
    when: Callable[[Seen], bool] | None = None
    probability: float = 1.0
    seed: int = 0
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Prepares the draws."""
        self._rng = Random(self.seed)

    def meets(self, seen: Seen) -> bool:
        """Tell whether the fault applies to this request, and count it."""
        if self.times is not None and self.fired >= self.times:
            return False
        if not fnmatchcase(seen.template, self.match) or (self.when is not None and not self.when(seen)):
            return False
        self.matched += 1
        if self.matched <= self.after or self._rng.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults(list[Fault]):
    """The faults in force, in the order in which they were added; may be changed from any thread."""

    def add(self, fault: Fault) -> Fault:
        """Puts a fault into force and returns it: its `fired` says how often it struck."""
        self.append(fault)
        return fault

    def meeting(self, seen: Seen) -> list[Action]:
        """Return the actions for a request: all that change its response, up to the first that replaces it."""
        actions = []
        for fault in list(self):
            if fault.meets(seen):
                actions.append(fault.action)
                if fault.action.instead is not None:
                    break
        return actions


def status(
    code: int, body: Any = None, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Action:
    """Responds with a status; `body` is text, bytes, or JSON, and by default an error envelope."""
    if body is None:
        body = {"errors": [f"sandbox fault {code}"], "request_id": "fault"}
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
    reply = Reply(code, raw, {"Content-Type": content_type, **(headers or {})})
    return Action(instead=lambda seen: reply)


def html(code: int = 200) -> Action:
    """Responds with a web page, as a proxy does."""
    page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
    return status(code, page, content_type="text/html; charset=utf-8")


def too_many(headers: Mapping[str, str] | None = None) -> Action:
    """Responds with 429 and any headers, or none."""
    return status(429, {"errors": ["rate limit exceeded"], "request_id": "fault", "code": "rate_limited"}, headers)


def redirect(url: str, code: int = 302) -> Action:
    """Sends the client elsewhere."""
    return status(code, b"", {"Location": url})


def transform(change: Callable[[dict[str, Any]], Any]) -> Action:
    """Changes the JSON of a successful response: other shapes, repeated cursors, duplicates, missing ids, ..."""

    def after(reply: Reply) -> Reply:
        if reply.status != 200:
            return reply
        return replace(reply, body=orjson.dumps(change(orjson.loads(reply.body))))

    return Action(after=after)


def glitched() -> Action:
    """Sends `has_next_page` true without `data`, a known glitch of Pylon's; the same request succeeds when repeated."""

    def glitch(answer: dict[str, Any]) -> dict[str, Any]:
        page = answer.get("pagination") or {"cursor": ""}
        return {"pagination": {**page, "has_next_page": True}, "request_id": answer["request_id"]}

    return transform(glitch)


def truncated(share: float = 0.5) -> Action:
    """Sends the first part of the JSON as if it were all of it."""
    return Action(after=lambda reply: replace(reply, body=reply.body[: int(len(reply.body) * share)]))


def reset() -> Action:
    """Resets the connection before the response."""
    return Action(instead=lambda seen: Reply(200, b"", cut=0.0))


def reset_in_body(share: float = 0.5) -> Action:
    """Resets the connection within the body."""
    return Action(after=lambda reply: replace(reply, cut=max(share, 0.01)))


def hang() -> Action:
    """Never responds; ends when the client disconnects."""
    return delay(timedelta(days=1).total_seconds())


def slow(bytes_per_second: float) -> Action:
    """Sends the body slowly."""
    return Action(after=lambda reply: replace(reply, speed=bytes_per_second))


def delay(seconds: float) -> Action:
    """Responds late."""
    return Action(after=lambda reply: replace(reply, delay=reply.delay + seconds))


def gzipped() -> Action:
    """Compresses the response, whether or not the client accepts gzip."""

    def after(reply: Reply) -> Reply:
        headers = {**reply.headers, "Content-Encoding": "gzip"}
        return replace(reply, body=gzip.compress(reply.body), headers=headers)

    return Action(after=after)


def padded(size: int) -> Action:
    """Makes the response about `size` bytes large by an unknown field beside `data`."""
    return transform(lambda answer: {**answer, "padding": "x" * size})

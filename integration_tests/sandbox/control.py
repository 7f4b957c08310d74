"""HTTP endpoints that control a sandbox in another process. They need no token.

| request | answer |
| --- | --- |
| `POST /_sandbox/evolve` `{"seed": 1, "n": 100, "deletions": true}` | the changes made |
| `POST /_sandbox/advance` `{"seconds": 600}` | the new time |
| `POST /_sandbox/fault` `{"match": "...", "action": "status", "arguments": {"code": 503}, "times": 3, "after": 0}` | |
| `POST /_sandbox/clear` | ends all faults and forgets all requests seen |
| `POST /_sandbox/forbid`, `POST /_sandbox/allow` `{"template": "GET /surveys"}` | takes and gives back a permission |
| `GET /_sandbox/stats` | requests by template and status, refusals, unknown keys |
| `GET /_sandbox/expected/{kind}` | all records of a kind as they are now |
| `GET /_sandbox/messages/{issue_id}` | the messages of an issue |
| `GET /_sandbox/markers` | the markers of all internal notes |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from integration_tests.sandbox import faults
from integration_tests.sandbox.clock import SandboxClock
from integration_tests.sandbox.errors import ApiError
from integration_tests.sandbox.evolve import evolve
from integration_tests.sandbox.mutations import MutableStore
from integration_tests.sandbox.server import CONTROL, Server


class Control:
    """Serves the control endpoints of one sandbox."""

    def __init__(self, server: Server, store: MutableStore, clock: SandboxClock) -> None:
        self._server = server
        self._commands: dict[str, Callable[[dict[str, Any], str], Any]] = {
            "POST evolve": lambda body, _: evolve(
                store, body.get("seed", 0), body.get("n", 1), body.get("deletions", True)
            ),
            "POST advance": lambda body, _: {"now": clock.advance(timedelta(seconds=body["seconds"])).isoformat()},
            "POST fault": lambda body, _: self._fault(**body),
            "POST clear": lambda body, _: self._clear(),
            "POST forbid": lambda body, _: server.forbidden.add(body["template"]),
            "POST allow": lambda body, _: server.forbidden.discard(body["template"]),
            "GET stats": lambda body, _: self._stats(),
            "GET expected": lambda body, kind: store.expected(kind),
            "GET messages": lambda body, issue: store.messages(issue),
            "GET markers": lambda body, _: sorted(store.private_markers()),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers one request; 400 for a wrong one, 404 for an unknown one."""
        raw = await request.read()
        name, _, argument = request.path.removeprefix(CONTROL).partition("/")
        command = self._commands.get(f"{request.method} {name}")
        if command is None:
            return _json({"error": "no such command"}, 404)
        try:
            return _json(command(orjson.loads(raw.strip() or b"{}"), argument) or {})
        except ApiError as error:
            return _json({"error": error.text}, error.status)
        except (KeyError, TypeError, ValueError) as error:
            return _json({"error": repr(error)}, 400)

    def _fault(self, action: str, arguments: dict[str, Any] | None = None, **fault: Any) -> None:
        self._server.faults.add(faults.Fault(action=faults.NAMED[action](**(arguments or {})), **fault))

    def _clear(self) -> None:
        for part in (self._server.faults, self._server.log, self._server.unknown_keys):
            part.clear()

    def _stats(self) -> dict[str, Any]:
        seen = list(self._server.log)
        requests: dict[str, Counter[str]] = {}
        for entry in seen:
            requests.setdefault(entry.template, Counter())[str(entry.status)] += 1
        return {
            "requests": requests,
            "total": len(seen),
            "refused": sum(entry.status == 429 for entry in seen),
            "unknown_keys": self._server.unknown_keys,
            "first": seen[0].monotonic if seen else None,
            "last": seen[-1].monotonic if seen else None,
        }


def _json(answer: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(answer, default=list), content_type="application/json")

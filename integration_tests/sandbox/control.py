"""The sandbox's own HTTP endpoints, for those who run it in another process. No token is needed.

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
        """Acts on the parts given."""
        self._server = server
        self._store = store
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers one request; 400 for a wrong one, 404 for an unknown one."""
        raw = await request.read()
        command, _, argument = request.path.removeprefix(CONTROL).partition("/")
        try:
            body = orjson.loads(raw) if raw.strip() else {}
            answer = self._answer(f"{request.method} {command}", argument, body)
        except ApiError as error:
            return _json({"error": error.text}, error.status)
        except (KeyError, TypeError, ValueError) as error:
            return _json({"error": repr(error)}, 400)
        return _json(answer) if answer is not None else _json({"error": "no such command"}, 404)

    def _answer(self, command: str, argument: str, body: dict[str, Any]) -> Any:
        if command == "POST evolve":
            return evolve(self._store, body.get("seed", 0), body.get("n", 1), body.get("deletions", True))
        if command == "POST advance":
            return {"now": self._clock.advance(timedelta(seconds=body["seconds"])).isoformat()}
        if command == "POST fault":
            action = faults.NAMED[body.pop("action")](**body.pop("arguments", {}))
            self._server.faults.add(faults.Fault(action=action, **body))
            return {}
        if command == "POST clear":
            self._server.faults.clear()
            self._server.log.clear()
            self._server.unknown_keys.clear()
            return {}
        if command in ("POST forbid", "POST allow"):
            change = self._server.forbidden.add if command == "POST forbid" else self._server.forbidden.discard
            change(body["template"])
            return {}
        if command == "GET stats":
            return self._stats()
        if command == "GET expected":
            return self._store.expected(argument)
        if command == "GET messages":
            return self._store.messages(argument)
        if command == "GET markers":
            return sorted(self._store.private_markers())
        return None

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

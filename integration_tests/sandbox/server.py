"""The HTTP server: authentication, rate limits, faults and transport around the answers.

The order in which a request is judged: fault, token, path, rate limit, permission, arguments, object.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from integration_tests.sandbox.answers import Answers
from integration_tests.sandbox.arguments import checked, read_body
from integration_tests.sandbox.clock import SandboxClock
from integration_tests.sandbox.errors import ApiError, not_found
from integration_tests.sandbox.faults import Faults, Reply, Seen
from integration_tests.sandbox.limits import Limiter
from integration_tests.sandbox.operations import Operation, Operations
from integration_tests.sandbox.store import Store

CONTROL = "/_sandbox/"
"""Prefix of the paths that control the sandbox; no path of Pylon's begins with it."""

_SLICE = 0.05
"""Seconds between two pieces of a slow body, and between two looks whether a silent client has left."""

_MAX_BODY = 16 * 1024 * 1024

Control = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves the API on a loopback port; all its public attributes may be used from other threads."""

    def __init__(
        self,
        operations: Operations,
        store: Store,
        limiter: Limiter,
        clock: SandboxClock,
        *,
        tokens: dict[str, str],
        region: str,
        latency: float = 0.0,
    ) -> None:
        """`tokens` maps each known token to its region; `latency` is in seconds per request."""
        self.operations = operations
        self.limiter = limiter
        self.faults = Faults()
        self.log: list[Seen] = []
        self.unknown_keys: Counter[str] = Counter()
        self.forbidden: set[str] = set()
        self.tokens = tokens
        self.latency = latency
        self._region = region
        self._store = store
        self._clock = clock
        self._answers = Answers(store)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    def start(self, port: int = 0, control: Control | None = None) -> int:
        """Starts serving in a thread of its own and returns the port."""
        started: list[int] = []

        async def serve() -> None:
            app = web.Application(client_max_size=_MAX_BODY)
            if control is not None:
                app.router.add_route("*", CONTROL + "{tail:.*}", control)
            app.router.add_route("*", "/{tail:.*}", self._handle)
            self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
            await site.start()
            started.append(self._runner.addresses[0][1])

        loop = asyncio.new_event_loop()
        loop.run_until_complete(serve())
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        return started[0]

    def stop(self) -> None:
        """Closes the port and every connection."""
        if self._thread is None or self._runner is None or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._thread = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        token_error = self._token_error(request)
        found = self.operations.match(request.method, request.path)
        seen = Seen(
            monotonic=time.monotonic(),
            method=request.method,
            template=found[0].template if found else f"{request.method} {request.path}",
            path=request.path,
            params=found[1] if found else {},
            query=dict(request.query),
            body=_body_of(raw),
            token_ok=token_error is None,
        )
        self.log.append(seen)
        if self.latency:
            await asyncio.sleep(self.latency)
        actions = self.faults.meeting(seen)
        instead = next((action.instead for action in actions if action.instead is not None), None)
        reply = instead(seen) if instead else self._reply(request, raw, found, token_error)
        for action in actions:
            if action.after is not None:
                reply = action.after(reply)
        return await self._send(request, seen, reply)

    def _reply(
        self,
        request: web.Request,
        raw: bytes,
        found: tuple[Operation, dict[str, str]] | None,
        token_error: ApiError | None,
    ) -> Reply:
        request_id = secrets.token_hex(8)
        headers = {"Content-Type": "application/json"}
        try:
            if token_error is not None:
                raise token_error
            if found is None:
                if self.operations.knows_path(request.path):
                    raise ApiError(405, f"method {request.method} is not allowed", "method_not_allowed")
                raise not_found("endpoint")
            operation, params = found
            self._within_limit(operation, headers)
            if operation.template in self.forbidden:
                raise ApiError(403, "the token may not do this", "permission_denied")
            answer = self._answer(operation, params, request, raw)
        except ApiError as error:
            envelope: dict[str, Any] = {"errors": [error.text], "request_id": request_id}
            if error.code is not None:
                envelope["code"] = error.code
            return Reply(error.status, orjson.dumps(envelope), headers)
        comma = b"" if answer == b"{" else b","
        return Reply(200, answer + comma + b'"request_id":"' + request_id.encode() + b'"}', headers)

    def _answer(self, operation: Operation, params: dict[str, str], request: web.Request, raw: bytes) -> bytes:
        def note(key: str) -> None:
            self.unknown_keys[f"{operation.template} {key}"] += 1

        body = None if operation.body is None else read_body(raw)
        arguments = checked(operation, request.query, body, note)
        return self._answers.answer(operation, params, arguments, lambda key: note(f"body:{key}"))

    def _within_limit(self, operation: Operation, headers: dict[str, str]) -> None:
        wait = self.limiter.wait(operation.template)
        if wait <= 0:
            return
        name = self._store.behaviour.retry_header
        if name is not None:
            headers[name] = self.limiter.header(wait)
        raise ApiError(429, "rate limit exceeded", "rate_limited")

    def _token_error(self, request: web.Request) -> ApiError | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token or " " in token:
            return ApiError(401, "the Authorization header is missing or malformed", "invalid_authorization_header")
        region = self.tokens.get(token)
        if region is None:
            return ApiError(401, "the API token is not known", "invalid_api_token")
        if region != self._region:
            return ApiError(401, "the API token belongs to another region", "wrong_region_token")
        return None

    async def _send(self, request: web.Request, seen: Seen, reply: Reply) -> web.StreamResponse:
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.silent:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(_SLICE)
            return web.Response()
        if reply.cut == 0:
            _reset(request)
            return web.Response()
        seen.status = reply.status
        headers = {"Date": self._clock.http_date(), **reply.headers}
        if reply.cut is None and reply.speed is None:
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        return await self._send_in_pieces(request, replace(reply, headers=headers))

    async def _send_in_pieces(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        await response.prepare(request)
        body = reply.body if reply.cut is None else reply.body[: int(len(reply.body) * reply.cut)]
        step = len(body) if reply.speed is None else max(1, int(reply.speed * _SLICE))
        for start in range(0, len(body), max(1, step)):
            await response.write(body[start : start + step])
            if reply.speed is not None:
                await asyncio.sleep(step / reply.speed)
        if reply.cut is not None:
            # What was written must reach the client before the reset, which discards what is still queued.
            await asyncio.sleep(_SLICE)
            _reset(request)
            return response
        await response.write_eof()
        return response


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    held = transport.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _body_of(raw: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None

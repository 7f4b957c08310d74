"""The HTTP server: a port, a thread of its own, and the transport of replies with all that can go wrong in it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import format_datetime

from aiohttp import web

from integration_tests.sandbox.faults import Reply, Seen

_SLICE = 0.05
"""Seconds between two pieces of a slow body."""

_MAX_BODY = 16 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves all paths of a loopback port with one handler, from its construction on; port 0 means any free one."""

    def __init__(self, handler: Handler, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", handler)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        self._loop.run_until_complete(self._runner.setup())
        self._loop.run_until_complete(web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024).start())
        self.port = int(self._runner.addresses[0][1])
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the port and every connection."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


async def send(request: web.Request, seen: Seen, reply: Reply, now: Callable[[], datetime]) -> web.StreamResponse:
    """Sends a reply as it says and notes its status once it is sent.

    It has a `Date` of its own, or the time at which sending begins. A client that leaves cancels it.
    """
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.cut == 0:
        _reset(request)
        return web.Response()
    seen.status = reply.status
    headers = {"Date": format_datetime(now(), usegmt=True), **reply.headers}
    if reply.cut is None and reply.speed is None:
        return web.Response(status=reply.status, body=reply.body, headers=headers)
    response = web.StreamResponse(status=reply.status, headers=headers)
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
    else:
        await response.write_eof()
    return response


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()

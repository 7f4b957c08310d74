"""The sandbox as tests use it: a context manager that holds all of its parts and judges every request.

The order in which a request is judged: fault, token, path, rate limit, permission, arguments, object.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from integration_tests.sandbox.clock import SandboxClock, millis
from integration_tests.sandbox.evolve import Change, evolve
from integration_tests.sandbox.faults import Faults, Reply, Seen
from integration_tests.sandbox.limits import DEFAULT_TABLE, Limiter
from integration_tests.sandbox.operations import ApiError, not_found, read_operations
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.responses import Responses
from integration_tests.sandbox.server import Server, send
from integration_tests.sandbox.store import Store

if TYPE_CHECKING:
    from typing_extensions import Self

REGIONS = ("us", "eu")
EVOLVE = "/_sandbox/evolve"
"""`POST` with `{"seed": 1, "n": 100}` and no token makes changes from another process; Pylon has no such path."""


class Sandbox:
    """A local Pylon: `with Sandbox(size=Size(issues=2000)) as pylon: ... pylon.url, pylon.token ...`.

    size, seed, base_time: what data there is; the same for the same three. `base_time` ends the history (default now).
    limits, minute, taken: see `Limiter`.
    latency: seconds that every answer takes. search_lag: seconds until a search knows a change.
    region: where `token` is at home; `other_region_token` is of the other region.
    port: 0 for any free one.
    clock: by default one that shows the real time.
    behaviour: fields of `Behaviour`, answers to what Pylon's documents leave open.

    `url` is set once it is entered. `faults` are the faults in force, `log` all requests seen, oldest first, and
    `unknown_keys` how often each key came that Pylon ignores, such as `POST /issues/search body:sort`. `tokens` maps
    each known token to its region. Everything public may be used and changed from other threads.
    """

    def __init__(
        self,
        *,
        size: Size | None = None,
        seed: int = 1,
        limits: str | Mapping[str, int] | None = DEFAULT_TABLE,
        minute: float = 60.0,
        taken: float = 0.0,
        latency: float = 0.0,
        search_lag: float = 0.0,
        region: str = "us",
        port: int = 0,
        base_time: datetime | None = None,
        clock: SandboxClock | None = None,
        **behaviour: Any,
    ) -> None:
        """Makes the data; serves nothing until it is entered."""
        other = next(name for name in REGIONS if name != region)
        self.token = f"pylon_sandbox_{region}_{seed}"
        self.other_region_token = f"pylon_sandbox_{other}_{seed}"
        self.tokens = {self.token: region, self.other_region_token: other}
        self.clock = clock or SandboxClock()
        self.store = Store(
            self.clock,
            seed=seed,
            size=size or Size(),
            behaviour=Behaviour(**behaviour),
            search_lag=search_lag,
            base=None if base_time is None else millis(base_time),
        )
        self.expected = self.store.expected
        self.messages = self.store.messages
        self.private_markers = self.store.private_markers
        self.operations = read_operations()
        self.limiter = Limiter(self.operations, limits, minute, taken)
        self.latency = latency
        self.faults = Faults()
        self.log: list[Seen] = []
        self.unknown_keys: Counter[str] = Counter()
        self.url = ""
        self._region = region
        self._forbidden: set[str] = set()
        self._responses = Responses(self.store)
        self._router = web.UrlDispatcher()
        for operation in self.operations.values():
            self._router.add_route(operation.method, operation.path, self._handle)
        self._port = port

    def __enter__(self) -> Self:
        """Starts the server; from now on `url` is set."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stops the server; the data stays readable."""
        self.stop()

    def start(self) -> None:
        """Starts the server, which may have been stopped before."""
        self._server = Server(self._handle, self._port)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def stop(self) -> None:
        """Closes the port and every connection."""
        self._server.stop()

    def count(self, template: str, status: int | None = None) -> int:
        """How many requests an endpoint has seen, all or those answered with one status."""
        return sum(seen.template == template and status in (None, seen.status) for seen in list(self.log))

    def refused(self) -> int:
        """How many requests were answered with 429."""
        return sum(seen.status == 429 for seen in list(self.log))

    def forbid(self, template: str) -> None:
        """Takes the permission for an endpoint away from the token. Raises KeyError for an unknown one."""
        self._forbidden.add(self.operations[template].template)

    def allow(self, template: str) -> None:
        """Gives the permission for an endpoint back."""
        self._forbidden.discard(template)

    def revoke(self) -> None:
        """Makes the token unknown from now on."""
        self.tokens.pop(self.token, None)

    def evolve(self, seed: int, n: int, deletions: bool = True) -> list[Change]:
        """Makes a deterministic mix of `n` changes."""
        return evolve(self.store, seed, n, deletions)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if request.path == EVOLVE:
            return web.json_response(self.evolve(**{"seed": 0, "n": 1, **(_json_object(raw) or {})}))
        route = await self._router.resolve(request)
        found = route.http_exception is None and route.route.resource
        token_error = self._token_error(request)
        seen = Seen(
            monotonic=time.monotonic(),
            method=request.method,
            template=f"{request.method} {found.canonical if found else request.path}",
            path=request.path,
            params=dict(route) if found else {},
            query=dict(request.query),
            body=_json_object(raw),
            token_ok=token_error is None,
        )
        self.log.append(seen)
        if self.latency:
            await asyncio.sleep(self.latency)
        actions = self.faults.meeting(seen)
        instead = next((action.instead for action in actions if action.instead is not None), None)
        refusal = token_error or _unrouted(route.http_exception)
        reply = instead(seen) if instead else self._reply(seen, raw, refusal)
        for action in actions:
            if action.after is not None:
                reply = action.after(reply)
        return await send(request, seen, reply, self.clock.now)

    def _reply(self, seen: Seen, raw: bytes, refusal: ApiError | None) -> Reply:
        request_id = secrets.token_hex(8)
        headers = {"Content-Type": "application/json"}
        try:
            if refusal is not None:
                raise refusal
            wait = self.limiter.wait(seen.template)
            if wait > 0:
                headers["X-Retry-After"] = self.limiter.header(wait)
                raise ApiError(429, "rate limit exceeded", "rate_limited")
            if seen.template in self._forbidden:
                raise ApiError(403, "the token may not do this", "permission_denied")
            operation = self.operations[seen.template]
            arguments, unknown = operation.read(seen.query, raw)
            self.unknown_keys.update(f"{seen.template} {key}" for key in unknown)
            content = self._responses.respond(operation, seen.params, arguments)
        except ApiError as error:
            envelope: dict[str, Any] = {"errors": [error.text], "request_id": request_id}
            if error.code is not None:
                envelope["code"] = error.code
            return Reply(error.status, orjson.dumps(envelope), headers)
        return Reply(200, content + b',"request_id":"' + request_id.encode() + b'"}', headers)

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


def _unrouted(error: web.HTTPException | None) -> ApiError | None:
    if error is not None and error.status == 405:
        return ApiError(405, "the path has other methods", "method_not_allowed")
    return not_found("endpoint") if error else None


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None

"""Sends HTTP requests: session, token and timeouts. Exceptions of other libraries become a PylonError."""

import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from source_pylon.api import errors
from source_pylon.api.watchdog import Watchdog, watched
from source_pylon.timing import Timing

MAX_BODY = 256 * 1024 * 1024
"""Largest response in bytes, decoded. A page of issues has about ten megabytes; two megabytes of gzip can decode to
six gigabytes."""

_CHUNK = 1 << 16
_LARGE = 1_000_000
_MAX_PAUSE = 20.0
_USER_AGENT = "source-pylon (Airbyte)"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Exchange:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _OneHostAdapter(HTTPAdapter):
    """An adapter that looks up its pool once and keeps no cookies, which saves a third of the CPU time of a request."""

    def __init__(self, connections: int, watchdog: Watchdog) -> None:
        super().__init__(pool_connections=2, pool_maxsize=connections)
        self._watchdog = watchdog
        self._pool: Any = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of the one host, or of its proxy."""
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            pool.ConnectionCls = watched(pool.ConnectionCls, self._watchdog)
            self._pool = pool
        return self._pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the response with its status, headers and body."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        return response


class Transport:
    """Sends requests to one host over a pool of connections; safe to use from many threads.

    The CDK's `HttpClient` is not used: when it gives up, it logs the whole body of the response, which can be a private
    message; it counts each 429 as a failed attempt; and it has no timeouts by default.

    Requests go straight to the session's adapter. For each request, `requests.Session` would also merge settings,
    handle cookies, hooks and redirects, and read a ~/.netrc that would replace the token. None of it is wanted, and it
    more than doubles the CPU time: 1.5 instead of 0.65 milliseconds for an issue's messages.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timing: Timing,
        connections: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        max_body: int = MAX_BODY,
    ) -> None:
        """Makes no request. Proxies and certificate authorities are taken from the environment (HTTPS_PROXY, NO_PROXY,
        REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE); where they cannot be used, `exchange` raises Misconfigured.
        """
        self._base_url = base_url
        self._token = token.encode()
        self._timing = timing
        self._monotonic = monotonic
        self._max_body = max_body
        self._watchdog = Watchdog(timing.response_deadline)
        self._session = requests.Session()
        self._adapter = _OneHostAdapter(connections, self._watchdog)
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)  # ignore-https-check
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Authorization": f"Bearer {token}",
            "Connection": "keep-alive",
            "User-Agent": _USER_AGENT,
        }
        self._unusable: errors.PylonError | None = None
        self._settings: dict[str, Any] = {}
        try:
            self._settings = self._settings_of_environment()
            self._adapter.get_connection_with_tls_context(
                self._prepare("GET", "/", None, None),
                self._settings["verify"],
                proxies=self._settings["proxies"],
                cert=None,
            )
        except errors.Misconfigured as error:
            self._unusable = error
        except requests.exceptions.InvalidSchema as error:
            self._unusable = errors.failure("socks", type(error).__name__, variable=_proxy_variable())
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, TypeError) as error:
            # `requests` raises TypeError for credentials without a host.
            # The text can quote the proxy's credentials, so only its type is kept.
            self._unusable = errors.failure("proxy address", type(error).__name__, variable=_proxy_variable())

    def _settings_of_environment(self) -> dict[str, Any]:
        verify: bool | str = True
        for variable in _CA_VARIABLES:
            if path := os.environ.get(variable):
                _check_certificates(variable, path)
                verify = path
                break
        settings = dict(self._session.merge_environment_settings(self._base_url, {}, True, verify, None))
        if self._base_url.startswith("http:"):  # ignore-https-check
            # Plain HTTP is for a server on this machine; a proxy would read the token.
            settings["proxies"] = {}
        return settings

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: Mapping[str, Any] | None,
        on_large: Callable[[], None] | None = None,
        *,
        time_limit: float = float("inf"),
    ) -> Exchange:
        """Send one request and read the whole response.

        `on_large` is called when a megabyte of the response has arrived and there is more. The time that it takes does
        not count towards the deadline, but if it takes long, ReadStalled is raised, because servers close idle
        connections. `time_limit` in seconds shortens the deadline of this response.

        Raises Unreachable for whatever kept the response from arriving completely, ResponseTooLarge for more than the
        transport's `max_body`, and Misconfigured where the environment cannot be used. Redirects are not followed,
        so the token goes nowhere else.
        """
        if self._unusable is not None:
            raise self._unusable
        request = self._prepare(method, path, query, content)
        seconds = min(self._timing.response_deadline, time_limit)
        deadline = self._monotonic() + seconds
        watch = self._watchdog.begin(seconds)
        try:
            with self._session.get_adapter(self._base_url).send(
                request,
                timeout=(min(self._timing.connect_timeout, seconds), min(self._timing.read_timeout, seconds)),
                **self._settings,
            ) as response:
                chunks = []
                size = 0
                # Not `iter_content`, which returns only when a whole chunk has arrived, however slowly.
                while chunk := response.raw.read1(_CHUNK, decode_content=True):
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self._max_body:
                        raise errors.failure(
                            "too large", f"{method} {path}", limit_mb=f"{self._max_body / (1 << 20):g}"
                        )
                    if on_large is not None and size > _LARGE:
                        began = self._monotonic()
                        watch.deadline = float("inf")
                        on_large()
                        waited = self._monotonic() - began
                        if waited > _MAX_PAUSE:
                            raise errors.ReadStalled(
                                "A large response had to wait.", f"{method} {path}, {waited:.0f} s"
                            )
                        on_large, deadline = None, deadline + waited
                        watch.deadline = time.monotonic() + deadline - self._monotonic()
                    if self._monotonic() > deadline:
                        raise errors.failure("deadline", f"{method} {path}, no end of the body")
                if watch.expired:
                    # A body without a declared length ends when its connection is closed.
                    raise errors.failure("deadline", f"{method} {path}, no end of the body")
                body = b"".join(chunks)
                if response.status_code >= 300:
                    # The text of an error may end up in a log.
                    body = body.replace(self._token, b"****")
                return Exchange(response.status_code, response.headers, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if watch.expired:
                raise errors.failure("deadline", f"{method} {path}, no end of the response") from None
            # Beneath `requests`, some errors while a body is read pass through untranslated.
            raise _translate(error, self._base_url) from None
        finally:
            self._watchdog.end(watch)

    def _prepare(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None
    ) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.method = method
        request.url = self._base_url + path + (f"?{urlencode(query)}" if query else "")
        request.headers = CaseInsensitiveDict(self._headers)
        if body is not None:
            request.body = orjson.dumps(body)
            request.headers["Content-Type"] = "application/json"
            request.headers["Content-Length"] = str(len(request.body))
        return request

    def close(self) -> None:
        """Close the pool."""
        self._session.close()


def _check_certificates(variable: str, path: str) -> None:
    """Raise Misconfigured if a file of certificate authorities cannot be loaded: `requests` would report it for each
    request, as a connection error."""
    if not Path(path).exists():
        raise errors.failure("certificates", variable, variable=variable, path=path, problem="does not exist")
    if Path(path).is_dir():
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise errors.failure(
            "certificates",
            f"{variable}: {type(error).__name__}",
            variable=variable,
            path=path,
            problem="contains no certificates that can be read",
        ) from None


def _proxy_variable() -> str:
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "HTTPS_PROXY")


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.ProxyError, "proxy"),
    (requests.exceptions.SSLError, "tls"),
    (requests.exceptions.Timeout, "timeout"),
    (requests.exceptions.ConnectionError, "connection"),
)
"""Which row of the error table an exception belongs to; the first that fits counts, and the rest is `broken`."""


def _translate(error: Exception, host: str) -> errors.PylonError:
    # The text of an exception can quote a proxy's credentials; its type and cause tell enough.
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    name = type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
    kind = next((kind for exception, kind in _KINDS if isinstance(error, exception)), "broken")
    if kind == "connection" and name == "NameResolutionError":
        kind = "name"
    return errors.failure(kind, f"{type(error).__name__}: {name}", host=host)

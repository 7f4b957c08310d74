"""One HTTP exchange: the session, the token, time-outs, and foreign exceptions turned into ours."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from source_pylon.api import errors
from source_pylon.timing import Timing

_CHUNK = 1 << 16
_LARGE = 1_000_000
_LONGEST_IDLE = 20.0
_USER_AGENT = "source-pylon (Airbyte)"


@dataclass(frozen=True)
class Exchange:
    """What came back, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _OneHostAdapter(HTTPAdapter):
    """An adapter that looks its pool up once and keeps no cookies: a third of what `requests` costs for a request."""

    def __init__(self, connections: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=connections)
        self._pool: Any = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool of the one host, or of the proxy before it."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The answer with its status, headers and body."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        return response


class Transport:
    """Sends requests to one host over a pool of connections; safe to use from many threads.

    The CDK's `HttpClient` is not used: when it gives up it logs the whole body of the answer, which here can be
    a private message; it counts each 429 as a failed attempt; and it never times out by default.

    Requests go straight to the session's adapter. What `requests.Session` does beside, for each request anew (merging
    settings, cookies, hooks, redirects, a ~/.netrc that would replace the token), is not wanted here and takes more
    time than the exchange: 1.5 against 0.65 milliseconds of CPU for an issue's messages.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timing: Timing,
        connections: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._token = token.encode()
        self._timing = timing
        self._monotonic = monotonic
        self._session = requests.Session()
        adapter = _OneHostAdapter(connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)  # ignore-https-check
        # Proxies and certificates as the environment has them (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE).
        self._settings: dict[str, Any] = dict(self._session.merge_environment_settings(base_url, {}, True, None, None))
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Authorization": f"Bearer {token}",
            "Connection": "keep-alive",
            "User-Agent": _USER_AGENT,
        }

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        content: Mapping[str, Any] | None,
        on_large: Callable[[], None] | None = None,
    ) -> Exchange:
        """Sends one request and reads the whole answer.

        `on_large` is called once a megabyte of the answer has come and there is more; what it takes is not held against
        the answer, but when it takes long ReadStalled is raised: servers close connections that nobody reads from.

        Raises Unreachable for whatever kept the answer from arriving whole. Redirects are not followed, so the
        token goes nowhere else.
        """
        request = self._prepare(method, path, query, content)
        deadline = self._monotonic() + self._timing.answer_deadline
        try:
            with self._session.get_adapter(self._base_url).send(
                request, timeout=(self._timing.connect_timeout, self._timing.read_timeout), **self._settings
            ) as response:
                chunks = []
                size = 0
                # `iter_content` returns only when a whole chunk has come, however slowly it drips.
                while chunk := response.raw.read1(_CHUNK, decode_content=True):
                    chunks.append(chunk)
                    size += len(chunk)
                    if on_large is not None and size > _LARGE:
                        began = self._monotonic()
                        on_large()
                        waited = self._monotonic() - began
                        if waited > _LONGEST_IDLE:
                            raise errors.ReadStalled("A large answer had to wait.", f"{method} {path}, {waited:.0f} s")
                        on_large, deadline = None, deadline + waited
                    if self._monotonic() > deadline:
                        raise errors.Unreachable(
                            "Pylon's answer took too long to arrive.", f"{method} {path}, no end of the body"
                        )
                body = b"".join(chunks)
                if response.status_code >= 300:
                    # What an error quotes may end up in a log.
                    body = body.replace(self._token, b"****")
                return Exchange(response.status_code, response.headers, body)
        except requests.RequestException as error:
            raise _explain(error, self._base_url) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # Beneath `requests`, some errors while a body is read pass through untranslated.
            raise errors.Unreachable("The connection to Pylon broke.", type(error).__name__) from None

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
        """Closes the pool."""
        self._session.close()


def _explain(error: requests.RequestException, base_url: str) -> errors.Unreachable:
    # The text of a requests exception can quote a proxy's credentials; its type and cause tell enough.
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    kind = type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
    detail = f"{type(error).__name__}: {kind}"
    if isinstance(error, requests.exceptions.ProxyError):
        text = "The proxy does not let the connector through. Check HTTPS_PROXY and NO_PROXY."
    elif isinstance(error, requests.exceptions.SSLError):
        text = f"No trusted TLS connection to {base_url}. A proxy's certificate may be missing on this machine."
    elif isinstance(error, requests.exceptions.Timeout):
        text = f"{base_url} does not answer in time."
    elif kind == "NameResolutionError":
        text = f"The name of {base_url} cannot be resolved. Check the API URL, DNS and the network."
    elif isinstance(error, requests.exceptions.ConnectionError):
        text = f"No connection to {base_url}. Check the network, firewall and proxy."
    else:
        text = "The connection to Pylon broke while an answer was read."
    return errors.Unreachable(text, detail)

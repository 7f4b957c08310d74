"""The way to Pylon breaks, stalls, drips, is not trusted or leads through a proxy: nothing is lost, nothing hangs."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import re
import select
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import (
    Action,
    delay,
    gzipped,
    hang,
    padded,
    redirect,
    reset,
    reset_in_body,
    slow,
    status,
    too_many,
)
from integration_tests.support.assertions import assert_failed, assert_state_never_ahead, assert_synced
from integration_tests.support.connector import ISSUE_STREAMS, STREAMS, Output
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import check, fault_timing, read
from integration_tests.support.faults import LIST, MESSAGES, Gate, hook
from source_pylon.timing import Timing

if TYPE_CHECKING:
    from typing_extensions import Self

ACCOUNTS = "GET /accounts"
STALLS = fault_timing(read_timeout=0.3, retry_attempts=3)
"""A connection may be silent for 0.3 seconds."""


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "requests_ca_bundle",
        "curl_ca_bundle",
        "ssl_cert_file",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def closed_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def recovers(pylon: Sandbox, failed: Output, *streams: str) -> Output:
    """Without the fault, a sync from the failed one's states completes what both emitted."""
    pylon.faults.clear()
    assert_state_never_ahead(pylon, failed)
    later = read(pylon, streams or ("issues",), failed.state)
    assert_synced(pylon, failed, later, streams=streams or ("issues",))
    return later


@contextmanager
def takes_at_most(seconds: float) -> Iterator[None]:
    """Fails where the block takes longer: several times what it needs, and less than the wait that it catches."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# --- no connection ---


def test_a_refused_connection_ends_the_sync_with_advice(pylon: Sandbox) -> None:
    nobody = f"http://127.0.0.1:{closed_port()}"
    with takes_at_most(20):
        run = read(pylon, STREAMS, api_url=nobody)
        result = check(pylon, api_url=nobody)
    assert_failed(run, *STREAMS, kind="transient_error", says=["no connection to", nobody, "firewall"])
    assert not [stream for stream in STREAMS if run.records(stream)]
    assert result["status"] == "FAILED"
    assert "No connection to" in result["message"]
    recovers(pylon, run, *STREAMS)


@pytest.fixture
def leaving() -> Iterator[Sandbox]:
    """An organisation behind a port that can be closed and opened again."""
    with Sandbox(size=Size(issues=150), limits=None, base_time=ago(hours=1), port=closed_port()) as sandbox:
        yield sandbox


def _in_a_thread(call: Callable[[], object], threads: list[threading.Thread]) -> Callable[[Any], None]:
    def begin(seen: Any) -> None:
        # The server cannot wait for its own end within a request.
        threads.append(threading.Thread(target=call))
        threads[-1].start()

    return begin


def test_a_server_that_goes_away_during_a_sync_loses_nothing_that_a_state_covers(leaving: Sandbox) -> None:
    threads: list[threading.Thread] = []
    hook(leaving, MESSAGES, _in_a_thread(leaving.stop, threads), after=120)
    run = read(leaving)
    threads[0].join()
    assert_failed(run, "issues", kind="transient_error", says=["connection"])
    assert run.ids("issues")
    leaving.start()
    later = recovers(leaving, run)
    assert len(later.ids("issues")) < 150


def test_a_server_that_comes_back_during_the_retries_is_waited_for(leaving: Sandbox) -> None:
    threads: list[threading.Thread] = []

    def restart() -> None:
        leaving.stop()
        time.sleep(0.7)
        leaving.start()

    hook(leaving, MESSAGES, _in_a_thread(restart, threads), after=60)
    run = read(leaving, timing=fault_timing(retry_base=0.1, retry_cap=0.6))
    threads[0].join()
    assert_synced(leaving, run)
    assert run.said("Retrying", "connection")


def test_a_name_that_does_not_resolve_is_reported_without_delay(pylon: Sandbox) -> None:
    with takes_at_most(20):
        run = read(pylon, api_url="https://nowhere.invalid")
        result = check(pylon, api_url="https://nowhere.invalid")
    assert_failed(run, "issues", kind="transient_error", says=["nowhere.invalid", "cannot be resolved", "DNS"])
    assert "cannot be resolved" in result["message"]
    recovers(pylon, run)


# --- connections that break ---

BREAKS: dict[str, Action] = {
    "before the answer": reset(),
    "at the start of the body": reset_in_body(0.01),
    "within the body": reset_in_body(0.5),
    "near the end of the body": reset_in_body(0.99),
}


@pytest.mark.parametrize("where", BREAKS)
def test_occasional_connection_resets_do_no_harm(pylon: Sandbox, where: str) -> None:
    burst = pylon.faults.add(Fault("*", BREAKS[where], times=5, after=4))
    scattered = pylon.faults.add(Fault("*", BREAKS[where], times=30, after=20, probability=0.15, seed=3))
    run = read(pylon, STREAMS)
    assert (burst.fired, scattered.fired > 5) == (5, True)
    assert_synced(pylon, run, streams=STREAMS)


@pytest.mark.parametrize("where", BREAKS)
def test_persistent_connection_resets_fail_only_their_stream(pylon: Sandbox, where: str) -> None:
    pylon.faults.add(Fault(MESSAGES, BREAKS[where], times=None, after=40))
    gate = Gate()
    waiting = pylon.faults.add(gate.fault("GET /accounts"))
    run = read(pylon, (*ISSUE_STREAMS, "accounts"), on_write=gate.watch)
    assert_failed(run, *ISSUE_STREAMS, kind="transient_error", says=["connection"])
    assert run.ended("accounts") == "COMPLETE"
    assert waiting.fired
    assert run.ids("issues")
    recovers(pylon, run, *ISSUE_STREAMS, "accounts")


def test_a_compressed_body_that_breaks_off_is_requested_again(pylon: Sandbox) -> None:
    fault = Fault(LIST, Action(after=_both), times=3, after=1)
    pylon.faults.add(fault)
    run = read(pylon)
    assert fault.fired == 3
    assert_synced(pylon, run)


def _both(reply: Any) -> Any:
    compress, cut = gzipped().after, reset_in_body(0.6).after
    assert compress is not None
    assert cut is not None
    return cut(compress(reply))


# --- connections that stall ---


def test_a_server_that_accepts_and_never_responds_is_abandoned_after_the_read_timeout(pylon: Sandbox) -> None:
    faults = [pylon.faults.add(Fault(template, hang(), times=2, after=1)) for template in (LIST, MESSAGES)]
    with takes_at_most(20):
        run = read(pylon, timing=STALLS)
    assert [fault.fired for fault in faults] == [2, 2]
    assert_synced(pylon, run)


def test_a_server_that_stops_responding_fails_the_stream_in_bounded_time(pylon: Sandbox) -> None:
    pylon.faults.add(Fault(MESSAGES, hang(), times=None, after=40))
    with takes_at_most(20):
        run = read(pylon, ("issues", "accounts"), timing=STALLS)
    assert_failed(run, "issues", kind="transient_error", says=["does not respond in time"])
    assert run.ended("accounts") == "COMPLETE"
    recovers(pylon, run, "issues", "accounts")


def test_a_port_that_accepts_and_stays_silent_ends_the_sync_in_bounded_time(pylon: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, takes_at_most(20):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = read(pylon, ("issues", "contacts"), timing=STALLS, api_url=url)
    assert_failed(run, "issues", "contacts", kind="transient_error", says=["does not respond in time"])
    recovers(pylon, run, "issues", "contacts")


def test_a_late_response_within_the_timeout_is_read(pylon: Sandbox) -> None:
    late = [pylon.faults.add(Fault(template, delay(0.6), times=2)) for template in (LIST, MESSAGES)]
    run = read(pylon, timing=fault_timing(read_timeout=5.0, retry_attempts=1))
    assert [fault.fired for fault in late] == [2, 2]
    assert_synced(pylon, run)


def test_a_slow_body_that_keeps_arriving_may_take_longer_than_the_read_timeout(pylon: Sandbox) -> None:
    fault = pylon.faults.add(Fault(ACCOUNTS, slow(20_000)))
    began = time.monotonic()
    run = read(pylon, ("accounts",), timing=fault_timing(read_timeout=0.4, response_deadline=20.0, retry_attempts=1))
    assert fault.fired == 1
    assert time.monotonic() - began > 0.8
    assert_synced(pylon, run, streams=["accounts"])


@pytest.mark.parametrize("size", [0, 200_000], ids=["short", "long"])
def test_a_body_that_drips_beyond_the_deadline_fails_at_the_deadline(pylon: Sandbox, size: int) -> None:
    # At this speed the short body takes ten seconds and the long one a minute and a half.
    if size:
        pylon.faults.add(Fault(ACCOUNTS, padded(size), times=None))
    pylon.faults.add(Fault(ACCOUNTS, slow(2_000), times=None))
    with takes_at_most(30):
        run = read(pylon, ("accounts", "contacts"), timing=fault_timing(response_deadline=0.4, retry_attempts=2))
    assert_failed(run, "accounts", kind="transient_error", says=["took too long to arrive"])
    assert run.ended("contacts") == "COMPLETE"
    recovers(pylon, run, "accounts", "contacts")


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_bodies_of_50_megabytes_are_read(pylon: Sandbox, compressed: bool) -> None:
    faults = [pylon.faults.add(Fault(template, padded(50_000_000), after=1)) for template in (LIST, MESSAGES)]
    if compressed:
        pylon.faults.add(Fault("*", gzipped(), times=None))
    run = read(pylon)
    assert [fault.fired for fault in faults] == [1, 1]
    assert_synced(pylon, run)


# --- redirects ---


@pytest.mark.parametrize(
    ("code", "target"), [(301, "another host"), (302, "another host"), (307, "another host"), (308, "the same host")]
)
def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(pylon: Sandbox, code: int, target: str) -> None:
    with Sandbox(size=Size(issues=5), limits=None) as other:
        host = other if target == "another host" else pylon
        pylon.faults.add(Fault(LIST, redirect(f"{host.url}/elsewhere", code), times=None, after=1))
        run = read(pylon, ("issues", "accounts"))
        assert_failed(run, "issues", kind="config_error", says=["redirect", "not followed"])
        assert run.ended("accounts") == "COMPLETE"
        assert not other.log
        assert not [seen for seen in pylon.log if seen.path == "/elsewhere"]
        recovers(pylon, run, "issues", "accounts")


# --- TLS ---


def write_certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 30) -> tuple[Path, Path]:
    """A self-signed certificate, which can be trusted as its own authority, and its key. Expired if `days` < 0."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(timezone.utc)
    address: x509.GeneralName = x509.DNSName(host)
    with suppress(ValueError):
        address = x509.IPAddress(ipaddress.ip_address(host))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def _pass_on(left: socket.socket, right: socket.socket) -> None:
    """Copies what arrives at either side to the other until one ends."""
    sides = {left: right, right: left}
    with suppress(OSError):
        while True:
            held = [side for side in sides if isinstance(side, ssl.SSLSocket) and side.pending()]
            for side in held or select.select(list(sides), [], [], 20)[0]:
                data = side.recv(1 << 16)
                if not data:
                    return
                sides[side].sendall(data)


class LoopbackServer:
    """A server on a loopback port; subclasses handle each connection, in a thread of its own."""

    def __init__(self, scheme: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client: socket.socket) -> None:
        raise NotImplementedError


class TlsFront(LoopbackServer):
    """A TLS server before the sandbox; `handshakes` counts those that succeeded."""

    def __init__(self, pylon: Sandbox, certificate: Path, key: Path) -> None:
        super().__init__("https")
        self._target = urlsplit(pylon.url)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.connections = 0
        self.handshakes = 0

    def handle(self, client: socket.socket) -> None:
        self.connections += 1
        client.settimeout(20)
        with suppress(OSError), client, self._context.wrap_socket(client, server_side=True) as secured:
            self.handshakes += 1
            with socket.create_connection((str(self._target.hostname), int(self._target.port or 0))) as behind:
                _pass_on(secured, behind)


@pytest.mark.parametrize(
    "what", ["a certificate that nobody vouches for", "a certificate for another host", "an expired certificate"]
)
def test_a_tls_server_that_cannot_be_trusted_gets_no_request(
    pylon: Sandbox, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "elsewhere.example" if what.endswith("another host") else "127.0.0.1"
    certificate, key = write_certificate(tmp_path, host=host, days=-30 if what.startswith("an expired") else 30)
    if not what.endswith("vouches for"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TlsFront(pylon, certificate, key) as front, takes_at_most(20):
        run = read(pylon, ("issues", "accounts"), api_url=front.url)
        result = check(pylon, api_url=front.url)
        assert front.connections > 1
    assert_failed(run, "issues", "accounts", kind="transient_error", says=["no trusted TLS connection", front.url])
    assert "No trusted TLS connection" in result["message"]
    assert not pylon.log
    recovers(pylon, run, "issues", "accounts")


def test_a_port_that_does_not_speak_tls_is_reported_as_untrusted(pylon: Sandbox) -> None:
    run = read(pylon, api_url=pylon.url.replace("http:", "https:"))
    assert_failed(run, "issues", kind="transient_error", says=["TLS"])
    assert not pylon.log
    recovers(pylon, run)


def test_a_certificate_authority_named_in_the_environment_is_trusted(
    pylon: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TlsFront(pylon, certificate, key) as front:
        run = read(pylon, api_url=front.url)
        assert front.handshakes
    assert_synced(pylon, run)


# --- proxies ---

USER, PASSWORD = "courier", "Pr0xy-s3cret"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        if self.server.refusal is not None:
            self._answer(self.server.refusal, [("Content-Type", "text/html")], b"<html>Denied</html>")
            return
        parts = urlsplit(self.path)
        behind = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        try:
            headers = {name: text for name, text in self.headers.items() if not name.lower().startswith("proxy-")}
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            behind.request(self.command, path, body or None, headers)
            got = behind.getresponse()
            kept = [pair for pair in got.getheaders() if pair[0].lower() not in ("content-length", "connection")]
            self._answer(got.status, kept, got.read())
        finally:
            behind.close()

    do_GET = do_POST = _forward  # noqa: N815

    def _answer(self, code: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(code)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        self.close_connection = True
        if self.server.refusal is not None:
            self._answer(self.server.refusal, [], b"")
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as behind:
            self.send_response_only(200)
            self.end_headers()
            _pass_on(self.connection, behind)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Proxy(ThreadingHTTPServer):
    """A forward proxy on a loopback port: plain requests in absolute form, and tunnels."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, refusal: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusal = refusal
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.server_port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error."""


CREDENTIALS = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def assert_no_credentials(*texts: str) -> None:
    """None of `texts` holds the credentials of the proxy's address, plain or encoded."""
    for text in texts:
        assert not [secret for secret in (PASSWORD, CREDENTIALS) if secret in text]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_http_never_goes_through_a_proxy_that_could_read_the_token(
    pylon: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv(name, proxy.url)
        run = read(pylon, ("issues", "contacts"), debug=True)
        assert check(pylon)["status"] == "SUCCEEDED"
        assert not proxy.requests
    assert_synced(pylon, run, streams=("issues", "contacts"))
    assert_no_credentials(run.text, run.stderr)


def test_https_goes_through_a_tunnel_so_the_proxy_never_sees_the_token(
    pylon: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TlsFront(pylon, certificate, key) as front, Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        run = read(pylon, api_url=front.url, debug=True)
        assert front.connections == len(proxy.requests) > 0
    assert {(method, f"https://{path}") for method, path, _ in proxy.requests} == {("CONNECT", front.url)}
    assert pylon.token not in json.dumps(proxy.requests)
    assert proxy.requests[0][2]["Proxy-Authorization"] == f"Basic {CREDENTIALS}"
    assert_synced(pylon, run)
    assert_no_credentials(run.text, run.stderr)


@pytest.mark.parametrize("exempt", ["127.0.0.1", "other.example, 127.0.0.0/8"])
def test_hosts_in_no_proxy_are_reached_directly(
    pylon: Sandbox, exempt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TlsFront(pylon, certificate, key) as front, Proxy(refusal=403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        run = read(pylon, api_url=front.url)
        assert front.connections
        assert not proxy.requests
    assert_synced(pylon, run)


@pytest.mark.parametrize("code", [403, 407])
def test_a_proxy_that_refuses_the_tunnel_is_named_without_its_credentials(
    pylon: Sandbox, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(refusal=code) as proxy, takes_at_most(20):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        run = read(pylon, ("issues", "accounts"), api_url="https://api.pylon.example", debug=True)
        result = check(pylon, api_url="https://api.pylon.example")
        assert proxy.requests
    assert_failed(run, "issues", "accounts", kind="transient_error", says=["proxy", "HTTPS_PROXY"])
    assert "HTTPS_PROXY" in result["message"]
    assert_no_credentials(run.text, run.stderr, json.dumps(result))
    monkeypatch.delenv("HTTPS_PROXY")
    recovers(pylon, run, "issues", "accounts")


def test_a_missing_proxy_is_named_without_its_credentials(pylon: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:{closed_port()}")
    with takes_at_most(20):
        run = read(pylon, ("issues", "accounts"), api_url="https://api.pylon.example", debug=True)
    assert_failed(run, "issues", "accounts", kind="transient_error", says=["proxy", "HTTPS_PROXY"])
    assert_no_credentials(run.text, run.stderr)
    monkeypatch.delenv("HTTPS_PROXY")
    recovers(pylon, run, "issues", "accounts")


# --- settings of the environment that cannot be used ---


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@", "HTTPS_PROXY is not an address"),
        ("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@proxy:port", "HTTPS_PROXY is not an address"),
        ("HTTPS_PROXY", f"ftp://{USER}:{PASSWORD}@proxy", "HTTPS_PROXY is not an address"),
        ("https_proxy", f"http://{USER}:{PASSWORD}@[::1", "https_proxy is not an address"),
        ("ALL_PROXY", f"socks5://{USER}:{PASSWORD}@127.0.0.1:1", "ALL_PROXY is a SOCKS proxy"),
        ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem", "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which does not exist"),
        ("CURL_CA_BUNDLE", "/nowhere/ca.pem", "CURL_CA_BUNDLE names /nowhere/ca.pem, which does not exist"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE names /nowhere/ca.pem, which does not exist"),
        ("REQUESTS_CA_BUNDLE", __file__, "contains no certificates"),
    ],
)
def test_an_unusable_environment_variable_is_named_at_once(
    pylon: Sandbox, name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with takes_at_most(20):
        run = read(pylon, ("issues", "accounts"), api_url="https://api.pylon.example", debug=True)
        result = check(pylon, api_url="https://api.pylon.example")
    assert_failed(run, "issues", "accounts", kind="config_error", says=[says])
    assert says in result["message"]
    assert not run.said("Retrying")
    assert_no_credentials(run.text, run.stderr, json.dumps(result))


def test_a_certificate_authority_in_ssl_cert_file_is_trusted(
    pylon: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with TlsFront(pylon, certificate, key) as front:
        run = read(pylon, ("accounts",), api_url=front.url)
        assert front.handshakes
    assert_synced(pylon, run, streams=["accounts"])


# --- responses that never end ---


def _again_and_again(sock: socket.socket, piece: bytes, pause: float = 0.02) -> None:
    with suppress(OSError):
        while True:
            sock.sendall(piece)
            time.sleep(pause)


_GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "headers that drip": (_GOOD + b"X-Drip: ", b"x"),
    "one header after another": (_GOOD, b"X-A: b\r\n"),
    "a status line that drips": (b"HTTP/1.1 ", b"2"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a chunk extension that drips": (_GOOD + b"Transfer-Encoding: chunked\r\n\r\n5;a=", b"b"),
    "a gzip header without an end": (
        _GOOD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03", b"name"
    ),
    "a body without a length": (_GOOD + b"\r\n", b" "),
    "trailers that drip": (_GOOD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"A: b\r\n"),
}  # fmt: skip


class Endless(LoopbackServer):
    """A server that reads a request, sends a beginning, and then the same piece for ever."""

    def __init__(
        self, beginning: bytes, piece: bytes, context: ssl.SSLContext | None = None, first: bytes | None = None
    ) -> None:
        """`first` is a complete response to the very first request, whose connection then waits for another one."""
        super().__init__("http" if context is None else "https")
        self._beginning, self._piece, self._context = beginning, piece, context
        self._whole = [] if first is None else [first]

    def handle(self, client: socket.socket) -> None:
        client.settimeout(20)
        with suppress(OSError), client:
            secured = client if self._context is None else self._context.wrap_socket(client, server_side=True)
            with secured:
                secured.recv(1 << 16)
                if self._whole:
                    secured.sendall(self._whole.pop())
                    secured.recv(1 << 16)
                secured.sendall(self._beginning)
                _again_and_again(secured, self._piece)


@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_response_is_abandoned_at_the_deadline(pylon: Sandbox, what: str) -> None:
    with Endless(*ENDLESS[what]) as server, takes_at_most(30):
        run = read(
            pylon, ("accounts",), timing=fault_timing(response_deadline=0.6, retry_attempts=2), api_url=server.url
        )
    assert_failed(run, "accounts", kind="transient_error", says=["took too long to arrive"])
    recovers(pylon, run, "accounts")


_PAGE = b'{"data": [{"id": "a1"}], "pagination": {"has_next_page": true, "cursor": "c"}, "request_id": "r"}'
_ANSWER = _GOOD + b"Content-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE)


@pytest.mark.parametrize("first", [None, _ANSWER], ids=["on a new connection", "on a kept connection"])
def test_an_endless_response_over_tls_is_abandoned_at_the_deadline(
    pylon: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes | None
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Endless(*ENDLESS["headers that drip"], context, first) as server, takes_at_most(30):
        run = read(
            pylon, ("accounts",), timing=fault_timing(response_deadline=0.6, retry_attempts=2), api_url=server.url
        )
    assert_failed(run, "accounts", kind="transient_error", says=["took too long to arrive"])
    assert run.ids("accounts") == ([] if first is None else ["a1"])


def test_a_small_compressed_body_that_expands_too_far_fails_its_stream_at_once(pylon: Sandbox) -> None:
    zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(300)) + zeros.flush()
    assert len(bomb) < 500_000
    pylon.faults.add(Fault(ACCOUNTS, status(200, bomb, {"Content-Encoding": "gzip"}), times=None))
    with takes_at_most(30):
        run = read(pylon, ("accounts", "contacts"))
    assert_failed(run, "accounts", says=["256 MB"])
    assert pylon.count(ACCOUNTS) == 1
    assert run.ended("contacts") == "COMPLETE"


# --- check ---


@pytest.mark.parametrize("what", ["429", "503 with a long wait", "no response"])
def test_check_gives_up_after_a_minute_in_total(pylon: Sandbox, what: str) -> None:
    action = {
        "429": too_many({"X-Retry-After": "1"}),
        "503 with a long wait": status(503, None, {"Retry-After": "50"}),
        "no response": hang(),
    }[what]
    pylon.faults.add(Fault("*", action, times=None))
    # A minute is scaled to a second and a half.
    with takes_at_most(15):
        result = check(
            pylon, fault_timing(time_limit_of_check=1.5, read_timeout_of_check=20.0, longest_rate_limit_wait=60.0)
        )
    assert result["status"] == "FAILED"
    assert "gave no usable response within" in result["message"] or "does not respond in time" in result["message"]
    assert Timing().for_check().time_limit == 60


# --- debugging ---


def test_debug_logs_each_request_without_its_content(pylon: Sandbox) -> None:
    run = read(pylon, ("issues", "accounts"), debug=True)
    # The CDK's formatter writes what is logged for debugging as messages of a type of their own.
    debug = [line["message"] for line in run.lines if line["type"] == "DEBUG"]
    lines = [text for text in debug if re.match(r"(GET|POST) /", text)]
    assert len(lines) == len(pylon.log)
    assert any(re.fullmatch(r"GET /accounts, page 1: status 200, \d+ bytes, [\d.]+ s", text) for text in lines)
    assert pylon.token not in run.text
    assert not [text for text in lines if "cursor" in text or "filter" in text]

"""Neither the token nor anything of an internal note appears in what the connector writes, whatever goes wrong."""

from __future__ import annotations

import base64
import html
import json
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import redirect, reset, reset_in_body, status, too_many, transform, truncated
from integration_tests.sandbox.text import PRIVATE
from integration_tests.support.assertions import assert_failed, assert_synced
from integration_tests.support.connector import STREAMS, Files, Output, config_for, configured_catalog
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import fault_timing, files_in, read, start
from integration_tests.support.faults import MESSAGES
from source_pylon.api.client import PylonClient

LISTED = "GET /issues"
TOKEN = 'pylon_api_"5e\\cr/e7+t0k3n=~&%'
"""A token that every way of writing it writes in another way."""


def forms(token: str) -> set[str]:
    """The token as it may be written: as it is, escaped, quoted, encoded at any place of what is encoded."""
    escaped = json.dumps(token)[1:-1]
    found = {token, escaped, json.dumps(escaped)[1:-1], repr(token)[1:-1], html.escape(token)}
    found |= {quote(token), quote(token, safe=""), quote_plus(token), token.encode().hex()}
    for before in range(3):
        raw = b"x" * before + token.encode()
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The first and the last character mix with what is beside the token.
            found.add(encode(raw).decode().rstrip("=")[4 if before else 0 : -2])
    return found


@pytest.fixture
def noted() -> Iterator[Sandbox]:
    """An organisation with many internal notes, some with files, and a token of odd characters."""
    with Sandbox(size=Size(issues=150), limits=None, base_time=ago(hours=1), seed=11) as sandbox:
        for issue in sandbox.expected("issues")[:30]:
            sandbox.store.add_message(issue["id"], private=True, files=1)
        sandbox.tokens[TOKEN] = sandbox.tokens.pop(sandbox.token)
        sandbox.token = TOKEN
        yield sandbox


def assert_silent(pylon: Sandbox, *texts: str) -> None:
    """No form of the token and no marker of an internal note."""
    for text in texts:
        for form in forms(pylon.token):
            assert form not in text, f"the token, as {form!r}: {_around(text, form)}"
        assert PRIVATE not in text, _around(text, PRIVATE)


def _around(text: str, part: str) -> str:
    place = text.index(part)
    return text[max(0, place - 200) : place + 200]


class Watched:
    """A home of its own for a process, looked at all the time: what was ever written there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[Path, str] = {}
        self.open_to_others: set[Path] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process put its files there."""
        names = ("TMPDIR", "TEMP", "TMP", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        return dict.fromkeys(names, str(self.folder)) | {"PYTHONDONTWRITEBYTECODE": "1"}

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            for path in files_in(self.folder):
                try:
                    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                        self.open_to_others.add(path)
                    self.seen[path] = path.read_bytes().decode("utf-8", "replace")
                except OSError:
                    continue

    def assert_clean(self, pylon: Sandbox) -> None:
        """Nothing is left, and nothing that was there told anything or was open to others."""
        assert files_in(self.folder) == []
        assert not self.open_to_others
        assert_silent(pylon, *self.seen.values())


def test_the_watch_notices_a_file_and_a_token_in_any_form(noted: Sandbox, tmp_path: Path) -> None:
    """What these tests look with sees."""
    encoded = base64.b64encode(f"Bearer {TOKEN}".encode()).decode()
    for text in (TOKEN, json.dumps({"a": TOKEN}), quote(TOKEN, safe=""), encoded, f"a {PRIVATE}x"):
        with pytest.raises(AssertionError):
            assert_silent(noted, f"before {text} after")
    with Watched(tmp_path) as watched:
        (tmp_path / "left").write_text("x")
    with pytest.raises(AssertionError):
        watched.assert_clean(noted)


def telling(pylon: Sandbox) -> dict[str, Any]:
    """An error that quotes the request's header in every way, and an internal note."""
    note = next(iter(pylon.private_markers()))
    return {"errors": [*forms(pylon.token), f"Bearer {pylon.token}", note], "code": pylon.token, "request_id": "fault"}


def add_mixed_faults(pylon: Sandbox, elsewhere: str) -> list[Fault]:
    """Faults of every kind, one after the other; the redirect, which ends a stream, comes last."""
    body = telling(pylon)
    actions = [
        status(500, body),
        status(503, f"<html>{pylon.token} {body}</html>", content_type="text/html"),
        too_many({"X-Retry-After": pylon.token.replace("~", "")}),
        reset(),
        reset_in_body(),
        truncated(0.7),
        transform(lambda answer: {**answer, "data": [pylon.token, next(iter(pylon.private_markers()))]}),
        status(200, f"{pylon.token} is not JSON"),
        redirect(f"{elsewhere}/{quote(pylon.token, safe='')}"),
    ]
    return [
        pylon.faults.add(Fault("*", action, times=2, after=4 + 10 * number)) for number, action in enumerate(actions)
    ]


def run_watched(
    pylon: Sandbox, watched: Watched, *, streams: tuple[str, ...] = STREAMS, stop: signal.Signals | None = None
) -> Output:
    """A read at debug level, in a process whose home is watched; stopped after some lines on request."""
    with Files(config_for(pylon), configured_catalog(streams)) as files:
        args = [*files.arguments("read"), "--debug"]
        process = start(
            args, timing=fault_timing(heartbeat=0.1), environment=watched.environment, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        if stop is not None:
            head = b"".join(process.stdout.readline() for _ in range(150))
            process.send_signal(stop)
        else:
            head = b""
        try:
            out, err = process.communicate(timeout=90)
        finally:
            process.kill()
    return Output(process.returncode, (head + out).decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def test_nothing_secret_is_logged_at_debug_level_under_a_mix_of_faults(noted: Sandbox, tmp_path: Path) -> None:
    with Sandbox(size=Size.empty(), limits=None) as elsewhere, Watched(tmp_path) as watched:
        faults = add_mixed_faults(noted, elsewhere.url)
        run = run_watched(noted, watched)
        assert all(fault.fired for fault in faults)
        assert elsewhere.log == []
    assert any(line["type"] == "DEBUG" for line in run.lines), "not at debug level"
    assert run.warnings
    assert_silent(noted, run.text, run.stderr, json.dumps(run.state))
    watched.assert_clean(noted)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 418, 500])
def test_persistent_errors_that_quote_the_request_are_reported_without_it(noted: Sandbox, code: int) -> None:
    noted.faults.add(Fault("*", status(code, telling(noted)), times=None, after=25))
    run = read(noted, debug=True)
    assert run.code == 1
    assert run.errors
    assert_silent(noted, run.text, run.stderr)


@pytest.mark.parametrize("match", [LISTED, MESSAGES, "GET /accounts"])
def test_an_invalid_response_that_quotes_a_note_is_reported_without_it(noted: Sandbox, match: str) -> None:
    noted.faults.add(Fault(match, status(200, telling(noted)), times=None, after=4 if match == LISTED else 0))
    run = read(noted, ("issues", "accounts"), debug=True)
    assert_failed(run, "accounts" if match == "GET /accounts" else "issues")
    assert_silent(noted, run.text, run.stderr)


def test_a_crash_leaves_a_trace_without_the_token(noted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: PylonClient, *args: object, **options: object) -> object:
        raise RuntimeError(f"cannot send {{'Authorization': 'Bearer {TOKEN}'}}")

    monkeypatch.setattr(PylonClient, "request", broken)
    run = read(noted, debug=True)
    assert run.code == 1
    assert any("cannot send" in json.dumps(error) for error in run.errors)
    assert_silent(noted, run.text, run.stderr)


@pytest.mark.parametrize("stop", [None, signal.SIGTERM, signal.SIGKILL], ids=["at the end", "SIGTERM", "SIGKILL"])
def test_no_file_is_left_behind(noted: Sandbox, tmp_path: Path, stop: signal.Signals | None) -> None:
    with Watched(tmp_path) as watched:
        run = run_watched(noted, watched, stop=stop)
    if stop is None:
        assert_synced(noted, run, streams=STREAMS)
    else:
        assert run.code == -stop
    assert_silent(noted, run.text, run.stderr)
    watched.assert_clean(noted)

"""Runs of the connector that meet faults: in this process with short waits, or in a process of their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from integration_tests.harness import (
    REPOSITORY,
    Files,
    Output,
    Record,
    _process_restored,
    config_for,
    configured_catalog,
)
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.faults import Action, Reply
from source_pylon.api.endpoints import Endpoint, calls_per_minute
from source_pylon.run import main
from source_pylon.source import SourcePylon
from source_pylon.timing import Timing

FAST = Timing(
    minute=1.0,
    retry_base=0.01,
    retry_cap=0.05,
    connect_timeout=5.0,
    read_timeout=10.0,
    answer_deadline=30.0,
    longest_rate_limit_wait=2.0,
    rate_limit_patience=20.0,
    checkpoint_interval=0.0,
)
"""Durations of these tests: waits are short, every decision is the real one. A state follows every slice."""


def fast(**changes: Any) -> Timing:
    """FAST with some durations changed."""
    return replace(FAST, **changes)


class Run(Output):
    """What one run put out."""

    @cached_property
    def lines(self) -> list[Record]:
        """All messages of standard output. A last line that a kill has cut off is left out, as Airbyte does."""
        # Texts of records may hold other separators of lines.
        return [_message(line) for line in self.text.split("\n")[:-1] if line.strip()]

    def said(self, *words: str) -> bool:
        """Whether one log line or error holds all of `words`, without regard to case."""
        errors = (f"{error['message']} {error.get('internal_message')}" for error in self.errors)
        return any(all(word.lower() in text.lower() for word in words) for text in [*self.logs, *errors])

    def error_text(self) -> str:
        """The user's texts of all errors."""
        return "\n".join(str(error["message"]) for error in self.errors)

    def ended(self, stream: str) -> str:
        """The last status of a stream."""
        return str((self.statuses(stream) or [""])[-1])


def _message(line: str) -> Record:
    try:
        message: Record = json.loads(line)
    except ValueError:
        raise AssertionError(f"a line that is no message: {line[:1_000]!r}") from None
    return message


class _Capture(io.StringIO):
    def __init__(self, on_write: Callable[[str], None] | None) -> None:
        super().__init__()
        self._on_write = on_write

    def write(self, text: str) -> int:
        if self._on_write is not None:
            self._on_write(text)
        return super().write(text)


def in_process(
    args: Sequence[str],
    timing: Timing = FAST,
    allowance: Callable[[Endpoint], int] = calls_per_minute,
    on_write: Callable[[str], None] | None = None,
) -> Run:
    """Runs a verb in this process, through the console script's own function."""
    with _process_restored(), _Capture(on_write) as out, io.StringIO() as err:
        kept = sys.stderr
        try:
            sys.stdout = sys.__stdout__ = out  # type: ignore[misc, assignment]
            sys.stderr = err
            code = main(list(args), SourcePylon(timing, allowance))
        finally:
            sys.stderr = kept
        return Run(code, out.getvalue(), err.getvalue())


def read(
    pylon: Sandbox,
    streams: Iterable[str] = ("issues",),
    state: object = None,
    *,
    timing: Timing = FAST,
    full_refresh: Iterable[str] = (),
    allowance: Callable[[Endpoint], int] = calls_per_minute,
    debug: bool = False,
    on_write: Callable[[str], None] | None = None,
    **config: Any,
) -> Run:
    """One `read` in this process."""
    with Files(config_for(pylon, **config), configured_catalog(streams, full_refresh), state) as files:
        args = [*files.arguments("read"), *(["--debug"] if debug else [])]
        return in_process(args, timing, allowance, on_write)


class Gate:
    """Holds answers back until a stream has ended INCOMPLETE: the streams that need them are still being read then."""

    def __init__(self, seconds: float = 8.0) -> None:
        self._opened = threading.Event()
        self._seconds = seconds

    def watch(self, text: str) -> None:
        """Look at the output, as `on_write` of `read`."""
        if "INCOMPLETE" in text:
            self._opened.set()

    @property
    def action(self) -> Action:
        """What a fault does to the answers to be held back."""
        return Action(after=self._hold)

    def _hold(self, reply: Reply) -> Reply:
        self._opened.wait(self._seconds)
        return reply


def check(pylon: Sandbox, timing: Timing = FAST, **config: Any) -> Record:
    """The connection status that `check` gives."""
    with Files(config_for(pylon, **config)) as files:
        return in_process(files.arguments("check"), timing).connection_status


def _seconds(timing: Timing) -> dict[str, float]:
    values = {field.name: getattr(timing, field.name) for field in fields(timing)}
    return {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in values.items()}


def timing_of(seconds: Mapping[str, float]) -> Timing:
    """The durations that `start` handed to another process."""
    whole = {field.name for field in fields(Timing) if isinstance(field.default, timedelta)}
    return Timing(**{name: timedelta(seconds=value) if name in whole else value for name, value in seconds.items()})  # type: ignore[arg-type]


def start(
    args: Sequence[str],
    *,
    timing: Timing = FAST,
    environment: Mapping[str, str] | None = None,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Starts the connector as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "integration_tests.faults.launch", json.dumps(_seconds(timing)), *args],
        stdout=stdout,
        stderr=stderr,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )


def run_process(
    args: Sequence[str],
    *,
    timing: Timing = FAST,
    environment: Mapping[str, str] | None = None,
    timeout: float = 90.0,
) -> Run:
    """Runs the connector as a process of its own to its end."""
    process = start(args, timing=timing, environment=environment)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Run(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def files_in(folder: Path) -> list[Path]:
    """All files beneath a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]

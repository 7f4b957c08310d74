"""Runs of the connector that meet faults: in this process with short waits, or in a process of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import (
    REPOSITORY,
    Files,
    Output,
    Record,
    config_for,
    configured_catalog,
    launcher,
    run,
)
from source_pylon.api.endpoints import Endpoint, calls_per_minute
from source_pylon.timing import Timing

FAULT_TIMING = Timing(
    minute=1.0,
    retry_base=0.01,
    retry_cap=0.05,
    connect_timeout=5.0,
    read_timeout=10.0,
    response_deadline=30.0,
    longest_rate_limit_wait=2.0,
    rate_limit_patience=20.0,
    checkpoint_interval=0.0,
)
"""Durations of these tests: waits are short, every decision is the real one. A state follows every slice."""


def fault_timing(**changes: Any) -> Timing:
    """FAULT_TIMING with some durations changed."""
    return replace(FAULT_TIMING, **changes)


def read(
    pylon: Sandbox,
    streams: Iterable[str] = ("issues",),
    state: object = None,
    *,
    timing: Timing = FAULT_TIMING,
    full_refresh: Iterable[str] = (),
    limits: Callable[[Endpoint], int] = calls_per_minute,
    debug: bool = False,
    on_write: Callable[[str], None] | None = None,
    **config: Any,
) -> Output:
    """One `read` in this process."""
    with Files(config_for(pylon, **config), configured_catalog(streams, full_refresh), state) as files:
        args = [*files.arguments("read"), *(["--debug"] if debug else [])]
        return run(args, timing, limits, on_write)


def check(pylon: Sandbox, timing: Timing = FAULT_TIMING, **config: Any) -> Record:
    """The connection status that `check` returns."""
    with Files(config_for(pylon, **config)) as files:
        return run(files.arguments("check"), timing).connection_status


def start(
    args: Sequence[str],
    *,
    timing: Timing = FAULT_TIMING,
    environment: Mapping[str, str] | None = None,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Starts the connector as a process of its own."""
    return subprocess.Popen(
        [*launcher(timing), *args],
        stdout=stdout,
        stderr=stderr,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )


def run_process(
    args: Sequence[str],
    *,
    timing: Timing = FAULT_TIMING,
    environment: Mapping[str, str] | None = None,
    timeout: float = 90.0,
) -> Output:
    """Runs the connector as a process of its own to its end."""
    process = start(args, timing=timing, environment=environment)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Output(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def files_in(folder: Path) -> list[Path]:
    """All files beneath a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]

"""Runs of the connector against a sandbox, in this process or in one of their own, and what they wrote."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from integration_tests.sandbox import Sandbox
from source_pylon.api.endpoints import Endpoint, calls_per_minute
from source_pylon.run import main
from source_pylon.source import SourcePylon
from source_pylon.timing import Timing

Record = dict[str, Any]

ISSUE_STREAMS = ("issues", "conversations", "tickets")
STREAMS = (*ISSUE_STREAMS, "call_recordings", "survey_responses", "contacts", "accounts")
CURSORS = {
    "issues": "latest_message_time",
    "conversations": "latest_message_time",
    "tickets": "latest_message_time",
    "call_recordings": "start_time",
    "survey_responses": "submitted_at",
    "accounts": "updated_at",
}
REPOSITORY = Path(__file__).absolute().parents[2]

FAST = Timing(
    minute=0.5,
    checkpoint_interval=0.05,
    retry_base=0.01,
    retry_cap=0.05,
    connect_timeout=5.0,
    read_timeout=20.0,
)
"""The connector's durations as tests want them: rate limits that never hold up, retries that take no time."""


class Output:
    """What the connector wrote, and its exit code."""

    def __init__(self, code: int, text: str, stderr: str = "") -> None:
        self.code = code
        self.text = text
        self.stderr = stderr

    @cached_property
    def lines(self) -> list[Record]:
        """All messages of standard output. A last line that a kill has cut off is left out, as Airbyte does."""
        # Texts of records may contain other line separators.
        return [_message(line) for line in self.text.split("\n")[:-1] if line.strip()]

    @cached_property
    def _records(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for line in self.lines:
            if line["type"] == "RECORD":
                found.setdefault(line["record"]["stream"], []).append(line["record"]["data"])
        return found

    def records(self, stream: str) -> list[Record]:
        """The records of a stream, in order."""
        return self._records.get(stream, [])

    def ids(self, stream: str) -> list[str]:
        """The ids of a stream's records, in order."""
        return [record["id"] for record in self.records(stream)]

    def state_messages(self, stream: str | None = None) -> list[Record]:
        """The states of a stream, or of all, as messages."""
        states = [line["state"] for line in self.lines if line["type"] == "STATE"]
        return [item for item in states if stream in (None, item["stream"]["stream_descriptor"]["name"])]

    def states(self, stream: str) -> list[Record]:
        """What the states of a stream say, in order."""
        return [item["stream"]["stream_state"] for item in self.state_messages(stream)]

    @property
    def state(self) -> list[Record]:
        """The last state of each stream, as a destination keeps it for the next sync."""
        last = {item["stream"]["stream_descriptor"]["name"]: item for item in self.state_messages()}
        return [
            {key: value for key, value in item.items() if key not in ("sourceStats", "destinationStats")}
            for item in last.values()
        ]

    @property
    def logs(self) -> list[str]:
        """The texts of the log messages."""
        return [line["log"]["message"] for line in self.lines if line["type"] == "LOG"]

    @property
    def warnings(self) -> list[str]:
        """The texts of the log messages of level WARN and above."""
        levels = ("WARN", "ERROR", "FATAL")
        return [
            line["log"]["message"] for line in self.lines if line["type"] == "LOG" and line["log"]["level"] in levels
        ]

    @property
    def errors(self) -> list[Record]:
        """The errors of trace messages."""
        traces = [line["trace"] for line in self.lines if line["type"] == "TRACE"]
        return [trace["error"] for trace in traces if trace["type"] == "ERROR"]

    def statuses(self, stream: str) -> list[str]:
        """The statuses of a stream, in order; one that only tells of a rate limit is left out."""
        traces = [line["trace"] for line in self.lines if line["type"] == "TRACE"]
        found = [trace["stream_status"] for trace in traces if trace["type"] == "STREAM_STATUS"]
        return [
            item["status"] for item in found if item["stream_descriptor"]["name"] == stream and not item.get("reasons")
        ]

    def ended(self, stream: str) -> str:
        """The last status of a stream."""
        return str((self.statuses(stream) or [""])[-1])

    def said(self, *words: str) -> bool:
        """Whether one log line or error contains all of `words`, without regard to case."""
        errors = (f"{error['message']} {error.get('internal_message')}" for error in self.errors)
        return any(all(word.lower() in text.lower() for word in words) for text in [*self.logs, *errors])

    def error_text(self) -> str:
        """The user's texts of all errors."""
        return "\n".join(str(error["message"]) for error in self.errors)

    @property
    def connection_status(self) -> Record:
        """The one message of `check`."""
        (status,) = [line["connectionStatus"] for line in self.lines if line["type"] == "CONNECTION_STATUS"]
        return dict(status)

    @property
    def catalog(self) -> Record:
        """The one message of `discover`."""
        (catalog,) = [line["catalog"] for line in self.lines if line["type"] == "CATALOG"]
        return dict(catalog)


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


@contextmanager
def _process_restored() -> Iterator[None]:
    """Takes back what the entry point does to its process."""
    handler, threshold = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    streams = sys.stdout, sys.__stdout__, sys.stderr, sys.excepthook
    try:
        yield
    finally:
        sys.stdout, sys.__stdout__, sys.stderr, sys.excepthook = streams  # type: ignore[misc]
        signal.signal(signal.SIGTERM, handler)
        gc.set_threshold(*threshold)
        gc.unfreeze()


def run(
    args: Sequence[str],
    timing: Timing = FAST,
    limits: Callable[[Endpoint], int] = calls_per_minute,
    on_write: Callable[[str], None] | None = None,
) -> Output:
    """Run the entry point in this process and capture both of its outputs. `limits` are requests per minute."""
    with _process_restored(), _Capture(on_write) as out, io.StringIO() as err:
        sys.stdout = sys.__stdout__ = out  # type: ignore[misc,assignment]
        sys.stderr = err
        code = main(list(args), SourcePylon(timing, limits))
        return Output(code, out.getvalue(), err.getvalue())


def config_for(pylon: Sandbox, **fields: Any) -> Record:
    """The configuration that reads a sandbox."""
    return {"api_token": pylon.token, "api_url": pylon.url, **fields}


@cache
def _discovered() -> dict[str, Record]:
    return {stream["name"]: stream for stream in discover().catalog["streams"]}


def configured_catalog(streams: Iterable[str] = STREAMS, full_refresh: Iterable[str] = ()) -> Record:
    """Streams as Airbyte configures them: incremental where they can be, unless named in `full_refresh`."""
    refreshed = set(full_refresh)

    def entry(name: str) -> Record:
        # A catalog may name a stream that no longer exists.
        unknown = {"name": name, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
        stream = deepcopy(_discovered().get(name, unknown))
        incremental = "incremental" in stream["supported_sync_modes"] and name not in refreshed
        return {
            "stream": stream,
            "sync_mode": "incremental" if incremental else "full_refresh",
            "destination_sync_mode": "append_dedup" if incremental else "overwrite",
        }

    return {"streams": [entry(name) for name in streams]}


def stream_state(name: str, state: Mapping[str, Any]) -> Record:
    """A state as Airbyte hands it over."""
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": dict(state)}}


@dataclass
class Files:
    """Configuration, catalog and state of one call, in a folder that vanishes."""

    config: Any
    catalog: Any = None
    state: Any = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="source-pylon-")))

    def __enter__(self) -> Files:
        for name in ("config", "catalog", "state"):
            value = getattr(self, name)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> str:
        """Where one of the three lies."""
        return str(self.folder / f"{name}.json")

    def arguments(self, verb: str) -> list[str]:
        """The command line of a verb."""
        args = [verb, "--config", self.path("config")]
        if self.catalog is not None:
            args += ["--catalog", self.path("catalog")]
        if self.state is not None:
            args += ["--state", self.path("state")]
        return args


def read(
    pylon: Sandbox,
    streams: Iterable[str] = STREAMS,
    *,
    state: Any = None,
    full_refresh: Iterable[str] = (),
    timing: Timing = FAST,
    succeeds: bool = True,
    **config: Any,
) -> Output:
    """One sync, in this process. Fails where the exit code is not 0, unless `succeeds` is false."""
    with Files(config_for(pylon, **config), configured_catalog(streams, full_refresh), state) as files:
        output = run(files.arguments("read"), timing)
    if succeeds:
        assert output.code == 0, output.errors or output.text[-3000:]
    return output


def check(pylon: Sandbox | None = None, timing: Timing = FAST, **config: Any) -> Output:
    """`check`, in this process."""
    with Files(config_for(pylon, **config) if pylon else config) as files:
        return run(files.arguments("check"), timing)


def discover(**config: Any) -> Output:
    """`discover`, in this process."""
    with Files({"api_token": "none", **config}) as files:
        return run(files.arguments("discover"))


def schemas() -> dict[str, Record]:
    """The discovered schema of each stream."""
    return {name: stream["json_schema"] for name, stream in _discovered().items()}


def console_script() -> str:
    """The path of the installed console script."""
    found = shutil.which("source-pylon", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "the package is not installed: there is no source-pylon script"
    return found


def launcher(timing: Timing = FAST, clock_ahead: timedelta = timedelta(0)) -> list[str]:
    """The command that runs the connector in a process of its own, with these durations and a clock ahead of ours."""
    seconds = {**_seconds(timing), "clock_ahead": clock_ahead.total_seconds()}
    return [sys.executable, "-m", "integration_tests.support.launch", json.dumps(seconds)]


def _seconds(timing: Timing) -> dict[str, float]:
    values = {item.name: getattr(timing, item.name) for item in fields(timing)}
    return {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in values.items()}


def timing_of(seconds: Mapping[str, float]) -> Timing:
    """The durations that `launcher` handed to another process. Raises TypeError for an unknown name."""
    whole = {item.name for item in fields(Timing) if isinstance(item.default, timedelta)}
    return Timing(**{name: timedelta(seconds=value) if name in whole else value for name, value in seconds.items()})  # type: ignore[arg-type]


def complete(command: Sequence[str], **options: Any) -> Output:
    """Runs a command to its end."""
    done = subprocess.run(
        list(command), capture_output=True, cwd=REPOSITORY, timeout=120, check=False, encoding="utf-8", **options
    )
    return Output(done.returncode, done.stdout, done.stderr)

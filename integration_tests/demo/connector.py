"""The console script, run as Airbyte runs it: a process that reads files and writes to standard output."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from integration_tests.sandbox.text import PRIVATE

Message = dict[str, Any]
Key = tuple[Any, ...]

_LOUD = {"WARN", "ERROR", "FATAL"}
_ENDED = {"COMPLETE", "INCOMPLETE"}
_PRIVATE = PRIVATE.encode()


class ConnectorFailed(Exception):
    """The console script is missing, or ended with an error; the text says which."""


@dataclass
class StreamRead:
    """What one sync emitted of one stream: how many records, the newest of each key, and when (epoch seconds)."""

    key: tuple[str, ...]
    records: int = 0
    newest: dict[Key, Message] = field(default_factory=dict)
    status: str = "not started"
    started: float = 0.0
    ended: float = 0.0

    @property
    def repeated(self) -> int:
        """How many records came more than once."""
        return self.records - len(self.newest)

    @property
    def seconds(self) -> float:
        """How long the stream took, from its start to its end."""
        return max(0.0, self.ended - self.started)


@dataclass
class Sync:
    """What one sync emitted: by stream, its last state of each stream, and how many lines held a private note."""

    streams: dict[str, StreamRead]
    states: dict[str, Message] = field(default_factory=dict)
    private_lines: int = 0


class Connector:
    """The console script `source-pylon`. `tell` receives its warnings and errors, one text each."""

    def __init__(self, tell: Callable[[str], None], command: Path | None = None) -> None:
        """Use the script at `command`, by default the one beside this Python; raise ConnectorFailed without it."""
        found = shutil.which(command or "source-pylon", path=str(Path(sys.executable).parent))
        if found is None:
            where = command or f"beside {sys.executable}; run: python3 dev.py install"
            raise ConnectorFailed(f"source-pylon is not installed {where}")
        self._command = found
        self._tell = tell

    def spec(self) -> Message:
        """The specification."""
        return self._one("spec", [])

    def check(self, config: Path) -> Message:
        """The connection status."""
        return self._one("connectionStatus", ["--config", str(config)], verb="check")

    def discover(self, config: Path) -> list[Message]:
        """The streams of the catalog."""
        streams: list[Message] = self._one("catalog", ["--config", str(config)], verb="discover")["streams"]
        return streams

    def read(self, config: Path, catalog: Path, state: Path | None, into: Path) -> Sync:
        """Reads the streams of a configured catalog, and writes into a folder.

        The folder gets the records of each stream as JSON lines, `state.json` as the next sync takes it, and
        everything else that was said in `log.jsonl`. Raises ConnectorFailed.
        """
        chosen = [item["stream"] for item in orjson.loads(catalog.read_bytes())["streams"]]
        sync = Sync({stream["name"]: StreamRead(_primary_key(stream)) for stream in chosen})
        arguments = ["read", "--config", str(config), "--catalog", str(catalog)]
        if state is not None:
            arguments += ["--state", str(state)]
        with _writers(into, list(sync.streams)) as writers, (into / "log.jsonl").open("wb") as log:
            for line, message in self._messages(arguments):
                sync.private_lines += _PRIVATE in line
                if message["type"] == "RECORD":
                    name, data = message["record"]["stream"], message["record"]["data"]
                    read = sync.streams[name]
                    read.records += 1
                    read.newest[key_of(data, read.key)] = data
                    writers[name].write(orjson.dumps(data) + b"\n")
                    continue
                log.write(line)
                if message["type"] == "STATE":
                    sync.states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
                elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                    _note_status(sync, message["trace"])
        (into / "state.json").write_bytes(orjson.dumps(list(sync.states.values()), option=orjson.OPT_INDENT_2))
        return sync

    def _one(self, part: str, arguments: Sequence[str], verb: str | None = None) -> Message:
        answers = [message[part] for _, message in self._messages([verb or part, *arguments]) if part in message]
        if not answers:
            raise ConnectorFailed(f"source-pylon {verb or part} answered without a {part}")
        answer: Message = answers[-1]
        return answer

    def _messages(self, arguments: Sequence[str]) -> Iterator[tuple[bytes, Message]]:
        # Standard error stays the terminal's, where the connector shows how far it is.
        process = subprocess.Popen([self._command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                message: Message = orjson.loads(line)
                self._pass_on(message)
                yield line, message
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        if code:
            raise ConnectorFailed(f"source-pylon {arguments[0]} ended with exit code {code}")

    def _pass_on(self, message: Message) -> None:
        if message["type"] == "LOG" and message["log"]["level"] in _LOUD:
            # The rest of an unexpected error is its stack.
            self._tell(message["log"]["message"].split("\n", 1)[0])
        elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
            self._tell(message["trace"]["error"]["message"])


def key_of(record: Message, fields: Sequence[str]) -> Key:
    """The value of a record's primary key."""
    return tuple(record.get(name) for name in fields)


def _primary_key(stream: Message) -> tuple[str, ...]:
    return tuple(path[0] for path in stream["source_defined_primary_key"])


def _note_status(sync: Sync, trace: Message) -> None:
    told = trace["stream_status"]
    read = sync.streams[told["stream_descriptor"]["name"]]
    read.status = told["status"]
    moment = trace["emitted_at"] / 1000
    if read.status == "STARTED":
        read.started = moment
    elif read.status in _ENDED:
        read.ended = moment


@contextmanager
def _writers(folder: Path, names: Sequence[str]) -> Iterator[dict[str, IO[bytes]]]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jsonl"):
        old.unlink()
    files: dict[str, IO[bytes]] = {}
    try:
        for name in names:
            files[name] = (folder / f"{name}.jsonl").open("wb")
        yield files
    finally:
        for file in files.values():
            file.close()

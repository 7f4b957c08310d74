"""Reads files given on the command line. Errors name the file and the position, and never quote the content."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

_NOT_JSON = (ValueError, RecursionError)
"""Exceptions of Python's JSON decoder: ValueError includes JSONDecodeError and numbers with too many digits,
RecursionError means that the nesting is too deep."""

_EXPECTED = "Pass the output of an earlier read, or a list of states as Airbyte writes it."

_MAX_PATH = 1024
"""Longer than paths that people type: a longer argument is probably the content of a file."""


class BadFile(AirbyteTracedException):
    """A file is missing or has unusable content; the message names the file and the position."""

    def __init__(self, message: str) -> None:
        super().__init__("unusable file", message, FailureType.config_error)


def read_json(path: str, what: str) -> Any:
    """Return the JSON value in a file; raises BadFile. `what` says what the file is, such as "configuration"."""
    return _parse(_read(path, what), path, what)


def read_catalog(path: str) -> dict[str, Any]:
    """Return the catalog in a file: an object with the list `streams`, whose items are not checked.

    Takes a configured catalog, a catalog as Airbyte's protocol defines it, and the output of `discover`: a CATALOG
    message, also among other messages in JSON lines. Raises BadFile for anything else.
    """
    for value in _values(_read(path, "catalog"), path, "catalog"):
        catalog = value.get("catalog") if isinstance(value, dict) and value.get("type") == "CATALOG" else value
        if isinstance(catalog, dict) and isinstance(catalog.get("streams"), list):
            return catalog
    raise BadFile(f"The catalog file {path} contains no catalog: no JSON object with a list named streams.")


def read_states(path: str) -> list[dict[str, Any]]:
    """Return the states in a file, one for each stream and namespace, as Airbyte's state messages.

    Takes a list of states (as Airbyte writes it), one state, a STATE message, JSON lines with STATE messages among
    others (as `read` writes them; the last of each stream counts), and the older form that maps stream names to
    states. An empty file contains no state. Raises BadFile for anything else: ignoring it would read everything again.
    """
    states: dict[tuple[str, str | None], dict[str, Any]] = {}
    for value in _values(_read(path, "state"), path, "state"):
        for item in value if isinstance(value, list) else [value]:
            for state in _states(item, path):
                descriptor = state["stream"]["stream_descriptor"]
                states[descriptor["name"], descriptor.get("namespace")] = state
    return list(states.values())


def _values(text: str, path: str, what: str) -> Iterator[Any]:
    """Yield the one JSON value of a text, or those of its lines; nothing for an empty text."""
    if not text.strip():
        return
    try:
        value = json.loads(text)
    except _NOT_JSON:
        # Not `splitlines`: it also splits at separators that JSON does not escape and that records may contain.
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0]):
            _parse(text, path, what)
        for number, line in enumerate(lines[:-1], 1):
            yield _parse(line, path, what, number)
        # The last line may be cut off where the process that wrote it was killed.
        with contextlib.suppress(*_NOT_JSON):
            yield json.loads(lines[-1])
    else:
        yield value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except _NOT_JSON:
        return False
    return True


def _states(item: Any, path: str) -> Iterable[dict[str, Any]]:
    if item is None:
        return
    if not isinstance(item, dict):
        raise BadFile(f"The state file {path} contains a {type(item).__name__} that is not a state. {_EXPECTED}")
    kind = item.get("type")
    if kind == "STATE" and isinstance(item.get("state"), dict):
        yield from _states(item["state"], path)
    elif kind in ("LOG", "RECORD", "TRACE", "CONTROL", "CATALOG", "SPEC", "CONNECTION_STATUS", "DEBUG"):
        return
    elif kind == "GLOBAL" and isinstance(item.get("global"), dict):
        streams = item["global"].get("stream_states") or []
        if not isinstance(streams, list):
            raise BadFile(f"The state file {path} contains a global state whose stream_states are not a list.")
        for stream in streams:
            yield _stream_state(stream, path)
    elif isinstance(item.get("stream"), dict) and "stream_descriptor" in item["stream"]:
        yield _stream_state(item["stream"], path)
    elif kind == "LEGACY" or "data" in item:
        yield from _by_name(item.get("data"), path)
    else:
        yield from _by_name(item, path)


def _by_name(value: Any, path: str) -> Iterable[dict[str, Any]]:
    if value is None:
        return
    if not isinstance(value, dict) or not all(isinstance(state, dict) for state in value.values()):
        raise BadFile(f"The state file {path} does not hold states of streams. {_EXPECTED}")
    for name, state in value.items():
        yield _stream_state({"stream_descriptor": {"name": name}, "stream_state": state}, path)


def _stream_state(stream: Any, path: str) -> dict[str, Any]:
    descriptor = stream.get("stream_descriptor") if isinstance(stream, dict) else None
    name = descriptor.get("name") if isinstance(descriptor, dict) else None
    namespace = descriptor.get("namespace") if isinstance(descriptor, dict) else None
    state = stream.get("stream_state") if isinstance(stream, dict) else None
    if not isinstance(name, str) or not isinstance(state, (dict, type(None))):
        raise BadFile(f"The state file {path} contains a stream's state without its name, or not as an object.")
    described = {"name": name, "namespace": namespace} if isinstance(namespace, str) else {"name": name}
    return {"type": "STREAM", "stream": {"stream_descriptor": described, "stream_state": state or {}}}


def _read(path: str, what: str) -> str:
    if path.lstrip()[:1] in ("{", "[") or len(path) > _MAX_PATH:
        raise BadFile(f"The {what} has to be given as the path of a file. What was given looks like its content.")
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        # A word that does not look like a path may be the token in the wrong place.
        named = f"file {path}" if {".", os.sep} & set(path) else "file, whose name is not repeated here,"
        raise BadFile(f"The {what} {named} does not exist.") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"The {what} file {path} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "its name is not a path"
        raise BadFile(f"The {what} file {path} cannot be read: {reason}.") from None


def _parse(text: str, path: str, what: str, line: int = 0) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # The file may hold the token: its text is not quoted.
        place = f"line {line + error.lineno - 1 if line else error.lineno}, column {error.colno}"
        reason = error.msg.removesuffix(" at")
        raise BadFile(f"The {what} file {path} is not valid JSON: {reason} at {place}.") from None
    except _NOT_JSON:
        place = f" in line {line}" if line else ""
        raise BadFile(f"The {what} file {path} is nested too deeply, or has too long a number{place}.") from None

"""Judges what a program has written against what the sandbox holds. Runs in the sandbox's process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.text import PRIVATE

Record = dict[str, Any]


class Verdict(NamedTuple):
    """What is wrong with an output."""

    records: int
    """Records that must have been written: accounts, or issues and their public messages."""
    lost: int
    """Those of them of which no version was written."""
    stale: int
    """Those whose last written version is not the stored one."""
    private_lines: int
    """Lines of output that hold text or a file's address of an internal note."""


def judge(sandbox: Sandbox, program: str, kind: str, paths: Sequence[str]) -> Verdict:
    """Judge the files that a program has written, in this order; `kind` is accounts or issues.

    A version is recognised by `updated_at`, that of a message by its text.
    """
    kept: dict[tuple[str, str], str | None] = {}
    private = 0
    marker = PRIVATE.encode()
    for path in paths:
        with Path(path).open("rb") as file:
            for line in file:
                private += marker in line
                for stream, record in _records_in(program, path, line):
                    kept[stream, record["id"]] = _version_of(stream, record)
    wanted = _wanted(sandbox, kind)
    lost = wanted.keys() - kept.keys()
    stale = [key for key, version in wanted.items() if key not in lost and kept[key] != version]
    return Verdict(len(wanted), len(lost), len(stale), private)


def _wanted(sandbox: Sandbox, kind: str) -> dict[tuple[str, str], str | None]:
    wanted = {}
    for record in sandbox.expected(kind):
        wanted[kind, record["id"]] = _version_of(kind, record)
        if kind == "issues":
            for message in sandbox.messages(record["id"]):
                if not message["is_private"]:
                    wanted["issue_messages", message["id"]] = _version_of("issue_messages", message)
    return wanted


def _version_of(stream: str, record: Record) -> str | None:
    value = record.get("message_html" if stream == "issue_messages" else "updated_at")
    if isinstance(value, str) and stream != "issue_messages":
        # dlt writes the times that it recognises with an offset.
        value = value.replace("+00:00", "Z").replace(".000Z", "Z")
    return value


def _records_in(program: str, path: str, line: bytes) -> Iterator[tuple[str, Record]]:
    """The records of one line with their stream; messages within an issue are records as well."""
    if program in ("connector", "low-code"):
        # What a process that was stopped has cut off is no message.
        if not line.startswith(b'{"type":"RECORD"') or not line.endswith(b"\n"):
            return
        item = orjson.loads(line)["record"]
        stream, record = item["stream"], item["data"]
    else:
        if not line.endswith(b"\n") and program == "bare":
            return
        # A file of dlt's lies in the folder of its table; tables of nested lists have no counterpart here.
        stream = Path(path).parent.name if program == "dlt" else ""
        record = orjson.loads(line)
        stream = stream or ("issues" if "messages" in record else "accounts")
        if stream not in ("accounts", "issues", "issue_messages"):
            return
    yield stream, record
    for message in record.get("messages") or ():
        yield "issue_messages", message

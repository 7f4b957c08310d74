"""What should have come: the sandbox's own data against the records that were emitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integration_tests.demo.connector import Key, StreamRead, key_of
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.dataset import KINDS, PARENTS
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.streams import STREAMS
from source_pylon.streams.issue_messages import IssueMessages

Record = dict[str, Any]

_DEFINITIONS = {definition.name: definition for definition in STREAMS}
_FOLLOWS_CHANGES = {"latest_message_time", "updated_at", None}


def stored(pylon: Sandbox, stream: str, key: Sequence[str]) -> dict[Key, Record] | None:
    """What the sandbox holds of a stream, by primary key; None when it keeps nothing under that name."""
    definition = _DEFINITIONS.get(stream)
    records: Iterable[Record]
    if isinstance(definition, IssueMessages):
        threads = (pylon.messages(issue["id"]) for issue in pylon.expected("issues"))
        records = [message for thread in threads for message in thread if not message["is_private"]]
    elif isinstance(definition, IssueStream):
        wanted = definition.issue_type
        records = [issue for issue in pylon.expected("issues") if wanted in (None, (issue.get("type") or "").lower())]
    elif stream in KINDS.values():
        held = pylon.expected(stream)
        records = [record for _, record in held] if stream in PARENTS else held
        if stream == "task_comments":
            # Comments that are not certainly public never leave.
            records = [record for record in records if record.get("is_internal") is False]
    else:
        return None
    return {key_of(record, key): record for record in records}


def follows_changes(stream: str) -> bool:
    """Whether each sync brings every change of a stream's records, and not only those of a lookback."""
    definition = _DEFINITIONS.get(stream)
    return definition is not None and definition.cursor_field in _FOLLOWS_CHANGES


def newest(*reads: StreamRead) -> dict[Key, Record]:
    """The newest emission of each record over several syncs, oldest sync first."""
    merged: dict[Key, Record] = {}
    for read in reads:
        merged.update(read.newest)
    return merged


def faults(emitted: Mapping[Key, Record], held: Mapping[Key, Record], versions: bool) -> list[str]:
    """What is wrong with the emissions of one stream; `versions`: whether an old version is."""
    both = emitted.keys() & held.keys()
    old = [key for key in both if held[key].get("updated_at") != emitted[key].get("updated_at")]
    found = {
        "missing": len(held.keys() - emitted.keys()),
        "not in the sandbox": len(emitted.keys() - held.keys()),
        "out of date": len(old) if versions else 0,
    }
    return [f"{count:,} {what}" for what, count in found.items() if count]

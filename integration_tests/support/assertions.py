"""The one question of every fault: is what was emitted complete, correct and fresh, and was the state never ahead?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import CURSORS, ISSUE_STREAMS, Output, Record
from integration_tests.support.expected import CONVERSATION, expected, is_covered, moment, newest, without_signatures
from source_pylon.timestamps import parse

_NOT_THERE = None
_LOOKBACK = timedelta(days=7)
"""How far back recordings are read again where the configuration does not say."""


def _differences(have: Record, want: Record) -> dict[str, tuple[Any, Any]]:
    names = have.keys() | want.keys()
    pairs = {name: (have.get(name, _NOT_THERE), want.get(name, _NOT_THERE)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def assert_complete_and_fresh(
    pylon: Sandbox,
    *runs: Output,
    streams: Iterable[str] = ("issues",),
    unread: Iterable[str] = (),
    changed: Iterable[str] = (),
    lookback: timedelta = _LOOKBACK,
    moving: bool = False,
) -> None:
    """The union of `runs` holds what Pylon holds: every record, none invented, each in its newest version.

    `unread` are the ids of issues whose messages Pylon refuses: their record stands alone, its text from the body.
    `changed` are fields in which a fault has made the answers differ from what is stored. Recordings are compared as
    far back as a sync looks. `moving` says that data changed while a sync ran: a first one then may give an issue that
    moves ahead of it once more, changed.
    """
    unread, changed = set(unread), set(changed)
    for stream in streams:
        kept, wanted = newest(runs, stream), expected(pylon, stream)
        missing = wanted.keys() - kept.keys()
        assert not missing, f"{stream}: {len(missing)} of {len(wanted)} missing, such as {sorted(missing)[:3]}"
        # What was deleted, or became an issue of another type, was right when it was emitted.
        invented = kept.keys() - set(pylon.store.collection("issues" if stream in ISSUE_STREAMS else stream).ids)
        assert not invented, f"{stream}: never was at Pylon: {sorted(invented)[:3]}"
        for run in runs:
            ids = _versions(run, stream) if moving else run.ids(stream)
            assert len(ids) == len(set(ids)), f"{stream}: one sync emitted a record twice"
        oldest = pylon.clock.now() - lookback
        for identity, record in wanted.items():
            started = parse(record.get("start_time"))
            if stream == "call_recordings" and started is not None and started < oldest:
                continue
            have = without_signatures(kept[identity])
            if stream in ISSUE_STREAMS and identity in unread:
                assert have.get("messages") is None
                assert have.get("body_html") is None
                assert have["feedback_source"] == "none"
                own = ("messages", "body_html", "attachment_urls", "feedback_text", "feedback_source", *CONVERSATION)
                have, record = _without(have, own), _without(record, own)  # noqa: PLW2901
            differences = _differences(_without(have, changed), _without(record, changed))
            assert not differences, f"{stream} {identity}, emitted and stored: {differences}"


def _versions(run: Output, stream: str) -> list[str]:
    return [json.dumps(without_signatures(record), sort_keys=True) for record in run.records(stream)]


def _without(record: Record, names: Iterable[str]) -> Record:
    return {name: value for name, value in record.items() if name not in names}


def assert_state_never_ahead(pylon: Sandbox, *runs: Output) -> None:
    """At no line of the output does a state promise what was not emitted before it, in this run or an earlier one.

    It can be asked after changes, too: what is newer than a state's cursor is not promised by it.
    """
    emitted: dict[str, dict[str, Record]] = {}
    stored: dict[str, dict[str, Record]] = {}
    for run in runs:
        for line in run.lines:
            if line["type"] == "RECORD":
                record = line["record"]
                emitted.setdefault(record["stream"], {})[record["data"]["id"]] = record["data"]
            elif line["type"] == "STATE":
                stream = line["state"]["stream"]["stream_descriptor"]["name"]
                if stream in CURSORS:
                    if stream not in stored:
                        stored[stream] = expected(pylon, stream)
                    state = line["state"]["stream"]["stream_state"]
                    _assert_kept(stream, state, emitted.get(stream, {}), stored[stream])


def _assert_kept(stream: str, state: Record, emitted: dict[str, Record], stored: dict[str, Record]) -> None:
    for identity, record in stored.items():
        if not _is_promised(stream, state, record):
            continue
        assert identity in emitted, f"{stream}: the state {state} promises {identity} of {record.get(CURSORS[stream])}"
        if "updated_at" in record:
            assert emitted[identity]["updated_at"] == record["updated_at"], f"{stream}: {identity} is stale at {state}"


def _is_promised(stream: str, state: Record, record: Record) -> bool:
    if stream in ISSUE_STREAMS:
        return is_covered(state, record)
    since, time = parse(state.get(CURSORS[stream])), parse(record.get(CURSORS[stream]))
    if since is None or time is None:
        # No position, as a first sync or one with another connector's state begins: nothing is promised.
        return False
    if any(other > since for name in ("updated_at", "created_at") if (other := parse(record.get(name))) is not None):
        return False
    return time <= since and (stream != "call_recordings" or time >= since - _LOOKBACK)


def assert_sources_count(run: Output) -> None:
    """Each state says how many records of its stream left since the one before."""
    counts: dict[str, int] = {}
    for line in run.lines:
        if line["type"] == "RECORD":
            stream = line["record"]["stream"]
            counts[stream] = counts.get(stream, 0) + 1
        elif line["type"] == "STATE":
            stream = line["state"]["stream"]["stream_descriptor"]["name"]
            assert line["state"]["sourceStats"]["recordCount"] == counts.pop(stream, 0)


def assert_green(run: Output, *streams: str) -> None:
    """The run says that it left nothing out."""
    assert run.code == 0, run.error_text() or run.stderr[-2000:]
    assert not run.errors
    for stream in streams or ("issues",):
        assert run.ended(stream) == "COMPLETE"


def assert_failed(run: Output, *streams: str, kind: str | None = None, says: Iterable[str] = ()) -> None:
    """The run says that these streams are not complete, and why."""
    assert run.code == 1, run.logs
    for stream in streams or ("issues",):
        assert run.ended(stream) == "INCOMPLETE"
        named = [error for error in run.errors if f"Stream {stream}:" in str(error["message"])]
        assert named, run.error_text()
        assert kind is None or {error["failure_type"] for error in named} == {kind}
        for word in says:
            assert any(word.lower() in str(error["message"]).lower() for error in named), run.error_text()


def assert_synced(pylon: Sandbox, *runs: Output, streams: Iterable[str] = ("issues",), **left: Any) -> None:
    """The last run is green, and all of them together are what they have to be."""
    streams = tuple(streams)
    assert_green(runs[-1], *streams)
    assert_complete_and_fresh(pylon, *runs, streams=streams, **left)
    assert_state_never_ahead(pylon, *runs)
    for run in runs:
        assert_sources_count(run)


def as_time(text: str) -> datetime:
    """A time of a record or a state."""
    return moment(text)

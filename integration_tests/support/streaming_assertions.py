"""What `assertions.py` asserts, for so many issues that they can be read only once, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

import orjson

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import Output, Record
from integration_tests.support.expected import expected_issue, moment, without_signatures

_SHOWN = "%Y-%m-%dT%H:%M:%SZ"


class Times(NamedTuple):
    """The times of a stored issue, as text: all are written in one form, so that they can be compared."""

    created: str
    updated: str
    latest: str
    """Of the latest message; the creation where there is none."""


class StreamingAssertions:
    """The issues that are stored now, and what runs have emitted of them, without messages, and promised."""

    def __init__(self, pylon: Sandbox, sample: int = 1_000) -> None:
        """`sample` of the issues, drawn from a fixed seed, are compared field by field."""
        self._pylon = pylon
        self._stored: dict[str, Times] = {}
        for version in pylon.store.collection("issues").live.versions.values():
            issue = version.record()
            latest = issue.get("latest_message_time") or issue["created_at"]
            self._stored[version.id] = Times(issue["created_at"], issue["updated_at"], latest)
        self._newest_first = sorted(self._stored, key=lambda identity: self._stored[identity].created, reverse=True)
        self._sampled = set(Random(1).sample(sorted(self._stored), min(sample, len(self._stored))))
        self._records: dict[str, Record] = {}
        self._emitted: dict[str, str] = {}
        self._promised = 0
        self._later: list[str] = []
        self._changes_until = ""
        self.states_within: int = 0
        """How many states have promised a part of the issues, and not all of them."""

    def follow(self, lines: Iterable[bytes | str]) -> int:
        """Goes through the output of one run, after those before it: no record twice, no state ahead, counts right.

        Gives the number of its records.
        """
        ids: set[str] = set()
        since_state = 0
        for text in lines:
            line = orjson.loads(text)
            if line["type"] == "RECORD":
                record = line["record"]["data"]
                identity = record["id"]
                assert identity in self._stored, f"{identity} never was at Pylon"
                assert identity not in ids, f"{identity} came twice in one sync"
                ids.add(identity)
                since_state += 1
                self._emitted[identity] = record["updated_at"]
                if identity in self._sampled:
                    self._records[identity] = record
            elif line["type"] == "STATE":
                assert line["state"]["sourceStats"]["recordCount"] == since_state
                since_state = 0
                self._promise(line["state"]["stream"]["stream_state"])
        return len(ids)

    def _promise(self, state: Record) -> None:
        if not state:
            return
        until, back_to = moment(state["changes_read_until"]).strftime(_SHOWN), state["history_read_back_to"]
        if back_to is None:
            return
        back_to = "" if back_to == "complete" else moment(back_to).strftime(_SHOWN)
        due = self._later if until > self._changes_until else []
        ordered = self._newest_first
        while self._promised < len(ordered) and self._stored[ordered[self._promised]].created >= back_to:
            due.append(ordered[self._promised])
            self._promised += 1
        later = []
        for identity in due:
            if max(self._stored[identity]) > until:
                later.append(identity)
                continue
            assert identity in self._emitted, f"the state {state} promises {identity} of {self._stored[identity]}"
            assert self._emitted[identity] == self._stored[identity].updated, f"{identity} is stale at {state}"
        self._later = later if due is self._later else [*self._later, *later]
        self._changes_until = max(until, self._changes_until)
        self.states_within += 0 < self._promised < len(self._stored)

    def assert_complete_and_fresh(self) -> None:
        """All of it is there in its newest version; those of the sample in every field."""
        missing = self._stored.keys() - self._emitted.keys()
        assert not missing, f"{len(missing)} of {len(self._stored)} missing, such as {sorted(missing)[:3]}"
        stale = [identity for identity, times in self._stored.items() if self._emitted[identity] != times.updated]
        assert not stale, f"{len(stale)} of {len(self._stored)} stale, such as {stale[:3]}"
        for identity in self._sampled:
            stored = orjson.loads(self._pylon.store.get("issues", identity).raw)
            wanted = expected_issue(self._pylon, stored, include_messages=False)
            # A field that Pylon leaves out and one that is null are the same to a destination.
            have = without_signatures(self._records[identity])
            assert {name: have.get(name) for name in have | wanted} == {
                name: wanted.get(name) for name in have | wanted
            }


def lines_of(run: Output) -> list[str]:
    """The whole lines of a run."""
    return [line for line in run.text.splitlines() if line.strip()]

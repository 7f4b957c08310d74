"""Histories in which every sync is stopped by a signal at a random moment while the data changes, and resumed.

`test_platform.py` plays some of them, `integration_tests.soak` as many as one likes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support import all_streams
from integration_tests.support.assertions import assert_green, assert_state_never_ahead, assert_synced
from integration_tests.support.connector import ISSUE_STREAMS, Files, Output, Record, config_for, configured_catalog
from integration_tests.support.expected import ago, newest, without_signatures
from integration_tests.support.fault_runs import fault_timing
from integration_tests.support.fork_server import ForkedSync, ForkServer

STREAMS = (*ISSUE_STREAMS, "accounts", "call_recordings", "survey_responses")
CONSISTENCY_LAG = timedelta(seconds=1.5)
TIMING = fault_timing(minute=0.05, consistency_lag=CONSISTENCY_LAG)
"""The consistency lag is short enough for the cursors of a history of a few seconds to move."""
MAX_SEARCH_LAG = CONSISTENCY_LAG.total_seconds() - 0.1


@dataclass
class Totals:
    """What was played, added up."""

    rounds: int = 0
    stopped: int = 0
    """Rounds that the signal ended; the others were done before it came."""
    before_records: int = 0
    resumed: int = 0
    """Rounds that began with a state of a sync that was stopped."""
    changes: int = 0
    records: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(ours + theirs for ours, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.stopped} of them stopped ({self.before_records} before the first record), "
            f"{self.resumed} resumed from what a stopped one left; {self.changes} changes, {self.records} records"
        )


def kept_states(runs: Sequence[Output]) -> list[Record]:
    """What a destination keeps: the last state of each stream that left in a whole line, of whichever sync."""
    last = {item["stream"]["stream_descriptor"]["name"]: item for run in runs for item in run.state}
    return list(last.values())


class PromiseBroken(AssertionError):
    """Something was lost, stale, invented, torn or promised too early; the text names the seed."""


def play(fork_server: ForkServer, seed: int, rounds: int = 12) -> Totals:
    """Plays one organisation's history; raises PromiseBroken."""
    try:
        return _play(fork_server, seed, rounds)
    except Exception as error:
        raise PromiseBroken(f"seed {seed}: {error!r}") from error


def _play(fork_server: ForkServer, seed: int, rounds: int) -> Totals:
    chance = Random(f"rounds/{seed}")
    issues = chance.choice((chance.randint(12, 30), chance.randint(40, 140)))
    size = Size(issues=issues, same_second=chance.choice((0, min(25, issues))))
    behaviour: dict[str, Any] = {
        "latency": chance.uniform(0.002, 0.012),
        "search_lag": chance.choice((0.0, chance.uniform(0.2, MAX_SEARCH_LAG), MAX_SEARCH_LAG)),
        "inclusive_bounds": chance.random() < 0.5,
        "match_without_messages": chance.random() < 0.5,
        "private_counts": chance.random() < 0.5,
        "private_in_record": chance.random() < 0.5,
    }
    with Sandbox(size=size, seed=seed, limits=None, base_time=ago(hours=1), irregular=0.3, **behaviour) as pylon:
        runs: list[Output] = []
        totals = Totals(rounds=rounds)
        for number in range(rounds):
            totals.changes += len(pylon.evolve(seed=2 * number, n=chance.randint(0, 12)))
            totals.resumed += bool(runs and runs[-1].code != 0 and kept_states(runs))
            runs.append(_stopped(fork_server, pylon, kept_states(runs), chance, number, totals))
            assert_state_never_ahead(pylon, *runs)
        # Searches know everything, and everything counts as settled.
        pylon.clock.advance(2 * CONSISTENCY_LAG)
        with _given(pylon, kept_states(runs)) as files:
            last = fork_server.start(files.arguments("read"), TIMING).ended()
        assert_synced(pylon, *runs, last, streams=STREAMS, moving=True)
        _assert_messages(pylon, *runs, last)
    totals.records = sum(line["type"] == "RECORD" for run in (*runs, last) for line in run.lines)
    return totals


def _given(pylon: Sandbox, state: list[Record], num_workers: int = 8) -> Files:
    catalog = configured_catalog((*STREAMS, "issue_messages"))
    return Files(config_for(pylon, num_workers=num_workers), catalog, state or None)


def _stopped(
    fork_server: ForkServer, pylon: Sandbox, state: list[Record], chance: Random, number: int, totals: Totals
) -> Output:
    with _given(pylon, state, chance.choice((1, 4, 8))) as files:
        fork = fork_server.start(files.arguments("read"), TIMING)
        _some_time(fork, chance)
        if chance.random() < 0.7:
            totals.changes += len(pylon.evolve(seed=2 * number + 1, n=chance.randint(1, 12)))
            _some_time(fork, chance)
        sent = chance.choice((signal.SIGTERM, signal.SIGKILL))
        fork.send(sent)
        run = fork.ended()
    assert run.stderr == ""
    if run.code == 0:
        assert_green(run, *STREAMS, "issue_messages")
        return run
    if sent is signal.SIGKILL:
        assert run.code == -signal.SIGKILL, (run.code, run.errors)
    else:
        assert run.code == -signal.SIGTERM, (run.code, run.errors)
        assert run.text == "" or run.text.endswith("\n")
        assert not run.errors
    totals.stopped += 1
    totals.before_records += not any(line["type"] == "RECORD" for line in run.lines)
    return run


def _some_time(fork: ForkedSync, chance: Random) -> None:
    """Until a random moment: after some lines of output, after some time, or at once."""
    kind = chance.random()
    if kind < 0.5:
        fork.read(lines=chance.choice((chance.randint(1, 40), chance.randint(1, 300))), seconds=5.0)
    elif kind < 0.9:
        fork.read(seconds=chance.uniform(0.0, 0.15))


def _assert_messages(pylon: Sandbox, *runs: Output) -> None:
    kept, wanted = newest(runs, "issue_messages"), all_streams.expected_records(pylon, "issue_messages")
    different = [key for (key,), record in wanted.items() if without_signatures(kept.get(key)) != record]
    assert not different, (
        f"issue_messages: {len(different)} lost or stale, such as {json.dumps(kept.get(different[0]))}"
    )

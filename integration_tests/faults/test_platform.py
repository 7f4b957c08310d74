"""The platform stops syncs, reads their output slowly or goes away, and runs two at once: nothing is lost, none hangs.

Each sync is a process of its own.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import hang
from integration_tests.support.assertions import (
    assert_green,
    assert_sources_count,
    assert_state_never_ahead,
    assert_synced,
)
from integration_tests.support.connector import ISSUE_STREAMS, Files, config_for, configured_catalog
from integration_tests.support.crash_recovery import Totals, play
from integration_tests.support.expected import ago
from integration_tests.support.fault_runs import fault_timing
from integration_tests.support.faults import MESSAGES
from integration_tests.support.fork_server import ForkServer

pytestmark = pytest.mark.slow

QUICK = fault_timing(minute=0.05)


@pytest.fixture
def large() -> Iterator[Sandbox]:
    """An organisation whose records fill a pipe many times."""
    with Sandbox(size=Size(issues=400), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


# --- syncs that are stopped ---


def test_syncs_stopped_at_random_moments_while_data_changes_end_complete_and_fresh(
    fork_server: ForkServer,
) -> None:
    total = Totals()
    for seed in range(1, 11):
        total += play(fork_server, seed)
    # The rest was done before the signal came.
    assert total.stopped >= 50
    assert total.before_records > 0
    assert total.resumed >= 40
    assert total.changes > 500


def test_a_sync_terminated_in_the_middle_of_a_write_leaves_each_line_once_and_whole(
    fork_server: ForkServer, large: Sandbox
) -> None:
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS)) as files:
        fork = fork_server.start(files.arguments("read"), QUICK)
        fork.read(lines=1)
        # Meanwhile the pipe fills up: most likely, the signal meets a write that has taken a part of its lines.
        time.sleep(0.5)
        fork.send(signal.SIGTERM)
        stopped = fork.ended()
        assert stopped.code == -signal.SIGTERM
        assert stopped.text.endswith("\n")
        assert stopped.stderr == ""
    for stream in ISSUE_STREAMS:
        assert len(stopped.ids(stream)) == len(set(stopped.ids(stream)))
    assert_sources_count(stopped)
    assert_state_never_ahead(large, stopped)
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS), stopped.state) as files:
        assert_synced(large, stopped, fork_server.start(files.arguments("read"), QUICK).ended(), streams=ISSUE_STREAMS)


def test_a_terminated_sync_ends_even_if_nobody_reads_its_output(fork_server: ForkServer, large: Sandbox) -> None:
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS)) as files:
        fork = fork_server.start(files.arguments("read"), QUICK)
        fork.read(lines=1)
        time.sleep(0.5)
        fork.send(signal.SIGTERM)
        assert fork.ends() == -signal.SIGTERM
    assert fork.ended().stderr == ""


# --- readers of standard output ---


def test_a_slow_reader_gets_every_line_whole(fork_server: ForkServer, large: Sandbox) -> None:
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS)) as files:
        fork = fork_server.start(files.arguments("read"), QUICK)
        while fork.read(lines=1, chunk=4_000):
            time.sleep(0.002)
        run = fork.ended()
    assert run.stderr == ""
    assert run.text.endswith("\n")
    assert_synced(large, run, streams=ISSUE_STREAMS)


@pytest.mark.parametrize(("lines", "answered"), [(1, 0), (1, 10_000), (100, 40), (800, 10_000)])
def test_when_the_reader_goes_away_the_sync_ends_even_while_threads_wait_for_messages(
    lines: int, answered: int, fork_server: ForkServer, large: Sandbox
) -> None:
    large.faults.add(Fault(MESSAGES, hang(), times=10_000, after=answered))
    with Files(config_for(large), configured_catalog(ISSUE_STREAMS)) as files:
        # A sync that has nothing to write does not learn that nobody reads; it writes at least with each heartbeat.
        fork = fork_server.start(files.arguments("read"), fault_timing(minute=0.05, heartbeat=0.2, read_timeout=300.0))
        fork.read(lines=lines)
        fork.leave()
        run = fork.ended()
    assert run.code == 1
    assert run.stderr == ""


# --- two connections of one organisation ---


def test_two_syncs_that_share_a_rate_limit_complete_and_are_rarely_refused(fork_server: ForkServer) -> None:
    minute = 1.0
    with (
        Sandbox(size=Size(issues=300), limits={MESSAGES: 60}, minute=minute, base_time=ago(hours=1)) as pylon,
        Files(config_for(pylon), configured_catalog(["issues"])) as files,
    ):
        both = [fork_server.start(files.arguments("read"), fault_timing(minute=minute)) for _ in range(2)]
        readers = [threading.Thread(target=fork.read) for fork in both]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        for fork in both:
            run = fork.ended()
            assert_green(run)
            assert_synced(pylon, run)

        assert pylon.refused() < pylon.count(MESSAGES, status=200) / 5

"""Runs the syncs of one scenario in a single thread and virtual time."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast
from unittest.mock import patch

from source_pylon.api.client import PylonClient
from source_pylon.api.clock import Clock
from source_pylon.api.endpoints import Endpoint
from source_pylon.api.errors import PylonError
from source_pylon.api.rate_limit import RateLimiter
from source_pylon.api.transport import Transport
from source_pylon.config import Config
from source_pylon.extraction.issues import changes, history, passes, reader
from source_pylon.extraction.prefetch import Threads, Turn
from source_pylon.extraction.stream import Checkpoint, ConfiguredStream, Failure, Page, SyncContext, readings
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing
from unit_tests.simulation.model import FakeTransport, World, moment, shown
from unit_tests.simulation.oracle import Destination, Position, SyncOracle, Violation
from unit_tests.simulation.scenario import Scenario, SyncPlan

logger = logging.getLogger("airbyte")

TIMING = Timing()


class VirtualRateLimiter(RateLimiter):
    """The real limit, waited for in virtual time."""

    def __init__(self, original: RateLimiter, world: World) -> None:
        super().__init__(original.limit, world.monotonic)
        self._world = world

    def enter(self, timeout: float = float("inf")) -> bool:
        """Let virtual time pass until a call may be sent."""
        while wait := self.limit.wait(self._world.monotonic()):
            self._world.pass_time(int(wait * 1_000) + 1)
        self.limit.send(self._world.monotonic())
        return True


class VirtualClient(PylonClient):
    """The real client, whose clock, pauses and rate limits live in virtual time."""

    def __init__(self, transport: FakeTransport, world: World, machine_skew: int) -> None:
        super().__init__(
            cast(Transport, transport),
            timing=TIMING,
            sleep=lambda seconds: world.pass_time(int(seconds * 1_000)),
        )
        self.clock = Clock(lambda: moment(world.now + machine_skew), world.monotonic)
        self._world = world
        self._virtual: dict[str, VirtualRateLimiter] = {}

    def limiter(self, endpoint: Endpoint) -> RateLimiter:
        """Return what holds back the calls of an endpoint."""
        if endpoint.key not in self._virtual:
            self._virtual[endpoint.key] = VirtualRateLimiter(super().limiter(endpoint), self._world)
        return self._virtual[endpoint.key]


class SeededThreads(Threads):
    """Makes results in the caller's thread, one at a time, in an order that a seed decides."""

    def __init__(self, rng: random.Random, make: Callable[[Turn], None]) -> None:
        super().__init__(0, make)
        self._rng = rng
        self._make_now = make
        self._waiting: list[Turn] = []

    def run(self, turn: Turn) -> None:
        """Take a turn; it, or another one, may be made at once."""
        self._waiting.append(turn)
        if self._rng.random() < 0.3:
            self._finish(self._rng.choice(self._waiting))

    def expect(self, turn: Turn) -> None:
        """Make a turn's result, after some others perhaps."""
        while turn in self._waiting:
            self._finish(self._rng.choice(self._waiting) if self._rng.random() < 0.5 else turn)

    def _finish(self, turn: Turn) -> None:
        self._waiting.remove(turn)
        self._make_now(turn)

    def stop(self) -> None:
        """Drop what has not been made."""
        self._waiting.clear()


@dataclass
class Outcome:
    """What came of one run."""

    scenario: Scenario
    violations: list[Violation] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    records: int = 0
    requests: int = 0
    fingerprint: int = 0
    """Two runs of one seed have the same."""


def simulate(scenario: Scenario, *, trace: bool = False) -> Outcome:
    """Run all syncs of a scenario and judge them."""
    outcome = Outcome(scenario)
    world = World(scenario)
    if trace:
        world.trace = outcome.trace
        for issue in world.issues.values():
            last = issue.current
            world.say(f"at first: {issue.id} created {shown(issue.created)} updated {shown(last.updated)} {last.type}")
    run = _Run(world, outcome)
    with _scaled(scenario), _quiet_log(outcome.trace if trace else None):
        for number, plan in enumerate(scenario.syncs):
            run.pause(plan.gap)
            run.sync(f"{scenario.seed} {number}", plan)
        for number, plan in enumerate(scenario.quiet):
            world.pass_time(plan.gap)
            is_last = number == len(scenario.quiet) - 1
            run.sync(f"{scenario.seed} quiet {number}", plan, quiet=True, last=is_last)
    return outcome


class _Run:
    def __init__(self, world: World, outcome: Outcome) -> None:
        self.world = world
        self.scenario = world.scenario
        self.outcome = outcome
        self.destination = Destination()
        self.rng = random.Random(f"run {self.scenario.seed}")
        chosen = self.rng.sample(sorted(world.issues), min(len(world.issues), 3))
        self.broken = {one: (0, self.rng.randint(0, 5) * 3_600_000) for one in chosen[: self.scenario.broken_issues]}
        self.refused = {one: self.rng.choice([403, 400, 404]) for one in chosen[2 : 2 + self.scenario.refused_issues]}

    def pause(self, duration: int) -> None:
        """Let time pass, with changes in it."""
        times = sorted(self.rng.randint(0, duration) for _ in range(self.scenario.changes_between))
        end = self.world.now + duration
        begin = self.world.now
        for at in times:
            self.world.now = max(self.world.now, begin + at)
            self.world.change()
        self.world.now = max(self.world.now, end)

    def sync(self, seed: str, plan: SyncPlan, *, quiet: bool = False, last: bool = False) -> None:
        """Run one sync, up to its end or to the kill."""
        world = self.world
        # A full refresh replaces what a destination holds, once it is complete.
        destination = Destination() if plan.full_refresh else self.destination
        world.say(f"=== sync: {plan}")
        for name in plan.forgets:
            self.destination.states.pop(name, None)
        transport = FakeTransport(world, seed, plan.date_skew, quiet=quiet)
        transport.broken, transport.refused = self.broken, self.refused
        oracle = SyncOracle(world, destination, plan, self.refused)
        values: dict[str, Any] = {"api_token": "token", "include_messages": plan.include_messages}
        values["issues_lookback_days"] = plan.lookback_days
        if plan.start is not None:
            values["start_date"] = moment(plan.start).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # The jitter of retries is drawn from the global generator.
        random.seed(f"jitter {seed}")
        client = VirtualClient(transport, world, plan.machine_skew)
        executor = random.Random(f"order {seed}")
        context = SyncContext(
            client, Config.load(values), TIMING, make_threads=lambda workers, make: SeededThreads(executor, make)
        )
        by_name = {stream.name: stream for stream in STREAMS}
        configured = [
            ConfiguredStream(by_name[name], None if plan.full_refresh else destination.states.get(name, {}))
            for name in plan.streams
        ]
        left = plan.kill_after
        output = _Output(self, oracle, {one.name: one.state is not None for one in configured})
        for kind, stream, payload in self._events(context, configured, oracle, quiet):
            if left is not None:
                if left == 0:
                    world.say("=== killed")
                    oracle.killed()
                    break
                left -= 1
            output.receive(kind, stream, payload)
        else:
            output.end()
            if last:
                oracle.judge_end()
            elif plan.full_refresh and not oracle.has_failed:
                oracle.judge_full_refresh()
        oracle.messages_read(transport.messages_read)
        self.outcome.violations.extend(oracle.violations)

    def _events(
        self, context: SyncContext, configured: list[ConfiguredStream], oracle: SyncOracle, quiet: bool
    ) -> Iterator[tuple[str, str, Any]]:
        for reading in readings(configured):
            events = reading.read(context)
            try:
                for event in events:
                    if isinstance(event, Page):
                        for record in event.records:
                            yield "record", event.stream, record
                    elif isinstance(event, Checkpoint):
                        yield "state", event.stream, event.state
                    elif isinstance(event, Failure):
                        self._failed(oracle, event.stream, event.error, quiet)
            except PylonError as error:
                for one in reading.streams:
                    self._failed(oracle, one.name, error, quiet)
            finally:
                cast(Any, events).close()

    def _failed(self, oracle: SyncOracle, stream: str, error: PylonError, quiet: bool) -> None:
        self.world.say(f"=== {stream} fails: {error}")
        oracle.has_failed = True
        if quiet and (stream != "issue_messages" or oracle.plan.include_messages):
            oracle.failed(stream, str(error))


class _Output:
    """What the runner does with events: it puts out a state at most once in an interval, and the last one."""

    def __init__(self, run: _Run, oracle: SyncOracle, resumable: Mapping[str, bool]) -> None:
        self._run = run
        self._oracle = oracle
        self._resumable = resumable
        self._pending: dict[str, dict[str, Any]] = {}
        self._put_at = dict.fromkeys(resumable, run.world.now)

    def receive(self, kind: str, stream: str, payload: Any) -> None:
        """Take one record or state of a stream."""
        world, outcome = self._run.world, self._run.outcome
        outcome.fingerprint = hash((outcome.fingerprint, world.now, kind == "state", len(payload)))
        if kind == "record":
            outcome.records += 1
            world.say(f"    {stream}: {payload['id']} version {payload.get('number_of_touches')}")
            self._oracle.record(stream, payload)
        elif self._resumable[stream]:
            self._pending[stream] = payload
            if world.now - self._put_at[stream] >= self._run.scenario.checkpoint_interval:
                self._put(stream)

    def _put(self, stream: str) -> None:
        state = self._pending.pop(stream)
        self._put_at[stream] = self._run.world.now
        self._run.world.say(f"    {stream}: state {state}")
        self._oracle.state(stream, state)

    def end(self) -> None:
        """The sync is over: put out the last states."""
        for stream in list(self._pending):
            self._put(stream)


@contextmanager
def _scaled(scenario: Scenario) -> Iterator[None]:
    """Scale the reader's sizes down, so that some tens of issues are as many as thousands."""
    with ExitStack() as stack:
        count = scenario.issues_per_checkpoint
        if count < 1_000:
            for name in ("_MIN_ISSUES_PER_CHECKPOINT", "_MAX_ISSUES_PER_CHECKPOINT"):
                stack.enter_context(patch.object(passes, name, count))
            stack.enter_context(patch.object(reader, "_MAX_RECORDS_PER_PAGE", count))
        stack.enter_context(patch.object(history, "_FIRST_PAGE", scenario.first_page))
        if scenario.search_filter_ignored:
            enough = min(3, count, scenario.page_cap)
            stack.enter_context(patch.object(changes, "_IGNORED_FILTER_MIN_ISSUES", enough))
        yield


class _TraceHandler(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"    log: {record.getMessage()}")


@contextmanager
def _quiet_log(trace: list[str] | None) -> Iterator[None]:
    """Keep log lines off the terminal; they go into the trace, if there is one."""
    handler = _TraceHandler(trace) if trace is not None else logging.NullHandler()
    before = (logger.propagate, logger.level, logger.handlers[:])
    logger.propagate, logger.handlers = False, [handler]
    logger.setLevel(logging.INFO if trace is not None else logging.CRITICAL)
    try:
        yield
    finally:
        logger.propagate, logger.handlers = before[0], before[2]
        logger.setLevel(before[1])


__all__ = ["Outcome", "Position", "replace", "simulate"]

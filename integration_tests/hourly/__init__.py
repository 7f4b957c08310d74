"""One growing organisation, synced once an hour, with changes between and during syncs and with faults.

An hour passes on the clocks of Pylon and of the connector's machine, which takes no time; only the syncs themselves
run. A minute of the rate limits lasts one second. Every sync is a process of its own. Its faults are drawn from the
seed; where exactly a change or a signal meets it also depends on the machine.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import IO, Any

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import glitched, reset, reset_in_body, status, too_many
from integration_tests.support import all_streams
from integration_tests.support.assertions import assert_green, assert_sources_count, assert_state_never_ahead
from integration_tests.support.connector import (
    REPOSITORY,
    Files,
    Output,
    Record,
    config_for,
    configured_catalog,
    launcher,
)
from integration_tests.support.expected import ago, moment, without_signatures
from integration_tests.support.fault_runs import fault_timing
from integration_tests.support.faults import LIST, MESSAGES, SEARCH
from integration_tests.support.memory import peak_memory_of

STREAMS = ("issues", "issue_messages", "accounts", "contacts", "call_recordings", "survey_responses")
SEARCH_LAG = 120.0
"""Seconds until a search knows a change. What changes during a sync may be found by the next one only."""

_TIMING = fault_timing(minute=1.0, checkpoint_interval=0.2)
_KINDS = {
    "issues": {"issues"},
    "issue_messages": {"issues"},
    "accounts": {"accounts"},
    "contacts": {"contacts"},
    "call_recordings": {"call_recordings"},
    "survey_responses": {"survey_responses", "surveys"},
}
_CHAOS = (
    "429 storm",
    "5xx burst",
    "glitches",
    "connection resets",
    "clock fast",
    "clock slow",
    "another client",
    "SIGTERM",
    "SIGKILL",
)
_RECORDINGS_LOOKBACK = timedelta(days=7)
"""How far back recordings are read again where the configuration does not say."""
_LONGEST = 120.0
"""A sync that is not done after so many seconds counts as hanging."""


@dataclass
class SyncResult:
    """What one hourly sync met and took."""

    hour: int
    chaos: list[str]
    changes: int
    """Made since the sync before this one, and while this one ran."""
    stored: int
    """Issues of the organisation when the sync began."""
    code: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    """Largest resident memory of the process, in megabytes of 1,000,000 bytes; 0 where /proc does not tell it."""
    requests: int = 0
    refused: int = 0
    """Requests answered with 429, by the rate limit or by a storm."""
    failed: int = 0
    """Requests answered with 5xx or not at all."""
    records: int = 0
    states: int = 0
    checked: int = 0
    """Stored records that were compared with what has been emitted so far; 0 after a sync that was stopped."""


@dataclass
class Series:
    """The syncs so far, and what a destination that deduplicates would hold."""

    results: list[SyncResult] = field(default_factory=list)
    states: dict[str, Record] = field(default_factory=dict)
    kept: dict[str, dict[tuple[Any, ...], Record]] = field(default_factory=lambda: {name: {} for name in STREAMS})

    def take(self, run: Output) -> None:
        """Adds what a run has written: the newest record of each key, and the last state of each stream."""
        for name in STREAMS:
            definition = all_streams.definition_of(name)
            self.kept[name].update((all_streams.key_of(definition, record), record) for record in run.records(name))
        self.states.update((item["stream"]["stream_descriptor"]["name"], item) for item in run.state)

    def summary(self) -> str:
        """What was played and what it took, in one line."""
        results = self.results
        green = [one for one in results if one.code == 0]
        after_first = [one for one in green if one.hour]
        return (
            f"{len(results)} hourly syncs, {len(green)} complete, {len(results) - len(green)} stopped by a signal, "
            f"{sum(bool(one.chaos) for one in results)} with faults; {sum(one.changes for one in results)} changes, "
            f"{results[0].stored} issues at the beginning and {results[-1].stored} at the end; "
            f"{sum(one.requests for one in results)} requests, {sum(one.refused for one in results)} of them refused "
            f"and {sum(one.failed for one in results)} failed; {sum(one.records for one in results)} records emitted, "
            f"{sum(one.checked for one in results)} comparisons with what is stored; peak memory "
            f"{min(one.peak_mb for one in after_first):.0f} to {max(one.peak_mb for one in after_first):.0f} MB"
        )

    def as_output(self) -> Output:
        """What has been taken, as one run that emitted each record once."""
        lines = (
            json.dumps({"type": "RECORD", "record": {"stream": name, "data": record}})
            for name, records in self.kept.items()
            for record in records.values()
        )
        return Output(0, "".join(f"{line}\n" for line in lines))


def play(
    hours: int,
    seed: int = 1,
    issues: int = 400,
    changes: int = 40,
    seconds: float = math.inf,
    tell: Callable[[SyncResult], None] = lambda result: None,
) -> Series:
    """Plays so many hours with about `changes` changes in each. Raises AssertionError if anything is lost or stale.

    Ends earlier if that has taken so many real `seconds`. The last hour has no faults, and after it everything that is
    stored must have been emitted as it is stored.
    """
    ends = time.monotonic() + seconds
    chance = Random(f"hourly/{seed}")
    series = Series()
    size = Size(issues=issues, accounts=issues // 4, contacts=issues // 2)
    start = ago(hours=1)
    with Sandbox(
        size=size,
        seed=seed,
        minute=_TIMING.minute,
        latency=0.005,
        search_lag=SEARCH_LAG,
        base_time=start,
        irregular=0.3,
    ) as pylon:
        last, hour = False, -1
        while not last:
            hour += 1
            last = hour >= hours - 1 or time.monotonic() > ends
            chaos = [] if last or chance.random() < 0.25 else chance.sample(_CHAOS, chance.randint(1, 3))
            made = _an_hour_passes(pylon, chance, 2 * hour, changes if hour else 0)
            result = SyncResult(hour, chaos, made, len(pylon.store.collection("issues").live.versions))
            during = 0 if last or chance.random() < 0.4 else chance.randint(1, max(1, changes // 4))
            _sync(pylon, series, result, Random(chance.random()), during)
            series.results.append(result)
            tell(result)
        assert_everything_is_kept(pylon, series, set())
    return series


def _an_hour_passes(pylon: Sandbox, chance: Random, seed: int, changes: int) -> int:
    half = timedelta(minutes=30)
    pylon.clock.advance(half)
    made = len(pylon.evolve(seed, chance.randint(changes // 2, changes + changes // 2))) if changes else 0
    pylon.clock.advance(half)
    return made


def _sync(pylon: Sandbox, series: Series, result: SyncResult, chance: Random, during: int) -> None:
    """One sync, with what it must be afterwards."""
    ahead = pylon.clock.now() - datetime.now(timezone.utc) + _clock_error(result.chaos, chance)
    pylon.log.clear()
    pylon.faults.clear()
    pylon.limiter.taken = chance.uniform(0.3, 0.8) if "another client" in result.chaos else 0.0
    for fault in _faults(result.chaos, chance):
        pylon.faults.add(fault)
    touched: set[tuple[str, str]] = set()

    def change() -> None:
        made = pylon.evolve(2 * result.hour + 1, during)
        result.changes += len(made)
        touched.update((one.kind, one.id) for one in made)

    signals = [getattr(signal, name) for name in result.chaos if name.startswith("SIG")]
    events = [(chance.randint(1, 60), change)] if during else []
    before = series.as_output()
    # While the first sync reads the history, it makes many more requests than the later ones.
    stop = (chance.randint(1, 300 if result.hour == 0 else 60), signals[0]) if signals else None
    run = _run(pylon, series, result, ahead, events, stop)
    series.take(run)
    result.records = sum(len(run.records(name)) for name in STREAMS)
    result.states = len(run.state_messages())
    seen = list(pylon.log)
    result.requests = len(seen)
    result.refused = sum(one.status == 429 for one in seen)
    result.failed = sum(one.status is None or one.status >= 500 for one in seen)
    assert run.stderr == "", run.stderr[-2000:]
    assert_state_never_ahead(pylon, before, run)
    if run.code == 0:
        assert_sources_count(run)
        assert_green(run, *STREAMS)
        result.checked = assert_everything_is_kept(pylon, series, touched)
    else:
        assert signals, (run.code, run.error_text())
        assert run.code == -signals[0], (run.code, run.error_text())


def _clock_error(chaos: Iterable[str], chance: Random) -> timedelta:
    error = timedelta(minutes=chance.uniform(1, 20))
    return error if "clock fast" in chaos else -error if "clock slow" in chaos else timedelta()


def _faults(chaos: Iterable[str], chance: Random) -> Iterator[Fault]:
    """The faults of a sync; all of them end before the connector's retries do."""
    seed = chance.randrange(1_000_000)
    for name in chaos:
        if name == "429 storm":
            header = chance.choice([{"X-Retry-After": "1"}, {"Retry-After": "1"}, None])
            yield Fault("*", too_many(header), times=chance.randint(5, 40), probability=0.5, seed=seed)
        elif name == "5xx burst":
            code = chance.choice([500, 502, 503, 504])
            yield Fault("*", status(code), times=chance.randint(3, 30), probability=0.3, seed=seed)
        elif name == "glitches":
            for template in (LIST, SEARCH):
                yield Fault(template, glitched(), times=3, probability=0.5, seed=seed)
        elif name == "connection resets":
            yield Fault("*", reset(), times=chance.randint(1, 10), probability=0.2, seed=seed)
            yield Fault(MESSAGES, reset_in_body(), times=chance.randint(1, 10), probability=0.2, seed=seed)


def _run(
    pylon: Sandbox,
    series: Series,
    result: SyncResult,
    ahead: timedelta,
    events: list[tuple[int, Callable[[], None]]],
    stop: tuple[int, signal.Signals] | None,
) -> Output:
    """Runs a sync; calls each event after so many requests, and sends the signal after so many, if it still runs."""
    catalog = configured_catalog(STREAMS)
    given = Files(config_for(pylon), catalog, list(series.states.values()) or None)
    with given as files, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        peak = 0
        process = subprocess.Popen(
            [*launcher(_TIMING, ahead), *files.arguments("read")],
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
        )  # fmt: skip
        while True:
            peak = max(peak, peak_memory_of(process.pid))
            pid, code, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            made = len(pylon.log)
            for event in [event for event in events if made >= event[0]]:
                events.remove(event)
                event[1]()
            if stop is not None and made >= stop[0]:
                process.send_signal(stop[1])
                stop = None
            if time.monotonic() - began > _LONGEST:
                process.kill()
            time.sleep(0.005)
        result.seconds = round(time.monotonic() - began, 2)
        process.returncode = result.code = os.waitstatus_to_exitcode(code)
        result.cpu_seconds = round(usage.ru_utime + usage.ru_stime, 2)
        result.peak_mb = round(peak / 1e6, 1)
        return Output(result.code, _text(out), _text(errors))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def assert_everything_is_kept(pylon: Sandbox, series: Series, touched: set[tuple[str, str]]) -> int:
    """Every stored record has been emitted as it is stored, except what changed while the last sync ran.

    `touched` are the kinds and ids of those. Recordings are compared as far back as a sync looks. Returns how many
    records were compared.
    """
    compared = 0
    oldest = pylon.clock.now() - _RECORDINGS_LOOKBACK
    for name in STREAMS:
        ids = {identity for kind, identity in touched if kind in _KINDS[name]}
        for key, record in all_streams.expected_records(pylon, name).items():
            # A change of a survey touches its responses, one of an issue its messages.
            if ids & {record.get("id"), record.get("issue_id"), record.get("survey_id")}:
                continue
            assert key in series.kept[name], f"{name}: {key} is lost"
            if name == "call_recordings" and record.get("start_time") and moment(record["start_time"]) < oldest:
                continue
            have = without_signatures(series.kept[name][key])
            different = {field: (have.get(field), record.get(field)) for field in have | record}
            different = {field: pair for field, pair in different.items() if pair[0] != pair[1]}
            assert not different, f"{name}: {key}, emitted and stored: {different}"
            compared += 1
    return compared


def as_data(series: Series) -> list[dict[str, Any]]:
    """The results of the syncs, for JSON."""
    return [asdict(result) for result in series.results]

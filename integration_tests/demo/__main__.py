"""Reads a local Pylon twice with the installed connector, and shows what came.

It starts the sandbox, runs `source-pylon spec`, `check`, `discover` and `read` against it, lets an hour pass in which
the sandbox changes, reads again from the state of the first sync, compares all records with the sandbox's own data,
and prints a table. Records, states, configuration and catalog are left in the output folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

from integration_tests.demo.connector import Connector, ConnectorFailed, Sync
from integration_tests.demo.outcome import faults, follows_changes, newest, stored
from integration_tests.demo.table import SHARED, render
from integration_tests.sandbox import Sandbox, Size
from integration_tests.sandbox.dataset import CUSTOM_OBJECT_TYPES
from integration_tests.sandbox.limits import DEFAULT_TABLE, TABLES
from source_pylon.api.endpoints import MESSAGES
from source_pylon.extraction.issues.listed import ListedIssue

Result = TypeVar("Result")

ISSUES = 500
"""At Pylon's 120 message requests a minute, this many issues take four minutes, and show how the connector
waits."""

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demonstration; 0 when everything came, 1 when something is missing or the connector failed."""
    options = _parser().parse_args(arguments)
    try:
        return Demo(options).run()
    except ConnectorFailed as failure:
        print(f"\nFailed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


class Demo:
    """One demonstration, with the options of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Raises ConnectorFailed when the connector is not installed."""
        self._options = options
        self._output: Path = options.output
        self._config = self._output / "config.json"
        self._catalog = self._output / "catalog.json"
        self._connector = Connector(lambda text: print(f"           {text}", flush=True), options.connector)

    def run(self) -> int:
        """Run the whole demonstration; returns the exit code."""
        options = self._options
        pylon = Sandbox(size=_size(options.issues), seed=options.seed, limits=options.limits)
        with pylon:
            self._announce(pylon)
            config = {"api_token": pylon.token, "api_url": pylon.url, "custom_object_types": CUSTOM_OBJECT_TYPES}
            self._write(self._config, config)
            self._first_verbs()
            first, first_seconds = _timed(lambda: self._read(pylon, "first"))
            seen_first = len(pylon.log)
            problems = _problems(pylon, [first])
            self._change(pylon)
            second, second_seconds = _timed(lambda: self._read(pylon, "second"))
            problems += _problems(pylon, [first, second])
            templates = [seen.template for seen in pylon.log]
            print()
            seen = [templates[self._seen_before : seen_first], templates[seen_first:]]
            print(render(first, second, seen, [first_seconds, second_seconds]))
            return self._close(pylon, [first, second], problems)

    def _announce(self, pylon: Sandbox) -> None:
        asked = sum(ListedIssue.of(issue).may_have_text_or_files() for issue in pylon.expected("issues"))
        allowed = pylon.limiter.calls[MESSAGES.key]
        minutes = (asked - 1) // allowed
        _say("sandbox", f"a local Pylon with {self._options.issues:,} issues at {pylon.url}")
        _say("", f"It allows {allowed} message requests a minute (limits of {self._options.limits}); {asked:,}")
        _say(
            "",
            f"issues have messages or a body, so the first sync takes {f'{minutes} min' if minutes else 'seconds'} "
            "at the least.",
        )

    def _first_verbs(self) -> None:
        spec, seconds = _timed(self._connector.spec)
        _say("spec", f"{len(spec['connectionSpecification']['properties'])} settings", seconds)
        status, seconds = _timed(lambda: self._connector.check(self._config))
        _say("check", f"{status['status']} {status.get('message') or ''}".strip(), seconds)
        if status["status"] != "SUCCEEDED":
            raise ConnectorFailed("the check did not succeed")
        streams, seconds = _timed(lambda: self._connector.discover(self._config))
        _say("discover", f"{len(streams)} streams", seconds)
        self._write(self._catalog, {"streams": [_configured(stream) for stream in streams]})

    def _read(self, pylon: Sandbox, which: str) -> Sync:
        state = self._output / "first" / "state.json" if which == "second" else None
        _say("read", "from the state of the first sync" if state else "everything, for the first time")
        if state is None:
            self._seen_before = len(pylon.log)
        sync = self._connector.read(self._config, self._catalog, state, self._output / which)
        unfinished = [name for name, read in sync.streams.items() if read.status != "COMPLETE"]
        if unfinished:
            raise ConnectorFailed(f"these streams did not complete: {', '.join(unfinished)}")
        return sync

    def _change(self, pylon: Sandbox) -> None:
        half = timedelta(minutes=30)
        pylon.clock.advance(half)
        # Without deletions: what was emitted can then be compared with what is there.
        changes = pylon.evolve(seed=self._options.seed, n=self._options.changes, deletions=False)
        pylon.clock.advance(half)
        _say("change", f"an hour passes in the sandbox, with {len(changes):,} changes")

    def _close(self, pylon: Sandbox, syncs: Sequence[Sync], problems: Sequence[str]) -> int:
        streams = syncs[0].streams
        unknown = [name for name, read in streams.items() if stored(pylon, name, read.key) is None]
        lookback = [name for name in streams if not follows_changes(name)]
        private = sum(sync.private_lines for sync in syncs)
        print("\nIf several streams share an endpoint, its requests are counted for the first of them")
        print(f"('{SHARED}': all requests are counted elsewhere). Refused by the rate limits: {pylon.refused():,}.")
        if problems:
            print("NOT COMPLETE:", *problems, sep="\n  ")
        else:
            print("Complete: after each sync, every record of the sandbox has been emitted, once per sync,")
            print("in its current version, and nothing else.")
            if lookback:
                print("Compared by id alone, because the connector does not read later changes of old records:")
                print(f"{', '.join(lookback)}.")
        if unknown:
            print(f"Not compared: {', '.join(unknown)}.")
        print(f"Lines with any text of the {len(pylon.private_markers()):,} private notes: {private:,}.")
        print(f"The records (JSON lines), states, configuration and catalog are in {self._output}.")
        return 1 if problems or private else 0

    def _write(self, path: Path, value: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _problems(pylon: Sandbox, syncs: Sequence[Sync]) -> list[str]:
    problems = []
    for name, read in syncs[-1].streams.items():
        held = stored(pylon, name, read.key)
        emitted = newest(*(sync.streams[name] for sync in syncs))
        found = [] if held is None else faults(emitted, held, versions=follows_changes(name))
        if read.repeated:
            found.append(f"{read.repeated:,} emitted more than once")
        problems += [f"{name} after sync {len(syncs)}: {what}" for what in found]
    return problems


def _configured(stream: dict[str, Any]) -> dict[str, Any]:
    incremental = "incremental" in stream["supported_sync_modes"]
    return {
        "stream": stream,
        "sync_mode": "incremental" if incremental else "full_refresh",
        "destination_sync_mode": "append_dedup" if incremental else "overwrite",
    }


def _size(issues: int) -> Size:
    part = max(1, issues // 5)
    return Size(issues=issues, contacts=part, accounts=part, call_recordings=part, survey_responses=part)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.monotonic()
    return work(), time.monotonic() - began


def _say(step: str, text: str, seconds: float | None = None) -> None:
    print(f"{step:<9}  {text}" + ("" if seconds is None else f" ({seconds:.1f} s)"), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--issues", type=int, default=ISSUES, metavar="N", help="issues in the sandbox (%(default)s)")
    parser.add_argument("--changes", type=int, default=100, metavar="N", help="changes between the syncs (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which data and changes (%(default)s)")
    parser.add_argument(
        "--limits", choices=sorted(TABLES), default=DEFAULT_TABLE, help="the sandbox's rate limits (%(default)s)"
    )
    parser.add_argument(
        "--connector", type=Path, metavar="PATH", help="the console script to run (the one that is installed here)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "output" / "demo",
        metavar="DIR",
        help="folder for what came (output/demo)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The sandbox as a command: prints one line of JSON with its url and token, then serves until SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import fields
from datetime import datetime

from integration_tests.sandbox.handle import REGIONS, Sandbox
from integration_tests.sandbox.limits import DEFAULT_TABLE, TABLES
from integration_tests.sandbox.options import Behaviour, Size


def main(arguments: list[str] | None = None) -> int:
    """Runs the sandbox until it is told to stop."""
    options = _parser().parse_args(arguments)
    size = Size(**{part.name: getattr(options, part.name) for part in fields(Size)})
    sandbox = Sandbox(
        size=size,
        seed=options.seed,
        limits=None if options.limits == "none" else options.limits,
        minute=options.minute,
        taken=options.taken,
        latency=options.latency_ms / 1000,
        search_lag=options.search_lag,
        region=options.region,
        port=options.port,
        base_time=options.base_time,
        story=options.story,
        behaviour=Behaviour(**{part.name: getattr(options, part.name) for part in fields(Behaviour)}),
    )
    for _ in range(options.story_days):
        sandbox.story_day()
    for template, calls in options.limit:
        sandbox.limiter.set(template, calls)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with sandbox:
        print(json.dumps({"url": sandbox.url, "token": sandbox.token}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integration_tests.sandbox", description=__doc__)
    for part in fields(Size):
        flag = f"--{part.name.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=part.default, metavar="N", dest=part.name)
    for part in fields(Behaviour):
        flag = f"--{part.name.replace('_', '-')}"
        if isinstance(part.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=part.default)
        else:
            kind = str if isinstance(part.default, str) else float
            parser.add_argument(flag, type=kind, default=part.default)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--limits", choices=[*TABLES, "none"], default=DEFAULT_TABLE)
    parser.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="TEMPLATE=CALLS",
        help="calls per minute of one endpoint",
    )
    parser.add_argument("--minute", type=float, default=60.0, help="seconds that a minute of the limits lasts")
    parser.add_argument("--taken", type=float, default=0.0, help="share of the rate limit that others use")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--search-lag", type=float, default=0.0, help="seconds until a search knows a change")
    parser.add_argument("--region", choices=REGIONS, default="us")
    parser.add_argument("--story", action="store_true", help="four months of a support team instead of random data")
    parser.add_argument("--story-days", type=int, default=0, metavar="N", help="days that pass after the story's end")
    parser.add_argument("--base-time", type=datetime.fromisoformat, help="end of the history, with offset")
    return parser


def _limit(text: str) -> tuple[str, int]:
    template, _, calls = text.rpartition("=")
    return template, int(calls)


if __name__ == "__main__":
    sys.exit(main())

"""The sandbox as a command: prints one line of JSON with its url and token, then serves until SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import fields
from typing import Any

from integration_tests.sandbox.handle import Sandbox
from integration_tests.sandbox.limits import DEFAULT_TABLE, TABLES
from integration_tests.sandbox.options import Size
from integration_tests.sandbox.story import StorySandbox


def main() -> int:
    """Runs the sandbox until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m integration_tests.sandbox", description=__doc__)
    for part in fields(Size):
        parser.add_argument(f"--{part.name.replace('_', '-')}", type=int, default=part.default, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--limits", choices=[*TABLES, "none"], default=DEFAULT_TABLE)
    parser.add_argument("--minute", type=float, default=60.0, help="seconds that a minute of the limits lasts")
    parser.add_argument("--search-lag", type=float, default=0.0, help="seconds until a search knows a change")
    parser.add_argument("--story", action="store_true", help="four months of a support team instead of random data")
    parser.add_argument("--story-days", type=int, default=0, metavar="N", help="days that pass after the story's end")
    options = vars(parser.parse_args())

    size = Size(**{part.name: options.pop(part.name) for part in fields(Size)})
    story, days = options.pop("story"), options.pop("story_days")
    options["limits"] = None if options["limits"] == "none" else options["limits"]
    sandbox = _story(days, options) if story else Sandbox(size=size, **options)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with sandbox:
        print(json.dumps({"url": sandbox.url, "token": sandbox.token}), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _story(days: int, options: dict[str, Any]) -> Sandbox:
    sandbox = StorySandbox(**options)
    for _ in range(days):
        sandbox.story.day()
    return sandbox


if __name__ == "__main__":
    sys.exit(main())

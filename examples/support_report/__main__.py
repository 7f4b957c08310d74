"""Pylon in a database, answers in the terminal, and one HTML page.

python3 dev.py example                  a made-up support team, served by this repository
python3 dev.py example --days 1         the same a day later: only what changed is counted
python3 dev.py example --token          your own Pylon; the token is in PYLON_API_TOKEN, or is asked for
python3 dev.py example --config FILE    your own Pylon, with the connector's configuration in a file
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import Any

# Where this is run as a file, its package is not on the path yet.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support_report import environment


def main(arguments: list[str] | None = None) -> None:
    """Run the example; exits with a message where something is missing."""
    options = parser().parse_args(arguments)
    is_story = options.config is None and not options.token
    folder = options.folder / ("story" if is_story else "pylon")
    environment.switch_off_reporting(folder)
    # Google's libraries, which PyAirbyte imports and this example does not use, warn of Python 3.10 and 3.11.
    warnings.filterwarnings("ignore", "You are using a Python version", FutureWarning)

    # Imported only now: PyAirbyte reads the switches when it is imported.
    from rich.console import Console

    from support_report import console, report
    from support_report.database import Database
    from support_report.questions import ask
    from support_report.sync import CheckFailed, sync
    from support_report.transform import TransformFailed, transform

    screen = Console()
    try:
        database = Database.at(options.destination, folder, is_story=is_story)
        with source(options, folder if is_story else None) as (config, connector):
            changes = sync(database, config, connector)
        console.show_changes(screen, changes)
        transform(database)
        answers = ask(database)
    except (CheckFailed, TransformFailed, ValueError, OSError) as error:
        sys.exit(str(error))
    console.show(screen, answers)
    path = options.report or folder / "support-report.html"
    report.write(answers, path, source="A made-up support team." if is_story else "Data from Pylon.")
    screen.print(f"The report is in {path}", soft_wrap=True)


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        prog="python3 dev.py example", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = made.add_mutually_exclusive_group()
    data.add_argument(
        "--token", action="store_true", help="read your own Pylon with the token in PYLON_API_TOKEN, or ask for it"
    )
    data.add_argument("--config", type=Path, metavar="FILE", help="read your own Pylon with this configuration")
    data.add_argument("--days", type=int, default=0, metavar="N", help="days that have passed in the story (0 to 20)")
    made.add_argument("--region", choices=["us", "eu"], default="us", help="with --token: where your Pylon is hosted")
    made.add_argument("--start-date", metavar="DATE", help="with --token: read what happened since, such as 2026-06-01")
    made.add_argument(
        "--destination", metavar="URL", help="postgres://user:password@host:5432/database (default: DuckDB)"
    )
    made.add_argument(
        "--folder", type=Path, default=Path("output/example"), help="where files go (default: %(default)s)"
    )
    made.add_argument("--report", type=Path, metavar="FILE", help="where to write the report")
    return made


@contextmanager
def source(options: argparse.Namespace, story_folder: Path | None) -> Iterator[tuple[dict[str, Any], Path]]:
    """The connector's configuration and command; serves the story, if there is a folder for it, while it is needed."""
    if story_folder:
        with environment.story(story_folder, options.days) as served:
            yield served
    elif options.config:
        yield json.loads(options.config.read_text()), environment.CONNECTOR
    else:
        token = os.environ.get("PYLON_API_TOKEN") or getpass("Token of Pylon's API: ")
        optional = {"start_date": options.start_date} if options.start_date else {}
        yield {"api_token": token, "region": options.region, **optional}, environment.CONNECTOR


if __name__ == "__main__":
    main()

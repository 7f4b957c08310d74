"""Pylon on a laptop: support data into a local DuckDB, three questions, one picture.

    python examples/support_on_a_laptop.py            reads Pylon; the token is in the variable PYLON_API_TOKEN
    python examples/support_on_a_laptop.py --sandbox  reads a made-up organisation, served by this repository

The first run reads everything; each later one only what is new. The data stays in PyAirbyte's default DuckDB cache, in
the folder .cache, and the picture is issues-per-week.png; both are in the current folder. README.md beside this file
says how to install what it needs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

# Before PyAirbyte is imported: it would report its use, and look the connector up among Airbyte's published ones.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")

import airbyte
import matplotlib as mpl
import pandas as pd
from airbyte.caches import DuckDBCache
from rich.console import Console
from rich.table import Table

mpl.use("Agg")
from matplotlib import pyplot as plt

REPOSITORY = Path(__file__).resolve().parents[1]
STREAMS = [
    "issues",
    "conversations",
    "tickets",
    "call_recordings",
    "survey_responses",
    "contacts",
    "accounts",
]

CONSOLE = Console()
COLOURS = ("#1f2a5c", "#ffb84d", "#7a9e9f", "#b5495b")

QUESTIONS = {
    "Issues per account and week": """
        SELECT
            CAST(date_trunc('week', CAST(i.created_at AS TIMESTAMP)) AS DATE) AS week,
            coalesce(a.name, '(no account)') AS account,
            count(*) AS issues,
            count(*) FILTER (WHERE i.state <> 'closed') AS still_open
        FROM issues AS i
        LEFT JOIN accounts AS a ON a.id = i.account_id
        GROUP BY ALL
        ORDER BY week DESC, issues DESC, account
        LIMIT 10
    """,
    "Slowest first responses": """
        SELECT
            i.number AS issue,
            coalesce(a.name, '(no account)') AS account,
            round(i.first_response_seconds / 3600, 1) AS hours,
            i.title
        FROM issues AS i
        LEFT JOIN accounts AS a ON a.id = i.account_id
        WHERE i.first_response_seconds IS NOT NULL
        ORDER BY i.first_response_seconds DESC, i.number
        LIMIT 10
    """,
    "Latest answers to the survey that was answered last": """
        SELECT
            CAST(CAST(submitted_at AS TIMESTAMP) AS DATE) AS day,
            survey_name AS survey,
            feedback_text AS answer
        FROM survey_responses
        WHERE feedback_text IS NOT NULL
            AND survey_id = (SELECT survey_id FROM survey_responses ORDER BY submitted_at DESC LIMIT 1)
        ORDER BY submitted_at DESC
        LIMIT 5
    """,
}

PICTURE = """
    SELECT
        CAST(date_trunc('week', CAST(created_at AS TIMESTAMP)) AS DATE) AS week,
        -- Older issues may have their type in another case.
        coalesce(lower(type), '(none)') AS type,
        count(*) AS issues
    FROM issues
    WHERE CAST(created_at AS TIMESTAMP) > (SELECT max(CAST(created_at AS TIMESTAMP)) FROM issues) - INTERVAL 26 WEEK
    GROUP BY ALL
    ORDER BY week
"""


def main() -> None:
    """Reads, asks, draws."""
    options = arguments()
    if options.sandbox:
        with sandbox() as config:
            # Not the default cache: made-up issues must not end up among real ones.
            cache = airbyte.new_local_cache("pylon_sandbox", cache_dir=Path(".cache") / "pylon_sandbox")
            show(read(config, cache, options.executable), options.picture)
        return
    token = os.environ.get("PYLON_API_TOKEN")
    if not token:
        sys.exit("Set PYLON_API_TOKEN to a token of Pylon's API, or try it with --sandbox.")
    config = {"api_token": token, "region": options.region}
    if options.start_date:
        config["start_date"] = options.start_date
    show(read(config, airbyte.get_default_cache(), options.executable), options.picture)


def arguments() -> argparse.Namespace:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sandbox", action="store_true", help="read a made-up organisation instead of Pylon")
    parser.add_argument("--region", choices=["us", "eu"], default="us", help="where your organisation is hosted")
    parser.add_argument("--start-date", metavar="DATE", help="read what happened since, such as 2026-01-01")
    parser.add_argument("--picture", metavar="FILE", default="issues-per-week.png", help="where to save the picture")
    parser.add_argument("--executable", metavar="FILE", default=connector(), help="the connector's command")
    return parser.parse_args()


def connector() -> str | None:
    """The connector's command: that of this repository's environment, else the one on the PATH."""
    own = REPOSITORY / ".venv" / "bin" / "source-pylon"
    return str(own) if own.exists() else shutil.which("source-pylon")


@contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """A local Pylon with made-up data; gives the configuration that reads it."""
    command = [str(REPOSITORY / ".venv" / "bin" / "python"), "-m", "integration_tests.sandbox", "--issues", "600"]
    # The same organisation at every run, so that the second one finds that nothing is new.
    command += ["--base-time", "2026-11-01T00:00:00Z"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            served = json.loads(process.stdout.readline())
            yield {"api_token": served["token"], "api_url": served["url"]}
        finally:
            process.terminate()


def read(config: dict[str, Any], cache: DuckDBCache, executable: str | None) -> DuckDBCache:
    """Brings the local database up to date by the connector's command `executable`, and returns it."""
    if executable is None:
        sys.exit("There is no command source-pylon; README.md in this folder says how to install it.")
    source = airbyte.get_source("source-pylon", config=config, local_executable=executable, streams=STREAMS)
    source.check()
    result = source.read(cache)
    CONSOLE.print(f"{result.processed_records:,} records were new or changed.")
    return cache


def show(cache: DuckDBCache, picture: str) -> None:
    """Prints the answers and saves the picture."""
    for title, sql in QUESTIONS.items():
        CONSOLE.print(table(title, pd.read_sql(sql, cache.get_sql_engine())))
    draw(pd.read_sql(PICTURE, cache.get_sql_engine()), picture)
    CONSOLE.print(f"Saved {picture}.")


def table(title: str, answer: pd.DataFrame) -> Table:
    """An answer as a table for the terminal."""
    shown = Table(title=title, title_justify="left")
    for name in answer.columns:
        is_number = pd.api.types.is_numeric_dtype(answer[name])
        shown.add_column(str(name).replace("_", " "), justify="right" if is_number else "left")
    for row in answer.itertuples(index=False):
        shown.add_row(*(str(value) for value in row))
    return shown


def draw(weeks: pd.DataFrame, path: str) -> None:
    """Issues per week, one colour for each type, as a picture."""
    by_type = weeks.pivot_table(index="week", columns="type", values="issues", aggfunc="sum", fill_value=0)
    by_type.index = pd.to_datetime(by_type.index)
    # Weeks without an issue belong into the picture as well.
    by_type = by_type.asfreq("7D", fill_value=0)
    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    bottom = pd.Series(0, index=by_type.index)
    for kind, colour in zip(by_type.columns, cycle(COLOURS), strict=False):
        axes.bar(by_type.index, by_type[kind], bottom=bottom, width=5.5, label=kind, color=colour)
        bottom = bottom + by_type[kind]
    axes.set_title("Issues per week and type", loc="left", fontweight="bold")
    axes.set_xlabel("week in which the issue was created")
    axes.set_ylabel("issues")
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()

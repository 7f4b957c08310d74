"""Prints the answers as tables in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from support_report.questions import Answers
from support_report.report import KINDS, Figure, csat, day, excerpt, first_response, issues_per_week, nps, tiles
from support_report.sync import Changes


def show_changes(screen: Console, changes: Changes) -> None:
    """Say what the sync brought, table by table."""
    table = Table(title="What this run changed", title_justify="left")
    for name in ("table", "new", "changed", "gone"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for name in sorted(changes.new):
        counts = changes.new[name], changes.changed[name], changes.gone[name]
        if any(counts):
            table.add_row(name, *map(str, counts))
    if table.rows:
        screen.print(table)
    screen.print(f"{changes.total:,} rows are new, changed or gone; the connector sent {changes.read:,} records.")


def show(screen: Console, answers: Answers) -> None:
    """Print the tables that a support lead would ask for."""
    figures = Table(title=f"As of {day(answers.as_of)}", title_justify="left", show_header=False)
    for tile in tiles(answers):
        figures.add_row(tile["name"], tile["value"], tile["note"])
    screen.print(figures)
    for figure in (issues_per_week(answers), first_response(answers), csat(answers), nps(answers)):
        screen.print(rich_table(figure))
    risk = Table(title="Accounts at risk", title_justify="left")
    for name in ("Account", "Signs of trouble"):
        risk.add_column(name)
    for account in answers.accounts_at_risk:
        risk.add_row(account["account"], "\n".join(account["signs"]))
    screen.print(risk)
    voices = Table(title="Latest feedback", title_justify="left")
    for name in ("Day", "Kind", "Account", "Text"):
        voices.add_column(name)
    for voice in answers.latest_feedback:
        kind = KINDS.get(voice["kind"], voice["kind"])
        voices.add_row(f"{voice['occurred_at']:%Y-%m-%d}", kind, voice["account"], excerpt(voice["text"]))
    screen.print(voices)


def rich_table(figure: Figure, most: int = 10) -> Table:
    """The numbers of a chart as a table for the terminal, the newest `most` rows."""
    table = Table(title=figure.title, title_justify="left")
    for position, name in enumerate(figure.head):
        table.add_column(name, justify="left" if position == 0 else "right")
    for row in figure.rows[:most]:
        table.add_row(*row)
    return table

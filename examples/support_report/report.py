"""Makes one HTML page of the answers: no script, no external resource, readable on phones and by screen readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import jinja2
from markupsafe import Markup

from support_report import charts
from support_report.questions import WEEKS, Answers

WIDE, NARROW = 500, 318
KINDS = {
    "issue": "Issue",
    "survey_response": "Survey",
    "call_recording": "Call",
    "article_feedback": "Article",
}
EXCERPT = 260
NONE = "\N{EN DASH}"


@dataclass
class Figure:
    """A chart in two widths, with the numbers behind it as a table."""

    title: str
    note: str
    wide: Markup
    narrow: Markup
    head: list[str]
    rows: list[list[str]]
    legend: list[str]


def write(answers: Answers, path: Path, *, source: str) -> None:
    """Write the report; `source` says in a sentence where the data comes from."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(day=day, excerpt=excerpt)
    page = environment.get_template("report.html.j2").render(
        answers=answers,
        source=source,
        kinds=KINDS,
        tiles=tiles(answers),
        figures=[
            issues_per_week(answers),
            backlog(answers),
            first_response(answers),
            csat(answers),
            nps(answers),
        ],
    )
    path.write_text(page, encoding="utf-8")


def tiles(answers: Answers) -> list[dict[str, str]]:
    """The figures on top of the page, each with what it is compared to."""
    figures = answers.figures
    return [
        {
            "name": "Issues in 4 weeks",
            "value": str(figures["issues"]),
            "note": f"{figures['issues_before']} in the 4 weeks before",
        },
        {"name": "Open now", "value": str(figures["open_now"]), "note": f"on {day(answers.as_of)}"},
        {
            "name": "First response",
            "value": hours(figures["response_hours"]),
            "note": f"median; {hours(figures['response_hours_before'])} in the 4 weeks before",
        },
        {
            "name": "CSAT",
            "value": NONE if figures["csat"] is None else f"{figures['csat']:.0f} %",
            "note": f"satisfied, of {figures['csat_responses']} answers in 13 weeks",
        },
        {
            "name": "NPS",
            "value": NONE if figures["nps"] is None else signed(figures["nps"]),
            "note": f"of {figures['nps_responses']} answers in 13 weeks",
        },
    ]


def issues_per_week(answers: Answers) -> Figure:
    """Issues created in each week, by type."""
    found = {(row["week"], row["type"]): row["issues"] for row in answers.issues_per_week}
    weeks = every_week([week for week, _ in found])
    names = sorted({name for _, name in found})
    series = {name: [found.get((week, name), 0) for week in weeks] for name in names}
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    title = "Issues per week and type"
    text = f"{len(weeks)} weeks. {described(weeks, totals)}"
    return figure(
        title,
        "By the week in which the customer wrote first. The last week may not be over.",
        lambda width: charts.stacked_bars(title, text, [short(week) for week in weeks], series, width=width),
        ["Week of", *(name.capitalize() for name in names), "All"],
        [
            [day(week), *(str(series[name][n]) for name in names), str(totals[n])]
            for n, week in reversed(list(enumerate(weeks)))
        ],
        legend=names,
    )


def backlog(answers: Answers) -> Figure:
    """Open issues at the end of each day."""
    days = [row["day"] for row in answers.backlog]
    lows, highs = [row["at_least"] for row in answers.backlog], [row["at_most"] for row in answers.backlog]
    title = "Backlog: open issues at the end of the day"
    note = "Pylon does not say when a reopened issue was closed in between: the band shows what is possible."
    weekly = [n for n, one in enumerate(days) if one.weekday() == 6 or n == len(days) - 1]
    return figure(
        title,
        note,
        lambda width: charts.band(
            title, described(days, highs), [short(one) for one in days], lows, highs, width=width
        ),
        ["Day", "At least", "At most"],
        [[day(days[n]), str(lows[n]), str(highs[n])] for n in reversed(weekly)],
    )


def first_response(answers: Answers) -> Figure:
    """Median time to the first response, by team."""
    teams = answers.first_response_by_team
    medians = {row["team"]: row["median_hours"] for row in teams if row["median_hours"] is not None}
    title = "Median first response by team"
    text = "; ".join(f"{team}: {hours(value)}" for team, value in medians.items())
    return figure(
        title,
        f"Issues of the last {WEEKS} weeks, calendar hours from the customer's message to the first public answer.",
        lambda width: charts.rows(title, text, medians, hours, width=width),
        ["Team", "Answered", "Median", "Slowest tenth", "In time"],
        [
            [
                row["team"],
                f"{row['answered']} of {row['issues']}",
                hours(row["median_hours"]),
                f"over {hours(row['slowest_tenth_hours'])}",
                NONE if row["percent_in_time"] is None else f"{row['percent_in_time']:.0f} %",
            ]
            for row in teams
        ],
    )


def csat(answers: Answers) -> Figure:
    """The share of satisfied customers, by month."""
    months = answers.csat_by_month
    values = [row["percent_satisfied"] for row in months]
    title = "CSAT: satisfied customers by month"
    return figure(
        title,
        "Scores of 4 and 5. Months with fewer than five answers are pale.",
        lambda width: charts.bars(
            title,
            "; ".join(f"{row['month']:%B %Y}: {row['percent_satisfied']:.0f} %" for row in months),
            [f"{row['month']:%b}" for row in months],
            values,
            [row["responses"] for row in months],
            low=0,
            high=112,
            marks=(0, 25, 50, 75, 100),
            show="{:.0f} %".format,
            width=width,
        ),
        ["Month", "Answers", "Satisfied", "Average"],
        [
            [
                f"{row['month']:%B %Y}",
                str(row["responses"]),
                f"{row['percent_satisfied']:.0f} %",
                f"{row['average_score']:.1f}",
            ]
            for row in reversed(months)
        ],
    )


def nps(answers: Answers) -> Figure:
    """The Net Promoter Score, by month."""
    months = answers.nps_by_month
    title = "NPS by month"
    values = [row["nps"] for row in months]
    low = -100 if min(values, default=0) < 0 else 0
    return figure(
        title,
        "Promoters (9 and 10) less detractors (0 to 6), in per cent of the answers.",
        lambda width: charts.bars(
            title,
            "; ".join(f"{row['month']:%B %Y}: {signed(row['nps'])}" for row in months),
            [f"{row['month']:%b}" for row in months],
            values,
            [row["responses"] for row in months],
            low=low,
            high=112,
            marks=range(low, 101, 50),
            show=signed,
            width=width,
        ),
        ["Month", "Answers", "Promoters", "Detractors", "NPS"],
        [
            [
                f"{row['month']:%B %Y}",
                str(row["responses"]),
                str(row["promoters"]),
                str(row["detractors"]),
                signed(row["nps"]),
            ]
            for row in reversed(months)
        ],
    )


def figure(
    title: str,
    note: str,
    draw: Callable[[int], str],
    head: list[str],
    rows: list[list[str]],
    *,
    legend: Sequence[str] = (),
) -> Figure:
    """A chart drawn for both widths. The texts in it are escaped where it is drawn."""
    wide, narrow = Markup(draw(WIDE)), Markup(draw(NARROW))  # noqa: S704
    return Figure(title, note, wide, narrow, head, rows, list(legend))


def every_week(weeks: list[date]) -> list[date]:
    """All weeks from the first to the last, those without an issue too."""
    if not weeks:
        return []
    first, last = min(weeks), max(weeks)
    return [first + timedelta(days=7 * n) for n in range((last - first).days // 7 + 1)]


def described(days: list[date], values: list[int]) -> str:
    """What a chart shows, in words."""
    if not days:
        return "No data."
    highest = max(range(len(values)), key=values.__getitem__)
    return (
        f"From {day(days[0])} to {day(days[-1])}: highest {values[highest]} on {day(days[highest])}, last {values[-1]}."
    )


def hours(value: float | None) -> str:
    """A duration in hours as people say it."""
    if value is None:
        return NONE
    if value < 1:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 48 else f"{value / 24:.1f} days"


def signed(value: float) -> str:
    """A score with its sign."""
    return f"{value:+.0f}" if round(value) else "0"


def day(moment: date | datetime) -> str:
    """A day, such as 28 October 2026."""
    return f"{moment.day} {moment:%B %Y}"


def short(moment: date) -> str:
    """A day on an axis, such as 28 Oct."""
    return f"{moment.day} {moment:%b}"


def excerpt(text: str) -> str:
    """The beginning of a text without empty lines, cut between words."""
    lines = "\n".join(line for part in text.splitlines() if (line := part.strip()))
    return lines if len(lines) <= EXCERPT else lines[:EXCERPT].rsplit(maxsplit=1)[0] + " …"

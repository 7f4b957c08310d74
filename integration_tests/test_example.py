"""The example, run as its users run it: against the story, in the environments that examples/README.md makes.

The report's numbers are compared to what is counted here from the story's own records, and its page is opened in a real
browser at the widths of a desktop and a phone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from integration_tests.dbt import postgres
from integration_tests.dbt.environments import PYAIRBYTE_PYTHON, ROOT, require
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.clock import parse
from integration_tests.sandbox.story import StorySandbox
from integration_tests.sandbox.text import PRIVATE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("example")]

BROWSER = "chromium"
WIDTHS = {"desktop": 1280, "phone": 390}


def run(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYLON_")}
    return subprocess.run(
        [str(PYAIRBYTE_PYTHON), *arguments],
        cwd=ROOT,
        env={**environment, "COLUMNS": "200", "AIRBYTE_LOGGING_ROOT": str(folder / "logs"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def example(folder: Path, *arguments: str, **variables: str) -> str:
    """What the command prints."""
    require("dbt", "pyairbyte")
    done = run("-m", "examples.support_report", "--folder", str(folder), *arguments, folder=folder, **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def changed_rows(printed: str) -> int:
    (count,) = re.findall(r"^([\d,]+) rows are new, changed or gone", printed, re.MULTILINE)
    return int(count.replace(",", ""))


class Page(HTMLParser):
    """The texts of a page's tables by the title above them, all its text, and every address that it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self.loaded: list[str] = []
        self.tags: Counter[str] = Counter()
        self.without_title: list[str] = []
        self._open: list[str] = []
        self._title = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] += 1
        self._open.append(tag)
        if tag != "a":
            self.loaded += [value for name in ("src", "href", "data", "srcset") if (value := given.get(name))]
        if tag == "svg" and not (given.get("role") == "img" and given.get("aria-labelledby")):
            self.without_title.append(str(attrs))
        if tag == "h3":
            self._title = ""
        if tag == "table":
            self.tables[self._title] = []
        if tag == "tr":
            self.tables[self._title].append([])
        if tag in ("td", "th"):
            self.tables[self._title][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "h3":
            self._title += data
        if inside in ("td", "th"):
            self.tables[self._title][-1][-1] += data
        if inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def pylon() -> Sandbox:
    """The story as the command serves it."""
    return StorySandbox()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    return example(folder)


@pytest.fixture(scope="module")
def report(folder: Path, printed: str) -> str:
    return (folder / "story" / "support-report.html").read_text()


@pytest.fixture(scope="module")
def page(report: str) -> Page:
    return Page(report)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def scores(pylon: Sandbox, kind: str) -> list[tuple[datetime, int]]:
    return [
        (at(response["submitted_at"]), int(response["answers"][0]["value"]))
        for _, response in pylon.expected("survey_responses")
        if response["survey_type"] == kind
    ]


def test_the_first_run_counts_every_record_and_prints_the_tables(printed: str, pylon: Sandbox) -> None:
    streams = "issues accounts contacts users teams survey_responses call_recordings article_feedback "
    streams += "knowledge_base_articles issue_statuses custom_fields"
    assert changed_rows(printed) == sum(len(pylon.expected(stream)) for stream in streams.split())
    for title in ("Issues per week and type", "Median first response by team", "Accounts at risk", "Latest feedback"):
        assert title in printed
    assert pylon.token not in printed


def test_issues_per_week_and_type_match_the_story(page: Page, pylon: Sandbox) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for issue in pylon.expected("issues"):
        created = at(issue["created_at"])
        monday = created - timedelta(days=created.weekday())
        expected[f"{monday.day} {monday:%B %Y}", issue["type"].capitalize()] += 1
    head, *rows = page.tables["Issues per week and type"]
    found = {(row[0], name): int(cell) for row in rows for name, cell in zip(head[1:-1], row[1:-1], strict=True)}
    assert {key: count for key, count in found.items() if count} == expected
    assert all(int(row[-1]) == sum(map(int, row[1:-1])) for row in rows)


def test_first_responses_of_the_teams_match_the_story(page: Page, pylon: Sandbox) -> None:
    teams = {team["id"]: team["name"] for team in pylon.expected("teams")}
    _, *rows = page.tables["Median first response by team"]
    assert len(rows) == len(teams)
    for team, answered, median, _, in_time in rows:
        issues = [issue for issue in pylon.expected("issues") if teams[issue["team"]["id"]] == team]
        seconds = [issue["first_response_seconds"] for issue in issues if issue["first_response_time"]]
        assert answered == f"{len(seconds)} of {len(issues)}"
        assert median == f"{statistics.median(round(one / 3600, 2) for one in seconds):.1f} h"
        kept = [issue for issue in issues if responded(issue, pylon) <= at(issue["first_response_breach_time"])]
        assert in_time == f"{100 * len(kept) / len(issues):.0f} %"


def responded(issue: dict[str, Any], pylon: Sandbox) -> datetime:
    """When the team responded; now, if it has not."""
    return at(issue["first_response_time"]) if issue["first_response_time"] else pylon.clock.now()


def test_csat_nps_and_open_issues_match_the_story(page: Page, pylon: Sandbox) -> None:
    months: dict[str, list[int]] = {}
    for submitted, score in scores(pylon, "csat"):
        months.setdefault(f"{submitted:%B %Y}", []).append(score)
    _, *rows = page.tables["CSAT: satisfied customers by month"]
    assert {row[0]: (int(row[1]), row[2]) for row in rows} == {
        month: (len(given), f"{100 * sum(score >= 4 for score in given) / len(given):.0f} %")
        for month, given in months.items()
    }
    months = {}
    for submitted, score in scores(pylon, "nps"):
        months.setdefault(f"{submitted:%B %Y}", []).append(score)
    _, *rows = page.tables["NPS by month"]
    assert {row[0]: tuple(map(int, row[1:4])) for row in rows} == {
        month: (len(given), sum(score >= 9 for score in given), sum(score <= 6 for score in given))
        for month, given in months.items()
    }
    open_now = sum(issue["state"] != "closed" for issue in pylon.expected("issues"))
    assert re.search(rf"Open now\s+{open_now}\s", page.text)
    last_day = page.tables["Backlog: open issues at the end of the day"][1]
    assert int(last_day[1]) == open_now


def test_the_unhappy_accounts_are_at_risk_and_the_happy_ones_are_not(page: Page) -> None:
    risk = page.text.split("Accounts at risk")[1].split("Latest feedback")[0]
    for unhappy in ("Brightside Energy", "Orbit Mobility", "Quarry Construction"):
        assert unhappy in risk
    for happy in ("Harbor Logistics", "Silverbirch Travel", "Maple & Rye"):
        assert happy not in risk


def test_the_latest_feedback_of_each_kind_is_shown(page: Page, pylon: Sandbox) -> None:
    voices = page.text.split("Latest feedback")[1]
    for kind in ("Issue", "Survey", "Call", "Article"):
        assert kind in voices
    newest = max(pylon.expected("issues"), key=lambda issue: issue["created_at"])
    assert newest["title"] in voices


def test_the_report_loads_nothing_has_titles_and_shows_no_private_note(page: Page, report: str) -> None:
    assert page.loaded == []
    assert page.tags["script"] == 0
    assert "url(" not in report
    assert "@import" not in report
    assert page.tags["svg"] == 10
    assert page.without_title == []
    assert page.tags["title"] > 10
    assert PRIVATE not in report


def browse(page: Path, *arguments: str, folder: Path) -> str:
    """What the browser prints for a page."""
    reason = f"{BROWSER} is not installed: apt-get install {BROWSER}"
    program = shutil.which(BROWSER)
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-component-update", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"]
    command += ["--force-device-scale-factor=1", f"--user-data-dir={folder / 'profile'}", *arguments, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("device", WIDTHS)
def test_the_page_fits_the_window_and_shows_something(device: str, report: str, tmp_path: Path) -> None:
    width = WIDTHS[device]
    measured = tmp_path / "measured.html"
    # In a frame, because a window of the browser is at least 500 pixels wide unless a picture is taken.
    opened = escape(report.replace("<details>", "<details open>"))
    script = (
        "const page = document.querySelector('iframe').contentDocument;"
        "const ends = [...page.querySelectorAll('body *')].map(one => one.getBoundingClientRect().right);"
        "document.body.dataset.found = JSON.stringify({window: page.defaultView.innerWidth, "
        "page: page.documentElement.scrollWidth, widest: Math.max(...ends)})"
    )
    frame = f'<iframe style="width: {width}px; height: 2000px; border: 0" srcdoc="{opened}"></iframe>'
    measured.write_text(f"<body>{frame}<script>onload = () => {{ {script} }}</script></body>")
    dumped = browse(measured, f"--window-size={width + 100},2000", "--dump-dom", folder=tmp_path)
    found = json.loads(unescape(re.findall(r'data-found="([^"]*)"', dumped)[-1]))
    assert found["window"] == width
    assert found["page"] <= width
    assert found["widest"] <= width

    plain, picture = tmp_path / "report.html", tmp_path / "report.png"
    plain.write_text(report)
    browse(plain, f"--window-size={width},2000", f"--screenshot={picture}", folder=tmp_path)
    size, colours = picture_colours(picture, tmp_path)
    assert size == [width, 2000]
    # Background, cards, letters, and the bars of the charts.
    assert len(colours) > 50
    assert colours["#3056d3"] > 1000
    assert colours.most_common(1)[0][1] < 0.9 * sum(colours.values())


def picture_colours(picture: Path, folder: Path) -> tuple[list[int], Counter[str]]:
    """The size of a picture, and how many of its pixels have each colour (`#rrggbb`)."""
    script = "import json, sys; from PIL import Image; image = Image.open(sys.argv[1]).convert('RGB'); "
    script += "colours = {'#%02x%02x%02x' % colour: count for count, colour in image.getcolors(2**24)}; "
    script += "print(json.dumps([image.size, colours]))"
    done = run("-c", script, str(picture), folder=folder)
    assert done.returncode == 0, done.stderr
    size, colours = json.loads(done.stdout)
    return size, Counter(colours)


def test_later_runs_count_only_what_really_changed(folder: Path, printed: str) -> None:
    assert changed_rows(example(folder)) == 0
    pylon = StorySandbox()
    kinds = ("issues", "accounts", "survey_responses", "call_recordings", "article_feedback")
    before = {kind: records(pylon, kind) for kind in kinds}
    pylon.story.day()
    expected = Counter[str]()
    for kind in kinds:
        for key, record in records(pylon, kind).items():
            expected["new" if key not in before[kind] else "changed" if record != before[kind][key] else "same"] += 1
    del expected["same"]
    later = example(folder, "--days", "1")
    assert changed_rows(later) == sum(expected.values())
    assert expected["new"] > 5
    assert expected["changed"] > 5


def records(pylon: Sandbox, kind: str) -> dict[str, Any]:
    """The records of a kind by id, without the times that grow while an issue is open."""
    plain = [one[1] if isinstance(one, tuple) else one for one in pylon.expected(kind)]
    grow = ("time_in_status_seconds", "business_hours_time_in_status_seconds")
    return {one["id"]: {name: value for name, value in one.items() if name not in grow} for one in plain}


def test_postgres_yields_the_same_report(report: str, tmp_path: Path) -> None:
    require("postgres")
    with postgres.server("Asia/Kolkata") as server:
        url = f"postgres://{server.username}:{server.password}@{server.host}:{server.port}/{server.database}"
        output = example(tmp_path, "--destination", url)
    assert server.password not in output
    assert (tmp_path / "story" / "support-report.html").read_text() == report


def test_the_notebook_shows_the_same_from_a_token(tmp_path: Path, folder: Path, printed: str, page: Page) -> None:
    require("dbt", "pyairbyte")
    notebook = tmp_path / "support.ipynb"
    script = "import sys, nbformat, nbclient; book = nbformat.read(sys.argv[1], 4); "
    script += "nbclient.NotebookClient(book, timeout=300, kernel_name='python3').execute(cwd=sys.argv[3]); "
    script += "nbformat.write(book, sys.argv[2])"
    with StorySandbox(minute=1.0) as pylon:
        done = run(
            *("-c", script, str(ROOT / "examples" / "support_in_a_notebook.ipynb"), str(notebook), str(ROOT)),
            folder=tmp_path,
            PYLON_API_TOKEN=pylon.token,
            PYLON_API_URL=pylon.url,
            # Made by the command, for the story's short minutes.
            PYLON_CONNECTOR=str(folder / "story" / "source-pylon"),
            PYLON_NOTEBOOK_FOLDER=str(tmp_path / "output"),
            JUPYTER_CONFIG_DIR=str(tmp_path / "jupyter"),
            JUPYTER_DATA_DIR=str(tmp_path / "jupyter"),
            IPYTHONDIR=str(tmp_path / "ipython"),
        )
    assert done.returncode == 0, done.stderr[-5000:]
    shown = notebook.read_text()
    assert pylon.token not in shown
    outputs = json.dumps([cell.get("outputs") for cell in json.loads(shown)["cells"]])
    assert outputs.count("<svg ") == 5
    assert "Brightside Energy" in outputs
    newest = max(pylon.expected("issues"), key=lambda issue: issue["created_at"])
    assert newest["title"] in outputs


def test_a_wrong_token_ends_with_advice(tmp_path: Path) -> None:
    require("pyairbyte")
    with StorySandbox() as pylon:
        (tmp_path / "config.json").write_text(json.dumps({"api_token": "wrong", "api_url": pylon.url}))
        arguments = ["--folder", str(tmp_path), "--config", str(tmp_path / "config.json")]
        refused = run("-m", "examples.support_report", *arguments, folder=tmp_path)
    assert refused.returncode == 1
    assert "Pylon does not accept the API token" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("destination", ["mysql://somewhere/else", "postgres://host-only"])
def test_the_possible_destinations_are_named(destination: str, tmp_path: Path) -> None:
    require("pyairbyte")
    arguments = ["--folder", str(tmp_path), "--destination", destination]
    refused = run("-m", "examples.support_report", *arguments, folder=tmp_path)
    assert refused.returncode == 1
    assert "postgres://" in refused.stderr
    assert "Traceback" not in refused.stderr


class TestStory:
    """The data set agrees with itself."""

    def test_the_same_seed_yields_the_same_story_and_another_seed_another(self, pylon: Sandbox) -> None:
        assert StorySandbox().expected("issues") == pylon.expected("issues")
        assert StorySandbox(seed=2).expected("issues") != pylon.expected("issues")

    def test_the_story_has_the_promised_size(self, pylon: Sandbox) -> None:
        assert 250 <= len(pylon.expected("issues")) <= 400
        assert 12 <= len(pylon.expected("accounts")) <= 20
        assert 5 <= len(pylon.expected("users")) <= 8
        assert 2 <= len(pylon.expected("teams")) <= 3

    @pytest.mark.parametrize("days", [0, 1, 5])
    def test_times_seconds_states_and_messages_agree(self, days: int) -> None:
        story = StorySandbox()
        for _ in range(days):
            story.story.day()
        reopened = 0
        for issue in story.expected("issues"):
            public = [message for message in story.messages(issue["id"]) if not message["is_private"]]
            assert [m["timestamp"] for m in public] == sorted(m["timestamp"] for m in public)
            created = public[0]["timestamp"]
            assert created == issue["created_at"]
            answers = [message["timestamp"] for message in public if message["author"].get("user")]
            assert issue["first_response_time"] == (answers[0] if answers else None)
            assert issue["first_response_seconds"] == seconds(created, issue["first_response_time"])
            assert issue["resolution_seconds"] == seconds(created, issue["resolution_time"])
            assert (issue["state"] == "closed") == (issue["resolution_time"] is not None)
            assert (issue["state"] == "new") == (not answers)
            assert issue["first_response_breach_time"] > created
            (levels,) = issue["team_slas"]
            assert levels["team_id"] == issue["team"]["id"]
            assert levels["first_response"]["time"] == issue["first_response_time"]
            assert levels["resolution"]["time"] == issue["resolution_time"]
            spent = sum(issue["time_in_status_seconds"].values())
            assert abs(spent - (story.story.now - parse(created)) / 1000) <= len(issue["time_in_status_seconds"])
            first, last = issue["first_resolution_time"], issue["resolution_time"]
            reopened += bool(first) and last != first
        assert reopened > 5

    def test_survey_responses_carry_their_issue_contact_and_account(self, pylon: Sandbox) -> None:
        issues = {issue["id"]: issue for issue in pylon.expected("issues")}
        rated = Counter[str]()
        for _, response in pylon.expected("survey_responses"):
            issue = issues[response["issue_id"]]
            assert response["contact_id"] == issue["requester"]["id"]
            assert response["account_id"] == issue["account"]["id"]
            assert response["submitted_at"] > issue["first_resolution_time"]
            if response["survey_type"] == "csat":
                rated[issue["id"]] += 1
                assert int(response["answers"][0]["value"]) == issue["csat_responses"][-1]["score"]
        assert rated == Counter(
            {key: len(one["csat_responses"]) for key, one in issues.items() if one["csat_responses"]}
        )


def seconds(start: str, end: str | None) -> int | None:
    return None if end is None else int((at(end) - at(start)).total_seconds())

"""What the documentation says, against the code: streams, options, times and sizes."""

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from source_pylon.api.endpoints import ISSUE_LIST, ISSUE_SEARCH, MESSAGES, Endpoint, calls_per_minute
from source_pylon.config import Config, connection_specification
from source_pylon.extraction.issues.cursor import IssueCursor
from source_pylon.extraction.stream import Stream
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing
from source_pylon.transform.truncation import MAX_LINE_BYTES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docs" / "pylon.md").read_text(encoding="utf-8")


# --- streams ----------------------------------------------------------------------------------------------------------


def stream_cells(definition: Stream) -> list[str]:
    """What the table of streams says of one, but for the words."""
    mode = f"Incremental on `{definition.cursor_field}`" if definition.cursor_field else "Full refresh"
    requests = ", ".join(f"`{endpoint.key}`" for endpoint in definition.endpoints)
    return [f"`{definition.name}`", ", ".join(f"`{name}`" for name in definition.primary_key), mode, requests]


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose first heading is `first`, as cells."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("page", ["docs/pylon.md", "README.md"])
def test_the_table_of_streams_matches_the_code(page: str) -> None:
    rows = table((ROOT / page).read_text(encoding="utf-8"), "Stream | Primary key")
    assert [row[:4] for row in rows] == [stream_cells(definition) for definition in STREAMS]
    assert all(row[4] for row in rows)


def test_the_comparison_names_the_number_of_streams() -> None:
    assert f"| reads | {len(STREAMS)} streams |" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_added_column_is_listed(text: str) -> None:
    listed: dict[str, set[str]] = {}
    for streams, columns in table(text, "Stream | Added columns"):
        for name in re.findall(r"`(\w+)`", streams):
            listed[name] = set(re.findall(r"`(\w+)`", columns))
    for definition in STREAMS:
        added = {
            name
            for name, field in definition.model.model_fields.items()
            if (field.description or "").startswith("Added by the connector")
        }
        # `text` is that of the messages within an issue.
        assert added <= listed.get(definition.name, set()), definition.name
        assert listed.get(definition.name, set()) <= added | {"text"}, definition.name


def test_columns_that_change_without_an_edit_are_listed(text: str) -> None:
    section = text.split("### Columns that change without an edit")[1].split("###", maxsplit=1)[0]
    (issues,) = (definition for definition in STREAMS if definition.name == "issues")
    fields = issues.model.model_fields
    assert {name for name, field in fields.items() if "alue when it was read" in (field.description or "")} <= set(
        re.findall(r"`(\w+)`", section)
    )


def test_every_stream_links_to_pylons_reference(text: str) -> None:
    reference = "https://docs.usepylon.com/pylon-docs/developer/api/api-reference"
    for row in table(text, "Stream | Primary key"):
        assert re.fullmatch(rf"\[[\w-]+\]\({re.escape(reference)}(/[\w-]+)?\)", row[5]), row[0]


# --- the code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["docs/architecture.md", "README.md", "CONTRIBUTING.md"])
def test_modules_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"`(source_pylon/[\w/.]+)`", (ROOT / page).read_text(encoding="utf-8")))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_methods_that_the_architecture_names_exist() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "source_pylon").rglob("*.py"))
    classes = dict(re.findall(r"^class (\w+)(.*?)(?=^\S|\Z)", code, re.MULTILINE | re.DOTALL))
    named = re.findall(r"`(_?[A-Z]\w+)\.(\w+)`", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert named
    assert [pair for pair in named if f"    def {pair[1]}(" not in classes.get(pair[0], "")] == []


LINKING = [
    *("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/scaling.md", "docs/pylon.md"),
    *("examples/README.md", "dbt_pylon/README.md"),
]
HERE = r"https://github\.com/source-pylon/source-pylon(?:/(?:blob|tree)/main)?(?=$|/|#)(?!/issues)/?"


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING)
def test_links_to_files_and_sections_resolve(page: str) -> None:
    found = 0
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        place, _, section = re.sub(HERE, "", target).partition("#")
        base = ROOT if re.match(HERE, target) else (ROOT / page).parent
        if place.startswith("http"):
            continue
        path = base / place if place else ROOT / "README.md" if base is ROOT and "https" in target else ROOT / page
        assert path.exists(), target
        assert not section or section in anchors(path), target
        found += 1
    assert found


def test_every_key_of_the_issue_streams_state_is_described() -> None:
    described = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    moment = datetime(2026, 11, 24, tzinfo=timezone.utc)
    state = IssueCursor(moment, moment, older_activity_read_until=moment, unread_issues=("1",)).as_state()
    assert [key for key in state if f"`{key}`" not in described] == []


# --- options ----------------------------------------------------------------------------------------------------------


def test_every_option_of_the_form_is_described_with_its_default(text: str) -> None:
    described = re.findall(r'<FieldAnchor field="(\w+)">\n\n\*\*(.*?)\*\* \(`(\w+)`, (.*?)\): ', text)
    wanted = []
    for name, option in connection_specification()["properties"].items():
        if option.get("airbyte_hidden"):
            continue
        default = Config.model_fields[name].default
        if name in connection_specification()["required"]:
            words = "required"
        elif default is None:
            words = "no default"
        else:
            words = f"default `{str(default).lower()}`" if default != [] else "default none"
        wanted.append((name, option["title"], name, words))
    assert described == wanted


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_times_and_sizes_match_the_code(text: str) -> None:
    timing = Timing()
    assert timing.consistency_lag == timedelta(minutes=10)
    assert "never comes closer to the present than 10 minutes" in text
    assert timing.rate_limit_patience == 3600
    assert "refuses every request for an hour counts as broken" in text
    assert MAX_LINE_BYTES == 16_000_000
    assert "would exceed 16 MB" in text
    assert (ISSUE_LIST.page_size, ISSUE_SEARCH.page_size) == (20_000, 1000)
    assert "the list of issues (about 1,000 in one request)" in text
    assert timing.checkpoint_interval == 60
    assert "States are saved about once a minute" in text
    assert timing.heartbeat == 60
    assert "The log says how far a sync is, about every minute" in text


def test_the_table_of_limits_matches_the_code(text: str) -> None:
    rows = table(text, "Endpoints (October 2026)")
    slowest, searches, others = (int(row[1]) for row in rows)
    named = re.findall(r"`(\w+) (/[\w/-]+)`", rows[0][0])
    assert len(named) == 5
    assert {calls_per_minute(Endpoint(method, path)) for method, path in named} == {slowest}
    assert calls_per_minute(MESSAGES) == calls_per_minute(ISSUE_SEARCH) == searches
    assert calls_per_minute(Endpoint("GET", "/accounts")) == others


# --- troubleshooting --------------------------------------------------------------------------------------------------


def test_quoted_error_texts_match_the_code(text: str) -> None:
    quoted = re.findall(r"says (?:that the token )?\*(.*?)\*", text)
    assert len(quoted) == 3
    code = (ROOT / "source_pylon" / "api" / "errors.py").read_text()
    for words in quoted:
        assert words in code


@pytest.mark.parametrize(
    "question",
    [
        "The token does not work",
        "The region is wrong",
        "There is no data yet",
        "Messages are missing",
        "There are fewer conversations or tickets than expected",
        "Recordings or responses are missing",
        "Contacts or accounts are missing",
        "The first sync is slow",
        "I come from Airbyte's low-code Pylon connector",
    ],
)
def test_common_questions_are_answered(text: str, question: str) -> None:
    answer = text.split(f"#### {question}\n")[1].split("\n#", maxsplit=1)[0]
    assert len(answer) > 60


def test_links_within_the_page_resolve(text: str) -> None:
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}
    targets = re.findall(r"\]\(#(.*?)\)", text)
    assert targets
    assert set(targets) <= headings

"""The dbt package on DuckDB and PostgreSQL: hand-computed results, and tables that PyAirbyte loaded from the sandbox.

README.md in dbt_pylon/integration_tests explains the seeds and how their results were computed. Everything runs in
copies and temporary folders; the two other environments come from dbt_pylon/requirements.txt and
examples/requirements.txt.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import pytest

from integration_tests.dbt import postgres
from integration_tests.dbt.environments import CONNECTOR, DBT_PYTHON, PACKAGE, PYAIRBYTE_PYTHON, require, run
from integration_tests.sandbox import Sandbox, Size

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("dbt")]

Row = dict[str, Any]
DATABASES = ("duckdb", "postgres")
MARTS = sorted(path.stem for path in (PACKAGE / "models" / "marts").glob("*.sql"))
# Without daylight saving, whose repeated hour would be ambiguous in times without a zone.
TIME_ZONE = "Asia/Kolkata"
# Without the seeds and what was computed from them by hand.
OF_PACKAGE = ("--exclude", "package:pylon_integration_tests")


class Database(NamedTuple):
    """A database that dbt and the scripts can reach."""

    kind: str
    where: dict[str, Any]
    variables: dict[str, str]

    def query(self, *statements: str) -> list[Row]:
        """The rows of the last statement."""
        return self._query(*statements)[-1]

    def marts(self) -> dict[str, list[Row]]:
        """All rows of all marts."""
        return dict(zip(MARTS, self._query(*(f"select * from analytics_pylon.{mart}" for mart in MARTS)), strict=True))

    def _query(self, *statements: str) -> list[list[Row]]:
        rows: list[list[Row]] = run(DBT_PYTHON, "query.py", json.dumps(self.where), *statements, folder=Path("/"))
        return rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test project, with the package installed from a subdirectory of a Git repository, as users install it."""
    require("dbt")
    repository = tmp_path_factory.mktemp("repository")
    unwanted = shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb", "package-lock.yml")
    shutil.copytree(PACKAGE, repository / "dbt_pylon", ignore=unwanted)
    folder = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(repository / "dbt_pylon" / "integration_tests", folder)
    author = ("-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet", "--initial-branch=main"), ("add", "."), (*author, "commit", "-qm", "Package")):
        subprocess.run(["git", *command], cwd=repository, check=True)
    source = {"git": f"file://{repository}", "subdirectory": "dbt_pylon", "revision": "main", "warn-unpinned": False}
    (folder / "packages.yml").write_text(json.dumps({"packages": [source]}))
    (outcome,) = run(DBT_PYTHON, "invoke.py", json.dumps([["deps"]]), folder=folder)
    assert outcome["success"], outcome
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server in another time zone than UTC, which reveals a time that is treated as local."""
    require("postgres")
    with postgres.server(TIME_ZONE) as running:
        yield running


def duckdb_at(path: Path) -> Database:
    return Database("duckdb", {"duckdb": str(path)}, {"PYLON_DBT_DUCKDB": str(path)})


def postgres_at(server: postgres.Server, database: str) -> Database:
    """A new, empty database of the server."""
    Database("postgres", {"postgres": server._asdict()}, {}).query(f"create database {database}")
    server = server._replace(database=database)
    variables = {f"PYLON_DBT_POSTGRES_{name.upper()}": str(value) for name, value in server._asdict().items()}
    variables["PYLON_DBT_POSTGRES_USER"] = server.username
    return Database("postgres", {"postgres": server._asdict()}, variables)


def dbt(project: Path, database: Database, *commands: list[str], **variables: Any) -> list[dict[str, Any]]:
    """What came of dbt commands, which share the package's variables."""
    options = ["--target", database.kind, "--vars", json.dumps(variables)]
    outcomes: list[dict[str, Any]] = run(
        DBT_PYTHON, "invoke.py", json.dumps(commands), *options, folder=project, **database.variables
    )
    return outcomes


def succeed(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for outcome in outcomes:
        assert outcome["success"], outcome["exception"] or outcome["messages"]
    return outcomes


@pytest.fixture(scope="module")
def seeded(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with the seeds: tests work on copies of it."""
    path = tmp_path_factory.mktemp("seeded") / "seeded.duckdb"
    succeed(dbt(project, duckdb_at(path), ["seed"]))
    return path


def copy_of(seeded: Path, folder: Path) -> Database:
    return duckdb_at(Path(shutil.copy(seeded, folder / "copy.duckdb")))


def by_hand(outcome: dict[str, Any]) -> dict[str, str]:
    """The results of the tests against hand-computed tables."""
    return {name: status for name, status in outcome["nodes"].items() if name.endswith("_as_computed_by_hand")}


HAND_COMPUTED = {path.stem for path in (PACKAGE / "integration_tests" / "tests").glob("*.sql")}


@pytest.mark.parametrize("kind", DATABASES)
def test_the_models_yield_the_results_that_were_computed_by_hand(
    kind: str, project: Path, seeded: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "duckdb":
        database = copy_of(seeded, tmp_path)
        *_, tested = succeed(dbt(project, database, ["run"], ["test"]))
    else:
        database = postgres_at(request.getfixturevalue("server"), "seeded")
        *_, tested = succeed(dbt(project, database, ["seed"], ["run"], ["test"]))
    assert by_hand(tested) == dict.fromkeys(HAND_COMPUTED, "pass")
    assert {f"{mart.removeprefix('pylon__')}_as_computed_by_hand" for mart in MARTS} <= HAND_COMPUTED
    assert len(tested["nodes"]) > 60


def test_a_wrong_result_fails_its_test_and_variables_reach_the_models(
    project: Path, seeded: Path, tmp_path: Path
) -> None:
    # The seeds have a CSAT response of 4, which is no longer satisfied with 5 as the bound.
    commands = ["run"], ["test", "--select", "package:pylon_integration_tests"]
    ran, tested = dbt(project, copy_of(seeded, tmp_path), *commands, pylon_csat_satisfied_from=5)
    assert ran["success"]
    failed = {name for name, status in tested["nodes"].items() if status == "fail"}
    assert failed == {"survey_answers_as_computed_by_hand"}


def test_tables_without_the_newer_columns_yield_the_same_results(project: Path, seeded: Path, tmp_path: Path) -> None:
    older = copy_of(seeded, tmp_path)
    lacking = {
        "issues": "issue_type requester_email assignee_email csat_score public_message_count customer_message_count "
        "last_customer_message_at last_team_message_at issue_read_at",
        "issue_messages": "author_id author_email author_name author_type issue_updated_at issue_read_at",
        "survey_responses": "score comment",
        "accounts": "owner_id",
        "contacts": "account_id",
    }
    older.query(
        # Without the times of reading, nothing tells that these two were deleted.
        "delete from analytics_raw.issue_messages where id in ('m3', 'm8')",
        *(
            f"alter table analytics_raw.{table} drop column {column}"
            for table, columns in lacking.items()
            for column in columns.split()
        ),
    )
    *_, tested = succeed(dbt(project, older, ["run"], ["test", "--select", "package:pylon_integration_tests"]))
    assert by_hand(tested) == dict.fromkeys(HAND_COMPUTED, "pass")


def test_conversations_and_tickets_can_replace_issues_and_an_issue_in_both_counts_once(
    project: Path, seeded: Path, tmp_path: Path
) -> None:
    database = copy_of(seeded, tmp_path)
    raw = "analytics_raw"
    database.query(
        f"create table {raw}.conversations as select * from {raw}.issues where lower(type) = 'conversation'",
        f"create table {raw}.tickets as select * from {raw}.issues where lower(type) = 'ticket'",
        # The type of i3 changed: its row as a conversation stays as it was.
        f"insert into {raw}.conversations select * replace ('conversation' as type, 'conversation' as issue_type, "
        f"timestamp '2026-03-11 01:00:00' as _airbyte_extracted_at) from {raw}.issues where id = 'i3'",
    )
    metrics = "select issue_id, issue_type from analytics_pylon.pylon__issue_metrics order by issue_id"
    run_metrics = ["run", "--select", "+pylon__issue_metrics"]
    succeed(dbt(project, database, run_metrics))
    assert len(database.query(metrics)) == 5, "beside issues, its subsets add nothing"
    succeed(dbt(project, database, run_metrics, pylon_disabled_streams=["issues"]))
    found = {row["issue_id"]: row["issue_type"] for row in database.query(metrics)}
    assert found == {"i1": "ticket", "i2": "conversation", "i3": "ticket", "i4": "conversation"}


def test_issues_alone_are_enough(project: Path, seeded: Path, tmp_path: Path) -> None:
    database = copy_of(seeded, tmp_path)
    disabled = [name for name in declared_streams() if name != "issues"]
    succeed(dbt(project, database, ["build", *OF_PACKAGE], pylon_disabled_streams=disabled))
    counts = {mart: len(rows) for mart, rows in database.marts().items()}
    assert counts["pylon__issue_metrics"] == 5
    assert counts["pylon__feedback"] == 4
    assert counts["pylon__issue_custom_fields"] == 5
    assert counts["pylon__account_overview"] == 3
    assert counts["pylon__survey_answers"] == counts["pylon__deleted_objects"] == 0


def declared_streams() -> list[str]:
    """The streams that the package declares as sources."""
    lines = (PACKAGE / "models" / "staging" / "src_pylon.yml").read_text().splitlines()
    return [line.split("name: ")[1] for line in lines if line.startswith("      - name: ")]


@pytest.mark.parametrize("kind", DATABASES)
def test_builds_empty_tables_where_nothing_was_loaded(
    kind: str, project: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "duckdb":
        database = duckdb_at(tmp_path / "empty.duckdb")
    else:
        database = postgres_at(request.getfixturevalue("server"), "empty")
    succeed(dbt(project, database, ["build", *OF_PACKAGE]))
    assert database.marts() == {mart: [] for mart in MARTS}


def test_every_column_and_no_other_is_documented(project: Path, seeded: Path, tmp_path: Path) -> None:
    succeed(dbt(project, copy_of(seeded, tmp_path), ["run"], ["docs", "generate"]))
    target = project / "target"
    assert (target / "index.html").stat().st_size > 100_000
    catalog = json.loads((target / "catalog.json").read_text())["nodes"]
    manifest = json.loads((target / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in manifest.items() if key.startswith("model.pylon.")}
    assert len(models) > 30
    for key, node in models.items():
        documented = {name for name, column in node["columns"].items() if column["description"]}
        assert node["description"], key
        assert documented == set(catalog[key]["columns"]), key


def test_only_columns_that_the_connector_emits_are_read() -> None:
    catalog = {stream["name"]: stream["json_schema"]["properties"] for stream in discover()}
    for path in (PACKAGE / "models" / "staging").glob("*.sql"):
        columns = re.findall(r"\('(\w+)', '(\w+)', '\w+'\)", path.read_text())
        assert columns, path.stem
        known = catalog[path.stem.removeprefix("stg_pylon__")]
        for name, kind in columns:
            (declared,) = {*known[name]["type"]} - {"null"} if isinstance(known[name]["type"], list) else {"string"}
            expected = "timestamp" if known[name].get("format") == "date-time" else KINDS[declared]
            assert kind == expected, f"{path.stem}.{name}"


KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "float",
    "boolean": "boolean",
    "object": "json",
    "array": "json",
}


def discover() -> list[Row]:
    """The streams, as the connector's command declares them. Nothing is asked of Pylon."""
    with NamedTemporaryFile("w", suffix=".json") as config:
        config.write(json.dumps({"api_token": "an_unused_token"}))
        config.flush()
        command = [str(CONNECTOR), "discover", "--config", config.name]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (catalog,) = (message["catalog"] for message in map(json.loads, lines) if message["type"] == "CATALOG")
    streams: list[Row] = catalog["streams"]
    return streams


@pytest.mark.parametrize("elsewhere", ["snowflake", "bigquery"])
def test_compiles_to_sql_that_a_parser_accepts_where_nothing_can_be_run(elsewhere: str, tmp_path: Path) -> None:
    require("dbt")
    told = run(DBT_PYTHON, "compile_elsewhere.py", elsewhere, str(tmp_path), folder=tmp_path)
    assert told["errors"] == {}
    assert sorted(told["queries"]) == sorted(path.stem for path in (PACKAGE / "models").rglob("*.sql"))


STREAMS = [*declared_streams(), "surveys", "tasks", "projects", "milestones"]


class Loaded(NamedTuple):
    """A sandbox, the databases into which it was loaded twice, and what was changed in between."""

    pylon: Sandbox
    databases: dict[str, Database]
    deleted_message: str
    deleted_contact: str


@pytest.fixture(scope="module")
def loaded(project: Path, server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Both databases after two syncs, with changes in between, and a dbt build."""
    require("pyairbyte")
    folder = tmp_path_factory.mktemp("loaded")
    databases = {"duckdb": duckdb_at(folder / "loaded.duckdb"), "postgres": postgres_at(server, "loaded")}
    an_hour_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    with Sandbox(size=Size(issues=60), limits=None, base_time=an_hour_ago) as pylon:
        doomed = doomed_message(pylon)
        for database in databases.values():
            load(pylon, database, folder)
        # PostgreSQL must let the second load replace tables from which dbt has already built.
        build(project, databases["postgres"], ["run"])
        pylon.evolve(seed=7, n=40, deletions=False)
        pylon.store.delete_message(*doomed)
        contact = pylon.expected("contacts")[0]["id"]
        pylon.store.delete("contacts", contact)
        for database in databases.values():
            load(pylon, database, folder)
            build(project, database, ["build", *OF_PACKAGE])
        yield Loaded(pylon, databases, doomed[1], contact)


def load(pylon: Sandbox, database: Database, folder: Path) -> None:
    options = {
        "config": {"api_token": pylon.token, "api_url": pylon.url},
        "executable": str(CONNECTOR),
        "streams": STREAMS,
        "replace": ["contacts"],
        "schema": "pylon",
        "folder": str(folder / database.kind),
        **database.where,
    }
    assert run(PYAIRBYTE_PYTHON, "load.py", json.dumps(options), folder=folder)["records"] > 0


def build(project: Path, database: Database, command: list[str]) -> None:
    # What PyAirbyte writes to PostgreSQL is in the time zone of the session, without saying so.
    zone = TIME_ZONE if database.kind == "postgres" else "UTC"
    size = {"pylon_document_characters": 2000}
    succeed(dbt(project, database, command, pylon_schema="pylon", pylon_time_zone=zone, **size))


def doomed_message(pylon: Sandbox) -> tuple[str, str]:
    """The ids of an issue with several public messages and of one of them."""
    for issue in pylon.expected("issues"):
        public = [message["id"] for message in pylon.messages(issue["id"]) if message.get("is_private") is False]
        if len(public) > 1:
            return issue["id"], public[0]
    raise AssertionError("no issue has two public messages")


@pytest.mark.parametrize("kind", DATABASES)
def test_two_loads_by_pyairbyte_yield_the_issues_that_pylon_has_now(kind: str, loaded: Loaded) -> None:
    rows = loaded.databases[kind].query("select * from analytics_pylon.pylon__issue_metrics")
    now = {issue["id"]: issue for issue in loaded.pylon.expected("issues")}
    assert {row["issue_id"] for row in rows} == set(now)
    for row in rows:
        issue = now[row["issue_id"]]
        assert row["state"] == issue["state"]
        assert row["issue_type"] == (issue.get("type") or "").lower() or row["issue_type"] is None
        assert datetime.fromisoformat(row["created_at"] + "+00:00") == moment(issue["created_at"])
        assert row["account_id"] == (issue.get("account") or {}).get("id")
        assert row["tags"] == (", ".join(sorted(issue["tags"])) if issue.get("tags") else None)
        assert row["number_of_touches"] == issue["number_of_touches"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("kind", DATABASES)
def test_a_message_deleted_in_pylon_disappears_from_the_models_and_stays_in_the_table(
    kind: str, loaded: Loaded
) -> None:
    database = loaded.databases[kind]
    of_issue = (
        "select message_id from analytics_pylon_staging.int_pylon__messages where issue_id = "
        f"(select min(issue_id) from pylon.issue_messages where id = '{loaded.deleted_message}')"
    )
    kept = {row["message_id"] for row in database.query(of_issue)}
    assert kept
    assert loaded.deleted_message not in kept
    everything = {row["message_id"] for row in database.query("select id as message_id from pylon.issue_messages")}
    assert loaded.deleted_message in everything


@pytest.mark.parametrize("kind", DATABASES)
def test_a_contact_deleted_in_pylon_disappears_with_the_strategy_replace(kind: str, loaded: Loaded) -> None:
    rows = loaded.databases[kind].query("select contact_id from analytics_pylon_staging.stg_pylon__contacts")
    ids = {row["contact_id"] for row in rows}
    assert ids == {contact["id"] for contact in loaded.pylon.expected("contacts")}
    assert loaded.deleted_contact not in ids


@pytest.mark.parametrize("kind", DATABASES)
def test_feedback_has_every_issue_call_and_response_with_text(kind: str, loaded: Loaded) -> None:
    database = loaded.databases[kind]
    rows = database.query("select * from analytics_pylon.pylon__feedback")
    found = {(row["kind"], row["object_id"]) for row in rows}
    pylon = loaded.pylon
    issues = {("issue", issue["id"]) for issue in pylon.expected("issues")}
    calls = {("call_recording", call["id"]) for call in pylon.expected("call_recordings") if call.get("summary")}
    answered = {
        ("survey_response", response["id"])
        for _, response in pylon.expected("survey_responses")
        if any(answer.get("value") for answer in response.get("answers") or ())
    }
    assert calls <= found
    assert answered <= found
    assert len(issues & found) > len(issues) / 2
    texts = " ".join(row["text"] for row in rows)
    for marker in pylon.private_markers():
        assert marker not in texts


def test_both_databases_yield_the_same_rows(loaded: Loaded) -> None:
    marts = {kind: database.marts() for kind, database in loaded.databases.items()}
    for mart in MARTS:
        rows = {kind: sorted(map(comparable, marts[kind][mart])) for kind in DATABASES}
        assert rows["duckdb"], mart
        assert rows["duckdb"] == rows["postgres"], mart


def comparable(row: Row) -> str:
    """A row as text, without the time of reading, which differs between the two loads."""
    times = {"read_at"}
    values = {
        name: round(float(value), 6) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        for name, value in row.items()
        if name not in times
    }
    return json.dumps(values, sort_keys=True)

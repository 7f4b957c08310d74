"""Compiles the dbt package for a database that cannot run here, and parses the SQL: python ... bigquery FOLDER.

Runs with the Python of `.venv-dbt`. The database's own dbt adapter compiles, so its macros and quoting are the real
ones; only its two questions to the database are answered from here: every stream is there, with every column that the
package reads, in the types that Airbyte's destination makes. sqlglot parses each query in the database's dialect.
Prints what was parsed as JSON: the number of queries, and the errors by model. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

import sqlglot  # type: ignore[import-not-found]
from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]
from sqlglot import exp

PACKAGE = Path(__file__).resolve().parents[2] / "dbt_pylon"
PROFILES = {
    "snowflake": {
        "account": "nowhere",
        "user": "nobody",
        "password": "none",
        "database": "warehouse",
        "schema": "main",
    },
    "bigquery": {"method": "oauth-secrets", "token": "none", "project": "warehouse", "dataset": "main"},
}
# What Airbyte's destinations make of each kind of column.
TYPES = {
    "snowflake": {
        "text": "VARCHAR",
        "integer": "NUMBER",
        "float": "FLOAT",
        "boolean": "BOOLEAN",
        "timestamp": "TIMESTAMP_TZ",
        "json": "VARIANT",
    },
    "bigquery": {
        "text": "STRING",
        "integer": "INT64",
        "float": "NUMERIC",
        "boolean": "BOOL",
        "timestamp": "TIMESTAMP",
        "json": "JSON",
    },
}


def main(database: str, folder: Path) -> None:
    """Compiles the models for `database` into `folder` and prints what the parser says."""
    patch(database, columns_by_stream())
    profile = {"pylon": {"target": "here", "outputs": {"here": {"type": database, "threads": 1, **PROFILES[database]}}}}
    (folder / "profiles.yml").write_text(json.dumps(profile))
    arguments = [
        "--quiet",
        "compile",
        "--exclude",
        "resource_type:test",
        "--project-dir",
        str(PACKAGE),
        "--profiles-dir",
        str(folder),
        "--profile",
        "pylon",
    ]
    arguments += ["--target-path", str(folder / "target"), "--log-path", str(folder), "--no-populate-cache"]
    done = dbtRunner().invoke(arguments)
    if not done.success:
        raise SystemExit(f"dbt could not compile for {database}: {done.exception or done.result}")
    errors: dict[str, str] = {}
    queries = sorted((folder / "target" / "compiled" / "pylon" / "models").rglob("*.sql"))
    for path in queries:
        sql = path.read_text()
        # Jinja makes an empty text of a macro that failed to give one.
        problem = "no query" if not sql.strip() else parse_error(sql, database)
        if problem:
            errors[path.stem] = problem
    print(json.dumps({"queries": [path.stem for path in queries], "errors": errors}))


def columns_by_stream() -> dict[str, dict[str, str]]:
    """The kind of each column that the staging models read, by stream."""
    streams: dict[str, dict[str, str]] = {}
    for path in (PACKAGE / "models" / "staging").glob("*.sql"):
        kinds = {name: kind for name, kind, _ in re.findall(r"\('(\w+)', '(\w+)', '(\w+)'\)", path.read_text())}
        streams[path.stem.removeprefix("stg_pylon__")] = {**kinds, "_airbyte_extracted_at": "timestamp"}
    # Used only if issues are missing; their columns are the same.
    return {**streams, "conversations": streams["issues"], "tickets": streams["issues"]}


def patch(database: str, streams: dict[str, dict[str, str]]) -> None:
    """Makes the adapter of `database` work without a connection."""
    name = {"snowflake": "Snowflake", "bigquery": "BigQuery"}[database]
    adapter = getattr(import_module(f"dbt.adapters.{database}"), f"{name}Adapter")

    def get_relation(self: Any, database: str, schema: str, identifier: str) -> Any:
        return self.Relation.create(database=database, schema=schema, identifier=identifier)

    def get_columns_in_relation(self: Any, relation: Any) -> list[Any]:
        types = TYPES[self.type()]
        return [self.Column(name, types[kind]) for name, kind in streams[relation.identifier].items()]

    adapter.get_relation = get_relation
    adapter.get_columns_in_relation = get_columns_in_relation


def parse_error(sql: str, dialect: str) -> str | None:
    """What the parser has against a query, or None."""
    try:
        tree = sqlglot.parse_one(sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.SqlglotError as error:
        return str(error)
    # What it does not understand at all becomes a command.
    return None if isinstance(tree, exp.Query) and not tree.find(exp.Command) else "not understood"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

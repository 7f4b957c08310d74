"""Runs SQL statements and prints the rows of each: python query.py '{"duckdb": "file"}' 'select 1 as one'.

Runs with the Python of `.venv-dbt`. The first argument says where, as for load.py; each further one is a statement.
Prints a list of rows, as objects, for each statement as JSON; times and dates are ISO text.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from decimal import Decimal
from typing import Any


def main(where: dict[str, Any], statements: list[str]) -> None:
    """Runs the statements, each in a transaction of its own, and prints what they give."""
    connection: Any
    if "duckdb" in where:
        import duckdb  # type: ignore[import-not-found]

        connection = duckdb.connect(where["duckdb"])
    else:
        import psycopg2  # type: ignore[import-untyped]

        server = where["postgres"]
        connection = psycopg2.connect(
            host=server["host"],
            port=server["port"],
            user=server["username"],
            password=server["password"],
            dbname=server["database"],
        )
        # CREATE DATABASE wants no transaction around it.
        connection.autocommit = True
    cursor = connection.cursor()
    print(json.dumps([rows(cursor, statement) for statement in statements], default=plain))


def rows(cursor: Any, statement: str) -> list[dict[str, Any]]:
    """The rows that a statement returns, if any."""
    cursor.execute(statement)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []


def plain(value: Any) -> Any:
    """A value that JSON does not have."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])

"""The database that the example writes to: a DuckDB file, or a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.engine import URL, make_url

if TYPE_CHECKING:
    from airbyte.caches import CacheBase

Row = dict[str, Any]


@dataclass(frozen=True)
class Database:
    """Where the tables are.

    `folder` holds PyAirbyte's files and the DuckDB file. `tables` is the schema of the loaded tables, and dbt writes to
    schemas that begin with `models`.
    """

    folder: Path
    url: URL
    tables: str
    models: str

    @classmethod
    def at(cls, destination: str | None, folder: Path, *, is_story: bool) -> Database:
        """The database of a `--destination`. Raises ValueError for one that is neither DuckDB nor PostgreSQL."""
        folder.mkdir(parents=True, exist_ok=True)
        # Made-up issues must not end up among real ones.
        tables, models = ("pylon_story", "story") if is_story else ("pylon", "analytics")
        if destination is None:
            url = URL.create("duckdb", database=str(folder.resolve() / "support.duckdb"))
        elif destination.startswith(("postgres://", "postgresql://")):
            url = make_url(destination.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg2")
            if not (url.host and url.username and url.database):
                raise ValueError(
                    "the destination needs a host, a user and a database: postgres://user@host:5432/database"
                )
        else:
            raise ValueError("the destination must begin with postgres://")
        return cls(folder, url, tables, models)

    @property
    def is_duckdb(self) -> bool:
        """Whether this is a DuckDB file."""
        return bool(self.url.drivername == "duckdb")

    def cache(self) -> CacheBase:
        """What PyAirbyte writes to."""
        from airbyte.caches import DuckDBCache, PostgresCache

        where = {"schema_name": self.tables, "cache_dir": self.folder / "airbyte"}
        if self.is_duckdb:
            return DuckDBCache(db_path=self.url.database, **where)
        return PostgresCache(
            host=self.url.host,
            port=self.url.port or 5432,
            username=self.url.username,
            password=self.url.password or "",
            database=self.url.database,
            **where,
        )

    def profile(self) -> tuple[Row, dict[str, str]]:
        """The output of a dbt profile, and the environment variables that it reads: the password is in no file."""
        common = {"schema": self.models, "threads": 4}
        if self.is_duckdb:
            return {"type": "duckdb", "path": self.url.database, **common}, {}
        login = {"host": self.url.host, "port": self.url.port or 5432, "user": self.url.username}
        secret = {"password": "{{ env_var('DBT_ENV_SECRET_PASSWORD') }}", "dbname": self.url.database}
        # dbt-postgres refuses an empty password, also where the server wants none.
        return {"type": "postgres", **login, **secret, **common}, {
            "DBT_ENV_SECRET_PASSWORD": str(self.url.password or "none")
        }

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """A connection. DuckDB lets one process at a time into a file, so nothing stays open afterwards."""
        engine = sqlalchemy.create_engine(self.url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

"""Brings the database up to date with PyAirbyte, and counts what really changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy

from support_report.database import Database

STREAMS = [
    *("issues", "accounts", "users", "teams", "survey_responses", "call_recordings", "article_feedback"),
    *("knowledge_base_articles", "issue_statuses", "custom_fields"),
]
REPLACED = ["contacts"]
"""Pylon does not say which contacts changed or were deleted, so their table is replaced."""

MOVING = {
    *("issue_read_at", "time_in_status_seconds", "business_hours_time_in_status_seconds"),
    *("active_time_seconds", "business_hours_active_time_seconds", "active_time_by_user"),
    *("attachment_urls", "messages"),
}
"""Columns that differ at every reading without a change: times that grow, and signed links to files. What is said in
`messages` is also in `feedback_text`."""


@dataclass
class Changes:
    """How many rows of each table are new, have other content, or are missing; `read` is what the connector sent."""

    read: int = 0
    new: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many rows are new, changed or missing."""
        return sum(sum(counts.values()) for counts in (self.new, self.changed, self.gone))


class CheckFailed(Exception):
    """The connection check failed; the text is the connector's, and says what to change."""


def sync(database: Database, config: dict[str, Any], connector: Path) -> Changes:
    """Read Pylon into the database: everything at first, later only what is new. Returns what that changed.

    Raises CheckFailed if the connector cannot use the configuration.
    """
    import airbyte
    from airbyte.exceptions import AirbyteConnectorCheckFailedError

    wanted = [*STREAMS, *REPLACED]
    source = airbyte.get_source("source-pylon", config=config, local_executable=connector, streams=wanted)
    try:
        source.check()
    except AirbyteConnectorCheckFailedError as error:
        # PyAirbyte's own text links to the page of another connector.
        reason = (error.context or {}).get("failure_reason")
        if not reason:
            raise
        raise CheckFailed(reason) from None
    keys = {
        stream.stream.name: [path[0] for path in stream.primary_key or stream.stream.source_defined_primary_key or []]
        for stream in source.get_configured_catalog(streams=wanted).streams
    }
    before = contents(database, keys)
    cache = database.cache()
    try:
        read = source.read(cache, streams=STREAMS).processed_records
        read += source.read(cache, streams=REPLACED, write_strategy="replace").processed_records
    finally:
        cache.close()
    after = contents(database, keys)
    changes = Changes(read)
    for name, rows in after.items():
        known = before.get(name, {})
        changes.new[name] = len(rows.keys() - known.keys())
        changes.gone[name] = len(known.keys() - rows.keys())
        changes.changed[name] = sum(known[key] != rows[key] for key in rows.keys() & known.keys())
    return changes


def contents(database: Database, keys: dict[str, list[str]]) -> dict[str, dict[tuple[Any, ...], str]]:
    """For each table, a digest of every row by its key. Tables that are not there yet are left out."""
    found = {}
    with database.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        columns = sqlalchemy.text(
            "select column_name from information_schema.columns where table_schema = :schema and table_name = :name "
            "order by column_name"
        )
        for name, key in keys.items():
            all_columns = connection.execute(columns, {"schema": database.tables, "name": name}).scalars().all()
            if not all_columns:
                continue
            compared = [column for column in all_columns if column not in MOVING and not column.startswith("_airbyte")]
            parts = ", ".join(f"coalesce(cast({quote(column)} as varchar), '~')" for column in compared)
            sql = f"select {', '.join(map(quote, key))}, md5(concat_ws('|', {parts})) from {database.tables}.{name}"  # noqa: S608
            found[name] = {tuple(row[:-1]): row[-1] for row in connection.execute(sqlalchemy.text(sql))}
    return found

"""Loads a Pylon into a database by PyAirbyte, as its users do: python load.py '{"config": {...}, ...}'.

Runs with the Python of `.venv-examples`, which has PyAirbyte. The argument is JSON: `config` of the connector,
`executable` (the connector's command), `streams`, those of them in `replace` that are written with that strategy,
`schema`, `folder` for PyAirbyte's own files, and where to write: `duckdb` (a file) or `postgres` (an object with host,
port, username, password and database). Prints the number of records as JSON, on the last line.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

# Before PyAirbyte is imported: it would report its use, and look the connector up among Airbyte's published ones.
os.environ["DO_NOT_TRACK"] = os.environ["AIRBYTE_DO_NOT_TRACK"] = "1"
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"

import airbyte  # type: ignore[import-not-found]
from airbyte.caches import DuckDBCache, PostgresCache  # type: ignore[import-not-found]


def main(options: dict[str, Any]) -> None:
    """Reads the streams into the database: everything the first time, then what is new."""
    source = airbyte.get_source(
        "source-pylon",
        config=options["config"],
        local_executable=Path(options["executable"]),
        streams=options["streams"],
    )
    where = {"schema_name": options["schema"], "cache_dir": Path(options["folder"])}
    cache: DuckDBCache | PostgresCache
    if "duckdb" in options:
        cache = DuckDBCache(db_path=options["duckdb"], **where)
    else:
        cache = PostgresCache(**options["postgres"], **where)
    others = [name for name in options["streams"] if name not in options["replace"]]
    count = source.read(cache, streams=others).processed_records
    count += source.read(cache, streams=options["replace"], write_strategy="replace").processed_records
    print(json.dumps({"records": count}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

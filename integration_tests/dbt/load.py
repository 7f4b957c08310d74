"""Loads a Pylon into a database by PyAirbyte, as its users do: python load.py '{"config": {...}, ...}'.

Runs with the Python of `.venv-examples`, which has PyAirbyte and not this project's test environment. The one argument
is JSON: `config` of the connector, `executable` (the connector's command), `streams`, the target (`duckdb`, a file, or
`postgres`, an object with host, port, user, password, database), `schema`, and `folder` for PyAirbyte's own files. Streams in `replace` are
written with the strategy of that name. Prints the number of records.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

# Before PyAirbyte is imported: it would report its use, and look the connector up among Airbyte's published ones.
os.environ["DO_NOT_TRACK"] = os.environ["AIRBYTE_DO_NOT_TRACK"] = "1"
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"

import airbyte
from airbyte.caches import DuckDBCache, PostgresCache


def main(options: dict[str, Any]) -> None:
    """Reads the streams into the target, only what is new where the target has a state."""
    source = airbyte.get_source(
        "source-pylon",
        config=options["config"],
        local_executable=Path(options["executable"]),
        streams=options["streams"],
    )
    folder = Path(options["folder"])
    cache: DuckDBCache | PostgresCache
    if "duckdb" in options:
        cache = DuckDBCache(db_path=options["duckdb"], schema_name=options["schema"], cache_dir=folder)
    else:
        server = options["postgres"]
        cache = PostgresCache(**server, schema_name=options["schema"], cache_dir=folder)
    replaced = [name for name in options["streams"] if name in options.get("replace", ())]
    merged = [name for name in options["streams"] if name not in replaced]
    count = source.read(cache, streams=merged).processed_records
    if replaced:
        count += source.read(cache, streams=replaced, write_strategy="replace").processed_records
    print(json.dumps({"records": count}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

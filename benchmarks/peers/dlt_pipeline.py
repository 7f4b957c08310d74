"""A dlt pipeline, written as the documentation of dlt's `rest_api` source recommends. Runs in dlt's own environment.

    .venv-peers/bin/python benchmarks/peers/dlt_pipeline.py accounts|issues --url URL --token TOKEN --folder FOLDER

Declarative resources with a cursor paginator; issues are incremental by `updated_at` and merged by `id`; messages are a
dependent resource with `parallelized`, which reads them with dlt's five threads. Everything else is dlt's default. It
loads into files of JSON lines within FOLDER, where the pipeline keeps its state, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

_ACCOUNTS = {
    "name": "accounts",
    "endpoint": {
        "path": "accounts",
        "params": {"limit": 999},
        "paginator": {"type": "cursor", "cursor_path": "pagination.cursor", "cursor_param": "cursor"},
    },
}
_ISSUES = {
    "name": "issues",
    "endpoint": {
        "path": "issues/search",
        "method": "POST",
        "json": {
            "limit": 999,
            "filter": {"field": "updated_at", "operator": "time_is_after", "value": "{incremental.start_value}"},
        },
        "incremental": {"cursor_path": "updated_at", "initial_value": "2020-01-01T00:00:00Z"},
        "paginator": {"type": "cursor", "cursor_path": "pagination.cursor", "cursor_body_path": "cursor"},
    },
}
_MESSAGES = {
    "name": "issue_messages",
    "endpoint": {"path": "issues/{resources.issues.id}/messages", "paginator": "single_page"},
    "include_from_parent": ["id"],
    "parallelized": True,
}
_RESOURCES: dict[str, list[dict[str, Any]]] = {"accounts": [_ACCOUNTS], "issues": [_ISSUES, _MESSAGES]}


def main() -> None:
    """Runs the pipeline once."""
    parser = argparse.ArgumentParser("dlt_pipeline.py")
    parser.add_argument("kind", choices=list(_RESOURCES))
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    # Switches off dlt's telemetry and the compression of its files, so that they can be read.
    dlt.config["runtime.dlthub_telemetry"] = False
    dlt.config["normalize.data_writer.disable_compression"] = True
    source = rest_api_source(
        {
            "client": {"base_url": options.url, "auth": {"type": "bearer", "token": options.token}},
            "resource_defaults": {
                "primary_key": "id",
                "write_disposition": "merge",
                "endpoint": {"data_selector": "data"},
            },
            "resources": _RESOURCES[options.kind],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="pylon",
        pipelines_dir=str(options.folder / "pipelines"),
        destination=dlt.destinations.filesystem(bucket_url=(options.folder / "loaded").as_uri()),
        dataset_name="pylon",
    )
    print(pipeline.run(source, loader_file_format="jsonl"))


if __name__ == "__main__":
    main()

"""Runs dbt commands one after another in one process: python invoke.py '[["seed"], ["run", "--select", "x"]]'.

Runs with the Python of `.venv-dbt`, in the folder of a dbt project; further arguments go to every command. Prints what
came of each as JSON, on the last line: `success`, the texts of errors, and the status of each node by its name. The
project is parsed once, so the commands must not differ in what changes that (`--vars`, `--target`).
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]

PARSELESS = ("deps", "clean")


def main(commands: list[list[str]], common: list[str]) -> None:
    """Runs the commands until one fails."""
    told: list[dict[str, Any]] = []
    manifest = None
    for command in commands:
        options = common if command[0] not in PARSELESS else []
        if manifest is None and command[0] not in PARSELESS:
            parsed = dbtRunner().invoke(["--quiet", "parse", *options])
            if not parsed.success:
                told.append(outcome(parsed))
                break
            manifest = parsed.result
        done = dbtRunner(manifest=manifest).invoke(["--quiet", *command, *options])
        told.append(outcome(done))
        if not done.success:
            break
    print()
    print(json.dumps(told))


def outcome(done: Any) -> dict[str, Any]:
    """What came of a command, as plain values."""
    nodes = list(getattr(done.result, "results", None) or [])
    return {
        "success": done.success,
        "exception": str(done.exception) if done.exception else None,
        "nodes": {node.node.name: str(node.status) for node in nodes if hasattr(node, "node")},
        "messages": [
            f"{node.node.name}: {node.message}"
            for node in nodes
            if hasattr(node, "node") and str(node.status) in ("error", "fail", "warn")
        ],
    }


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])

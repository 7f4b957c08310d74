"""Run Airbyte's own `airbyte-cdk connector test` against the sandbox: python3 dev.py connector-test [...].

Arguments are those of the command. Its scenarios, in acceptance-test-config.yml, need a configuration that reaches
Pylon. This starts a sandbox, writes the configurations to secrets/sandbox/, and removes them afterwards.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dev

CONFIGS = dev.ROOT / "secrets" / "sandbox"


def main() -> int:
    """Start the sandbox, run the command and return its exit code."""
    with sandbox_configurations():
        command = [str(Path(sys.executable).with_name("airbyte-cdk")), "connector", "test", *sys.argv[1:]]
        return subprocess.run(command, cwd=dev.ROOT, check=False).returncode


@contextmanager
def sandbox_configurations() -> Iterator[None]:
    """Serve a small organisation, with secrets/sandbox/config.json and wrong_token.json leading to it."""
    serve = [sys.executable, "-m", "integration_tests.sandbox", "--issues", "120", "--others", "8", "--limits", "none"]
    with subprocess.Popen(serve, cwd=dev.ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            assert sandbox.stdout is not None
            served = json.loads(sandbox.stdout.readline())
            config = {
                "api_token": served["token"],
                "api_url": served["url"],
                "start_date": "2020-01-01T00:00:00Z",
                "custom_object_types": ["companies"],
            }
            CONFIGS.mkdir(parents=True, exist_ok=True)
            (CONFIGS / "config.json").write_text(json.dumps(config), encoding="utf-8")
            wrong = {**config, "api_token": "pylon_api_unknown_1234567890"}
            (CONFIGS / "wrong_token.json").write_text(json.dumps(wrong), encoding="utf-8")
            yield
        finally:
            sandbox.terminate()
            shutil.rmtree(CONFIGS, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

"""Every command of the README, run the way a newcomer would type it, against the sandbox.

The commands run in a scratch folder, with the README's own configuration; only the token and the address are replaced.
Docker is not available here, so the commands that need it are checked for their syntax, and their arguments are run
with the installed connector. Tasks that are tests or builds themselves (`demo`, `test`, `release-check`,
`connector-test`) have tests of their own; here they must exist.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.expected import ago
from scripts.lock import read_toml
from source_pylon.config import Config
from source_pylon.streams import STREAMS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.slow

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")
CONNECTOR = ".venv/bin/source-pylon"


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    """The README's commands, one after the other, without their comments."""
    for block in blocks("sh"):
        for line in block.splitlines():
            if command := re.sub(r"\s+# .*", "", line).strip():
                yield command


def is_run_here(command: str) -> bool:
    return command.startswith((CONNECTOR, "mkdir "))


def is_task(command: str) -> bool:
    return command.startswith("python3 dev.py ")


def changes_the_sandbox(command: str) -> bool:
    return command.startswith("curl ")


def is_checked_for_syntax(command: str) -> bool:
    """Docker, and the wheel: it is built and installed by `release-check`, which has a test of its own."""
    return command.startswith(("docker ", "python3 -m venv .venv-pylon", ".venv-pylon/bin/"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which this environment is `.venv`."""
    (tmp_path / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    return tmp_path


@pytest.fixture
def organisation() -> Iterator[Sandbox]:
    """An organisation whose history ended an hour ago, without rate limits."""
    with Sandbox(size=Size(issues=120), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


def type_in(folder: Path, command: str) -> str:
    """Run a command in a shell; returns what it printed, and fails with its errors if it fails."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def configurations() -> list[dict[str, Any]]:
    """The README's configurations: its JSON blocks with a token."""
    return [value for block in blocks("json") if "api_token" in (value := json.loads(block))]


def records(path: Path) -> Counter[str]:
    """How many records of each stream a file of messages holds."""
    messages = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return Counter(message["record"]["stream"] for message in messages if message["type"] == "RECORD")


def test_every_command_is_covered_by_a_test_here() -> None:
    kinds = (is_run_here, is_task, is_checked_for_syntax, changes_the_sandbox)
    assert [command for command in commands() if sum(kind(command) for kind in kinds) != 1] == []


def test_reading_works_as_typed_and_a_second_read_emits_only_changes(folder: Path, organisation: Sandbox) -> None:
    config, _ = configurations()
    printed: dict[str, str] = {}
    for command in filter(is_run_here, commands()):
        if "--state" in command:
            organisation.evolve(seed=3, n=6)
        printed[command] = type_in(folder, command)
        if command.startswith("mkdir"):
            config |= {"api_token": organisation.token, "api_url": organisation.url}
            (folder / "secrets" / "config.json").write_text(json.dumps(config))

    assert any('"status":"SUCCEEDED"' in text.replace(" ", "") for text in printed.values())
    first, second = records(folder / "output" / "first.jsonl"), records(folder / "output" / "second.jsonl")
    assert set(first) == {"issues", "accounts", "survey_responses"}
    assert 0 < second["issues"] <= 20 < first["issues"]
    everything = records(folder / "output" / "everything.jsonl")
    assert {stream.name for stream in STREAMS} - set(everything) <= {"custom_objects"}
    for name in ("first", "second", "everything"):
        assert organisation.token not in (folder / "output" / f"{name}.jsonl").read_text()


def test_the_command_line_is_pointed_at_the_sandbox_as_described(folder: Path) -> None:
    (command,) = (command for command in commands() if "dev.py sandbox" in command)
    tasks = read_toml(ROOT / "pyproject.toml")["tool"]["poe"]["tasks"]
    assert tasks["sandbox"]["cmd"] == "python -m integration_tests.sandbox"
    words = shlex.split(command)
    _, config = configurations()
    port = words[words.index("--port") + 1]
    assert config["api_url"].endswith(f":{port}")
    # Another test may use the same port.
    serve = [sys.executable, "-m", "integration_tests.sandbox", "--port", "0"]
    with subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            assert sandbox.stdout is not None
            served = json.loads(sandbox.stdout.readline())
            config["api_token"] = served["token"]
            config["api_url"] = config["api_url"].replace(port, served["url"].rsplit(":", 1)[1])
            (folder / "config.json").write_text(json.dumps(config))
            assert "SUCCEEDED" in type_in(folder, f"{CONNECTOR} check --config config.json")
            (change,) = filter(changes_the_sandbox, commands())
            assert json.loads(type_in(folder, change.replace(f"http://localhost:{port}", served["url"])))
        finally:
            sandbox.terminate()


def test_configurations_are_valid() -> None:
    assert len(configurations()) == 2
    for config in configurations():
        assert set(config) <= set(Config.model_fields)
        Config.load(config)


@pytest.mark.parametrize("page", PAGES)
def test_every_task_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"dev\.py ([a-z][a-z-]*)", (ROOT / page).read_text(encoding="utf-8")))
    tasks = read_toml(ROOT / "pyproject.toml")["tool"]["poe"]["tasks"]
    assert named
    assert named <= {"install", *tasks}


def test_output_of_the_commands_is_ignored_by_git() -> None:
    targets = {
        word for command in commands() for word in shlex.split(command) if word.startswith(("output/", "secrets/"))
    }
    assert targets
    for path in {*targets, ".venv-pylon/x", "build/release/dist/x.whl"}:
        ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert ignored.returncode == 0, path


def test_docker_and_wheel_commands_are_valid_shell_and_name_this_version() -> None:
    version = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]["dockerImageTag"]
    checked = [command for command in commands() if is_checked_for_syntax(command)]
    assert len(checked) >= 8
    for command in checked:
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0
        for found in re.findall(r"source-pylon:([\w.]+)|source_pylon-([\d.]+)-py3", command):
            assert version in found


def test_what_docker_runs_works_with_the_installed_connector(folder: Path, organisation: Sandbox) -> None:
    for name in ("secrets", "output"):
        (folder / name).mkdir()
    config = {"api_token": organisation.token, "api_url": organisation.url}
    (folder / "secrets" / "config.json").write_text(json.dumps(config))
    type_in(folder, f"{CONNECTOR} catalog --streams teams > output/catalog.json")
    runs = [command for command in commands() if command.startswith("docker run")]
    assert len(runs) == 4
    for command in runs:
        mounted = set(re.findall(r'-v "\$PWD/(\w+):/(\w+):ro"', command))
        arguments = re.sub(r"^docker run .*? source-pylon:\S+ ", "", command)
        assert {(name, name) for name in re.findall(r"\s/(\w+)/", arguments)} == mounted
        type_in(folder, f"{CONNECTOR} {re.sub(r'(?<=[ ])/', '', arguments)}")
    assert records(folder / "output" / "first.jsonl")["teams"] > 0


def test_the_notebook_is_python_and_names_streams_that_exist() -> None:
    (code,) = blocks("python")
    ast.parse(code)
    (selected,) = re.findall(r"select_streams\((\[.*?\])\)", code)
    assert set(ast.literal_eval(selected)) <= {stream.name for stream in STREAMS}

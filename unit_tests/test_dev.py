"""dev.py, which prepares the environment and hands over to the task runner; and the tasks themselves."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

import dev
from scripts import run_tests
from scripts.connector_test import CONFIGS
from scripts.lock import read_toml
from scripts.release_check import NotReady, agreed_version, check_content, declared_versions

ROOT = Path(__file__).parents[1]
TASKS: dict[str, Any] = read_toml(ROOT / "pyproject.toml")["tool"]["poe"]["tasks"]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that dev.py runs, in a repository that has requirements.txt; none is really run."""
    run: list[list[str]] = []

    def call(command: list[str], **_: Any) -> int:
        run.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
        return 0

    (tmp_path / "requirements.txt").write_text("thing==1.0")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "call", call)
    return run


def kinds(commands: list[list[str]]) -> list[str]:
    return [command[2] for command in commands]


def install() -> Path:
    return dev.install(".venv", "requirements.txt", "-r", "requirements.txt")


@pytest.mark.skipif(os.name == "nt", reason="the paths are those of POSIX")
class TestInstall:
    """dev.install, by the commands that it runs."""

    def test_the_first_time_an_environment_is_created_and_filled(self, commands: list[list[str]]) -> None:
        python = install()
        assert kinds(commands) == ["venv", "pip"]
        assert commands[1][0] == str(python)
        assert commands[1][-3:] == ["-qq", "-r", "requirements.txt"]

    def test_nothing_runs_if_nothing_changed(self, commands: list[list[str]]) -> None:
        install()
        commands.clear()
        install()
        assert commands == []

    def test_pip_runs_again_if_the_file_changed(self, commands: list[list[str]], tmp_path: Path) -> None:
        install()
        commands.clear()
        (tmp_path / "requirements.txt").write_text("thing==2.0")
        install()
        assert kinds(commands) == ["pip"]

    def test_an_environment_of_another_python_is_created_anew(
        self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        install()
        commands.clear()
        monkeypatch.setattr(sys, "version", "3.99")
        install()
        assert commands[0][1:] == ["-m", "venv", "--clear", str(tmp_path / ".venv")]

    def test_a_failed_installation_is_tried_again(
        self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install()
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "call", lambda *_, **__: 1)
            (dev.ROOT / "requirements.txt").write_text("thing==none")
            with pytest.raises(dev.SetupError, match=r"requirements\.txt"):
                install()
        commands.clear()
        (dev.ROOT / "requirements.txt").write_text("thing==1.0")
        install()
        assert kinds(commands) == ["pip"]

    def test_if_two_are_started_at_once_one_installs_and_the_other_waits(
        self, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = subprocess.call
        second = threading.Thread(target=install)
        waiting = threading.Event()

        def call_while_another_starts(command: list[str], **options: Any) -> int:
            code = call(command, **options)
            if "venv" in command:
                second.start()
                assert waiting.wait(60), "the second installation did not wait"
            return code

        def note_that_one_waits(text: str, **_: Any) -> None:
            if text.startswith("Waiting for another process"):
                waiting.set()

        monkeypatch.setattr(subprocess, "call", call_while_another_starts)
        monkeypatch.setattr(dev, "print", note_that_one_waits, raising=False)
        install()
        second.join()
        assert kinds(commands) == ["venv", "pip"]


def test_dev_py_needs_nothing_but_the_standard_library() -> None:
    names = re.findall(r"^(?:from|import) (\w+)", (ROOT / "dev.py").read_text(), re.MULTILINE)
    assert set(names) <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 9, 9), (3, 14, 0)])
def test_an_unsupported_python_is_refused_and_the_supported_ones_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr("shutil.which", lambda name: name if name == "python3.12" else None)
    assert dev.main(["test", "-x"]) == 2
    printed = capsys.readouterr().err
    assert "3.10 to 3.13" in printed
    assert "Run: python3.12 dev.py test -x" in printed


def test_every_public_task_has_a_help_text() -> None:
    assert [name for name, task in TASKS.items() if not name.startswith("_") and not task.get("help")] == []


def test_the_tests_run_on_both_cores_and_those_that_measure_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert selected(monkeypatch, "unit_tests", "-m", "a or b") == [
        ["-m", "(a or b) and not serial", "-n", "2", "--dist", "loadgroup", "unit_tests"],
        ["-m", "(a or b) and serial", "unit_tests"],
    ]


def test_the_fast_tests_are_neither_slow_nor_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    parallel = ["-m", "not slow and not serial", "-n", "2", "--dist", "loadgroup"]
    assert selected(monkeypatch, "--fast", "-x") == [[*parallel, "-x", *run_tests.FAST]]
    assert selected(monkeypatch, "--fast", "integration_tests") == [[*parallel, "integration_tests"]]
    assert [path for path in run_tests.FAST if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("codes", "expected"), [((0, 0), 0), ((1,), 1), ((0, 1), 1), ((5, 0), 0), ((0, 5), 0), ((5, 5), 5)]
)
def test_the_exit_code_says_whether_any_test_failed_or_none_was_found(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], expected: int
) -> None:
    given = iter(codes)
    monkeypatch.setattr(sys, "argv", ["run_tests"])
    monkeypatch.setattr(run_tests, "pytest", lambda *_: next(given))
    assert run_tests.main() == expected
    assert next(given, None) is None


def selected(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[list[str]]:
    """The arguments of each pytest that a run of the tests starts."""
    started: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["run_tests", *arguments])

    def pytest_of(*given: str) -> int:
        started.append(list(given))
        return 0

    monkeypatch.setattr(run_tests, "pytest", pytest_of)
    assert run_tests.main() == 0
    return started


def test_the_versions_agree() -> None:
    assert agreed_version(declared_versions()) == read_toml(ROOT / "pyproject.toml")["tool"]["poetry"]["version"]


def test_different_versions_are_named() -> None:
    with pytest.raises(NotReady, match=r"Dockerfile says 1\.0, CHANGELOG\.md says 2\.0"):
        agreed_version({"Dockerfile": "1.0", "CHANGELOG.md": "2.0"})


def test_a_distribution_that_includes_tests_or_lacks_types_is_refused() -> None:
    package = ["source_pylon/__init__.py", "source_pylon/py.typed", "source_pylon-1.0.dist-info/METADATA"]
    check_content(package)
    with pytest.raises(NotReady, match=r"unit_tests/test_dev\.py"):
        check_content([*package, "unit_tests/test_dev.py"])
    with pytest.raises(NotReady, match=r"py\.typed"):
        check_content(package[:1])


def test_the_acceptance_configurations_are_written_where_expected_and_known_as_secrets() -> None:
    sections = yaml.safe_load((ROOT / "acceptance-test-config.yml").read_text())["acceptance_tests"]
    paths = {test["config_path"] for section in sections.values() for test in section["tests"]}
    missing = {path for path in paths if not (ROOT / path).exists() or Path(path).parts[0] == "secrets"}
    assert {(ROOT / path).parent for path in missing} == {CONFIGS}
    assert "secrets" in CONFIGS.parts


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_run_what_a_developer_runs() -> None:
    runs = [
        step["run"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    tasks = [run.removeprefix("python3 dev.py ").split()[0] for run in runs if run.startswith("python3 dev.py")]
    assert ".ci/run" in runs
    assert any(run.startswith("docker build") for run in runs)
    assert [task for task in tasks if task not in TASKS] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text())
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []

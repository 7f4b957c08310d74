"""The entry point: arguments, exit codes, signals, and errors as messages of the protocol."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from source_pylon.run import main
from source_pylon.source import SourcePylon

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "verb"),
        (["write"], "The verbs are spec, check, discover, catalog, read"),
        (["check"], "--config"),
        (["discover"], "--config"),
        (["read", "--config", "config.json"], "--catalog"),
        (["read", "--config"], "expected one argument"),
        (["check", "--config", "config.json", "--unknown"], "not recognized"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_why(args: list[str], said: str, capsys: Any) -> None:
    assert main(args) == 2
    written = capsys.readouterr()
    assert said in written.err
    assert written.out == ""


def test_a_mistyped_option_shows_the_usage_of_its_verb(capsys: Any) -> None:
    assert main(["catalog", "--stream", "issues"]) == 2
    written = capsys.readouterr().err
    assert "usage: source-pylon catalog" in written
    assert "--streams NAMES" in written


SECRET = "pylon_api_5ecret"


@pytest.mark.parametrize(
    "args",
    [
        [f'{{"api_token": "{SECRET}"}}'],
        ["check", "--config", "config.json", SECRET],
        ["check", "--config", "config.json", f"--api-token={SECRET}"],
        ["check", f"--conf={SECRET}", "--config", "config.json"],
        ["check", f"--debug={SECRET}", "--config", "config.json"],
    ],
    ids=["as the verb", "as an argument", "as an option", "as an abbreviation", "as a value of a switch"],
)
def test_a_value_typed_in_the_wrong_place_is_not_printed(args: list[str], capsys: Any) -> None:
    assert main(args) == 2
    written = capsys.readouterr()
    assert "not recognized" in written.err
    assert SECRET not in written.err + written.out


def test_help_ends_with_0_and_shows_each_verb(capsys: Any) -> None:
    assert main(["--help"]) == 0
    written = capsys.readouterr().out
    assert all(f"source-pylon {verb}" in written for verb in ("spec", "check", "discover", "catalog", "read"))


def test_spec_is_one_message(capsys: Any) -> None:
    assert main(["spec"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    message = json.loads(line)
    assert message["type"] == "SPEC"
    assert message["spec"]["supported_destination_sync_modes"] == ["overwrite", "append", "append_dedup"]


def test_spec_does_not_wait_for_the_cdk_to_be_imported() -> None:
    program = (
        "import sys; from source_pylon.run import main; code = main(['spec']); "
        "sys.exit(3 if 'airbyte_cdk' in sys.modules or 'lxml' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


class Broken(SourcePylon):
    """A source that fails in a way that nobody foresaw."""

    def spec(self, logger: Any) -> Any:
        raise RuntimeError("unforeseen")


def test_an_unexpected_error_ends_with_1_and_a_trace_message(tmp_path: Path, capfd: Any) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"api_token": "token"}')
    hook = sys.excepthook
    try:
        code = main(["check", "--config", str(config)], Broken())
    finally:
        sys.excepthook = hook
    assert code == 1
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    errors = [line["trace"]["error"] for line in lines if line["type"] == "TRACE"]
    assert [error["failure_type"] for error in errors] == ["system_error"]
    assert "unforeseen" in errors[0]["internal_message"]


def test_a_config_error_is_a_trace_message_without_a_stack_in_front(tmp_path: Path, capfd: Any) -> None:
    missing = str(tmp_path / "nowhere.json")
    assert main(["check", "--config", missing]) == 1
    written = capfd.readouterr().out
    (error,) = [json.loads(line)["trace"]["error"] for line in written.splitlines() if '"TRACE"' in line]
    assert error["failure_type"] == "config_error"
    assert missing in error["message"]


def stopped(script: str, **options: Any) -> tuple[int, bytes, bytes]:
    """The exit code and the output of a Python program that stops itself by a signal."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def test_a_signal_within_a_destructor_is_raised_again_and_writes_nothing_among_the_messages() -> None:
    script = (
        "import os, signal, time\n"
        "from source_pylon.signals import Stopped, StopSignals, end_by\n"
        "class Held:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0)\n"
        "try:\n"
        "    with StopSignals() as stop:\n"
        "        held = Held()\n"
        "        del held\n"
        "        time.sleep(30)\n"
        "except Stopped as error:\n"
        "    end_by(error.signum)\n"
    )
    assert stopped(script) == (-signal.SIGTERM, b"", b"")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_connector_is_being_imported_ends_the_process_at_once(
    sent: signal.Signals, tmp_path: Path
) -> None:
    # An import that sends the signal and then takes as long as the real ones do on a slow machine.
    (tmp_path / "airbyte_cdk.py").write_text(f"import os, time\nos.kill(os.getpid(), {int(sent)})\ntime.sleep(30)\n")
    script = "import sys; from source_pylon.run import run; sys.argv[1:] = ['check', '--config', 'c.json']; run()"
    path = filter(None, [str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    # A container's process 1 ignores what has no handler; SIG_IGN simulates that.
    ignoring = f"import signal; signal.signal({int(sent)}, signal.SIG_IGN); {script}"
    began = time.monotonic()
    for program in (script, ignoring):
        assert stopped(program, env=environment) == (-sent, b"", b"")
    assert time.monotonic() - began < 20


def test_process_1_of_a_container_exits_with_the_code_that_shells_use() -> None:
    script = (
        "import os, signal; from source_pylon.signals import end_by\n"
        "os.kill = lambda pid, signum: None\n"
        "end_by(signal.SIGTERM)\n"
    )
    assert stopped(script) == (128 + signal.SIGTERM, b"", b"")


def test_the_signal_handlers_of_an_embedding_process_are_restored(capsys: Any) -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    assert main(["spec"]) == 0
    assert [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)] == before

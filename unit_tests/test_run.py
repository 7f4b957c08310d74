"""The entry point: arguments, exit codes, and errors as messages of the protocol."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from source_pylon.run import main
from source_pylon.source import SourcePylon


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "verb"),
        (["write"], "invalid choice"),
        (["check"], "--config"),
        (["discover"], "--config"),
        (["read", "--config", "config.json"], "--catalog"),
        (["check", "--config", "config.json", "--unknown"], "unrecognized"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_why(args: list[str], said: str, capsys: Any) -> None:
    assert main(args) == 2
    written = capsys.readouterr()
    assert said in written.err
    assert written.out == ""


def test_help_ends_with_0_and_shows_each_verb(capsys: Any) -> None:
    assert main(["--help"]) == 0
    written = capsys.readouterr().out
    assert all(f"source-pylon {verb}" in written for verb in ("spec", "check", "discover", "read"))


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


def test_what_nobody_foresaw_ends_with_1_and_a_trace_message(tmp_path: Path, capfd: Any) -> None:
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


def test_a_signal_within_a_destructor_is_raised_again_and_writes_nothing_among_the_messages() -> None:
    script = (
        "import os, signal, sys, time\n"
        "from source_pylon import run\n"
        "class Held:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0)\n"
        "signal.signal(signal.SIGTERM, run._terminate)\n"
        "held = Held()\n"
        "del held\n"
        "time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, b"", b"")

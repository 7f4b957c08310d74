"""The command line as a person uses it: at a terminal, with files, with Ctrl-C, and with mistakes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import hang, status
from integration_tests.support.connector import (
    Files,
    Output,
    check,
    complete,
    config_for,
    configured_catalog,
    console_script,
    discover,
    run,
)
from integration_tests.support.expected import ago, expected
from integration_tests.support.fault_runs import fault_timing, start
from integration_tests.support.faults import MESSAGES

QUICK = fault_timing(minute=0.05)
UNAUTHORIZED = "does not accept the API token"


@pytest.fixture
def small() -> Iterator[Sandbox]:
    """A small organisation whose history ended an hour ago."""
    with Sandbox(size=Size(issues=40), limits=None, base_time=ago(hours=1)) as sandbox:
        yield sandbox


def at_terminal(
    args: Sequence[str], stdout: Any, columns: int = 80, timing: Any = QUICK, seconds: float = 60.0
) -> tuple[int, str]:
    """Output with standard error on a terminal of so many columns; return the exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(args, timing=timing, stdout=stdout, stderr=theirs)
    os.close(theirs)
    seen: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65_536):
                seen.append(chunk)
        except OSError:
            # Linux reports the end of a terminal as an error.
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        code = process.wait(timeout=seconds)
    finally:
        process.kill()
        reader.join()
        os.close(ours)
    return code, b"".join(seen).decode()


# --- errors at a terminal ---


@pytest.mark.parametrize("verb", ["check", "read"])
def test_a_wrong_token_is_shown_once_on_the_terminal_when_the_output_goes_to_a_file(
    verb: str, small: Sandbox, tmp_path: Path
) -> None:
    with (
        Files(config_for(small, api_token="wrong-token"), configured_catalog()) as files,
        (tmp_path / "out.jsonl").open("wb") as out,
    ):
        code, shown = at_terminal(files.arguments(verb)[: None if verb == "read" else 3], out)
    assert code == (0 if verb == "check" else 1)
    assert shown.count(UNAUTHORIZED) == 1, shown
    assert "Traceback" not in shown
    assert "wrong-token" not in shown


def test_the_error_of_each_stream_is_shown_on_the_terminal(small: Sandbox, tmp_path: Path) -> None:
    small.forbid("GET /contacts")
    with (
        Files(config_for(small), configured_catalog(["contacts", "accounts"])) as files,
        (tmp_path / "out.jsonl").open("wb") as out,
    ):
        code, shown = at_terminal(files.arguments("read"), out)
    assert code == 1
    assert shown.count("Stream contacts:") == 1
    assert "Stream accounts:" not in shown


def test_a_missing_file_is_shown_on_the_terminal(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.json")
    with (tmp_path / "out.jsonl").open("wb") as out:
        code, shown = at_terminal(["check", "--config", missing], out)
    assert code == 1
    assert shown.count("does not exist") == 1


def test_standard_error_stays_empty_if_it_is_not_a_terminal(small: Sandbox) -> None:
    with Files(config_for(small, api_token="wrong-token"), configured_catalog()) as files:
        process = start(files.arguments("read"), timing=QUICK)
        out, err = process.communicate(timeout=60)
    assert err == b""
    assert out.count(UNAUTHORIZED.encode()) >= 1


def test_a_wrong_token_causes_one_error_of_a_read(small: Sandbox) -> None:
    with Files(config_for(small, api_token="wrong-token"), configured_catalog()) as files:
        output = run(files.arguments("read"))
    assert output.code == 1
    (error,) = output.errors
    assert UNAUTHORIZED in error["message"]
    assert error["failure_type"] == "config_error"
    assert not [text for text in output.warnings if UNAUTHORIZED in text]


# --- progress at a terminal ---


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_progress_is_two_lines_that_fit_the_terminal(columns: int, small: Sandbox, tmp_path: Path) -> None:
    small.faults.add(Fault(MESSAGES, status(503), times=1, after=10))
    timing = fault_timing(minute=0.05, heartbeat=0.1, retry_base=1.0, retry_cap=1.0)
    with (
        Files(config_for(small), configured_catalog(["issues"])) as files,
        (tmp_path / "out.jsonl").open("wb") as out,
    ):
        code, shown = at_terminal(files.arguments("read"), out, columns, timing)
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown)
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip()]
    assert max(len(line) for line in lines) <= columns
    assert any("records in" in line for line in lines)
    reason = f"less than a minute left; {MESSAGES} waits 1 s before another try"
    # Retries wait with jitter.
    shown_lines = [re.sub(r"waits \d+ s", "waits 1 s", line).lower() for line in lines]
    assert any(line.startswith(reason[: columns - 1].lower()) for line in shown_lines), lines


# --- signals ---


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sync_writes_its_last_state_says_so_in_one_line_and_ends_by_the_signal(sent: signal.Signals) -> None:
    with Sandbox(size=Size(issues=400), limits=None, base_time=ago(hours=1)) as pylon:
        # A checkpoint follows about a minute of requests for messages, of which 120 are allowed.
        hanging = pylon.faults.add(Fault(MESSAGES, hang(), times=10_000, after=300))
        # A state is due after an hour: every state in the output is the one that the signal brought about.
        timing = fault_timing(minute=0.05, checkpoint_interval=3600.0)
        with Files(config_for(pylon), configured_catalog(["issues", "accounts"])) as files:
            process = start(files.arguments("read"), timing=timing)
            while not hanging.fired:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(sent)
            out, err = process.communicate(timeout=30)
        first = Output(process.returncode, out.decode(), err.decode())
        assert first.code == -sent
        assert first.stderr == ""
        assert "Traceback" not in first.text
        assert not first.errors
        assert len([text for text in first.logs if f"Stopped by {sent.name}" in text]) == 1
        assert len(first.states("issues")) == 1
        assert first.states("issues")[-1], "it has read something and says how far"
        assert first.statuses("issues") == ["STARTED", "RUNNING", "INCOMPLETE"]

        hanging.times = 0
        with Files(config_for(pylon), configured_catalog(["issues", "accounts"]), first.state) as files:
            second = run(files.arguments("read"), QUICK)
        assert second.code == 0
        assert {*first.ids("issues"), *second.ids("issues")} == expected(pylon, "issues").keys()
        assert len(second.ids("issues")) < 400, "it continued from the state"


def test_ctrl_c_at_a_terminal_shows_one_line_and_no_traceback(small: Sandbox, tmp_path: Path) -> None:
    hanging = small.faults.add(Fault(MESSAGES, hang(), times=10_000))
    ours, theirs = pty.openpty()
    with Files(config_for(small), configured_catalog(["issues"])) as files, (tmp_path / "out").open("wb") as out:
        process = start(files.arguments("read"), timing=QUICK, stdout=out, stderr=theirs)
        os.close(theirs)
        while not hanging.fired:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert shown.count("Stopped by SIGINT") == 1
    assert "Traceback" not in shown


# --- catalogs ---


def test_the_commands_of_the_help_text_read_everything_once_and_then_only_what_changed(
    small: Sandbox, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_for(small)))
    catalog, first, second = (tmp_path / name for name in ("catalog.json", "first.jsonl", "second.jsonl"))

    def written(target: Path, *args: str) -> Output:
        output = complete([console_script(), *args])
        assert output.code == 0, output.text + output.stderr
        target.write_text(output.text)
        return Output(output.code, output.text, output.stderr)

    written(catalog, "catalog", "--config", str(config), "--streams", "issues,accounts")
    both = ["read", "--config", str(config), "--catalog", str(catalog)]
    everything = written(first, *both)
    assert set(everything.ids("issues")) == expected(small, "issues").keys()
    assert set(everything.ids("accounts")) == expected(small, "accounts").keys()
    issue = small.store.add_issue()
    changed = written(second, *both, "--state", str(first))
    assert changed.ids("issues") == [issue]
    assert len(changed.ids("accounts")) < len(everything.ids("accounts"))


def test_a_catalog_has_the_named_streams_in_order_and_incremental_if_possible() -> None:
    output = complete([console_script(), "catalog", "--streams", "users, issues"])
    streams = json.loads(output.text)["streams"]
    assert [(item["stream"]["name"], item["sync_mode"]) for item in streams] == [
        ("users", "full_refresh"),
        ("issues", "incremental"),
    ]
    assert [item["primary_key"] for item in streams] == [[["id"]], [["id"]]]


def test_a_catalog_without_names_has_the_suggested_streams() -> None:
    output = complete([console_script(), "catalog"])
    names = [item["stream"]["name"] for item in json.loads(output.text)["streams"]]
    assert names[:2] == ["issues", "call_recordings"]
    assert "tickets" not in names, "a subset of issues"


def test_for_a_misspelled_stream_the_right_name_is_suggested() -> None:
    output = complete([console_script(), "catalog", "--streams", "isues"])
    assert output.code == 2
    assert "Did you mean issues?" in output.stderr
    assert output.text == ""


@pytest.mark.parametrize("form", ["output", "message", "catalog"])
def test_a_read_accepts_the_output_of_discover_and_reads_all_its_streams(form: str, small: Sandbox) -> None:
    found = discover()
    catalog = {
        **found.catalog,
        "streams": [s for s in found.catalog["streams"] if s["name"] in ("contacts", "accounts")],
    }
    message = json.dumps({"type": "CATALOG", "catalog": catalog})
    content = {
        "output": "\n".join([line for line in found.text.splitlines() if '"CATALOG"' not in line] + [message, ""]),
        "message": message,
        "catalog": json.dumps(catalog),
    }[form]
    with Files(config_for(small), content) as files:
        output = run(files.arguments("read"))
    assert output.code == 0, output.errors
    assert set(output.ids("contacts")) == expected(small, "contacts").keys()
    assert output.statuses("accounts") == ["STARTED", "RUNNING", "COMPLETE"]
    with Files(config_for(small), content, output.state) as files:
        second = run(files.arguments("read"))
    assert set(second.ids("contacts")) == expected(small, "contacts").keys()
    assert second.ids("accounts") == [], "it is read incrementally, because it can be"


# --- states ---


def test_a_namespace_stays_in_records_and_states_and_is_recognised_again(small: Sandbox) -> None:
    catalog = configured_catalog(["issues", "accounts"])
    for item in catalog["streams"]:
        item["stream"]["namespace"] = "support"
    with Files(config_for(small), catalog) as files:
        first = run(files.arguments("read"))
    assert first.code == 0
    records = [line["record"] for line in first.lines if line["type"] == "RECORD"]
    assert {record["namespace"] for record in records} == {"support"}
    descriptors = [item["stream"]["stream_descriptor"] for item in first.state]
    assert {descriptor["namespace"] for descriptor in descriptors} == {"support"}
    with Files(config_for(small), catalog, first.state) as files:
        second = run(files.arguments("read"))
    assert second.code == 0
    assert second.ids("issues") == []


def test_a_full_refresh_ignores_a_state_and_no_stream_promises_otherwise(small: Sandbox) -> None:
    with Files(config_for(small), configured_catalog(["accounts"])) as files:
        state = run(files.arguments("read")).state
    with Files(config_for(small), configured_catalog(["accounts"], full_refresh=["accounts"]), state) as files:
        again = run(files.arguments("read"))
    assert set(again.ids("accounts")) == expected(small, "accounts").keys()
    assert not any(stream.get("is_resumable") for stream in discover().catalog["streams"])


# --- options ---


@pytest.mark.parametrize("verb", ["check", "read"])
def test_each_request_is_logged_with_debug_and_not_without(verb: str, small: Sandbox) -> None:
    catalog = configured_catalog(["contacts"]) if verb == "read" else None
    for debug in (True, False):
        with Files(config_for(small), catalog) as files:
            output = run([*files.arguments(verb), *(["--debug"] if debug else [])])
        assert output.code == 0
        requests = [line["message"] for line in output.lines if line["type"] == "DEBUG" and "GET /" in line["message"]]
        assert any("GET /contacts" in text for text in requests) == debug
        assert not any(small.token in text for text in requests)


def test_check_and_read_warn_of_a_misspelled_option(small: Sandbox) -> None:
    said = "unknown option, strat_date, which is ignored. Did you mean start_date?"
    output = check(small, strat_date="2025-01-01")
    assert output.connection_status["status"] == "SUCCEEDED"
    assert said in output.connection_status["message"]
    assert any(said in text for text in output.warnings)
    with Files(config_for(small, strat_date="2025-01-01"), configured_catalog(["accounts"])) as files:
        assert any(said in text for text in run(files.arguments("read")).warnings)


def test_keys_that_airbyte_adds_to_a_configuration_cause_no_warning(small: Sandbox) -> None:
    assert check(small, __injected_components_py="x").connection_status == {"status": "SUCCEEDED"}


def test_check_reports_a_type_of_custom_objects_that_does_not_exist(small: Sandbox) -> None:
    output = check(small, custom_object_types=["contarct"])
    assert output.connection_status["status"] == "SUCCEEDED"
    assert "'contarct'" in output.connection_status["message"]
    assert any("'contarct'" in text for text in output.warnings)


# --- short tokens, and tokens in the wrong place ---


@pytest.mark.parametrize("token", ["2", "test", "state", "type", '"'])
def test_a_short_token_corrupts_no_message(token: str, small: Sandbox) -> None:
    small.tokens[token] = small.tokens.pop(small.token)
    small.token = token
    small.forbid("GET /users")
    with Files(config_for(small), configured_catalog(["issues", "users"])) as files:
        output = run(files.arguments("read"))
    assert len(output.lines) > 40, "each line is JSON"
    assert output.code == 1
    (state,) = [item for item in output.state if item["stream"]["stream_descriptor"]["name"] == "issues"]
    assert "****" not in json.dumps(state)
    with Files(config_for(small), configured_catalog(["issues"]), [state]) as files:
        assert run(files.arguments("read")).ids("issues") == []


SECRET = "pylon_api_5ecret7oken"


@pytest.mark.parametrize("place", ["config", "catalog", "state"])
def test_a_configuration_given_in_place_of_a_file_is_not_printed(place: str, small: Sandbox) -> None:
    # What has neither a dot nor a slash would not be taken for a path anyway.
    fields = {"api_url": "https://api.usepylon.com", "streams": [SECRET, {"stream": SECRET}], "sync_mode": SECRET}
    pasted = json.dumps({"api_token": SECRET, **fields})
    with Files(config_for(small), configured_catalog(["issues"]), []) as files:
        as_path = [pasted if one == files.path(place) else one for one in files.arguments("read")]
        outputs = [run(as_path)]
        Path(files.path(place)).write_text(pasted)
        if place != "config":
            outputs.append(run(files.arguments("read")))
    for output in outputs:
        assert output.code == 1
        assert len(output.errors) == 1
        assert SECRET not in output.text


def test_help_describes_the_verbs_and_the_files_that_read_takes() -> None:
    shown = complete([console_script(), "read", "--help"], env={**os.environ, "COLUMNS": "200"}).text
    assert "the output of discover" in shown
    assert "the output of an earlier read" in shown
    assert subprocess.run([console_script(), "--help"], capture_output=True, check=True).returncode == 0

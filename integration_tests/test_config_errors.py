"""Errors about a configuration or a file name the field or the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.connector import (
    Files,
    Output,
    check,
    complete,
    config_for,
    configured_catalog,
    console_script,
    run,
    stream_state,
)
from integration_tests.support.expected import ago
from source_pylon.timestamps import render

SECRET = "pylon_api_5ecret7oken"
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no token": ({"api_token": None}, ["api_token"]),
    "an empty token": ({"api_token": "  "}, ["api_token", "is empty"]),
    "a token with a space": ({"api_token": f"Bearer {SECRET}"}, ["api_token", "copy it"]),
    "a token of another type": ({"api_token": 7}, ["api_token"]),
    "an unknown region": ({"region": "mars"}, ["region", "us", "eu"]),
    "no date": ({"start_date": "last year"}, ["start_date", "is not a date"]),
    "an impossible date": ({"start_date": "2026-02-31"}, ["start_date", "is not a date"]),
    "a date in the future": ({"start_date": render(ago(days=-2))}, ["start_date", "future"]),
    "too long a lookback": ({"call_recordings_lookback_days": 91}, ["call_recordings_lookback_days", "90"]),
    "a negative lookback": ({"call_recordings_lookback_days": -1}, ["call_recordings_lookback_days", "0"]),
    "too long an issues lookback": ({"issues_lookback_days": 91}, ["issues_lookback_days", "90"]),
    "not a truth value": ({"include_messages": "perhaps"}, ["include_messages"]),
    "no workers": ({"num_workers": 0}, ["num_workers"]),
    "too many workers": ({"num_workers": 1000}, ["num_workers"]),
    "no share": ({"rate_limit_percent": 0}, ["rate_limit_percent"]),
    "more than all": ({"rate_limit_percent": 101}, ["rate_limit_percent", "100"]),
    "plain http": ({"api_url": "http://api.usepylon.com"}, ["api_url", "https"]),
    "another scheme": ({"api_url": "ftp://api.usepylon.com"}, ["api_url", "https"]),
    "no url": ({"api_url": "nonsense"}, ["api_url", "https"]),
    "a url with credentials": ({"api_url": "https://user:pass@api.usepylon.com"}, ["api_url", "credentials"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_fails_the_check_with_its_name_and_advice(case: str) -> None:
    fields, said = WRONG[case]
    config = {"api_token": SECRET, **fields}
    config = {key: value for key, value in config.items() if value is not None}
    output = check(None, **config)
    assert output.code == 0
    assert output.connection_status["status"] == "FAILED"
    assert all(part in output.connection_status["message"] for part in said)
    assert SECRET not in output.text


@pytest.mark.parametrize("verb", ["discover", "read"])
def test_a_wrong_field_ends_other_verbs_with_a_config_error(verb: str) -> None:
    with Files({"api_token": SECRET, "region": "mars"}, configured_catalog()) as files:
        output = run(files.arguments(verb)[: None if verb == "read" else 3])
    assert_config_error(output, "region")
    assert SECRET not in output.text


def assert_config_error(output: Output, *said: str) -> None:
    """One trace error for the user, with all of these words; no stack of calls in front of it."""
    assert output.code == 1
    (error,) = output.errors
    assert error["failure_type"] == "config_error"
    assert all(part in error["message"] for part in said), error["message"]


def test_several_wrong_fields_are_all_named() -> None:
    message = check(None, api_token="", region="mars", num_workers=0).connection_status["message"]
    assert all(name in message for name in ("api_token", "region", "num_workers"))


def test_unknown_fields_are_ignored_and_a_token_is_trimmed(pylon: Sandbox) -> None:
    config = {**config_for(pylon), "api_token": f" {pylon.token}\n", "something": {"else": 1}}
    with Files(config) as files:
        assert run(files.arguments("check")).connection_status["status"] == "SUCCEEDED"


def test_empty_optional_fields_count_as_missing(pylon: Sandbox) -> None:
    assert check(pylon, start_date="").connection_status["status"] == "SUCCEEDED"


@pytest.mark.parametrize("what", ["config", "catalog", "state"])
def test_a_missing_file_is_named(what: str, pylon: Sandbox) -> None:
    with Files(config_for(pylon), configured_catalog(["contacts"]), []) as files:
        path = files.folder / f"{what}.json"
        path.unlink()
        assert_config_error(run(files.arguments("read")), str(path), "does not exist")


@pytest.mark.parametrize("what", ["config", "catalog", "state"])
def test_a_file_that_is_not_json_is_named_with_the_position_and_not_quoted(what: str, pylon: Sandbox) -> None:
    values: dict[str, Any] = {
        "config": config_for(pylon),
        "catalog": configured_catalog(["contacts"]),
        "state": [],
        what: '{"api_token": "' + SECRET + '",,}',
    }
    with Files(values["config"], values["catalog"], values["state"]) as files:
        output = run(files.arguments("read"))
        assert_config_error(output, files.path(what), "is not valid JSON", "line 1")
    assert SECRET not in output.text


@pytest.mark.parametrize("content", ["[]", '"text"', "7", "null"])
def test_a_configuration_that_is_not_an_object_is_reported(content: str) -> None:
    with Files(content) as files:
        assert_config_error(run(files.arguments("check")), files.path("config"))


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"streams": 1}',
        '{"streams": [{"stream": {"name": "issues"}}]}',
        '{"streams": [{"sync_mode": "full_refresh"}]}',
    ],
)
def test_a_file_that_is_not_a_catalog_is_reported(content: str, pylon: Sandbox) -> None:
    with Files(config_for(pylon), content) as files:
        assert_config_error(run(files.arguments("read")), files.path("catalog"), "catalog")


@pytest.mark.parametrize(
    "content",
    ["7", '["issues"]', '{"issues": "2026-01-01"}', '[{"type": "STREAM", "stream": {"stream_descriptor": {}}}]'],
)
def test_a_file_that_is_not_a_state_is_refused_instead_of_reading_everything_again(
    content: str, pylon: Sandbox
) -> None:
    with Files(config_for(pylon), configured_catalog(["issues"]), content) as files:
        assert_config_error(run(files.arguments("read")), files.path("state"), "state")
    assert pylon.log == []


@pytest.mark.parametrize("form", ["list", "json lines", "cut json lines", "legacy", "one"])
def test_a_state_is_accepted_in_every_form_in_which_it_is_stored(form: str, pylon: Sandbox) -> None:
    since = {"updated_at": render(ago(minutes=20))}
    state = stream_state("accounts", since)
    lines = [json.dumps({"type": "LOG", "log": {"level": "INFO", "message": "x"}})]
    lines += [json.dumps({"type": "STATE", "state": state})]
    content = {
        "list": json.dumps([state]),
        "json lines": "\n".join(lines),
        "cut json lines": "\n".join([*lines, '{"type":"RECORD","rec']),
        "legacy": json.dumps({"accounts": since}),
        "one": json.dumps(state),
    }[form]
    with Files(config_for(pylon), configured_catalog(["accounts"]), content) as files:
        output = run(files.arguments("read"))
    assert output.code == 0
    assert output.records("accounts") == []


def test_an_empty_state_file_counts_as_no_state(pylon: Sandbox) -> None:
    with Files(config_for(pylon), configured_catalog(["accounts"]), "") as files:
        output = run(files.arguments("read"))
    assert len(output.records("accounts")) == len(pylon.expected("accounts"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "verb"),
        (["write"], "The verbs are"),
        (["check"], "--config"),
        (["read", "--config", "c.json"], "--catalog"),
    ],
)
def test_a_wrong_command_line_says_what_is_missing(args: list[str], said: str) -> None:
    output = complete([console_script(), *args])
    assert output.code == 2
    assert said in output.stderr


def test_the_specification_is_one_message_and_needs_no_configuration() -> None:
    output = complete([console_script(), "spec"])
    assert output.code == 0
    (line,) = output.lines
    assert line["type"] == "SPEC"
    assert line["spec"]["connectionSpecification"]["properties"]["api_token"]["airbyte_secret"] is True


def test_a_start_date_may_be_a_date_or_a_time_with_any_offset(pylon: Sandbox) -> None:
    for text in ("2025-01-01", "2025-01-01T00:00:00Z", "2025-01-01T00:00:00.5+05:30"):
        assert check(pylon, start_date=text).connection_status["status"] == "SUCCEEDED"

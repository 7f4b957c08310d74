"""Files of the command line are read in every usual form, and refused in words that name them and quote nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from source_pylon.files import BadFile, read_catalog, read_json, read_states
from source_pylon.source import SourcePylon

STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "issues"}, "stream_state": {"updated_at": 1}}}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_it(content: str | bytes) -> str:
        path = tmp_path / "file.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_it


def states(path: str) -> dict[str, Any]:
    return {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in read_states(path)
    }


def test_a_file_may_begin_with_a_byte_order_mark(write: Any) -> None:
    assert read_json(write(b'\xef\xbb\xbf{"a": 1}'), "configuration") == {"a": 1}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"The catalog file .*nowhere\.json does not exist"):
        read_json(str(tmp_path / "nowhere.json"), "catalog")


SECRET = "pylon_api_5ecret"


@pytest.mark.parametrize(
    "path",
    [f'{{"api_token": "{SECRET}"}}', f'\n {{"api_token": "{SECRET}"}}', f'[{{"a": "{SECRET}"}}]', SECRET, SECRET * 99],
    ids=["the configuration", "after a line's end", "a list", "the token", "a long text"],
)
def test_a_value_given_in_place_of_a_path_is_not_printed(path: str) -> None:
    for what in ("configuration", "catalog"):
        with pytest.raises(BadFile, match=what) as refusal:
            read_json(path, what)
        assert SECRET not in str(refusal.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        read_json(str(tmp_path), "catalog")


def test_a_file_that_is_not_text_is_reported_as_such(write: Any) -> None:
    with pytest.raises(BadFile, match="not UTF-8"):
        read_json(write(b"\xff\xfe\x00"), "configuration")


def test_broken_json_is_reported_by_position_and_not_quoted(write: Any) -> None:
    with pytest.raises(BadFile, match="line 3, column") as refusal:
        read_json(write('{\n "api_token": "SECRET"\n "region": "us"}'), "configuration")
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("content", ["", " \n", "[]", "null"])
def test_without_a_state_there_is_none(content: str, write: Any) -> None:
    assert read_states(write(content)) == []


@pytest.mark.parametrize(
    "value",
    [
        [STATE],
        STATE,
        {"type": "STATE", "state": STATE},
        [{"type": "STATE", "state": STATE}],
        {"issues": {"updated_at": 1}},
        {"type": "LEGACY", "data": {"issues": {"updated_at": 1}}},
        {"type": "GLOBAL", "global": {"stream_states": [STATE["stream"]]}},
        [{"stream": STATE["stream"]}],
    ],
    ids=["list", "one", "message", "messages", "by name", "legacy", "global", "without type"],
)
def test_a_state_is_read_in_each_form_in_which_it_is_stored(value: Any, write: Any) -> None:
    assert states(write(json.dumps(value))) == {"issues": {"updated_at": 1}}


def output(*values: Any) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def test_in_the_output_of_a_read_the_last_state_of_each_stream_counts(write: Any) -> None:
    def state(name: str, updated_at: int) -> Any:
        stream = {"stream_descriptor": {"name": name}, "stream_state": {"updated_at": updated_at}}
        return {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}

    log = {"type": "LOG", "log": {"level": "INFO", "message": "x"}}
    record = {"type": "RECORD", "record": {"stream": "issues", "data": {"id": "1"}, "emitted_at": 1}}
    content = output(log, state("issues", 1), record, state("tickets", 5), state("issues", 2), log)
    assert states(write(content)) == {"issues": {"updated_at": 2}, "tickets": {"updated_at": 5}}


def test_a_last_line_that_was_cut_off_is_ignored(write: Any) -> None:
    content = output({"type": "STATE", "state": STATE}, {"type": "LOG", "log": {}}) + '{"type":"STATE","sta'
    assert states(write(content)) == {"issues": {"updated_at": 1}}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_text_of_a_record_may_contain_any_line_separator(separator: str, write: Any) -> None:
    record = {"type": "RECORD", "record": {"stream": "issues", "data": {"id": f"a{separator}b"}, "emitted_at": 1}}
    lines = [json.dumps(value, ensure_ascii=False) for value in (record, {"type": "STATE", "state": STATE}, record)]
    assert states(write("\n".join(lines))) == {"issues": {"updated_at": 1}}


@pytest.mark.parametrize("content", ["[" * 200_000, "1" * 5_000, f"{{}}\n{'[' * 200_000}\n{{}}"])
def test_a_document_beyond_the_decoders_limits_is_refused_by_name(content: str, write: Any) -> None:
    path = write(content)
    with pytest.raises(BadFile, match=path):
        read_states(path)
    with pytest.raises(BadFile, match=path):
        read_json(path, "catalog")


def test_a_broken_line_before_the_last_is_refused_with_its_number(write: Any) -> None:
    with pytest.raises(BadFile, match="line 2"):
        read_states(write('{"type":"LOG"}\n{"type":"STATE","sta\n{"type":"LOG"}\n'))


@pytest.mark.parametrize(
    "value",
    [7, "text", True, [1], ["issues"], {"issues": 5}, {"issues": [1]}, {"type": "LEGACY", "data": [1]},
     {"type": "GLOBAL", "global": {"stream_states": 5}}, {"type": "GLOBAL", "global": {"stream_states": {"a": 1}}},
     [{"type": "STREAM", "stream": {"stream_descriptor": {}, "stream_state": {}}}],
     [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "issues"}, "stream_state": "x"}}]],
)  # fmt: skip
def test_anything_else_is_refused_instead_of_counting_as_no_state(value: Any, write: Any) -> None:
    with pytest.raises(BadFile, match="state"):
        read_states(write(json.dumps(value)))


def test_a_stream_without_a_state_has_an_empty_one(write: Any) -> None:
    value = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "issues"}, "stream_state": None}}]
    assert states(write(json.dumps(value))) == {"issues": {}}


def test_a_state_keeps_its_namespace(write: Any) -> None:
    def state(namespace: str | None, updated_at: int) -> Any:
        descriptor = {"name": "issues", **({"namespace": namespace} if namespace else {})}
        return {
            "type": "STREAM",
            "stream": {"stream_descriptor": descriptor, "stream_state": {"updated_at": updated_at}},
        }

    given = [state(None, 1), state("support", 2), state("support", 3)]
    kept = [item["stream"] for item in read_states(write(json.dumps(given)))]
    assert [(item["stream_descriptor"].get("namespace"), item["stream_state"]["updated_at"]) for item in kept] == [
        (None, 1),
        ("support", 3),
    ]


CATALOG = {"streams": [{"name": "issues", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(CATALOG, indent=1),
        json.dumps({"type": "CATALOG", "catalog": CATALOG}),
        output({"type": "LOG", "log": {}}, {"type": "CATALOG", "catalog": CATALOG}, {"type": "LOG", "log": {}}),
    ],
    ids=["a catalog", "a message", "the output of discover"],
)
def test_a_catalog_is_read_in_each_form_in_which_it_is_stored(content: str, write: Any) -> None:
    assert read_catalog(write(content)) == CATALOG


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"streams": 5}', '{"type": "CATALOG"}', '{"api_token": "5ecret"}']
)
def test_a_file_that_is_not_a_catalog_is_refused_and_not_quoted(content: str, write: Any) -> None:
    path = write(content)
    with pytest.raises(BadFile, match=path) as refusal:
        read_catalog(path)
    assert "5ecret" not in str(refusal.value)


def test_a_broken_document_of_several_lines_is_reported_by_position(write: Any) -> None:
    with pytest.raises(BadFile, match="line 3, column"):
        read_catalog(write('{\n "streams": [],\n "x" 1\n}'))


def test_a_state_file_without_a_state_is_logged_because_everything_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "failed.jsonl"
    path.write_text('{"type": "LOG", "log": {"level": "ERROR", "message": "Check failed"}}\n')
    with caplog.at_level("INFO", logger="airbyte"):
        assert SourcePylon.read_state(str(path)) == []
    assert "contains no state, so every stream is read from its beginning" in caplog.text

"""A private message, whatever is made from one, and the token never appear in anything that the connector writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from integration_tests.harness import (
    MESSAGES,
    SEARCH,
    Files,
    Output,
    complete,
    config_for,
    configured_catalog,
    hook,
    launcher,
    read,
)
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import reset_in_body, status, truncated
from integration_tests.sandbox.text import PRIVATE


@pytest.fixture
def noted() -> Iterator[Sandbox]:
    """An organisation with many internal notes and their files."""
    with Sandbox(size=Size(issues=300), limits=None, seed=11, irregular=0.3) as sandbox:
        for issue in sandbox.expected("issues")[:40]:
            sandbox.store.add_message(issue["id"], private=True, files=2)
        yield sandbox


def debug_read(pylon: Sandbox, **config: object) -> Output:
    """A read at debug level, with everything that it writes to both streams."""
    with Files(config_for(pylon, **config), configured_catalog()) as files:
        return complete([*launcher(), *files.arguments("read"), "--debug"], env=None)


def assert_nothing_leaks(output: Output, pylon: Sandbox) -> None:
    """No marker of a private message, and not the token, in either stream."""
    written = output.text + output.stderr
    assert PRIVATE not in written
    assert not [marker for marker in pylon.private_markers() if marker in written]
    assert pylon.token not in written


def test_no_private_message_and_no_token_is_written_at_debug_level(noted: Sandbox) -> None:
    output = debug_read(noted)
    assert output.code == 0
    assert len(noted.private_markers()) > 100
    assert [line for line in output.lines if line["type"] in ("DEBUG", "LOG")]
    assert_nothing_leaks(output, noted)


def test_nothing_leaks_where_private_messages_do_not_count_for_an_issues_times() -> None:
    with Sandbox(size=Size(issues=300), limits=None, private_in_record=False, private_counts=False) as sandbox:
        output = debug_read(sandbox)
        assert output.code == 0
        assert_nothing_leaks(output, sandbox)


def test_nothing_leaks_without_messages(noted: Sandbox) -> None:
    output = debug_read(noted, include_messages=False)
    assert output.code == 0
    assert_nothing_leaks(output, noted)


@pytest.mark.parametrize("kind", ["broken", "cut", "refused"])
def test_nothing_leaks_from_answers_that_cannot_be_used(kind: str, noted: Sandbox) -> None:
    with_note = next(i["id"] for i in noted.expected("issues") if any(m["is_private"] for m in noted.messages(i["id"])))
    text = noted.messages(with_note)[-1]["message_html"]
    action = {"broken": truncated(0.9), "cut": reset_in_body(0.9), "refused": status(400, {"errors": [text]})}[kind]
    noted.faults.add(Fault(MESSAGES, action, times=None, when=lambda seen: seen.params["id"] == with_note))
    output = debug_read(noted)
    assert output.code == 1
    assert output.errors
    assert_nothing_leaks(output, noted)


def test_an_error_that_quotes_the_token_does_not_write_it(noted: Sandbox) -> None:
    noted.faults.add(
        Fault(SEARCH, status(401, {"errors": [f"bad token {noted.token}"], "code": noted.token}), times=None)
    )
    output = debug_read(noted)
    assert output.code == 1
    assert_nothing_leaks(output, noted)


def _issue_with_a_form(pylon: Sandbox) -> tuple[str, str]:
    """An issue that is to get a note with files, and the path of a file of its own, which no message holds."""
    issue = pylon.store.add_issue(attachment_urls=["https://files.example/form/screenshot.png?X-Signature=1"])
    pylon.store.add_message(issue, html="<p>See the screenshot</p>", files=1)
    return issue, "/form/screenshot.png"


def _files(output: Output, issue: str) -> list[str]:
    (record,) = [record for record in output.records("issues") if record["id"] == issue]
    return [urlsplit(url).path for url in record["attachment_urls"]]


def test_the_files_of_a_note_that_was_deleted_before_the_sync_do_not_leave(noted: Sandbox) -> None:
    issue, own = _issue_with_a_form(noted)
    note = noted.store.add_message(issue, private=True, files=2)
    noted.store.delete_message(issue, note)
    output = read(noted, ["issues"])
    (public,) = noted.messages(issue)
    assert _files(output, issue) == [own, *(urlsplit(url).path for url in public["file_urls"])]
    assert_nothing_leaks(output, noted)


def test_a_note_that_is_deleted_between_listing_and_reading_shows_its_files_and_no_more_until_the_next_sync(
    noted: Sandbox,
) -> None:
    """The limit that the page on reliability names: nothing tells any more that these files were private."""
    issue, own = _issue_with_a_form(noted)
    note = noted.store.add_message(issue, private=True, files=2)
    (private,) = [message["file_urls"] for message in noted.messages(issue) if message["is_private"]]
    deletion = hook(noted, MESSAGES, lambda seen: noted.store.delete_message(issue, note))
    deletion.when = lambda seen: seen.params["id"] == issue
    first = read(noted, ["issues"])
    assert deletion.fired == 1
    assert set(_files(first, issue)) >= {own, *(urlsplit(url).path for url in private)}
    (record,) = [record for record in first.records("issues") if record["id"] == issue]
    assert PRIVATE not in json.dumps({**record, "attachment_urls": None})
    noted.clock.advance(timedelta(hours=1))
    second = read(noted, ["issues"], state=first.state)
    (public,) = noted.messages(issue)
    assert _files(second, issue) == [own, *(urlsplit(url).path for url in public["file_urls"])]
    assert_nothing_leaks(second, noted)

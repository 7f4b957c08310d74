"""A private message, whatever is made from one, and the token never appear in anything that the connector writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.harness import (
    MESSAGES,
    SEARCH,
    Files,
    Output,
    complete,
    config_for,
    configured_catalog,
    launcher,
)
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import reset_in_body, status, truncated
from integration_tests.sandbox.text import PRIVATE


@pytest.fixture
def noted() -> Iterator[Sandbox]:
    """An organisation with many internal notes and their files."""
    with Sandbox(size=Size(issues=300), limits=None, seed=11) as sandbox:
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

"""A private message, whatever is made from one, and the token never appear in anything that the connector writes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import reset_in_body, status, transform, truncated
from integration_tests.sandbox.text import PRIVATE
from integration_tests.support.connector import Files, Output, complete, config_for, configured_catalog, launcher, read
from integration_tests.support.expected import ago
from integration_tests.support.faults import LIST, MESSAGES, hook


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


def test_nothing_leaks_if_private_messages_do_not_count_for_an_issues_times() -> None:
    with Sandbox(size=Size(issues=300), limits=None, private_in_record=False, private_counts=False) as sandbox:
        issue = _issue(sandbox, NOTE, [{"html": NOTE, "private": True}])
        output = debug_read(sandbox)
        assert _record(output, issue)["body_html"] is None
        assert output.code == 0
        assert_nothing_leaks(output, sandbox)


def test_nothing_leaks_without_messages(noted: Sandbox) -> None:
    output = debug_read(noted, include_messages=False)
    assert output.code == 0
    assert_nothing_leaks(output, noted)


@pytest.mark.parametrize("kind", ["broken", "cut", "refused"])
def test_nothing_leaks_from_unusable_responses(kind: str, noted: Sandbox) -> None:
    with_note = next(i["id"] for i in noted.expected("issues") if any(m["is_private"] for m in noted.messages(i["id"])))
    text = noted.messages(with_note)[-1]["message_html"]
    action = {"broken": truncated(0.9), "cut": reset_in_body(0.9), "refused": status(400, {"errors": [text]})}[kind]
    noted.faults.add(Fault(MESSAGES, action, times=None, when=lambda seen: seen.params["id"] == with_note))
    output = debug_read(noted)
    # An issue whose messages are refused is emitted without them; one that cannot be read is left for the next sync.
    assert (output.code, bool(output.errors)) == ((0, False) if kind == "refused" else (1, True))
    assert_nothing_leaks(output, noted)


def test_an_error_response_that_quotes_the_token_does_not_leak_it(noted: Sandbox) -> None:
    noted.faults.add(
        Fault("GET /issues", status(401, {"errors": [f"bad token {noted.token}"], "code": noted.token}), times=None)
    )
    output = debug_read(noted)
    assert output.code == 1
    assert_nothing_leaks(output, noted)


# --- An issue's body and attachments

NOTE = f"<p>{PRIVATE}BODY: their contract ends in May, offer them 20 percent</p>"
IMAGE = "https://files.sandbox.invalid/issues/shared/{}shot.png?X-Amz-Signature={}"


def _issue(pylon: Sandbox, body: str, messages: list[dict[str, Any]], **fields: Any) -> str:
    """An issue with a body and messages, the first of them the oldest."""
    issue = pylon.store.add_issue(body_html=body, at=ago(hours=2), **fields)
    for number, message in enumerate(messages):
        pylon.store.add_message(issue, at=ago(hours=1, seconds=-number), **message)
    return str(issue)


def _record(output: Output, issue: str) -> dict[str, Any]:
    (record,) = [record for record in output.records("issues") if record["id"] == issue]
    return record


def _image(marker: str, signature: int) -> str:
    return f'<img src="{IMAGE.format(marker, signature)}">'


WAYS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "the note is the first message": (NOTE, [{"html": NOTE, "private": True}]),
    "a signed link that differs at each read": (
        f'{NOTE}<a href="{IMAGE.format("", 1)}">file</a>',
        [{"html": f'{NOTE}<a href="{IMAGE.format("", 2)}">file</a>', "private": True}],
    ),
    "only an image": (_image(PRIVATE, 1), [{"html": _image(PRIVATE, 2), "private": True}]),
    "a signature line that the body lacks": (NOTE, [{"html": f"{NOTE}<p>-- <br>Ada</p>", "private": True}]),
    "the second note": (NOTE, [{"private": True}, {"html": NOTE, "private": True}]),
    "after an empty public message": (NOTE, [{"html": ""}, {"html": NOTE, "private": True}]),
    "the body has another signature": (f"{NOTE}-- Bo", [{"html": f"{NOTE}<p>-- <br>Ada</p>", "private": True}]),
    "after a public message": (NOTE, [{"html": "<p>Hello</p>"}, {"html": NOTE, "private": True}]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_note_is_not_emitted_as_the_body_of_its_issue(way: str, noted: Sandbox) -> None:
    body, messages = WAYS[way]
    issue = _issue(noted, body, messages)
    output = debug_read(noted)
    record = _record(output, issue)
    assert record["body_html"] is None
    assert record["feedback_source"] == ("messages" if way == "after a public message" else "none")
    assert_nothing_leaks(output, noted)


def test_a_note_is_not_emitted_as_the_body_of_an_issue_without_a_latest_message(noted: Sandbox) -> None:
    """Whether internal notes count for `latest_message_time` is not documented."""
    issue = _issue(noted, NOTE, [{"html": NOTE, "private": True}])
    listed = noted.faults.add(Fault(LIST, transform(partial(_change, issue, latest_message_time=None)), times=None))
    output = debug_read(noted)
    assert listed.fired
    assert _record(output, issue)["body_html"] is None
    assert_nothing_leaks(output, noted)


def _change(issue: str, answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    data = [{**item, **fields} if item["id"] == issue else item for item in answer.get("data") or ()]
    return {**answer, "data": data}


def test_a_note_is_not_emitted_as_the_body_if_messages_are_switched_off(noted: Sandbox) -> None:
    issue = _issue(noted, NOTE, [{"html": NOTE, "private": True}])
    output = debug_read(noted, include_messages=False)
    assert _record(output, issue)["body_html"] is None
    assert_nothing_leaks(output, noted)


def test_a_note_is_not_emitted_as_the_body_if_messages_are_refused(noted: Sandbox) -> None:
    issue = _issue(noted, NOTE, [{"html": NOTE, "private": True}])
    noted.faults.add(Fault(MESSAGES, status(403, {}), times=None, when=lambda seen: seen.params["id"] == issue))
    output = debug_read(noted)
    record = _record(output, issue)
    assert (record["body_html"], record["feedback_source"], record["attachment_urls"]) == (None, "none", None)
    assert_nothing_leaks(output, noted)


@pytest.mark.parametrize("order", [1, -1])
def test_messages_of_any_order_are_compared_with_the_body(order: int, noted: Sandbox) -> None:
    notes = [{"html": "<p>Another note</p>", "private": True}, {"html": NOTE, "private": True}]
    issue = _issue(noted, NOTE, [{"html": "<p>Hello</p>"}, *notes, {"html": "<p>Bye</p>"}])
    noted.faults.add(Fault(MESSAGES, transform(lambda answer: {**answer, "data": answer["data"][::order]}), times=None))
    output = debug_read(noted)
    record = _record(output, issue)
    assert (record["body_html"], record["feedback_text"]) == (None, "Hello\n\nBye")
    assert_nothing_leaks(output, noted)


def test_a_message_in_the_thread_of_internal_notes_is_private_even_if_it_claims_to_be_public(noted: Sandbox) -> None:
    issue = _issue(noted, NOTE, [{"html": NOTE, "private": True}])

    def claim(answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "data": [{**message, "is_private": False} for message in answer["data"]]}

    noted.faults.add(Fault(MESSAGES, transform(claim), times=None, when=lambda seen: seen.params["id"] == issue))
    output = debug_read(noted)
    record = _record(output, issue)
    assert (record["body_html"], record["messages"]) == (None, [])
    assert len([text for text in output.warnings if "the thread of internal notes" in text]) == 1
    assert_nothing_leaks(output, noted)


def test_an_inline_image_of_a_note_is_not_emitted_as_an_attachment(noted: Sandbox) -> None:
    attached = [IMAGE.format(PRIVATE, 3)]
    issue = _issue(noted, "", [{"html": _image(PRIVATE, 1), "private": True}], attachment_urls=attached)
    output = debug_read(noted)
    assert _record(output, issue)["attachment_urls"] == []
    assert_nothing_leaks(output, noted)


def test_files_that_differ_only_in_the_query_are_distinguished(noted: Sandbox) -> None:
    address = "https://files.sandbox.invalid/get?id={}&X-Amz-Signature={}"
    shown = f'<img src="{address.format("own", 1)}">'
    hidden = f'<img src="{address.format(PRIVATE, 1)}">'
    attached = [address.format("own", 2), address.format(PRIVATE, 2)]
    issue = _issue(noted, "", [{"html": shown}, {"html": hidden, "private": True}], attachment_urls=attached)
    output = debug_read(noted)
    assert _record(output, issue)["attachment_urls"] == [address.format("own", 2)]
    assert_nothing_leaks(output, noted)


def test_the_body_and_attachments_that_public_messages_show_are_emitted(noted: Sandbox) -> None:
    body = f"<p>The export stops after ten thousand rows</p>{_image('own', 1)}"
    messages: list[dict[str, Any]] = [{"html": body}, {"private": True, "files": 1}]
    issue = _issue(noted, body, messages, attachment_urls=[IMAGE.format("own", 2)])
    output = debug_read(noted)
    record = _record(output, issue)
    assert (record["body_html"], record["attachment_urls"]) == (body, [IMAGE.format("own", 2)])
    without_notes = {
        one["id"]: one["body_html"]
        for one in noted.expected("issues")
        if one.get("body_html") and not any(message["is_private"] for message in noted.messages(one["id"]))
    }
    assert len(without_notes) > 50
    records = {one["id"]: one for one in output.records("issues")}
    assert {one: records[one]["body_html"] for one in without_notes} == without_notes
    assert_nothing_leaks(output, noted)


@pytest.mark.parametrize("moment", ["before the sync", "between listing and reading"])
def test_the_files_of_a_deleted_note_are_not_emitted(moment: str, noted: Sandbox) -> None:
    issue = _issue(noted, "", [{"html": "<p>See the screenshot</p>", "files": 1}])
    note = noted.store.add_message(issue, private=True, files=2)
    if moment == "before the sync":
        noted.store.delete_message(issue, note)
    else:
        deletion = hook(noted, MESSAGES, lambda seen: noted.store.delete_message(issue, note))
        deletion.when = lambda seen: seen.params["id"] == issue
    output = read(noted, ["issues"])
    (public,) = noted.messages(issue)
    paths = [urlsplit(url).path for url in _record(output, issue)["attachment_urls"]]
    assert paths == [urlsplit(url).path for url in public["file_urls"]]
    assert_nothing_leaks(output, noted)

"""The promise that nothing of an internal note leaves with its issue: not as the body, and not as an attachment."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_pylon.transform.privacy import (
    is_public,
    is_unclear,
    public_attachments,
    public_body,
    public_messages,
)

NOTE = "<p>Their contract ends in May, offer them 20 percent</p>"


def public(html: Any = "<p>Hello</p>", **fields: Any) -> dict[str, Any]:
    return {"id": "p", "is_private": False, "message_html": html, **fields}


def note(html: Any = NOTE, **fields: Any) -> dict[str, Any]:
    return {"id": "n", "is_private": True, "thread_id": "t", "message_html": html, **fields}


# --- Messages


@pytest.mark.parametrize("flag", [True, None, "false", 0, 0.0, "", [], "missing"])
def test_only_a_plain_false_makes_a_message_public(flag: Any) -> None:
    message = public() if flag == "missing" else public(is_private=flag)
    if flag == "missing":
        del message["is_private"]
    assert not is_public(message)
    assert is_public(public())


@pytest.mark.parametrize("thread", ["t", 0, 7, False, [], {}])
def test_a_message_in_the_thread_of_internal_notes_is_private_and_unclear(thread: Any) -> None:
    message = public(thread_id=thread)
    assert not is_public(message)
    assert is_unclear(message)


@pytest.mark.parametrize(
    "message", [public(), public(thread_id=None), public(thread_id=""), note(), note(thread_id=None)]
)
def test_a_message_whose_flag_and_thread_agree_is_clear(message: dict[str, Any]) -> None:
    assert not is_unclear(message)


def test_a_message_without_the_flag_is_unclear() -> None:
    assert is_unclear({"message_html": "<p>text</p>"})


def test_public_messages_keep_their_order() -> None:
    first, last = public(id="1"), public(id="3", thread_id=None)
    assert public_messages([first, note(), public(id="2", thread_id="t"), last]) == [first, last]


# --- The body


def test_a_body_is_emitted_if_there_is_no_internal_note() -> None:
    assert public_body(NOTE, []) == NOTE
    assert public_body(NOTE, [public(), public(NOTE)]) == NOTE


def test_a_body_is_emitted_beside_a_different_note() -> None:
    body = "<p>The export stops after ten thousand rows</p>"
    assert public_body(body, [public(body), note()]) == body


def test_a_body_is_held_back_if_messages_were_not_read_unless_bodies_are_trusted() -> None:
    assert public_body(NOTE, None) is None
    assert public_body(NOTE, None, trust_issue_body=True) == NOTE


def test_trusted_bodies_are_still_compared_if_messages_were_read() -> None:
    assert public_body(NOTE, [note()], trust_issue_body=True) is None


SAME_NOTE = {
    "the same HTML": (NOTE, NOTE),
    "other tags": (NOTE, "<div>Their <b>contract</b> ends in May,<br>offer them 20&nbsp;percent</div>"),
    "text without tags": (NOTE, "Their contract ends in May, offer them 20 percent"),
    "no white space at all": ("<p>Refund</p><p>them all</p>", "<p>Refundthemall</p>"),
    "a signed link": (
        'Internal: see <a href="https://f.example/a.pdf?X-Amz-Signature=1">the contract</a>',
        'Internal: see <a href="https://f.example/a.pdf?X-Amz-Signature=2">the contract</a>',
    ),
    "a signed relative link": ('Read <a href="/f?sig=1">the report</a>', 'Read <a href="/f?sig=2">the report</a>'),
    "a signed link in the text": ("see https://f.example/a?sig=1 and act", "see https://f.example/a?sig=2 and act"),
    "a signed link before text without a space": (
        "契約は五月で終わります https://f.example/a?sig=1、二割引を提案してください。お願いします",
        "契約は五月で終わります https://f.example/b?sig=2、二割引を提案してください。お願いします",
    ),
    "a link that the note lacks": ("Offer them, see https://f.example/a, 20 percent", "Offer them, see , 20 percent"),
    "a telephone link that the note lacks": ('Do not <a href="tel:+15550100">call</a> them', "Do not call them"),
    "a signed image": (
        f'{NOTE}<img src="https://f.example/a.png?sig=1">',
        f'{NOTE}<img src="https://f.example/a.png?sig=2">',
    ),
    "only an image": (
        '<img src="https://f.example/a.png?sig=1">',
        '<p><img src="https://f.example/a.png?sig=2"></p>',
    ),
    "only an image that the note links to": (
        '<img src="https://f.example/a.png?sig=1">',
        "<p>Their contract: https://f.example/a.png?sig=2</p>",
    ),
    "only a link": ("https://f.example/a.png?sig=1", "https://f.example/a.png?sig=2"),
    "a signature line that the body lacks": (NOTE, f"{NOTE}<p>-- <br>Ada, Customer Success</p>"),
    "a signature line that the note lacks": (f"{NOTE}<p>-- <br>Ada, Customer Success</p>", NOTE),
    "a short note above a signature": ("<p>Fire them</p>", "<p>Fire them</p><p>-- <br>Ada</p>"),
    "a short note and a signature in the body": ("<p>Fire them</p><p>-- Ada, Customer Success</p>", "Fire them"),
    "a note that the body quotes": (f"<p>A note was added:</p><blockquote>{NOTE}</blockquote>", NOTE),
    "a body that the note quotes line by line": (
        "<p>Their contract ends in May,<br>offer them 20 percent</p>",
        "<blockquote>Their contract ends in May,<br>offer them 20 percent</blockquote><p>Agreed</p>",
    ),
    "a list and plain lines": ("<ul><li>Contract ends</li><li>offer 20 %</li></ul>", "Contract ends\noffer 20 %"),
    "typography": ("\u201cDon\u2019t renew\u201d \u2013 too small\u2026", "\"Don't renew\" -- too small..."),
    "another normal form": ("Kündigt bald, Café schließt im Mai", "Ku\u0308ndigt bald, Cafe\u0301 schließt im Mai"),
    "another case": (NOTE.upper(), NOTE),
    "invisible characters": ("The contract\u200b ends in\u200d May, soft\u00adly", "The contract ends in May, softly"),
    "a body cut short": ("<p>Their contract ends in May, offer th…</p>", NOTE),
    "Markdown": ("**The contract** ends in _May_, offer", "<b>The contract</b> ends in <i>May</i>, offer"),
    "emoji alone": ("🔥" * 25, "<p>" + "🔥" * 25 + "</p>"),
    "emoji within a note": ("🔥" * 25, "<p>They wrote " + "🔥" * 25 + "</p>"),
    "a number as the body": (20_260_501, "<p>20260501</p>"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME_NOTE)
@pytest.mark.parametrize(
    "others",
    [
        [],
        [public("")],
        [public("<p>Hello</p>"), public(None)],
        [note("<p>Another note</p>")],
        [public(NOTE, thread_id="t")],
    ],
    ids=["alone", "after an empty public one", "after public ones", "second note", "beside a contradiction"],
)
def test_a_body_that_is_an_internal_note_is_held_back(case: str, others: list[dict[str, Any]]) -> None:
    body, written = SAME_NOTE[case]
    assert public_body(body, [*others, note(written)]) is None
    assert public_body(body, [note(written), *others]) is None, "the order of messages does not matter"


@pytest.mark.parametrize(
    "marks",
    [{"is_private": None}, {"is_private": "true"}, {"is_private": False}],
    ids=["null", "text", "contradiction"],
)
def test_a_message_that_is_not_certainly_public_counts_as_a_note(marks: dict[str, Any]) -> None:
    assert public_body(NOTE, [{**note(), **marks}]) is None


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ("<p>Thanks</p>", "<p>Thanks to them we know that it is the cache</p>"),
        ("<p>Where are my files?</p>", "<p>They ask: Where are my files? Somebody look</p>"),  # 16 characters
    ],
)
def test_a_body_of_fewer_than_20_characters_is_not_searched_for_within_a_note(body: str, written: str) -> None:
    assert public_body(body, [note(written)]) == body


@pytest.mark.parametrize(("length", "leaves"), [(19, True), (20, False)])
def test_a_body_is_searched_for_within_notes_from_20_characters_on(length: int, leaves: bool) -> None:
    body = ("Is it, still broken?!" * 2).replace(" ", "")[:length]
    spaced = " ".join(body)
    written = f"<p>They ask {body} and so on</p>"
    assert (public_body(spaced, [note(written)]) == spaced) is leaves


@pytest.mark.parametrize("empty", ["", "<p> </p>", None, '<img src="https://f.example/a.png">', "https://f.example"])
def test_a_note_without_text_holds_no_body_back(empty: Any) -> None:
    body = "<p>The export stops after ten thousand rows</p>"
    assert public_body(body, [note(empty)]) == body


@pytest.mark.parametrize("written", [["text"], {"html": NOTE}])
def test_a_note_that_cannot_be_compared_holds_the_body_back(written: Any) -> None:
    assert public_body("<p>The export stops after ten thousand rows</p>", [note(written)]) is None


@pytest.mark.parametrize("body", [["text"], {"html": NOTE}])
def test_a_body_that_cannot_be_compared_is_held_back_beside_a_note(body: Any) -> None:
    assert public_body(body, [note()]) is None
    assert public_body(body, [public()]) == body


PLAN = "Their contract ends in May, offer them 20 percent before the lawyer calls"
RUNS = {
    "different signatures": (f"<p>{PLAN}</p><p>-- Ada</p>", f"<p>{PLAN}</p><p>Sent from Slack</p>"),
    "a prefix and a signature": (f"<p>Note by Ada: {PLAN}</p>", f"<p>{PLAN}</p><p>Sent from Slack</p>"),
    "different times": (f"10:01 {PLAN}", f"10:03 {PLAN}"),
    "an emoji and its short name": (f"Fire 🔥 them? {PLAN}", f"Fire :flame: them? {PLAN}"),
    "a name and its id": (f"Ask @Ada Byron: {PLAN}", f"Ask <@U012AB3CD>: {PLAN}"),
    "Markdown's link before the next sentence": (f"See [it](https://f.example/a).{PLAN}", f"See it.{PLAN}"),
    "escaped a second time": (f"Tom &amp;amp; Ada. {PLAN}", f"Tom &amp; Ada. {PLAN}"),
    "another end": (f"{PLAN}, says Ada", f"{PLAN} or so"),
    "a comment": (f"<p>The export stops after many rows</p><!-- {PLAN} -->", f"<p>{PLAN}</p>"),
    "an attribute": (f'<p title="{PLAN}">The export stops after many rows</p>', f"<p>{PLAN}</p>"),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
@pytest.mark.parametrize("others", [[], [public("<p>The export stops after many rows</p>")]], ids=["alone", "others"])
def test_a_body_that_shows_most_of_a_note_is_held_back(case: str, others: list[dict[str, Any]]) -> None:
    body, written = RUNS[case]
    assert public_body(body, [*others, note(written)]) is None
    assert public_body(body, [note(written), *others]) is None


def test_words_of_a_note_that_a_public_message_shows_hold_no_body_back() -> None:
    body = "<p>Since Monday the export stops after ten thousand rows. Please help</p>"
    quoting = note("<blockquote>the export stops after ten thousand rows</blockquote><p>Known</p>")
    assert public_body(body, [quoting]) is None
    assert public_body(body, [quoting, public(f"{body}<p>-- Ada</p>")]) == body


def test_a_greeting_or_quote_shared_with_a_note_holds_no_body_back() -> None:
    body = "<p>Thank you for reaching out to us. The export stops after ten thousand rows</p>"
    for shared in ("Thank you for reaching out to us", "the export stops after ten thousand rows"):
        assert public_body(body, [note(f"<p>{shared}</p><p>{PLAN}. {PLAN[::-1]}</p>")]) == body


IMAGE = '<img src="https://f.example/i/shot.png?X-Amz-Signature={}">'


@pytest.mark.parametrize(
    "hidden",
    [
        note("<p>Internal</p>" + IMAGE.format(2)),
        note("<p>Internal</p>", file_urls=["https://f.example/i/shot.png?X-Amz-Signature=2"]),
        note("<p>Internal</p>", file_urls=[{"url": "https://f.example/i/shot.png"}]),
    ],
    ids=["image in the note", "file of the note", "file in another shape"],
)
@pytest.mark.parametrize(
    "text", ["", "<p>The export stops after ten thousand rows</p>"], ids=["image", "text and image"]
)
def test_a_body_that_shows_an_image_of_a_note_is_held_back(hidden: dict[str, Any], text: str) -> None:
    body = text + IMAGE.format(1)
    assert public_body(body, [hidden]) is None
    assert public_body(body, [hidden, public(body)]) == body, "where a public message shows the image, it is public"


def test_a_body_that_links_to_a_file_of_a_note_is_held_back() -> None:
    body = '<p>The export stops after ten thousand rows, see <a href="https://f.example/i/log.txt">the log</a></p>'
    assert public_body(body, [note(file_urls=["https://f.example/i/log.txt"])]) is None


def test_beside_a_note_a_body_of_one_image_is_emitted_only_if_a_public_message_shows_it() -> None:
    assert public_body(IMAGE.format(1), [note()]) is None
    assert public_body(IMAGE.format(1), [note(), public(IMAGE.format(2))]) == IMAGE.format(1)


def test_a_page_linked_by_both_a_body_and_a_note_does_not_hold_the_body_back() -> None:
    body = '<p>The export <a href="https://app.example/exports">here</a> stops after ten thousand rows</p>'
    assert public_body(body, [note("<p>Known, see https://app.example/exports</p>")]) == body


DECORATION = st.sampled_from(
    ["<p>{}</p>", "<blockquote>{}</blockquote>", "<b>{}</b>", "<ul><li>{}</li></ul>", "{}<br>", "{}"]
)
WORDS = st.lists(
    st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=12
)


@settings(max_examples=300, deadline=None)
@given(
    WORDS, DECORATION, DECORATION, st.lists(st.sampled_from([public(""), public(), note("")]), max_size=3), st.data()
)
def test_a_note_is_not_emitted_as_the_body_however_both_are_decorated(
    words: list[str], one: str, other: str, messages: list[dict[str, Any]], data: st.DataObject
) -> None:
    body, written = one.format(" ".join(words)), other.format("\n".join(words))
    position = data.draw(st.integers(0, len(messages)))
    assert public_body(body, [*messages[:position], note(written), *messages[position:]]) is None


def test_comparing_takes_time_in_proportion_to_the_texts() -> None:
    def seconds(size: int) -> float:
        body = "<p>" + "The export stops. " * size + "</p>"
        notes = [note("<p>" + "The export stops. " * size + "?" + "</p>"), note("ab" * size), note("https://" * size)]
        begun = time.perf_counter()
        public_body(body, notes)
        return time.perf_counter() - begun

    seconds(1_000)
    assert seconds(40_000) < 16 * seconds(10_000) + 0.5


# --- Attachments

HOST = "https://files.example"
FILE = f"{HOST}/i/shot.png"


@pytest.mark.parametrize(
    "holder",
    [
        public(file_urls=[f"{FILE}?X-Amz-Signature=1"]),
        public(f'<img src="{FILE}?X-Amz-Signature=1&amp;X-Amz-Date=2">'),
        public(f"<p>See {FILE}.</p>"),
        public(f"<a href='{FILE}'>file</a>"),
        public(file_urls={"url": FILE}),
        public(file_urls=[{"url": FILE}, None, 7]),
    ],
    ids=["listed", "image", "URL in the text", "link", "object", "list of objects"],
)
def test_an_attachment_of_a_public_message_is_emitted_whatever_its_signature(holder: dict[str, Any]) -> None:
    urls = [f"{FILE}?X-Amz-Signature=3"]
    assert public_attachments(urls, None, [holder]) == urls


def test_an_attachment_of_an_emitted_body_is_emitted() -> None:
    body = f'<img src="{FILE}?X-Amz-Signature=1">'
    assert public_attachments([FILE], body, []) == [FILE]
    assert public_attachments([FILE, f"{HOST}/other.png"], body, None) == [FILE]
    assert public_attachments([FILE], None, []) == []


def test_an_attachment_that_an_emitted_body_links_to_is_emitted() -> None:
    assert public_attachments([FILE], f'<a href="{FILE}">the log</a>', []) == [FILE]


def test_files_in_every_attribute_of_a_text_are_found() -> None:
    files = [f"{HOST}/{name}" for name in ("image.png", "film.mp4", "poster.jpg", "paper.gif", "report.pdf", "log.txt")]
    image, film, poster, paper, report, log = files
    content = (
        f'<img src="{image}"><video src={film} poster=\'{poster}\'></video><table background="{paper}"></table>'
        f'<a href="{report}">report</a> and {log}'
    )
    assert public_attachments(files, None, [public(content)]) == files


@pytest.mark.parametrize("mark", list(".,;:!?)]"))
def test_a_punctuation_mark_after_a_url_does_not_belong_to_it(mark: str) -> None:
    url = f"{HOST}/i/INDEX"
    assert public_attachments([url], None, [public(f"Read {url}{mark} Then call us.")]) == [url]


@pytest.mark.parametrize("url", [f"{HOST}/?id=7", f"{HOST}/?token=7", f"{HOST}?part=1&token=7", f"{HOST}/X"])
def test_a_short_url_names_a_file_if_it_has_a_path_or_a_query(url: str) -> None:
    assert public_attachments([url], None, [public(f"<p>See {url}</p>")]) == [url]


def test_credentials_in_a_url_and_the_case_of_its_host_do_not_count() -> None:
    shown = "https://user:password@Files.Example/i/shot.png"
    assert public_attachments([FILE], None, [public(file_urls=[shown])]) == [FILE]


def test_an_attachment_that_nothing_public_refers_to_is_held_back() -> None:
    """Such as the inline image of a note that lists no files, or the file of a note that was deleted."""
    assert public_attachments([FILE], "<p>text</p>", [public(), note(IMAGE.format(1))]) == []


def test_a_file_of_a_note_that_a_public_message_also_has_is_emitted() -> None:
    messages = [note(file_urls=[f"{FILE}?X-Amz-Signature=1"]), public(file_urls=[f"{FILE}?X-Amz-Signature=2"])]
    assert public_attachments([f"{FILE}?X-Amz-Signature=3"], None, messages) == [f"{FILE}?X-Amz-Signature=3"]


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (f"{HOST}/get?id=1&sig=a", f"{HOST}/get?id=2&sig=b"),
        (f"{HOST}/get?id=1", f"{HOST}/get"),
        (f"{HOST}/get?id=1", f"{HOST}/get?id=1&part=2"),
        (f"{HOST}/get?unknown=1", f"{HOST}/get?unknown=2"),
        (f"{HOST}/get?se=1", f"{HOST}/get?se=2"),
        (f"{HOST}/get?policy=1", f"{HOST}/get?policy=2"),
        (f"{HOST}/get?ID=1", f"{HOST}/get?ID=2"),
        (f"{HOST}/get?1", f"{HOST}/get?2"),
        (f"{HOST}/i/a.png", f"{HOST}/i/A.png"),
        (f"{HOST}/i/a.png", "https://other.example/i/a.png"),
        (f"{HOST}/i/a.png", f"{HOST}/i/../i/b.png"),
    ],
)
def test_a_file_that_differs_from_a_public_one_in_more_than_its_signature_is_held_back(shown: str, hidden: str) -> None:
    assert public_attachments([shown, hidden], None, [public(file_urls=[shown]), note()]) == [shown]


@pytest.mark.parametrize(
    "signature",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=b&X-Amz-Expires=3600&X-Amz-Signature={}",
        "x-amz-security-token={}&X-Amz-SignedHeaders=host",
        "X-Goog-Signature={}&X-Goog-Date=1",
        "AWSAccessKeyId=a&Signature={0}&Expires={0}",
        "GoogleAccessId=a&Signature={0}&Expires={0}",
        "Policy={0}&Signature={0}&Key-Pair-Id=k",
        "sv=2024-01-01&se={0}&sr=b&sp=r&sig={0}",
        "X-Signature={}",
        "token={}",
        "expires={0}&token={0}",
    ],
)
def test_signatures_of_every_known_kind_do_not_count(signature: str) -> None:
    shown, listed = (f"{HOST}/get?id=1&{signature.format(number)}" for number in (1, 2))
    assert public_attachments([listed], None, [public(file_urls=[shown])]) == [listed]


@pytest.mark.parametrize("name", ["token", "hash", "auth", "Expires"])
def test_a_token_that_may_be_a_file_name_does_not_confuse_a_public_file_with_a_notes(name: str) -> None:
    shown, hidden = f"{HOST}/get?{name}=a", f"{HOST}/get?{name}=b"
    messages = [public(file_urls=[shown]), note(file_urls=[hidden])]
    assert public_attachments([shown, hidden], None, messages) == [shown]
    assert public_attachments([shown, hidden], None, messages[:1]) == [shown], "the note may have been deleted"
    assert public_attachments([hidden], None, messages) == []


def test_signed_links_to_several_public_files_at_one_address_are_emitted_if_there_are_as_many() -> None:
    shown = [public(file_urls=[f"{HOST}/get?token={token}"]) for token in ("a", "b")]
    listed = [f"{HOST}/get?token={token}" for token in ("c", "d", "e")]
    assert public_attachments(listed[:2], None, shown) == listed[:2]
    assert public_attachments(listed, None, shown) == [], "one of three may be another file"


def test_a_public_file_that_the_body_repeats_with_another_token_counts_once() -> None:
    """Otherwise the file of a note that was deleted since would leave as the second one."""
    body, shown = (f'<img src="{HOST}/get?token={token}">' for token in ("a1", "a2"))
    listed = [f"{HOST}/get?token={token}" for token in ("a3", "b3")]
    assert public_attachments(listed[:1], body, [public(shown)]) == listed[:1]
    assert public_attachments(listed, body, [public(shown)]) == []


@pytest.mark.parametrize("broken", ["http://[broken", None, 7, {"url": FILE}, ["x"], ""])
def test_an_attachment_that_is_not_a_url_is_held_back_and_the_others_are_emitted(broken: Any) -> None:
    assert public_attachments([broken, FILE], None, [public(file_urls=[broken, FILE])]) in ([FILE], ["", FILE])
    assert public_attachments([broken], None, [public()]) == []


@pytest.mark.parametrize("urls", [None, "text", {"url": FILE}, 7])
def test_attachments_that_are_not_a_list_become_null(urls: Any) -> None:
    assert public_attachments(urls, None, [public(file_urls=[FILE])]) is None


def test_attachments_are_null_if_neither_messages_nor_a_body_can_prove_them_public() -> None:
    assert public_attachments([FILE], None, None) is None


def test_a_link_to_a_host_alone_is_not_a_file() -> None:
    assert public_attachments([f"{HOST}/", HOST], f"<p>{HOST}/</p>", [public(HOST)]) == []


def test_files_nested_a_hundred_thousand_levels_deep_are_found() -> None:
    urls: Any = FILE
    for _ in range(100_000):
        urls = [urls]
    assert public_attachments([FILE], None, [public(file_urls=urls)]) == [FILE]

"""What `html_to_text` promises."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import source_pylon
from source_pylon.transform import html_to_text as module
from source_pylon.transform.html_to_text import html_to_text, stripped
from source_pylon.transform.text_layout import Layout

PACKAGE = Path(source_pylon.__file__).parent
MARKER = re.compile(r"-|>|\||\d+\.")
# Everything whose content a reader sees, with tags that do not nest there, and tags that nobody knows.
VISIBLE_TAGS = [
    "a", "b", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "font",
    "form", "h1", "h3", "head", "hr", "html", "i", "img", "li", "main", "noscript", "o:p", "ol",
    "option", "p", "pre", "s", "section", "select", "span", "svg", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "tt", "u", "ul", "unknown-tag", "wbr",
]  # fmt: skip


def words_of(text: str) -> list[str]:
    """The words of a text without the marks that the layout sets."""
    return [word for word in text.split() if not MARKER.fullmatch(word)]


@pytest.mark.parametrize("nothing", [None, "", " ", "\n", "<p></p>", "<br>", "<!-- x -->", "&nbsp;", "<p>&nbsp;</p>"])
def test_html_without_text_becomes_an_empty_text(nothing: str | None) -> None:
    assert html_to_text(nothing) == ""


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "*stars* _underscores_ [brackets](x) `ticks` # 1. - > | \\ ~",
        "two\nlines\n\n  and an indented one",
        "1 < 2 and 3 > 2",
        "I <3 it & you",
        "R&D",
        "日本　語",
        "tab\tinside",
    ],
)
def test_text_without_tags_is_unchanged(text: str) -> None:
    assert html_to_text(text) == text


def test_text_without_tags_has_its_entities_decoded_and_keeps_its_lines() -> None:
    assert html_to_text("a &lt;b&gt; &amp;\n  c") == "a <b> &\n  c"


@pytest.mark.parametrize("text", ["a  \n\n\n\nb\t\n\n", "a  \r\n\r\n\r\n\r\nb", "a  &#10;\n\n&#32;\nb &#32;"])
def test_text_without_tags_loses_trailing_space_and_runs_of_blank_lines(text: str) -> None:
    assert html_to_text(text) == "a\n\nb"


def test_text_with_tags_gets_no_markdown_escapes() -> None:
    assert html_to_text("<p>*a* _b_ [c] #1 `d` \\e</p>") == "*a* _b_ [c] #1 `d` \\e"


def test_paragraphs_are_separated_by_a_blank_line() -> None:
    assert html_to_text("<p>one</p><p>two</p>\n\n\n<p>three") == "one\n\ntwo\n\nthree"


def test_divisions_and_breaks_begin_lines() -> None:
    assert html_to_text("<div>a</div><div>b<br></div><div>c<br>d<br/>e</div>") == "a\nb\nc\nd\ne"


def test_an_empty_line_of_an_editor_is_one_blank_line() -> None:
    assert html_to_text("<div>a</div><div><br></div><div>b</div>") == "a\n\nb"
    assert html_to_text("a<br><br><br><br>b") == "a\n\nb"


def test_words_are_joined_and_separated_as_a_reader_sees_them() -> None:
    assert html_to_text("<p>so<b>me</b>\n  <i>text</i>, <u> here</u> &amp;c</p>") == "some text, here &c"
    assert html_to_text("<p>no&nbsp;&nbsp;break</p>") == "no break"


def test_headings_stand_alone() -> None:
    assert html_to_text("<h1>Title</h1>text<h2>Next</h2>more") == "Title\n\ntext\n\nNext\n\nmore"


def test_lists_have_markers_and_no_blank_lines_between_items() -> None:
    html = "<p>See</p><ul><li>one</li><li><p>two</p></li></ul><ol start='9'><li>nine<li>ten</ol>end"
    assert html_to_text(html) == "See\n\n- one\n- two\n\n9. nine\n10. ten\n\nend"


def test_nested_lists_and_second_lines_are_indented() -> None:
    html = "<ol><li>a<br>b<ul><li>c<ul><li>d</li></ul></li></ul></li><li>e</li></ol>"
    assert html_to_text(html) == "1. a\n   b\n   - c\n     - d\n2. e"


@pytest.mark.parametrize("start", ["", "x", "-3", "1" * 5000, "٣"])
def test_a_list_with_an_odd_start_begins_with_one(start: str) -> None:
    assert html_to_text(f'<ol start="{start}"><li>a</li></ol>') == "1. a"


def test_an_empty_list_item_is_dropped() -> None:
    assert html_to_text("<p>a</p><ul><li></li><li>b</li></ul>") == "a\n\n- b"


def test_definitions_are_indented_below_their_terms() -> None:
    assert html_to_text("<dl><dt>term<dd>meaning</dl>") == "term\n  meaning"


def test_a_link_shows_its_text_and_its_target() -> None:
    assert html_to_text('<a href="https://a.example/x?b=1&amp;c=2">the API</a>!') == (
        "the API (https://a.example/x?b=1&c=2)!"
    )
    assert html_to_text('<a href="mailto:bob@a.example">Bob</a>') == "Bob (bob@a.example)"
    assert html_to_text('x<a href="https://a.example"><div>block</div></a>y') == "x\nblock (https://a.example)\ny"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("https://a.example/", "https://a.example"),
        ("https://a.example/b", "a.example/b"),
        ("http://a.example", "A.example/"),
        ("mailto:bob@a.example", "bob@a.example"),
    ],
)
def test_a_link_whose_text_equals_its_target_is_written_once(target: str, text: str) -> None:
    assert html_to_text(f'<p>go <a href="{target}"><b>{text}</b></a></p>') == f"go {text}"


@pytest.mark.parametrize("target", ["", "#part", "javascript:go()", "JavaScript:go()", "data:text/html,x"])
def test_a_useless_target_is_not_written(target: str) -> None:
    assert html_to_text(f'<a href="{target}">text</a>') == "text"


def test_a_link_without_visible_text_is_dropped() -> None:
    assert html_to_text('a<a href="https://t.example"><img src="https://t.example/p.gif"></a>b') == "ab"


def test_every_line_of_a_quoted_reply_is_marked() -> None:
    quote = "<blockquote><div>Bob wrote:</div><p>old<br>text</p><blockquote>older</blockquote></blockquote>"
    html = f"<p>Yes.</p>{quote}z"
    assert html_to_text(html) == "Yes.\n\n> Bob wrote:\n>\n> old\n> text\n>\n> > older\n\nz"


def test_neighbouring_quotes_are_separated_by_an_unquoted_line() -> None:
    assert html_to_text("<blockquote>a</blockquote>b<blockquote>c</blockquote>") == "> a\n\nb\n\n> c"


def test_a_list_in_a_quote_and_a_quote_in_a_list_remain_recognisable() -> None:
    html = "<blockquote><ul><li>a<blockquote>b</blockquote></li><li>c</li></ul></blockquote>"
    assert html_to_text(html) == "> - a\n>\n>   > b\n> - c"


def test_preformatted_text_keeps_lines_and_indentation() -> None:
    html = "<p>Log:</p><pre>\nTraceback:\n  File <b>&quot;x&quot;</b>\n\n\n\n    boom()  \n</pre><p>end</p>"
    assert html_to_text(html) == 'Log:\n\nTraceback:\n  File "x"\n\n    boom()\n\nend'


def test_preformatted_text_keeps_the_space_around_images_and_breaks() -> None:
    assert html_to_text('<pre>a <img alt="x"> <img alt="y">  <br>  b</pre>') == "a x y\n  b"


def test_inline_code_stays_in_its_line() -> None:
    assert html_to_text("<p>call <code>f(x)</code> now</p>") == "call f(x) now"


def test_cells_of_a_table_are_separated_and_rows_are_lines() -> None:
    html = "<table><thead><tr><th>Name<th>Size</thead><tr><td><p>a</p></td><td></td><td>1<br></td></tr></table>z"
    assert html_to_text(html) == "Name | Size\na | | 1\n\nz"


def test_rows_whose_cells_hold_paragraphs_follow_each_other_without_blank_lines() -> None:
    assert html_to_text("<table><tr><td><p>a</p></td></tr><tr><td><p>b</p></td></tr></table>c") == "a\nb\n\nc"


def test_a_layout_table_leaves_no_separators() -> None:
    html = "<table><tr><td><table><tr><td>a</td></tr><tr><td>b</td></tr></table></td></tr><tr><td>c</table>"
    assert html_to_text(html).split() == ["a", "b", "c"]


def test_entities_and_every_script_survive() -> None:
    text = "Grüße · 日本語 · العربية · עברית · हिन्दी · ไทย · Ελληνικά · 👩‍👩‍👧‍👦 — “x” ½"
    assert html_to_text(f"<p>{text}</p>") == text
    assert html_to_text("<p>&eacute;&#233;&#xE9; &lt;tag&gt; &amp;amp; &#128512; &euro;</p>") == "ééé <tag> &amp; 😀 €"


def test_a_declared_charset_does_not_matter() -> None:
    assert html_to_text('<?xml encoding="latin-1"?><meta charset="iso-8859-1"><p>é日</p>') == "é日"


@pytest.mark.parametrize("tag", ["style", "script", "template", "title", "iframe", "noembed", "noframes", "xml"])
def test_what_a_reader_does_not_see_is_dropped(tag: str) -> None:
    assert html_to_text(f"<p>before</p><{tag}>secret <b>x</b></{tag}><p>after</p>") == "before\n\nafter"
    assert html_to_text(f"<html><head><{tag}>secret</{tag}></head><body>seen</body></html>") == "seen"


def test_a_template_within_a_template_is_dropped() -> None:
    assert html_to_text("<template>a<template>b</template>c</template>d") == "d"


@pytest.mark.parametrize(
    "hidden",
    [
        "<!-- secret <p>x</p> -->",
        "<!--[if mso]>secret<![endif]-->",
        "<![CDATA[secret]]>",
        "<?php secret ?>",
        "<!DOCTYPE secret>",
    ],
)
def test_comments_and_declarations_are_dropped(hidden: str) -> None:
    assert html_to_text(f"{hidden}<p>seen</p>{hidden}") == "seen"


@pytest.mark.parametrize(
    "attributes",
    ['src="https://t.example/p.gif"', 'alt=""', 'alt="x" width="1"', 'alt="x" height="0px"', 'alt=" "'],
)
def test_tracking_pixels_are_dropped(attributes: str) -> None:
    assert html_to_text(f"<p>a<img {attributes}>b</p>") == "ab"


def test_an_image_becomes_its_alternative_text_and_never_its_signed_address() -> None:
    assert html_to_text('<p>a <img src="https://f.example/x?sig=1" alt="screen shot"> b</p>') == "a screen shot b"


@pytest.mark.parametrize("text", ["a\0b", "<p>a\0b</p>"])
def test_null_characters_are_removed(text: str) -> None:
    assert html_to_text(text) == "ab"


@pytest.mark.parametrize("template", ["{}", "<p>{}</p>", "{}&amp;"])
def test_lone_surrogates_become_replacement_characters_and_pairs_are_joined(template: str) -> None:
    text = html_to_text(template.format("a\ud800b\udc00c \ud83d\ude00"))
    assert text.startswith("a\ufffdb\ufffdc \U0001f600")


@pytest.mark.parametrize("tag", ["div", "b", "ul", "li", "blockquote", "table", "td", "a", "pre", "p", "font", "xyz"])
def test_a_hundred_thousand_levels_lose_no_text(tag: str) -> None:
    text = html_to_text(f"<{tag}>" * 100_000 + "end" + f"</{tag}>" * 100_000)
    assert words_of(text) == ["end"]
    assert len(text) < 100


def test_deep_quotes_do_not_multiply_the_text() -> None:
    html = "<blockquote>x<br>y" * 20_000
    assert len(html_to_text(html)) < 4 * len(html)


@pytest.mark.parametrize(
    "html",
    [
        "<p>broken <a href='x",
        "<p>broken <b",
        "</b></p></li></td></a></pre>broken",
        "broken<!-- x",
        "<b><i>broken</b></i>",
    ],
)
def test_broken_tags_keep_the_text_around_them(html: str) -> None:
    assert html_to_text(html) == "broken"


def test_an_attribute_of_ten_megabytes_is_harmless() -> None:
    assert html_to_text(f'<p>a<img src="data:{"A" * 10_000_000}">b</p>') == "ab"


def test_a_text_of_ten_megabytes_is_converted_completely() -> None:
    text = "word " * 2_100_000
    assert html_to_text(f"<p>{text}</p>") == text.strip()


NESTING = ("a", "b", "blockquote", "div", "li", "pre", "table", "unknown")
ENDS = ("b", "body", "li", "p", "td", "unknown-too")
LINK = '<a href="https://a.example">'


def in_deep(outer: str, inner: str) -> Callable[[int], str]:
    """Many elements in each other, and as many of another kind in them, or only their ends."""
    return lambda n: f"<{outer}>" * n + f"x{inner}" * n


NESTED = {
    **{f"</{end}> in <{outer}>": in_deep(outer, f"</{end}>") for outer in NESTING for end in ENDS},
    **{
        f"<{inner}> in <{outer}>": in_deep(outer, f"<{inner}>")
        for outer in ("div", "font")
        for inner in ("a", "body", "form", "head", "li", "option", "p", "td")
    },
}
SHAPES: dict[str, Callable[[int], str]] = {
    "nested and unmatched by turns": lambda n: ("<b>" * 900 + "</x>" * 900 + "</b>" * 900) * (n // 900),
    "links around one long text": lambda n: f"{LINK}<b>" * n + "x" * 10 * n + "</b></a>" * n,
    "links around line breaks": lambda n: f"{LINK}<br><table><td>" * n + "x<br>" * n + "</table></a>" * n,
    "links that end in a long line": lambda n: f"{LINK}<b>" * n + "<br>" + "x<i>" * n + "</a>" * n,
    "a line of many links": lambda n: f"x{LINK}y</a>" * n,
    "a link over many lines": lambda n: f"{LINK}" + "x<br>" * n + "</a>",
    "line breaks in deep quotes": lambda n: "<blockquote>" * n + "x<br>" * n,
    "deep lists": lambda n: "<ul><li>" * n + "x<br>" * n,
    "numbered lists": lambda n: "<ol><li>x" * n,
    "empty cells": lambda n: "<table><tr>" + "<td>" * n + "x",
    "tables in cells": lambda n: "<table><tr><td>x" * n,
    "spaces in preformatted text": lambda n: "<pre>" + "\n <b> " * n + "x",
    "attributes": lambda n: "<p " + "".join(f"a{number}=1 " for number in range(n)) + ">x",
    "an attribute of many entities": lambda n: '<a href="' + "&amp;" * n + '">x</a>',
    "an image's text": lambda n: '<img alt="' + "x " * n + '">',
    "entities": lambda n: "&am&#x&#1" * n,
    "a number of many digits": lambda n: "&#" + "1" * n + ";<b>",
    "open comments": lambda n: "<!--" * n,
    "half ends of a comment": lambda n: "<!--" + "--!- -" * n,
    "open declarations": lambda n: "<!DOCTYPE<?<![CDATA[" * n,
    "open tags": lambda n: "<a <b " * n,
    "open quotes": lambda n: "<a href='" * n + '<a href="' * n,
    "half ends of a script": lambda n: "<script>" * n + "</scrip" * n,
    "half ends of a title": lambda n: "<title>" + "</titl" * n,
    "templates": lambda n: "<template>x" * n + "</template>" * n,
    "lone less-than signs": lambda n: "< <" * n,
    "surrogates and nulls": lambda n: "\ud83d\0<b>" * n,
    "lines without a tag": lambda n: "x \n\r\n " * n,
}  # fmt: skip


def seconds(convert: Callable[[str], object], html: str) -> float:
    """The CPU time of a conversion."""
    begun = time.thread_time()
    convert(html)
    return time.thread_time() - begun


def assert_linear(convert: Callable[[str], object], shape: Callable[[int], str]) -> None:
    """Quadratic time would be 16 times as much; the texts are so long that it would outweigh the fixed part."""
    small, large = seconds(convert, shape(7_500)), seconds(convert, shape(30_000))
    assert large < 8 * small + 0.2


@pytest.mark.parametrize("shape", [*NESTED, *SHAPES])
def test_time_grows_in_proportion_to_the_text(shape: str) -> None:
    assert_linear(html_to_text, {**NESTED, **SHAPES}[shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_stripping_takes_time_in_proportion_to_the_text(shape: str) -> None:
    assert_linear(stripped, SHAPES[shape])


@pytest.mark.parametrize("outer", ["div", "b", "blockquote", "table", "unknown"])
def test_a_text_that_would_take_too_long_loses_its_layout_and_no_word(outer: str) -> None:
    html = (
        f"<{outer}>" * 40_000 + "<p>one</p>two<style>hidden</style><!-- hidden > --> &amp; three" + " four</x>" * 40_000
    )
    words = html_to_text(html).split()
    assert words == ["one", "two", "&", "three"] + ["four"] * 40_000


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br>two</p>three", "one\ntwo\nthree"),
        ("a<b>b</b> <td>c</td><img src=x>d", "ab c d"),
        ("a<script>hidden < </script>b<SCRIPT>hidden</Script >c", "abc"),
        ("a<script>hidden", "a"),
        ("a<!-- <b> > -->b<!-- open", "ab"),
        ("a<open", "a"),
        ("1 < 2 &lt;b&gt; &#128512; &#11111111111111111111111111;", "1 < 2 <b> \U0001f600 \ufffd"),
        ("<div><div><div>a</div></div></div><p></p><p></p>b", "a\n\nb"),
        ("<?php x ?><!DOCTYPE x></p>a", "a"),
    ],
)
def test_stripping_leaves_the_text_in_lines(html: str, text: str) -> None:
    assert stripped(html) == text


def test_the_targets_of_links_can_be_left_out() -> None:
    html = '<p>see <a href="https://a.example/?signature=1">the report</a></p>'
    assert html_to_text(html, links=False) == "see the report"
    assert html_to_text(html) == "see the report (https://a.example/?signature=1)"


def test_threads_do_not_disturb_each_other() -> None:
    failures: list[str] = []

    def convert(name: str) -> None:
        for number in range(200):
            text = html_to_text(f"<p>{name}</p><ul><li>{number}</li></ul>")
            if text != f"{name}\n\n- {number}":
                failures.append(text)

    threads = [threading.Thread(target=convert, args=(f"thread{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_interrupted_text_does_not_leak_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_layout: Layout, _text: str) -> None:
        raise KeyboardInterrupt

    # A parser that exists already would not notice the replaced method.
    monkeypatch.setattr(module, "_CONVERTER", module._Converter())
    with monkeypatch.context() as patch:
        patch.setattr(Layout, "data", interrupt)
        with pytest.raises(KeyboardInterrupt):
            html_to_text("<p>first<template>")
    assert html_to_text("<p>second</p>") == "second"


def test_the_library_is_imported_only_when_html_is_read() -> None:
    script = (
        "import sys; from source_pylon.transform.html_to_text import html_to_text; html_to_text('plain');"
        "assert 'lxml' not in sys.modules; html_to_text('<p>x</p>'); assert 'lxml' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACKAGE.parent)


def test_only_one_module_imports_the_library() -> None:
    pattern = re.compile(r"^\s*(?:from|import) lxml", re.MULTILINE)
    users = [path.name for path in PACKAGE.rglob("*.py") if pattern.search(path.read_text(encoding="utf-8"))]
    assert users == ["html_to_text.py"]


# Any string: characters that mean something in HTML are frequent.
ANY_TEXT = st.lists(
    st.one_of(
        st.text(alphabet="<>/!-=\"'&;#x19 \t\r\n\0ab\ud800\udfffé日\xa0\u3000\u2028", max_size=6),
        st.text(alphabet=st.characters(), max_size=4),
        st.sampled_from(["<p>", "<li>", "<td>", "<pre>", "<!--", "-->", "<script>", "</", "&amp;", "&#", "<a href="]),
    ),
    max_size=30,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_any_string_becomes_clean_text(html: str) -> None:
    text = html_to_text(html)
    text.encode("utf-8")
    assert "\0" not in text
    assert "\n\n\n" not in text
    assert text == text.rstrip()
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert html_to_text(html) == text


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(alphabet="<>/!=\"'& abcéß日", max_size=8),
            st.sampled_from(["<p>", "<b>", "</p>", "<pre>", "&amp;", "&eacute;", "&lt;", "<!--", "-->", "</script>"]),
        ),
        max_size=20,
    ).map("".join)
)
def test_no_character_is_invented(html: str) -> None:
    assert set(html_to_text(html)) - {"\n", " "} <= set(unescape(html))


TAGS = st.sampled_from(VISIBLE_TAGS).flatmap(lambda tag: st.sampled_from([f"<{tag}>", f"</{tag}>", f"<{tag} x=y>"]))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(TAGS, st.just(None)), max_size=40))
def test_every_visible_word_appears_once_and_in_order(pieces: list[str | None]) -> None:
    words = [f"word{number}x" for number, piece in enumerate(pieces) if piece is None]
    html = "".join(piece or f" word{number}x " for number, piece in enumerate(pieces))
    assert words_of(html_to_text(html)) == words


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            TAGS,
            st.integers(0, 99).map("text{} ".format),
            st.integers(0, 99).map('<a href="https://target{}.example">'.format),
            st.integers(0, 99).map('<img src="https://hidden.example" alt="image{}">'.format),
            st.integers(0, 99).map("<style>hidden{}</style>".format),
            st.integers(0, 99).map("<!-- hidden{} -->".format),
        ),
        max_size=40,
    ).map(" ".join)
)
def test_every_word_comes_from_the_text_or_a_visible_attribute(html: str) -> None:
    known = set(re.findall(r"text\d+|image\d+|https://target\d+\.example", html))
    assert {word.strip("()") for word in words_of(html_to_text(html))} <= known

"""HTML of support messages as readable plain text.

In: HTML as Pylon returns it (`body_html`, `message_html`), or text without any tag. Out: plain text with
"\\n" line ends, no trailing white space, no two blank lines in a row, always encodable as UTF-8. Nothing is
raised for any string.

What a reader sees is kept: paragraphs and line breaks, list markers ("- ", "1. "), quoted replies ("> "
before each line), cells of a table (" | " between them), preformatted text, the target of a link in
parentheses behind its text, the alternative text of images. Style sheets, scripts, titles, templates,
comments and images without alternative text leave nothing. An image's address is never written: Pylon signs
file links anew at every read, so the text of an unchanged message would differ. CSS is not interpreted: text
hidden by a style is kept, because losing a customer's words is worse than keeping a mail's preview line.

docs/architecture.md says why lxml is used. libxml2 searches all open elements for the one that an end tag closes,
which takes quadratic time where many are open and many end tags close none of them. Such a text, which no mail program
writes, is only stripped of its tags: without list markers, quote marks and targets of links.
"""

from __future__ import annotations

import re
import threading
from html import unescape
from typing import Any

from source_pylon.transform.clean import clean_text
from source_pylon.transform.text_layout import INVISIBLE, LINES, PARAGRAPHS, PREFORMATTED, SPACES, Layout

# What makes a text HTML; "<3" and "a < b" do not.
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_AT_ONCE = 16_384
"""Characters that the parser gets at once. A text of 15 MB in one piece takes 260 MB for a moment, and the most that
one piece can cost bounds the time per character."""
_MIN_WORK = 10_000_000
_WORK_PER_CHARACTER = 64
"""How many comparisons of a tag with an open element the parser may do: about 3 ns each, so 0.03 s, and as much again
as parsing usual HTML takes."""


class _Converter:
    """One parser and layout for all threads, because making a parser costs as much as using it.

    It converts one text at a time. lxml takes and releases the interpreter's lock for each tag, so threads that convert
    at once mostly wake each other: a sync with ten workers took half as much CPU again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parser: Any = None
        self._layout = Layout()

    def convert(self, html: str, *, preformatted: bool, links: bool) -> str:
        with self._lock:
            return self._convert(html, preformatted=preformatted, links=links)

    def _convert(self, html: str, *, preformatted: bool, links: bool) -> str:
        self._layout.reset(preformatted=preformatted, links=links)
        if self._parser is None:
            from lxml import etree  # type: ignore[import-untyped]  # imported when the first message needs it

            # huge_tree lifts the limits on depth and length; an HTML parser loads no entity and no file.
            self._parser = etree.HTMLParser(target=self._layout, encoding="utf-8", huge_tree=True)
        parser, self._parser = self._parser, None  # a parser that was interrupted in a text is not used again
        work = 0
        for start in range(0, len(html), _AT_ONCE):
            piece = html[start : start + _AT_ONCE]
            parser.feed(piece.encode("utf-8"))
            work += self._layout.depth * piece.count("<")
            if work > _MIN_WORK + _WORK_PER_CHARACTER * start:
                return stripped(html)
        text: str = parser.close()
        self._parser = parser
        return text


_CONVERTER = _Converter()


_TAG = re.compile(r"<(?:!--|(/?)([A-Za-z][^\s/>]*)|[!?/])")
_BREAKS = frozenset((*LINES, *PARAGRAPHS, *PREFORMATTED, "blockquote", "br", "dd", "li", "ol", "tr", "ul"))
_GAPS = frozenset(("img", "td", "th"))
_LONG_NUMBER = re.compile("&#[0-9]{20,};?")


def stripped(html: str) -> str:
    """Make text of HTML by leaving out tags and invisible contents, in linear time for any input.

    Blocks begin lines; nothing else is kept of the layout.
    """
    parts: list[str] = []
    end = 0
    while (tag := _TAG.search(html, end)) is not None:
        parts.append(html[end : tag.start()])
        slash, name = tag.group(1), (tag.group(2) or "").lower()
        closing = "-->" if tag.group() == "<!--" else ">"
        end = html.find(closing, tag.end()) + len(closing)
        if end < len(closing):  # not found
            break
        if name in INVISIBLE and not slash:
            hidden = re.compile(f"</{name}", re.IGNORECASE).search(html, end)
            if hidden is None:
                break
            end = hidden.start()
        elif name in _BREAKS:
            parts.append("\n")
        elif name in _GAPS:
            parts.append(" ")
    else:
        parts.append(html[end:])
    text = decode_entities("".join(parts))
    return normalise("\n".join(SPACES.sub(" ", line).strip() for line in text.split("\n")).strip("\n"))


def decode_entities(text: str) -> str:
    """Replace the character references of HTML by their characters, as `html.unescape` does, for any text.

    Numbers of very many digits are no character, and take quadratic time or an error where Python converts them.
    """
    return unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text


def normalise(text: str) -> str:
    """Return plain text with its own line breaks, without trailing white space and without runs of blank lines."""
    if "\n" not in text and "\r" not in text:
        return text.rstrip()
    lines: list[str] = []
    for raw_line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw_line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).rstrip("\n")


def html_to_text(html: str | None, *, links: bool = True) -> str:
    """Make readable plain text of HTML; text without a tag keeps its line breaks, null gives an empty one.

    `links=False` leaves out the targets of links.
    """
    if not html:
        return ""
    html = clean_text(html)
    if "<" not in html and "&" not in html:
        return normalise(html)
    return _CONVERTER.convert(html, preformatted=_MARKUP.search(html) is None, links=links)

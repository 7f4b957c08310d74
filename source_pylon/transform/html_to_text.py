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

Why lxml (BSD-3-Clause, wheels for Python 3.10 to 3.14) and a layout of our own: measured on one core, Python
3.11, microseconds for a mail of 0.8 KB with a list, a table and quotes, and for 1.5 KB of 12 paragraphs with
links; seconds for 10 MB, and for 100,000 nested elements.

| library | 0.8 KB | 1.5 KB | 10 MB | nested | why not |
| --- | --- | --- | --- | --- | --- |
| lxml 6.1 events and this layout | 126 | 155 | 1.3 | 0.2 | |
| html-to-markdown 3.21, plain | 189 | 194 | 1.4 | text lost | drops link targets and quote marks |
| resiliparse 2.0 | 110 | 111 | 0.4 | 0.1 | drops link targets and quote marks |
| inscriptis 2.7 | 503 | 615 | 4.5 | text lost | quotes only indented; needs Python 3.11 |
| markdownify 1.2 | 2024 | 3011 | > 30 | | Markdown escapes; slow |
| selectolax 1.0, parsing alone | 38 | 43 | 0.4 | 34 | quadratic in the depth |

lxml's event interface builds no tree: time is linear in the input and the depth is unbounded. Version 6 is
the first whose wheels hold libxml2 2.14, which cuts HTML into tokens as browsers do.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from source_pylon.transform.text_layout import Layout

# What makes a text HTML; "<3" and "a < b" do not.
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_AT_ONCE = 65_536
"""Characters that the parser gets at once: whole, a text of 15 MB takes 260 MB for a moment."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _Converter(threading.local):
    """One parser and layout per thread: making a parser costs as much as using it, and none can be shared."""

    def __init__(self) -> None:
        self._parser: Any = None
        self._layout = Layout()

    def convert(self, html: str, *, preformatted: bool) -> str:
        self._layout.reset(preformatted=preformatted)
        if self._parser is None:
            from lxml import etree  # type: ignore[import-untyped]  # imported when the first message needs it

            # huge_tree lifts the limits on depth and length; an HTML parser loads no entity and no file.
            self._parser = etree.HTMLParser(target=self._layout, encoding="utf-8", huge_tree=True)
        parser, self._parser = self._parser, None  # a parser that was interrupted in a text is not used again
        for start in range(0, len(html), _AT_ONCE):
            parser.feed(html[start : start + _AT_ONCE].encode("utf-8"))
        text: str = parser.close()
        self._parser = parser
        return text


_CONVERTER = _Converter()


def _normalise(text: str) -> str:
    """Plain text with its own line breaks, without trailing white space and runs of blank lines."""
    if "\n" not in text and "\r" not in text:
        return text.rstrip()
    lines: list[str] = []
    for raw_line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = raw_line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).rstrip("\n")


def html_to_text(html: str | None) -> str:
    """Make readable plain text of HTML; text without a tag keeps its line breaks, null gives an empty one."""
    if not html:
        return ""
    if not html.isascii() and _SURROGATE.search(html):
        html = html.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\0" in html:
        html = html.replace("\0", "")  # invisible, and PostgreSQL refuses it in a text
    if "<" not in html and "&" not in html:
        return _normalise(html)
    return _CONVERTER.convert(html, preformatted=_MARKUP.search(html) is None)

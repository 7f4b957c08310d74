"""The layout of HTML as plain text: a target for an event parser that turns tags and text into lines.

In: start, end and data events of an HTML parser, in document order, balanced or not. Out: the text, from
`close`. Time and memory are linear in the input, whatever it is, and nothing is raised. What a reader gets is
described in `source_pylon.transform.html_to_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

_Attributes = Mapping[str, str]
_Handler = Callable[[_Attributes], None]

# HTML's own white space and the no-break space. Not str.split(): other scripts' spaces (U+3000) are text.
_SPACE_CHARACTERS = " \t\n\r\f\xa0"
SPACES = re.compile(f"[{_SPACE_CHARACTERS}]+")

INVISIBLE = ("iframe", "noembed", "noframes", "script", "style", "template", "title", "xml")
PREFORMATTED = ("listing", "plaintext", "pre", "textarea", "xmp")
PARAGRAPHS = ("dl", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "table")
LINES = (
    "address", "article", "aside", "body", "caption", "center", "details", "div", "dt", "fieldset",
    "figcaption", "footer", "header", "html", "legend", "main", "nav", "optgroup", "option", "section",
    "summary",
)  # fmt: skip

# Deeper quotes and lists are not indented further: a prefix as long as the nesting is deep, on every line,
# would make gigabytes of a few megabytes.
_LONGEST_PREFIX = 16
# A link's text is compared with its target only when it is made of at most so many pieces and is hardly longer than
# the target: nested links around a long text would take quadratic time otherwise.
_COMPARED_PIECES = 8
_COMPARED_SPACE = 100


class Layout:
    """The target of lxml's parser: takes its events, makes lines; used for many texts, one at a time.

    White space is owed, not written: `gap` (1 a new line, more a blank line too), `cells` (table cells begun)
    and `space` are paid when the next visible text comes, and forgotten when none does.
    """

    def __init__(self) -> None:
        self._starts: dict[str, _Handler] = {
            **dict.fromkeys(INVISIBLE, self._invisible_start),
            **dict.fromkeys(PREFORMATTED, self._preformatted_start),
            **dict.fromkeys(PARAGRAPHS, partial(self._block_start, 2)),
            **dict.fromkeys(LINES, partial(self._block_start, 1)),
            **dict.fromkeys(("ul", "menu", "dir"), self._list_start),
            **dict.fromkeys(("td", "th"), self._cell_start),
            "ol": self._numbered_start, "li": self._item_start, "dd": partial(self._indent_start, 1, "  "),
            "tr": self._row_start, "br": self._line_break, "blockquote": partial(self._indent_start, 2, "> "),
            "a": self._link_start, "img": self._image,
        }  # fmt: skip
        self._ends: dict[str, Callable[[], None]] = {
            **dict.fromkeys(INVISIBLE, self._invisible_end),
            **dict.fromkeys(PREFORMATTED, self._preformatted_end),
            **dict.fromkeys(PARAGRAPHS, partial(self._ask_gap, 2)),
            **dict.fromkeys(LINES, partial(self._ask_gap, 1)),
            **dict.fromkeys(("ul", "ol", "menu", "dir"), self._list_end),
            **dict.fromkeys(("td", "th"), self._cell_end),
            "tr": self._row_end, "li": self._item_end, "dd": partial(self._indent_end, 1),
            "blockquote": partial(self._indent_end, 2), "a": self._link_end,
        }  # fmt: skip
        self.reset(preformatted=False)

    def reset(self, *, preformatted: bool, links: bool = True) -> None:
        """Forget everything; `preformatted` keeps the line breaks of what comes (text without tags).

        `links` tells whether the targets of links are written.
        """
        self._lines: list[str] = []
        self._line: list[str] = []
        self._line_prefix = ""
        self._prefixes = [""]
        self._lead: str | None = None  # the list marker that the next line begins with, instead of its prefix
        self._gap = 1
        self._cells = 0
        self._space = False
        self._held: list[str] = []  # white space of preformatted text, written if text follows on the line
        self._tight = False  # at the beginning of a list item or cell: inner paragraphs begin no new line
        self._hidden = 0
        self._preformatted = int(preformatted)
        self._targets = links
        self.depth = 0
        """How many elements are open: libxml2 searches them all for the one that an end tag closes."""
        self._lists: list[int | None] = []  # next number of each open list, null for bullets
        self._rows: list[int] = []  # for each open table row: pieces written when it began
        self._links: list[tuple[str, int, int, int]] = []
        self._written = 0

    # --- The parser's interface

    def start(self, tag: str, attributes: _Attributes) -> None:
        """Take an opening tag; within something invisible only invisible ones count."""
        self.depth += 1
        handler = self._starts.get(tag)
        if handler is not None and (not self._hidden or tag in INVISIBLE):
            handler(attributes)

    def end(self, tag: str) -> None:
        """Take a closing tag, also one that closes nothing."""
        self.depth -= 1
        handler = self._ends.get(tag)
        if handler is not None and (not self._hidden or tag in INVISIBLE):
            handler()

    def data(self, text: str) -> None:
        """Take text with its entities decoded; the parser cuts it as it likes."""
        if self._hidden:
            return
        if self._preformatted:
            self._preformatted_data(text)
            return
        collapsed = " ".join(text.split()) if text.isascii() else SPACES.sub(" ", text).strip(" ")
        if not collapsed or collapsed.isspace():
            self._space = True
            return
        if text[0] in _SPACE_CHARACTERS:
            self._space = True
        self._write(collapsed)
        self._space = text[-1] in _SPACE_CHARACTERS

    def close(self) -> str:
        """Give the text and forget it."""
        self._flush()
        text = "\n".join(self._lines)
        self.reset(preformatted=False)  # holds no customer's text, and no memory, until the next one
        return text

    # --- Writing

    def _write(self, text: str) -> None:
        """Append visible text after the white space that is owed."""
        if self._gap:
            self._new_line()
        elif self._cells:
            self._line.append(" |" * self._cells + " ")
        elif self._space:
            self._line.append(" ")
        self._cells = 0
        self._space = self._tight = False
        if self._held:
            self._line += self._held
            self._held.clear()
        self._line.append(text)
        self._written += 1

    def _new_line(self) -> None:
        prefix = self._prefixes[-1]
        if self._line:
            self._flush()
            if self._gap > 1:
                self._lines.append(_common(prefix, self._line_prefix).rstrip())
        self._line = [prefix if self._lead is None else self._lead]
        self._line_prefix = prefix
        self._lead = None
        self._gap = 0

    def _flush(self) -> None:
        if self._line:
            self._lines.append("".join(self._line).rstrip())

    def _preformatted_data(self, text: str) -> None:
        for number, part in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if number:
                self._gap += 1
                self._held.clear()
            if part.isspace():
                self._held.append(part)
            elif part:
                self._space = False
                self._write(part.replace("\xa0", " "))

    def _ask_gap(self, lines: int) -> None:
        self._gap = max(self._gap, lines)
        self._held.clear()

    def _push_prefix(self, addition: str) -> None:
        prefix = self._prefixes[-1]
        self._prefixes.append(prefix + addition if len(prefix) < _LONGEST_PREFIX else prefix)

    def _pop_prefix(self) -> None:
        if len(self._prefixes) > 1:
            self._prefixes.pop()

    # --- Blocks

    def _line_break(self, _: _Attributes) -> None:
        if not self._tight:
            self._gap += 1
            self._held.clear()

    def _block_start(self, lines: int, _: _Attributes) -> None:
        if not self._tight:
            self._ask_gap(lines)

    def _indent_start(self, lines: int, prefix: str, _: _Attributes) -> None:
        self._ask_gap(lines)
        self._push_prefix(prefix)

    def _indent_end(self, lines: int) -> None:
        self._ask_gap(lines)
        self._pop_prefix()

    def _preformatted_start(self, _: _Attributes) -> None:
        self._ask_gap(2 if not self._tight else 1)
        self._preformatted += 1

    def _preformatted_end(self) -> None:
        self._preformatted = max(self._preformatted - 1, 0)
        self._ask_gap(2)

    def _invisible_start(self, _: _Attributes) -> None:
        self._hidden += 1

    def _invisible_end(self) -> None:
        self._hidden = max(self._hidden - 1, 0)

    # --- Lists

    def _list_start(self, _: _Attributes) -> None:
        self._ask_gap(1 if self._lists else 2)
        self._lists.append(None)

    def _numbered_start(self, attributes: _Attributes) -> None:
        self._list_start(attributes)
        first = attributes.get("start") or ""
        # A bounded number: nothing else of the attribute is text.
        self._lists[-1] = int(first) if len(first) < 8 and first.isascii() and first.isdigit() else 1

    def _list_end(self) -> None:
        if self._lists:
            self._lists.pop()
        self._ask_gap(1 if self._lists else 2)

    def _item_start(self, _: _Attributes) -> None:
        self._ask_gap(1)
        marker = "- "
        number = self._lists[-1] if self._lists else None
        if number is not None:
            marker = f"{number}. "
            self._lists[-1] = number + 1
        self._lead = self._prefixes[-1] + marker
        self._push_prefix(" " * len(marker))
        self._tight = True

    def _item_end(self) -> None:
        if self._lead is None:  # not an empty item
            self._gap = 1  # items follow each other without blank lines, also when they hold paragraphs
        self._lead = None
        self._tight = False
        self._pop_prefix()

    # --- Tables

    def _row_start(self, attributes: _Attributes) -> None:
        self._block_start(1, attributes)
        self._rows.append(self._written)

    def _row_end(self) -> None:
        if self._rows and self._written > self._rows.pop():
            self._gap = 1  # rows follow each other without blank lines, also when cells hold paragraphs
        self._cells = 0
        self._ask_gap(1)

    def _cell_start(self, _: _Attributes) -> None:
        if self._rows and self._written > self._rows[-1]:
            self._cells += 1
            self._gap = 0
            self._tight = True
        elif self._rows:
            self._tight = True
        else:
            self._space = True

    def _cell_end(self) -> None:
        self._tight = False

    # --- Links and images

    def _link_start(self, attributes: _Attributes) -> None:
        target = "".join((attributes.get("href") or "").split())
        self._links.append((target, self._written, len(self._lines), len(self._line)))

    def _link_end(self) -> None:
        if not self._links:
            return
        target, written, lines, pieces = self._links.pop()
        if not self._targets or self._written == written or not _is_readable_target(target):
            return
        target = target[7:] if target[:7].lower() == "mailto:" else target
        first = pieces if len(self._lines) == lines else 1
        if len(self._line) - first <= _COMPARED_PIECES:
            text = self._line[first:]
            if sum(map(len, text)) <= len(target) + _COMPARED_SPACE and _shows("".join(text), target):
                return
        self._line.append(f" ({target})")

    def _image(self, attributes: _Attributes) -> None:
        text = SPACES.sub(" ", attributes.get("alt") or "").strip()
        if text and not _is_pixel(attributes):
            self._write(text)


def _common(one: str, other: str) -> str:
    """What two line prefixes begin with: a blank line between quotes belongs to the quote around both."""
    if one == other:
        return one
    length = min(len(one), len(other))
    return next((one[:size] for size in range(length, 0, -1) if one[:size] == other[:size]), "")


def _is_readable_target(target: str) -> bool:
    """Whether a link leads a reader somewhere: not within its own page, not to a script or to inline data."""
    return bool(target) and not target[:11].lower().startswith(("#", "javascript:", "data:"))


def _shows(text: str, target: str) -> bool:
    """Whether a link's text is its target as people write it: the scheme and a last slash do not count."""
    text, target = text.strip().rstrip("/").lower(), target.rstrip("/").lower()
    schemes = ("", "http://", "https://")  # ignore-https-check
    return target.endswith(text) and target[: len(target) - len(text)] in schemes


def _is_pixel(attributes: _Attributes) -> bool:
    sizes = (attributes.get("width"), attributes.get("height"))
    return any(size is not None and size.strip().removesuffix("px") in ("0", "1") for size in sizes)

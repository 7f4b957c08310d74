"""Decides which messages, bodies and files of issues are public. No other module decides that.

Pylon marks internal notes twice: `is_private` is true, and `thread_id` is set. A message is public only if both say so.
An issue's `body_html` and `attachment_urls` have no such mark, although both can come from an internal note, so they
are compared with the issue's messages:

- The **body** is emitted only if the issue's messages were read, no internal note equals it, contains it or is
  contained in it, and the body does not show most of a note, not even within an attribute or a comment of its HTML.
  Words that a public message shows as well do not count. Texts are compared without white space, URLs, punctuation and
  upper case, because the links of one text are signed anew at every read, and because both a note and the body can
  decorate what they repeat.
- An **attachment** is emitted only if a public message, or a body that is emitted, refers to the same file. Files are
  compared by host, path and the part of the query that is not a signature.

If the messages were not read, there is nothing to compare with, and neither is emitted. `trust_issue_body` is the
user's statement that bodies are public in this organisation; it has an effect only if there is nothing to compare with.

In doubt, content is private: an unknown shape, an unknown query parameter or an unreadable URL is withheld.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from source_pylon.transform.html_to_text import decode_entities, html_to_text

Message = Mapping[str, Any]

_SHORT = 20
"""A body of fewer characters (without white space and URLs) is not searched for within notes: "Thanks" is in many."""
_LARGE = 100_000
"""The words of a text of more characters are not kept all at once: they take ten times its memory."""
_RUN_LETTERS = 24
"""Texts are compared by runs of successive words with so many letters, about five words. Shorter runs are shared by
chance, and one of this length by a common greeting, so a body is withheld if it shows more than half of a note."""

# --- Messages


def is_public(message: Message) -> bool:
    """Return whether a message is certainly visible to the requester.

    True only if `is_private` is plain `false` and `thread_id`, which Pylon sets for internal notes only, is null, empty
    or missing.
    """
    return message.get("is_private") is False and message.get("thread_id") in (None, "")


def is_unclear(message: Message) -> bool:
    """Return whether a message does not say clearly whether it is private; it counts as private.

    Either `is_private` is missing, or it is false although the message has the thread of an internal note.
    """
    return message.get("is_private", False) is False and not is_public(message)


def public_messages(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the public ones of an issue's messages, unchanged and in the same order."""
    return [message for message in messages if is_public(message)]


# --- The body


def public_body(body: Any, messages: Sequence[Message] | None, *, trust_issue_body: bool = False) -> Any:
    """Return an issue's `body_html` if it is public, else None.

    `messages` are all messages of the issue, internal notes included; None where they were not read.
    """
    if messages is None:
        return body if trust_issue_body else None
    notes = [message for message in messages if not is_public(message)]
    if not body or not notes:
        return body
    content = _as_text(body)
    if content is None:
        return None
    files = _files_in(content)
    shown = {file for message in messages if is_public(message) for file in _files_of(message)} if files else set()
    text = html_to_text(content, links=False)
    compared = _forms(text)
    if not compared.compact and not (files and files <= shown):
        return None  # only images, or nothing: no text shows whether they belong to a note
    written_notes = []
    for note in notes:
        # A page that both link to means nothing, but an image or a file of the note does.
        if files and not files.isdisjoint(set(_files_of(note, linked=False)) - shown):
            return None
        html = _as_text(note.get("message_html"))
        if html is None:
            return None
        written = html_to_text(html, links=False)
        if _overlap(compared, written):
            return None
        written_notes.append(written)
    # The HTML as it is shows what the text does not: attributes and comments.
    similar_notes = _similar(written_notes, (text, content))
    in_notes = {run.digest for written in similar_notes for run in _runs(_words(written))}
    leaving = _shared(text, in_notes) | _shared(content, in_notes)
    shown_notes = [written for written in similar_notes if _shows_most(written, leaving)]
    if shown_notes:
        for message in messages:
            if is_public(message):
                html = _as_text(message.get("message_html")) or ""
                leaving -= _shared(html_to_text(html, links=False), leaving)
    return None if any(_shows_most(written, leaving) for written in shown_notes) else body


class _Comparable(NamedTuple):
    """A text in the two forms in which texts are compared."""

    compact: str
    """Without URLs and white space."""
    letters: str
    """Letters and digits alone, without case: layout, quote marks and typography do not count."""


# A scheme of at most 15 characters keeps the search linear. Only printable ASCII belongs to a URL: Chinese or Japanese
# text can follow without a space.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,14}://|www\.)[!-~]*")
_LETTERS = re.compile(r"[^\W_]+")
_NOT_LETTERS = re.compile(r"[\W_]+")


def _forms(text: str) -> _Comparable:
    text = _plain(text)
    return _Comparable("".join(text.split()), _NOT_LETTERS.sub("", text))


def _plain(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if "://" in text or "www." in text:
        text = _URL.sub(" ", text)
    return text.casefold()


class _Run(NamedTuple):
    """Successive words of a text that have just enough letters; `start` and `end` are positions among its words."""

    start: int
    end: int
    digest: int


def _words(text: str) -> Iterable[str]:
    text = _plain(text)
    return _LETTERS.findall(text) if len(text) < _LARGE else (found.group() for found in _LETTERS.finditer(text))


def _letters(words: Iterable[str]) -> int:
    return sum(map(len, words))


def _similar(notes: Sequence[str], texts: Iterable[str]) -> list[str]:
    """Return the notes of which most is made of words that the texts have too, in any order.

    The texts cannot show most of any other note. Comparing runs takes several times as long.
    """
    in_notes = {word for note in notes for word in _words(note)}
    shared = {word for text in texts for word in _words(text) if word in in_notes}
    return [
        note for note in notes if 2 * _letters(word for word in _words(note) if word in shared) > _letters(_words(note))
    ]


def _runs(words: Iterable[str]) -> Iterator[_Run]:
    """Yield the runs of a text, one for each word that begins one. A body may have millions: none is kept."""
    window: deque[str] = deque()
    letters = start = 0
    for end, word in enumerate(words, 1):
        window.append(word)
        letters += len(word)
        while letters >= _RUN_LETTERS:
            yield _Run(start, end, hash(tuple(window)))
            letters -= len(window.popleft())
            start += 1


def _shared(text: str, digests: set[int]) -> set[int]:
    """Return those of the runs that a text has."""
    return {run.digest for run in _runs(_words(text)) if run.digest in digests} if digests else set()


def _shows_most(note: str, leaving: set[int]) -> bool:
    """Whether the runs that would be emitted hold more than half of the letters of a note."""
    words = list(_words(note))
    letters = end = 0
    for run in _runs(words):
        if run.digest in leaving:
            letters += _letters(words[max(run.start, end) : run.end])
            end = run.end
    return 2 * letters > _letters(words)


def _overlap(body: _Comparable, text: str) -> bool:
    """Whether a body equals the text of a note, contains it or is contained in it; a short body: whether it equals the
    note, or one line of it, such as the one above a signature.
    """
    whole = _forms(text)
    if _equal(body, whole):
        return True
    if len(body.compact) < _SHORT:
        return any(_equal(body, _forms(line)) for line in text.split("\n") if line)
    return _one_holds_the_other(body.compact, whole.compact) or _one_holds_the_other(body.letters, whole.letters)


def _one_holds_the_other(one: str, other: str) -> bool:
    # An empty text, such as that of a note with only an image, is part of every text and means nothing.
    return bool(one and other) and (one in other or other in one)


def _equal(one: _Comparable, other: _Comparable) -> bool:
    return one.compact == other.compact or bool(one.letters and one.letters == other.letters)


def _as_text(value: object) -> str | None:
    """A field's text; None where it has a shape that cannot be compared."""
    if value is None:
        return ""
    return str(value) if isinstance(value, (str, int, float)) else None


# --- Attachments


def public_attachments(urls: Any, body: Any, messages: Sequence[Message] | None) -> list[str] | None:
    """Return those of an issue's `attachment_urls` that belong to a public message or to `body`.

    `body` is the issue's body if it is emitted, else None; for `messages` see `public_body`. Returns None if neither is
    given, and for a value that is not a list, because the attachments cannot be judged then.
    """
    if not isinstance(urls, list) or (messages is None and not body):
        return None
    if not urls:
        return []
    in_body = _files_in(body) if isinstance(body, str) else set()
    shown = Counter[_File]()
    hidden: set[_Place] = set()
    for message in messages or ():
        if is_public(message):
            shown.update(set(_files_of(message)))
        else:
            hidden.update(note_file.place for note_file in _files_of(message))
    places = Counter[_Place]()
    for shown_file, times in shown.items():
        places[shown_file.place] += times
    # The body mostly repeats a message, with links that are signed anew: its files are not counted a second time.
    places |= Counter(file.place for file in in_body)
    shown.update(in_body)
    listed = [(url, file) for url in urls if isinstance(url, str) and (file := _file(url)) is not None]
    asked = Counter(file.place for _, file in listed)

    def belongs(file: _File) -> bool:
        if file in shown:
            return True
        if file.place not in places:
            return False
        # A token is the signature of a link, or else the only name of its file. It counts as a signature only where
        # that cannot mix up two files.
        return not file.tokens or (file.place not in hidden and asked[file.place] <= places[file.place])

    return [url for url, file in listed if belongs(file)]


_Place = tuple[str, str, tuple[tuple[str, str], ...]]


class _File(NamedTuple):
    """What identifies the file that a URL leads to."""

    place: _Place
    """Host, path, and the query without signature and tokens."""
    tokens: tuple[tuple[str, str], ...]
    """Query parameters that may be a signature or may name the file."""


_SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
"""Amazon S3 (Signature Version 4) and Google Cloud Storage (V4)."""
_SIGNATURES = {"signature", "x-signature"}
_SIGNED_WITH = {
    # Amazon CloudFront, S3 (Signature Version 2), Google Cloud Storage (V2).
    "signature": {"expires", "policy", "key-pair-id", "awsaccesskeyid", "googleaccessid"},
    "x-signature": {"expires", "x-expires"},
    # Azure Storage: shared access signatures.
    "sig": {
        "sig", "se", "sp", "sv", "sr", "st", "spr", "sip", "si", "ss", "srt", "sdd", "ses", "saoid", "suoid", "scid",
        "skoid", "sktid", "skt", "ske", "sks", "skv",
    },
}  # fmt: skip
"""Parameters that belong to a signature only beside the one that holds it: alone they can name a file."""
_TOKENS = {"token", "access_token", "auth", "expires", "exp", "expiry", "hash", "hmac", "jwt", "sig"}


def _file(url: str) -> _File | None:
    """Make a URL comparable; None where it cannot be read as one."""
    try:
        parts = urlsplit(url.strip())
        host = parts.netloc.rpartition("@")[2].lower()
        pairs = [(name.lower(), value) for name, value in parse_qsl(parts.query, keep_blank_values=True)]
        path = unquote(parts.path)
    except ValueError:
        return None
    names = {name for name, _ in pairs}
    signed = _SIGNATURES.union(*(_SIGNED_WITH[name] for name in names & _SIGNED_WITH.keys()))
    named = [pair for pair in pairs if pair[0] not in signed and not pair[0].startswith(_SIGNATURE_PREFIXES)]
    tokens = tuple(sorted(pair for pair in named if pair[0] in _TOKENS))
    return _File((host, path, tuple(sorted(pair for pair in named if pair[0] not in _TOKENS))), tokens)


def _files_of(message: Message, *, linked: bool = True) -> Iterator[_File]:
    """The files of a message: those that it lists, those that its HTML shows, and those that it links to."""
    for url in _strings(message.get("file_urls")):
        if (file := _file(url)) is not None:
            yield file
    content = message.get("message_html")
    if isinstance(content, str):
        yield from _files_in(content, linked=linked)


def _strings(value: object) -> Iterator[str]:
    """All strings within a value: files that are listed in a shape that is not documented are files, too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


_VALUE = r"""\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))"""
_SHOWN = re.compile(rf"(?<![\w-])(?:src|poster|background){_VALUE}", re.IGNORECASE)
_LINKED = re.compile(rf"""https?://[^\s"'<>]+|(?<![\w-])(?:src|poster|background|href){_VALUE}""", re.IGNORECASE)


_NEEDED_FOR_A_FILE = ("http", "src", "href", "poster", "background")


def _files_in(content: str, *, linked: bool = True) -> set[_File]:
    """Return the files that HTML refers to: images, and if `linked` also targets of links and URLs in its text."""
    found: set[_File] = set()
    lowered = content.lower()
    if not any(word in lowered for word in _NEEDED_FOR_A_FILE):
        # Most messages refer to nothing; the expressions below would cost more than all else that is compared.
        return found
    for match in (_LINKED if linked else _SHOWN).finditer(content):
        address = next((group for group in match.groups() if group is not None), None)
        url = decode_entities(match.group().rstrip(".,;:!?)]") if address is None else address)
        # A link within the page, or to a host alone, names no file.
        if (file := _file(url)) is not None and (file.place[1].strip("/") or file.place[2] or file.tokens):
            found.add(file)
    return found

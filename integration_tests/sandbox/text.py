"""Words, names and HTML of the data set: many scripts, emoji, entities, quotes, styles and scripts."""

# ruff: noqa: RUF001 - look-alike characters of many scripts are what this data is for

from __future__ import annotations

import html
from hashlib import blake2b
from random import Random

PRIVATE = "PRIVATE-"
"""Prefix of every marker of private content; nothing that a connector emits may contain it."""

SIGNATURE = "sandbox0signature"
"""Placeholder in stored file URLs; each response has a new signature in its place."""

SENTENCES = (
    "The export stops after about ten thousand rows.",
    "Could you please look into this before Friday?",
    "Thanks, that solved it for us!",
    "Единый вход перестал работать после обновления.",
    "エクスポートが途中で止まってしまいます。",
    "导出的文件是空的，请帮忙看一下。",
    "لا يمكنني تسجيل الدخول منذ صباح اليوم.",
    "הייצוא נעצר באמצע, אפשר לבדוק?",
    "내보내기가 중간에 멈춥니다.",
    "Der Bericht zeigt seit gestern falsche Zahlen – größer als erwartet.",
    "L'intégration échoue à chaque synchronisation, c'est gênant.",
    "निर्यात बीच में रुक जाता है।",
    "การส่งออกหยุดกลางคัน",
    "Η σύνδεση αποτυγχάνει τυχαία.",
    "We love the new dashboard 🎉👩🏽‍💻 but 🇯🇵 dates are wrong 😕",
    "Cafe\u0301 and na\u00efve are spelled with combining and composed accents.",
    "Budget is < 5 & growth > 3 \u2014 see \u201cplan\u201d.",
    "Mathematical 𝒜𝓁𝓅𝒽𝒶 and an astral 𠜎 too.",
)
_ESCAPED = tuple(html.escape(plain, quote=number % 2 == 0) for number, plain in enumerate(SENTENCES))
NAMES = (
    "Ada Lovelace",
    "Łukasz Żółć",
    "山田 太郎",
    "Олена Шевченко",
    "محمد علي",
    "יעל כהן",
    "Siobhán O’Neill",
    "김민수",
)
WORDS = ("billing", "export", "sync", "login", "webhook", "dashboard", "invoice", "quota", "report", "import", "audit")
COMPANIES = ("Acme", "Globex", "Initech", "Umbrella", "Soylent", "Stark", "Wayne", "Tyrell", "Wonka", "Hooli")
FILES = ("screenshot.png", "invoice 2026.pdf", "log.txt", "画面.png", "naïve-export.csv")


def identity(*parts: object) -> str:
    """An id in the form of Pylon's (a UUID) that depends on nothing but `parts`."""
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def marker(*parts: object) -> str:
    """The unique marker of one internal note."""
    return PRIVATE + blake2b("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def file_url(issue: str, token: str, name: str) -> str:
    """A signed link as stored: its path names the file, its query string changes at every read."""
    path = name.replace(" ", "%20")
    return f"https://files.sandbox.invalid/issues/{issue}/{token}/{path}?X-Amz-Expires=3600&X-Amz-Signature={SIGNATURE}"


def external_ids(account: int) -> list[dict[str, str]] | None:
    """The external ids of an account by its number; two of three have none."""
    return [{"external_id": f"crm-{account}", "label": "crm"}] if account % 3 == 0 else None


def sentence(rng: Random) -> str:
    """One sentence of plain text."""
    return SENTENCES[int(rng.random() * len(SENTENCES))]


def title(rng: Random) -> str:
    """The title of an issue."""
    return f"{sentence(rng)} ({WORDS[int(rng.random() * len(WORDS))]})"


_BLOCKS = (
    "<p>{} {}</p>",
    "<ul><li>{}</li><li><b>{}</b></li></ul>",
    "<ol><li>one</li><li>two<ul><li>{}</li></ul></li></ol>",
    '<div>See <a href="https://docs.sandbox.invalid/p/7?a=1&amp;b=2">page&nbsp;7</a>.<br/>{}</div>',
    '<div class="gmail_quote">On Mon, Ada wrote:<br><blockquote style="margin:0"><p>{}</p>'
    "<blockquote>{}</blockquote></blockquote></div>",
    "<p>5 &lt; 6 &amp;&amp; 7 &gt; 6 &mdash; &euro;20 &#128512; &#x1F680; &hellip; caf&eacute;</p>",
    "<style>.sandbox-style-text {{ color: red }}</style><script>var sandboxScriptText = '<p>no</p>';</script>"
    "<!-- a comment --><table><tr><td>{}</td><td>1</td></tr></table>",
)


def body(rng: Random) -> str:
    """A message as mail programs and chat tools write it: one to four blocks of HTML."""
    blocks = [_BLOCKS[0], *(_BLOCKS[int(rng.random() * len(_BLOCKS))] for _ in range(int(rng.random() * 4)))]
    return "".join(block.format(_escaped(rng), _escaped(rng)) for block in blocks)


def _escaped(rng: Random) -> str:
    return _ESCAPED[int(rng.random() * len(_ESCAPED))]

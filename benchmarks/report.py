"""Results as a section of RESULTS.md, and as JSON for whoever reckons on with them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).absolute().parent
RESULTS = HERE / "RESULTS.md"
_PACKAGES = ("airbyte-cdk", "requests", "urllib3", "orjson", "lxml")
_ORDER = (
    "peers",
    "first_record",
    "sync_time",
    "rate_limiter",
    "requests",
    "cost",
    "memory",
    "startup",
    "growth",
    "misses",
)
_HEAD = """\
# What a sync costs, measured

Each section was written by the command that it names, in one run on one machine; figures of different sections may
come from different moments. The sandbox (`integration_tests/sandbox`) stands for Pylon and runs as a process of its
own beside the one that is measured. The connector runs with the packages of its image alone (`.venv-runtime`). What
matters are the ratios: seconds are those of this machine.
"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [f"| {' | '.join(head)} |", f"| :--- |{' ---: |' * (len(head) - 1)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


class Report:
    """One question's section. Made before the measurement, so that it tells how busy the machine was then."""

    def __init__(self, name: str, question: str) -> None:
        self.name = name
        self._question = question
        packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
        self._about = (
            f"`python -m benchmarks.{name}`, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores "
            f"(load {os.getloadavg()[0]:.1f} before it began), Python {platform.python_version()}, {packages}."
        )
        self._parts: list[str] = []

    def add(self, *parts: str) -> None:
        """Adds paragraphs, lists and tables; shows them at once."""
        self._parts.extend(parts)
        print(*parts, sep="\n\n", end="\n\n", flush=True)

    def save(self, data: Any = None) -> None:
        """Puts the section into RESULTS.md in the place of the last one, and `data` beside it."""
        sections = _sections()
        sections[self.name] = "\n\n".join([f"## {self._question}", self._about, *self._parts])
        ordered = [f"<!-- {name} -->\n{sections[name]}\n" for name in _ORDER if name in sections]
        RESULTS.write_text("\n".join([_HEAD, *ordered]), encoding="utf-8")
        if data is not None:
            path = data_of(self.name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def data_of(name: str) -> Path:
    """Where a question's figures are kept."""
    return HERE / "results" / f"{name}.json"


def _sections() -> dict[str, str]:
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = text.split("<!-- ")[1:]
    return {name: body.strip("\n") for name, _, body in (part.partition(" -->\n") for part in parts)}


def met(is_met: bool) -> str:
    """How a table says whether a target is met."""
    return "yes" if is_met else "**no**"

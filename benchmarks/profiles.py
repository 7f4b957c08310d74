"""Samples of a profiler, added up by the part of the program that they belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# The first pattern that matches any frame of a stack, innermost frame first, says whose time it is.
_PARTS = (
    ("HTML to text", r"source_pylon/transform/(html_to_text|text_layout)"),
    ("HTTP: requests, urllib3, sockets", r"/(requests|urllib3)/|http/client\.py|source_pylon/api/transport\.py"),
    ("parsing and checking responses, rate limits", r"source_pylon/api/"),
    ("records: what is added, sizes", r"source_pylon/(transform|timestamps)"),
    ("records as lines, queue between threads", r"source_pylon/output/(lines|queue|runner)|/queue\.py"),
    ("writing lines", r"source_pylon/(output/|run\.py)|airbyte_cdk/(logger|utils/print_buffer)"),
    ("listing, windows, states", r"source_pylon/(streams|extraction)"),
    ("CDK: entry point, per message", r"airbyte_cdk/"),
)
_START_UP = re.compile(r"<frozen importlib|_find_and_load|(^|/)pydantic/")


class Share(NamedTuple):
    """A part of the program, its share of the samples, and the functions in which most of them fell."""

    part: str
    share: float
    mostly: str


def shares(raw: str, root: Path) -> list[Share]:
    """The parts of a profile in py-spy's raw format (`frame;frame;frame count` a line), largest first."""
    totals: Counter[str] = Counter()
    places: dict[str, Counter[str]] = {}
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        # What `_launch` does itself is a look through the memory of the imports.
        if any(_START_UP.search(frame) for frame in frames) or frames[-1].startswith("_launch "):
            continue
        part, samples = _part_of(reversed(frames)), int(count)
        totals[part] += samples
        places.setdefault(part, Counter())[_place(frames[-1], root)] += samples
    whole = sum(totals.values()) or 1
    found = []
    for part, taken in totals.most_common():
        mostly = ", ".join(f"{name} {times / whole:.0%}" for name, times in places[part].most_common(3))
        found.append(Share(part, taken / whole, mostly))
    return found


def _part_of(frames: Iterable[str]) -> str:
    for frame in frames:
        for part, pattern in _PARTS:
            if re.search(pattern, frame):
                return part
    return "interpreter and its threads"


def _place(frame: str, root: Path) -> str:
    function, _, rest = frame.partition(" (")
    path = rest.rstrip(")").partition(":")[0].replace(str(root) + "/", "")
    return f"`{Path(path).name}:{function}`"

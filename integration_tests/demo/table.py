"""The table at the end: streams, records, requests, seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from integration_tests.demo.connector import Sync
from source_pylon.streams import STREAMS

SHARED = "shared"


def requests_by_stream(streams: Iterable[str], templates: Iterable[str]) -> dict[str, str]:
    """How many requests each stream made, of those that the sandbox saw.

    Streams that read together share their requests: the first of them has the number, the others say so.
    """
    seen = Counter(templates)
    endpoints = {definition.name: [endpoint.key for endpoint in definition.endpoints] for definition in STREAMS}
    counted: set[str] = set()
    cells = {}
    for name in streams:
        own = [key for key in endpoints.get(name, []) if key not in counted]
        counted.update(own)
        cells[name] = f"{sum(seen[key] for key in own):,}" if own else SHARED
    return cells


def render(first: Sync, second: Sync, templates: Sequence[Sequence[str]], seconds: Sequence[float]) -> str:
    """The table of two syncs; `templates` are the requests that the sandbox saw of each, `seconds` what each took."""
    heads = ["stream", *["records", "requests", "seconds"] * 2]
    columns = [requests_by_stream(first.streams, seen) for seen in templates]
    rows = []
    for name in first.streams:
        row = [name]
        for sync, cells in zip((first, second), columns, strict=True):
            read = sync.streams[name]
            row += [f"{read.records:,}", cells[name], f"{read.seconds:.1f}"]
        rows.append(row)
    total = ["together"]
    for sync, seen, took in zip((first, second), templates, seconds, strict=True):
        records = sum(read.records for read in sync.streams.values())
        total += [f"{records:,}", f"{len(seen):,}", f"{took:.1f}"]
    widths = [max(len(row[column]) for row in [heads, *rows, total]) for column in range(len(heads))]
    side = sum(widths[1:4]) + 4
    above = " " * widths[0] + "  " + "first sync".center(side) + "  " + "second sync".center(side)
    rule = "  ".join("-" * width for width in widths)
    lines = [above, _line(heads, widths), rule, *[_line(row, widths) for row in rows], rule, _line(total, widths)]
    return "\n".join(line.rstrip() for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    figures = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *figures])

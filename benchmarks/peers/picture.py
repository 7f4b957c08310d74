"""The comparison as a picture: one panel a question, one bar a program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_COLORS = {"connector": "#1f77b4", "low-code": "#b8b8b8", "dlt": "#9a9a9a", "bare": "#d0d0d0"}
_PANELS = (
    ("accounts", "cpu", "{}: CPU seconds", 1),
    ("accounts", "peak", "{}: peak memory, MB", 0),
    ("issues", "wall", "{}: seconds", 0),
    ("issues", "private_lines", "The same: lines with private text", 0),
    ("second run", "requests", "{}: requests", 0),
    ("storm", "missing", "{}: records lost or stale", 0),
)
"""Case, field, title, and decimals of each panel."""


def draw(
    data: Mapping[str, Mapping[str, Mapping[str, Any]]],
    names: Mapping[str, str],
    titles: Mapping[str, str],
    path: Path,
) -> None:
    """Draws the figures of `results/peers.json`; shorter bars are better in every panel.

    `names` are those of the programs, `titles` those of the cases.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    # An opaque background, so that it can be read on a dark page, too.
    figure, grid = pyplot.subplots(2, 3, figsize=(13, 5), layout="constrained", facecolor="white")
    programs = list(reversed(list(names)))
    for axes, (case, field, title, digits) in zip(grid.flat, _PANELS, strict=True):
        figures = data[case]
        values = [_value(figures[name], field) for name in programs]
        bars = axes.barh([names[name] for name in programs], values, color=[_COLORS[name] for name in programs])
        axes.bar_label(bars, [f"{value:,.{digits}f}" for value in values], padding=4)
        axes.set_xlim(0, 1.22 * max(1, *values))
        axes.set_title(title.format(titles[case]), fontsize="medium", loc="left")
        axes.set_xticks([])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(left=False)
        if axes not in grid[:, 0]:
            axes.set_yticklabels([])
    figure.suptitle("Shorter is better", fontsize="small", style="italic", x=0.01, ha="left")
    figure.savefig(path, dpi=110)


def _value(figures: Mapping[str, Any], field: str) -> float:
    return float(figures["lost"] + figures["stale"] if field == "missing" else figures[field])

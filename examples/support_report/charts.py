"""Charts as SVG text, drawn for a width in pixels so that their letters keep one size on phones and desktops.

Colours and letters come from the page's style sheet by class. Every chart has a title and a description for readers
who do not see it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from html import escape

_IDS = itertools.count(1)
_TOP, _BOTTOM, _LEFT, _RIGHT = 14, 26, 42, 6


class Chart:
    """An SVG of a width and height with a vertical axis from `low` to `high` and a slot for each label below."""

    def __init__(
        self,
        title: str,
        description: str,
        labels: Sequence[str],
        low: float,
        high: float,
        *,
        width: int,
        height: int = 230,
    ) -> None:
        self._parts: list[str] = []
        self._labels = labels
        self._low, self._high = low, high
        self._width, self._height = width, height
        self._title, self._description = title, description
        self.slot = (width - _LEFT - _RIGHT) / max(1, len(labels))

    def x(self, position: float) -> float:
        """The middle of a slot."""
        return _LEFT + (position + 0.5) * self.slot

    def y(self, value: float) -> float:
        """The height of a value."""
        share = (value - self._low) / (self._high - self._low)
        return self._height - _BOTTOM - share * (self._height - _TOP - _BOTTOM)

    def axes(self, ticks: Sequence[float], show: Callable[[float], str] = "{:g}".format) -> None:
        """Draw lines at the ticks, and as many of the labels as there is room for."""
        for tick in ticks:
            y = self.y(tick)
            kind = "zero" if tick == 0 else "grid"
            self._parts.append(
                f'<line class="{kind}" x1="{_LEFT}" x2="{self._width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            self.text(_LEFT - 6, y + 4, show(tick), "end")
        every = max(1, math.ceil((max(map(len, self._labels), default=0) * 7 + 12) / self.slot))
        for position in range(len(self._labels) - 1, -1, -every):
            is_last = position == len(self._labels) - 1 and self.slot < 40
            x, anchor = (self._width, "end") if is_last else (self.x(position), "middle")
            self.text(x, self._height - 8, self._labels[position], anchor)

    def text(self, x: float, y: float, words: str, anchor: str, kind: str = "label") -> None:
        """Write words at a point."""
        self._parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def bar(self, position: int, low: float, high: float, kind: str, *, tip: str, share: float = 0.72) -> None:
        """Draw a bar from one value to another, with a text that a pointer shows."""
        top, bottom = self.y(max(low, high)), self.y(min(low, high))
        left, width = self.x(position) - self.slot * share / 2, self.slot * share
        self._parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}">'
            f"<title>{escape(tip)}</title></rect>"
        )

    def line(self, values: Sequence[float], kind: str) -> None:
        """Draw a line through a value for each slot."""
        points = " ".join(f"{self.x(n):.1f},{self.y(value):.1f}" for n, value in enumerate(values))
        self._parts.append(f'<polyline class="{kind}" points="{points}"/>')

    def area(self, lows: Sequence[float], highs: Sequence[float], kind: str) -> None:
        """Fill what is between two lines."""
        there = [f"{self.x(n):.1f},{self.y(value):.1f}" for n, value in enumerate(highs)]
        back = [f"{self.x(n):.1f},{self.y(value):.1f}" for n, value in enumerate(lows)]
        self._parts.append(f'<polygon class="{kind}" points="{" ".join(there + back[::-1])}"/>')

    def svg(self) -> str:
        """The finished chart."""
        return framed("".join(self._parts), self._title, self._description, self._width, self._height)


def framed(parts: str, title: str, description: str, width: int, height: int) -> str:
    """An SVG around drawn parts, with the texts that stand for it."""
    number = next(_IDS)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="t{number} d{number}">'
        f'<title id="t{number}">{escape(title)}</title><desc id="d{number}">{escape(description)}</desc>{parts}</svg>'
    )


def ticks(high: float, count: int = 4) -> list[float]:
    """Round values from 0 to at least `high`, about `count` steps."""
    rough = max(high, 1) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    step = max(1, step)
    return [step * n for n in range(math.ceil(max(high, 1) / step) + 1)]


def stacked_bars(
    title: str, description: str, labels: Sequence[str], series: dict[str, list[int]], *, width: int
) -> str:
    """A bar for each label, made of one piece for each series."""
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    marks = ticks(max(totals, default=0))
    chart = Chart(title, description, labels, 0, marks[-1], width=width)
    chart.axes(marks)
    below = [0] * len(labels)
    for number, (name, values) in enumerate(series.items()):
        for position, value in enumerate(values):
            if value:
                tip = f"{labels[position]}: {value} {name}"
                chart.bar(position, below[position], below[position] + value, f"series{number}", tip=tip)
            below[position] += value
    return chart.svg()


def band(title: str, description: str, labels: Sequence[str], lows: list[int], highs: list[int], *, width: int) -> str:
    """A line with the area below it, and above it the band up to what the value may be at most."""
    marks = ticks(max(highs, default=0))
    chart = Chart(title, description, labels, 0, marks[-1], width=width)
    chart.area([0] * len(lows), lows, "fill")
    chart.area(lows, highs, "band")
    chart.axes(marks)
    chart.line(lows, "line")
    return chart.svg()


def bars(
    title: str,
    description: str,
    labels: Sequence[str],
    values: list[float],
    counts: list[int],
    *,
    low: float,
    high: float,
    marks: Sequence[float],
    show: Callable[[float], str],
    width: int,
) -> str:
    """A bar for each label with its value above; those of few answers are pale."""
    chart = Chart(title, description, labels, low, high, width=width)
    chart.axes(marks, show)
    for position, (value, count) in enumerate(zip(values, counts, strict=True)):
        kind = "few" if count < 5 else "good" if value >= 0 else "bad"
        tip = f"{labels[position]}: {show(value)} of {count} answers"
        chart.bar(position, 0, value, kind, tip=tip, share=0.5)
        chart.text(chart.x(position), chart.y(max(value, 0)) - 5, show(value), "middle", "value")
    return chart.svg()


def rows(title: str, description: str, values: dict[str, float], show: Callable[[float], str], *, width: int) -> str:
    """A lying bar for each name, with the name above it and the value behind."""
    height, room = 46, width - 84
    longest = max(values.values(), default=0) or 1
    parts = []
    for position, (name, value) in enumerate(values.items()):
        top, length = position * height, max(2.0, room * value / longest)
        parts.append(
            f'<text class="name" x="0" y="{top + 14}">{escape(name)}</text>'
            f'<rect class="series0" x="0" y="{top + 20}" width="{length:.1f}" height="16" rx="2"/>'
            f'<text class="value" x="{length + 8:.1f}" y="{top + 33}">{escape(show(value))}</text>'
        )
    return framed("".join(parts), title, description, width, height * max(1, len(values)))

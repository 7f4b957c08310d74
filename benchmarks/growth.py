"""Time and memory from 1,000 to 1,000,000 issues with messages: measured, then modelled; draws growth.png.

python -m benchmarks.growth

The larger sizes are those that `python -m benchmarks.memory` has measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import planner
from benchmarks.memory import Case, measure
from benchmarks.report import HERE, Report, data_of, table

_SMALL = (1_000, 2_000, 5_000)
_BEYOND = (500_000, 1_000_000)
PICTURE = HERE / "growth.png"

Point = dict[str, Any]


def fitted(points: Sequence[Point], name: str) -> tuple[float, float]:
    """Fixed cost and cost per issue of the straight line whose relative errors are smallest (least squares)."""
    weights = [1 / point[name] ** 2 for point in points]
    total = sum(weights)
    mean_x = sum(weight * point["issues"] for weight, point in zip(weights, points, strict=True)) / total
    mean_y = sum(weight * point[name] for weight, point in zip(weights, points, strict=True)) / total
    both = sum(
        weight * (point["issues"] - mean_x) * (point[name] - mean_y)
        for weight, point in zip(weights, points, strict=True)
    )
    slope = both / sum(weight * (point["issues"] - mean_x) ** 2 for weight, point in zip(weights, points, strict=True))
    return mean_y - slope * mean_x, slope


def main() -> None:
    """Measures the small sizes, fits, draws and writes the section."""
    report = Report("growth", "Growth: from 1,000 to 1,000,000 issues")
    points: list[Point] = []
    for issues in _SMALL:
        result = measure(Case(f"{issues:,} issues", issues), 1.0)
        points.append({"issues": issues, "peak": result.peak, "wall": result.wall, "cpu": result.cpu})
        print(points[-1], flush=True)
    points += json.loads(data_of("memory").read_text(encoding="utf-8"))["sizes"]
    models = {name: fitted(points, name) for name in ("cpu", "peak")}

    def modelled(name: str, issues: int) -> float:
        fixed, each = models[name]
        return fixed + each * issues

    def error(point: Point, name: str) -> float:
        return float(modelled(name, point["issues"]) / point[name] - 1)

    rows = [
        [
            f"{point['issues']:,}", "measured", f"{point['cpu']:,.1f}", f"{error(point, 'cpu'):+.0%}",
            f"{point['peak']:.0f}", f"{error(point, 'peak'):+.0%}", *_under_limits(point["issues"]),
        ]
        for point in points
    ]  # fmt: skip
    rows += [
        [
            f"{issues:,}", "modelled", f"{modelled('cpu', issues):,.0f}", "", f"{modelled('peak', issues):.0f}", "",
            *_under_limits(issues),
        ]
        for issues in _BEYOND
    ]  # fmt: skip
    worst = {name: max(abs(error(point, name)) for point in points) for name in models}
    report.add(
        "A first sync of all issues with their messages, over two years of history whatever their number. *Own CPU*: "
        "seconds of CPU without limits and latency; one core at most, so also the least wall time. The models are "
        f"straight lines, {models['cpu'][0]:.1f} s + {models['cpu'][1] * 1000:.2f} ms an issue, and "
        f"{models['peak'][0]:.0f} MB + {models['peak'][1] * 1000:.2f} KB an issue, fitted to the measured sizes with "
        f"equal relative weight; their errors there are {worst['cpu']:.0%} and {worst['peak']:.0%} at most. The last "
        "columns are arithmetic, not measured: issues by the limit a minute, as in `benchmarks/planner.py`; section "
        "*Time against Pylon's rate limits* measures how close a sync comes to that.",
        table(
            ["Issues", "", "Own CPU s", "model's error", "Peak MB", "model's error",
             *(f"at {calls} a minute" for calls, _ in planner.LIMITS)],
            rows,
        ),
        f"![Time and memory by number of issues]({PICTURE.name})",
    )  # fmt: skip
    _draw(points, models, PICTURE)
    report.save({"points": points, "models": models})


def _under_limits(issues: int) -> list[str]:
    return [planner.duration(issues / calls) for calls, _ in planner.LIMITS]


def _draw(points: Sequence[Point], models: Mapping[str, tuple[float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (times, memory) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    measured = [point["issues"] for point in points]
    sizes = [1_000 * 10 ** (step / 20) for step in range(61)]
    for (calls, _), style in zip(planner.LIMITS, ("-", "--"), strict=True):
        times.plot(
            sizes,
            [size / calls * 60 for size in sizes],
            style,
            color="tab:red",
            label=f"Pylon's limit, {calls} message requests a minute",
        )
    lines = {name: [fixed + each * size for size in sizes] for name, (fixed, each) in models.items()}
    times.plot(sizes, lines["cpu"], color="tab:blue", label="the connector's own CPU, model")
    times.plot(measured, [point["cpu"] for point in points], "o", color="tab:blue", label="the same, measured")
    times.set(xscale="log", yscale="log", xlabel="issues with messages", ylabel="seconds", title="First sync")
    marks = {1: "1 s", 60: "1 min", 3600: "1 hour", 86_400: "1 day", 30 * 86_400: "30 days"}
    times.set_yticks(list(marks), list(marks.values()))
    times.minorticks_off()
    times.grid(alpha=0.3)
    times.legend(fontsize="small")
    memory.plot(measured, [point["peak"] for point in points], "o", color="tab:blue", label="peak, measured")
    memory.plot(sizes, lines["peak"], color="tab:blue", label="model")
    memory.axhline(220, color="tab:gray", linestyle="--", label="target")
    memory.set(
        xscale="log",
        xlim=(800, 1.25e6),
        ylim=(0, max(240, 1.1 * lines["peak"][-1])),
        xlabel="issues with messages",
        ylabel="MB",
    )
    memory.set_title("Resident memory of the connector")
    memory.grid(alpha=0.3)
    memory.legend(fontsize="small")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()

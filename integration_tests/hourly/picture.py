"""The memory and the requests of hourly syncs over time, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from integration_tests.hourly import SyncResult

_COLORS = {"complete": "#2878b5", "stopped by a signal": "#d1495b"}


def draw(results: Sequence[SyncResult], path: Path) -> None:
    """Draws one point for each sync: peak memory, requests, and records beside the issues that are stored."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (memory, requests, records) = pyplot.subplots(3, 1, figsize=(10, 8.5), sharex=True, layout="constrained")
    for kind, color in _COLORS.items():
        ones = [one for one in results if (one.code == 0) is (kind == "complete")]
        hours = [one.hour for one in ones]
        memory.plot(hours, [one.peak_mb for one in ones], "o", color=color, markersize=4, label=f"sync, {kind}")
        requests.plot(hours, [one.requests for one in ones], "o", color=color, markersize=4)
        records.plot(hours, [one.records for one in ones], "o", color=color, markersize=4)
    hours = [one.hour for one in results]
    disturbed = [one.refused + one.failed for one in results]
    requests.bar(hours, disturbed, color="#e9a03b", label="of these refused or failed (429, 5xx, reset)")
    records.plot(hours, [one.stored for one in results], color="#555555", label="issues stored at Pylon")
    memory.set(
        ylabel="MB", ylim=(0, 1.15 * max(one.peak_mb for one in results)), title="Peak resident memory of each sync"
    )
    requests.set(
        ylabel="requests",
        yscale="symlog",
        ylim=(0, 5 * max(one.requests for one in results)),
        title="Requests of each sync",
    )
    records.set(ylabel="records", yscale="symlog", ylim=(0, None), title="Records emitted by each sync")
    records.set_xlabel("hours since the first sync, on Pylon's clock")
    for axes in (memory, requests, records):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper right" if axes is requests else "lower right")
    figure.savefig(path, dpi=100)

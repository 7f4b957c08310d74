"""What the verbs take that read nothing: spec, check, discover, against importing the CDK's entry point alone.

python -m benchmarks.startup [--rounds 7]
"""

from __future__ import annotations

import argparse

from benchmarks.measure import PYTHON, files, median, run
from benchmarks.pylon import Pylon
from benchmarks.report import Report, met, table

_CONNECTOR = (PYTHON, "-c", "from source_pylon.run import run; run()")
_IMPORT = (PYTHON, "-c", "import airbyte_cdk.entrypoint")
_TARGETS = {"spec": 0.3, "check": 1.25, "discover": 1.25}


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser("benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    report = Report("startup", "Start-up: verbs that read nothing")
    walls: dict[str, list[float]] = {}
    cpus: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    with Pylon(size={"issues": 20}, limits=None) as pylon, files(pylon.config, []) as arguments:
        config = arguments[1:3]
        commands = {
            "import airbyte_cdk.entrypoint": _IMPORT,
            "spec": (*_CONNECTOR, "spec"),
            "check": (*_CONNECTOR, "check", *config),
            "discover": (*_CONNECTOR, "discover", *config),
        }
        run(_IMPORT)  # so that no one pays for reading files for the first time
        for _ in range(rounds):
            for name, command in commands.items():
                result = run(command, count=False)
                walls.setdefault(name, []).append(result.wall)
                cpus.setdefault(name, []).append(result.cpu)
                peaks[name] = result.peak
    (base, _), *_ = walls.items()
    rows = []
    for name, values in walls.items():
        ratio = median(values) / median(walls[base])
        target = _TARGETS.get(name)
        verdict = [f"{target}", met(ratio <= target)] if target else ["", ""]
        rows.append([
            f"`{name}`", f"{median(values):.2f}", f"{min(values):.2f}", f"{median(cpus[name]):.2f}",
            f"{peaks[name]:.0f}", f"{ratio:.2f}", *verdict,
        ])  # fmt: skip
    report.add(
        f"Medians of {rounds} processes each, in turns. `check` asks a sandbox without latency one question for each "
        "main stream, at once.",
        table(["Verb", "Wall s", "fastest", "CPU s", "Peak MB", "/ import", "target", "met"], rows),
    )
    kinds = {"wall": walls, "cpu": cpus}
    report.save({kind: {name: median(values) for name, values in found.items()} for kind, found in kinds.items()})


if __name__ == "__main__":
    main()

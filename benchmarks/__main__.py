"""Lists the questions, or runs some or all of them: `python -m benchmarks all`, `python -m benchmarks cost memory`."""

from __future__ import annotations

import subprocess
import sys

QUESTIONS = {
    "peers": "time, memory, requests, private text and losses, against low-code, dlt and a loop; writes peers.png",
    "startup": "what spec, check and discover take, against importing the CDK",
    "requests": "requests made, against those that cannot be avoided",
    "cost": "time and CPU per record, against a loop in Python and a low-code manifest",
    "first_record": "time to the first issue of a first sync of 100,000 issues",
    "sync_time": "time of a sync, against the least that Pylon's rate limits permit",
    "rate_limiter": "how much of what a server allows is used, and how many calls are refused, simulated",
    "memory": "peak memory, with slow readers and large records too",
    "growth": "time and memory from 1,000 to 1,000,000 issues, measured and modelled; writes growth.png",
    "scaling": "what a connection needs and how many fit on a node: the table of docs/scaling.md",
    "planner": "how long a first sync takes: the table of docs/pylon.md",
}


def main(names: list[str]) -> int:
    """Run each question in a process of its own; returns 1 if one failed."""
    wanted = list(QUESTIONS) if names == ["all"] else names
    unknown = [name for name in wanted if name not in QUESTIONS]
    if not wanted or unknown:
        print(__doc__)
        for name, text in QUESTIONS.items():
            print(f"  {name:12} {text}")
        return 2 if unknown else 0
    commands = [[sys.executable, "-m", f"benchmarks.{name}"] for name in wanted]
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run the tests on two processes, then alone those that measure time or memory: python3 dev.py test [--fast] [...].

Arguments are pytest's. `--fast` leaves out the tests marked `slow` or `serial`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import dev

NO_TESTS = 5
"""pytest's exit code if no test was selected."""


def main() -> int:
    """Run pytest and return its exit code, the first one that is not 0."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("-m", dest="marks", default="")
    options, arguments = parser.parse_known_args()
    marks = f"({options.marks}) and " if options.marks else ""
    if options.fast:
        return pytest("-m", f"{marks}not slow and not serial", *PARALLEL, *arguments)
    together = pytest("-m", f"{marks}not serial", *PARALLEL, *arguments)
    if together not in (0, NO_TESTS):
        return together
    alone = pytest("-m", f"{marks}serial", *arguments)
    return together if alone == NO_TESTS else alone


PARALLEL = ("-n", "2", "--dist", "loadgroup")


def pytest(*arguments: str) -> int:
    """Run pytest in the repository and return its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=dev.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

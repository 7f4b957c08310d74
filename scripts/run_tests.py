"""Run the tests on two processes, then alone those that measure time or memory: python3 dev.py test [--fast] [...].

Arguments are pytest's. `--fast` runs the unit tests and the tests of what each stream reads, without those marked
`slow` or `serial`. If the arguments name files or folders, it leaves out the marked tests of those.
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
        named = any((dev.ROOT / argument.partition("::")[0]).exists() for argument in arguments)
        return pytest("-m", f"{marks}not slow and not serial", *PARALLEL, *arguments, *(() if named else FAST))
    together = pytest("-m", f"{marks}not serial", *PARALLEL, *arguments)
    if together not in (0, NO_TESTS):
        return together
    alone = pytest("-m", f"{marks}serial", *arguments)
    return together if alone == NO_TESTS else alone


FAST = ("unit_tests", "integration_tests/test_check.py", "integration_tests/test_streams.py")
"""What `--fast` runs: about 1,500 of the tests, in a fraction of the time that all take."""

PARALLEL = ("-n", "2", "--dist", "loadgroup")


def pytest(*arguments: str) -> int:
    """Run pytest in the repository and return its exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=dev.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

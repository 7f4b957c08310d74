"""Runs single tests in processes of their own, with or without a defect.

Each process is forked from one that has imported everything but the connector, because importing Airbyte's CDK and the
models of Pylon's client takes longer than most of the tests.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from integration_tests.defects.planted import ROOT, VARIABLE, plant

SECONDS = 240
"""The time limit of a test whose duration is not known. A test that a defect hangs notices the defect."""
_STARTUP = Path(__file__).resolve().parent / "startup"
_IMPORTED = [
    "_pytest.config",
    "airbyte_cdk.entrypoint",
    "airbyte_cdk.sources.connector_state_manager",
    "integration_tests.sandbox",
]
_HUNG = ("Failed: Timeout", "subprocess.TimeoutExpired", "TimeoutError")
"""How a failure begins that says only that something took too long."""
_BROKEN = ("NameError", "SyntaxError", "UnboundLocalError", "ImportError", "IndentationError")
"""What a badly written defect leads to: it fails whatever the test looks at."""


@dataclass(frozen=True)
class Outcome:
    """How a test ended: `passed`, `failed`, or `broken` where it was not run as it should be; and why."""

    verdict: str
    reason: str
    seconds: float

    @property
    def is_hung(self) -> bool:
        """Whether the test ran into a time limit, which a busy machine can lead to as well."""
        return self.verdict == "failed" and self.reason.startswith(_HUNG)


class Scenarios:
    """Runs tests. Thread-safe."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_IMPORTED)

    def run(self, test: str, defect: str = "", seconds: float = SECONDS) -> Outcome:
        """Run one test, all of its parameters, until the first failure; with a defect if one is named."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            process = self._context.Process(target=_run, args=(test, defect, seconds, folder))
            process.start()
            # Longer than the limit of pytest itself, which ends single tests.
            process.join(2 * seconds)
            if process.is_alive() and process.pid is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.join()
                return Outcome("failed", f"TimeoutError: not over after {2 * seconds:.0f} s", time.monotonic() - began)
            verdict, reason = _outcome(Path(folder), process.exitcode)
        return Outcome(verdict, reason, time.monotonic() - began)


def _run(test: str, defect: str, seconds: float, folder: str) -> None:
    os.setsid()
    output = os.open(f"{folder}/output", os.O_WRONLY | os.O_CREAT)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.chdir(ROOT)
    if any(name.startswith("source_pylon") for name in sys.modules):
        raise RuntimeError("the connector was imported before its defect was planted")
    if defect:
        paths = [str(_STARTUP), str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ |= {VARIABLE: defect, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        plant()
    import pytest

    options = ["-q", "-x", "-p", "no:cacheprovider", f"--timeout={seconds:.0f}", f"--junitxml={folder}/report.xml"]
    # A plugin of pytest's was imported beforehand, so its own asserts are not rewritten.
    code = pytest.main([*options, "-W", "ignore::pytest.PytestAssertRewriteWarning", test])
    sys.stdout.flush()
    # Threads that wait for Pylon would keep the process alive.
    os._exit(code)


def _outcome(folder: Path, code: int | None) -> tuple[str, str]:
    report = folder / "report.xml"
    if code not in (0, 1) or not report.exists():
        output = (folder / "output").read_text(encoding="utf-8", errors="replace") if folder.exists() else ""
        return "broken", f"exit code {code}: {output[-300:]}"
    cases = list(ElementTree.parse(report).iter("testcase"))
    wrong = [child for case in cases for child in case if child.tag in ("failure", "error")]
    if wrong:
        reason = wrong[0].get("message", "").split("\n")[0]
        return ("broken" if reason.startswith(_BROKEN) else "failed"), reason
    if not cases or any(child.tag == "skipped" for case in cases for child in case):
        return "broken", "it did not run"
    return "passed", ""

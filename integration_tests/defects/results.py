"""What has been measured so far, kept in a file so that an interrupted measurement can be continued."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path

from integration_tests.defects.scenarios import Outcome


class Results:
    """The last outcome of each test without a defect, and of each defect. Thread-safe.

    Each line of the file is a JSON object, and a later line replaces an earlier one of the same name.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.clean: dict[str, Outcome] = {}
        """By the test's node id."""
        self.planted: dict[str, Outcome] = {}
        """By the defect's name."""
        self._file = file
        self._lock = threading.Lock()
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                kept = json.loads(line)
                outcome = Outcome(kept["verdict"], kept["reason"], kept["seconds"])
                (self.planted if kept["kind"] == "planted" else self.clean)[kept["name"]] = outcome

    def add_clean(self, test: str, outcome: Outcome) -> None:
        """Keep how a test ended without a defect."""
        self.clean[test] = outcome
        self._append("clean", test, outcome)

    def add_planted(self, defect: str, outcome: Outcome) -> None:
        """Keep how the test of a defect ended with it."""
        self.planted[defect] = outcome
        self._append("planted", defect, outcome)

    def with_verdict(self, verdict: str, defects: Iterable[str]) -> list[str]:
        """Return those of the defects whose test ended so."""
        return [name for name in defects if name in self.planted and self.planted[name].verdict == verdict]

    def _append(self, kind: str, name: str, outcome: Outcome) -> None:
        if self._file is None:
            return
        kept = {"kind": kind, "name": name, **vars(outcome)}
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")

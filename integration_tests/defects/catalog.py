"""All defects, and which test of docs/reliability.md must notice each."""

from __future__ import annotations

from itertools import chain

from integration_tests.defects import limits, moments, platform, responses, secrets, transport, volume
from integration_tests.defects.page import rows
from integration_tests.defects.planted import Defect

DEFECTS: dict[str, Defect] = {
    defect.name: defect
    for defect in chain(
        responses.DEFECTS,
        transport.DEFECTS,
        moments.DEFECTS,
        platform.DEFECTS,
        limits.DEFECTS,
        volume.DEFECTS,
        secrets.DEFECTS,
    )
}

SAMPLE = (
    "no-retries",
    "retry-after-ignored",
    "state-ahead-of-records-at-401",
    "nonsense-taken-for-empty",
    "is-private-null-trusted",
    "tls-not-verified",
    "no-consistency-lag",
    "exclusive-bounds",
    "change-pass-skipped",
    "issues-lookback-ignored",
    "namespace-of-states-ignored",
    "queue-counts-batches",
    "refusals-teach-nothing",
    "newest-messages-left-out",
    "all-attachments-emitted",
)
"""What CI plants: one of each kind, none that takes long."""


def proofs(page: str) -> dict[str, str]:
    """Return the test of each defect. Raises ValueError where the page names none, or several, with its words."""
    tests = dict.fromkeys(test for row in rows(page) for test in row.tests)
    found: dict[str, str] = {}
    for defect in DEFECTS.values():
        matching = [test for test in tests if defect.proof in test]
        if len(matching) != 1:
            raise ValueError(f"{len(matching)} tests of the page have the words of {defect.name}: {defect.proof}")
        found[defect.name] = matching[0]
    return found

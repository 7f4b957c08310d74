"""How the comparison with peers judges what a program has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.peers.judge import judge
from integration_tests.sandbox import Sandbox, Size

PYLON = Sandbox(size=Size(issues=30), limits=None)


def lines_of(program: str) -> list[str]:
    """All issues with all of their messages, as a program writes them."""
    records = [{**issue, "messages": PYLON.messages(issue["id"])} for issue in PYLON.expected("issues")]
    if program == "bare":
        return [json.dumps(record) + "\n" for record in records]
    messages = [{"type": "RECORD", "record": {"stream": "issues", "data": record}} for record in records]
    return [json.dumps(message, separators=(",", ":")) + "\n" for message in messages]


@pytest.mark.parametrize("program", ["connector", "low-code", "bare"])
def test_if_everything_is_written_nothing_is_missing(program: str, tmp_path: Path) -> None:
    output = tmp_path / "output.jsonl"
    output.write_text("".join(lines_of(program)))
    verdict = judge(PYLON, program, "issues", [str(output)])
    public = [one for issue in PYLON.expected("issues") for one in PYLON.messages(issue["id"]) if not one["is_private"]]
    assert (verdict.records, verdict.lost, verdict.stale) == (30 + len(public), 0, 0)
    assert verdict.private_lines == sum("PRIVATE-" in line for line in lines_of(program)) > 0


def test_a_record_that_is_missing_is_lost_with_its_messages(tmp_path: Path) -> None:
    issue = next(one for one in PYLON.expected("issues") if any(not m["is_private"] for m in PYLON.messages(one["id"])))
    output = tmp_path / "output.jsonl"
    output.write_text("".join(line for line in lines_of("bare") if json.loads(line)["id"] != issue["id"]))
    public = [message for message in PYLON.messages(issue["id"]) if not message["is_private"]]
    assert judge(PYLON, "bare", "issues", [str(output)]).lost == 1 + len(public)


def test_the_last_written_version_of_a_record_counts(tmp_path: Path) -> None:
    first, last = (
        lines_of("bare"),
        [json.dumps({**PYLON.expected("issues")[0], "updated_at": "", "messages": []}) + "\n"],
    )
    paths = [tmp_path / "first.jsonl", tmp_path / "last.jsonl"]
    for path, lines in zip(paths, (first, last), strict=True):
        path.write_text("".join(lines))
    assert judge(PYLON, "bare", "issues", [str(path) for path in paths]).stale == 1
    assert judge(PYLON, "bare", "issues", [str(path) for path in reversed(paths)]).stale == 0


def test_files_of_dlt_are_distinguished_by_their_folder(tmp_path: Path) -> None:
    # dlt writes times with an offset, and nested lists into tables of their own.
    issues = [{**issue, "updated_at": issue["updated_at"].replace("Z", "+00:00")} for issue in PYLON.expected("issues")]
    tables = {"issues": issues, "issue_messages": [], "issue_messages__file_urls": [{"value": "PRIVATE-"}]}
    paths = []
    for table, records in tables.items():
        (tmp_path / table).mkdir()
        paths.append(tmp_path / table / "1.jsonl")
        paths[-1].write_text("".join(json.dumps(record) + "\n" for record in records))
    verdict = judge(PYLON, "dlt", "issues", [str(path) for path in paths])
    assert verdict.lost == verdict.records - 30
    assert verdict.stale == 0
    assert verdict.private_lines == 1 + sum("PRIVATE-" in json.dumps(issue) for issue in issues)

"""Reads of the connector against a sandbox, in this process or in one of their own, and what they must give.

`expected` is written from Pylon's facts and the connector's documentation, not from the connector's code: what a
record must be. Only the conversion of HTML into text is taken from the connector; it has tests of its own.
"""

from __future__ import annotations

import gc
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.sandbox.faults import Action, Reply, Seen, delay
from source_pylon.run import main
from source_pylon.source import SourcePylon
from source_pylon.timestamps import parse
from source_pylon.timing import Timing
from source_pylon.transform.html_to_text import html_to_text

Record = dict[str, Any]

ISSUE_STREAMS = ("issues", "conversations", "tickets")
STREAMS = (*ISSUE_STREAMS, "call_recordings", "survey_responses", "contacts", "accounts")
CURSORS = {
    "issues": "latest_message_time",
    "conversations": "latest_message_time",
    "tickets": "latest_message_time",
    "call_recordings": "start_time",
    "survey_responses": "submitted_at",
    "accounts": "updated_at",
}
SEARCH = "POST /issues/search"
LIST = "GET /issues"
ISSUE = "GET /issues/{id}"
MESSAGES = "GET /issues/{id}/messages"

REPOSITORY = Path(__file__).absolute().parent.parent

FAST = Timing(
    minute=0.5,
    checkpoint_interval=0.05,
    retry_base=0.01,
    retry_cap=0.05,
    connect_timeout=5.0,
    read_timeout=20.0,
)
"""The connector's durations as tests want them: rate limits that never hold up, retries that take no time."""


class Output:
    """What the connector wrote, and its exit code."""

    def __init__(self, code: int, text: str, stderr: str = "") -> None:
        self.code = code
        self.text = text
        self.stderr = stderr

    @cached_property
    def lines(self) -> list[Record]:
        """All messages of standard output; raises ValueError where a line is not one."""
        return [json.loads(line) for line in self.text.splitlines()]

    @cached_property
    def _records(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for line in self.lines:
            if line["type"] == "RECORD":
                found.setdefault(line["record"]["stream"], []).append(line["record"]["data"])
        return found

    def records(self, stream: str) -> list[Record]:
        """The records of a stream, in order."""
        return self._records.get(stream, [])

    def ids(self, stream: str) -> list[str]:
        """The ids of a stream's records, in order."""
        return [record["id"] for record in self.records(stream)]

    def state_messages(self, stream: str | None = None) -> list[Record]:
        """The states of a stream, or of all, as messages."""
        states = [line["state"] for line in self.lines if line["type"] == "STATE"]
        return [item for item in states if stream in (None, item["stream"]["stream_descriptor"]["name"])]

    def states(self, stream: str) -> list[Record]:
        """What the states of a stream say, in order."""
        return [item["stream"]["stream_state"] for item in self.state_messages(stream)]

    @property
    def state(self) -> list[Record]:
        """The last state of each stream, as a destination keeps it for the next sync."""
        last = {item["stream"]["stream_descriptor"]["name"]: item for item in self.state_messages()}
        return [
            {key: value for key, value in item.items() if key not in ("sourceStats", "destinationStats")}
            for item in last.values()
        ]

    @property
    def logs(self) -> list[str]:
        """The texts of the log messages."""
        return [line["log"]["message"] for line in self.lines if line["type"] == "LOG"]

    @property
    def warnings(self) -> list[str]:
        """The texts of the log messages of level WARN and above."""
        levels = ("WARN", "ERROR", "FATAL")
        return [
            line["log"]["message"] for line in self.lines if line["type"] == "LOG" and line["log"]["level"] in levels
        ]

    @property
    def errors(self) -> list[Record]:
        """The errors of trace messages."""
        traces = [line["trace"] for line in self.lines if line["type"] == "TRACE"]
        return [trace["error"] for trace in traces if trace["type"] == "ERROR"]

    def statuses(self, stream: str) -> list[str]:
        """The statuses of a stream, in order; one that only tells of a rate limit is left out."""
        traces = [line["trace"] for line in self.lines if line["type"] == "TRACE"]
        found = [trace["stream_status"] for trace in traces if trace["type"] == "STREAM_STATUS"]
        return [
            item["status"] for item in found if item["stream_descriptor"]["name"] == stream and not item.get("reasons")
        ]

    @property
    def connection_status(self) -> Record:
        """The one answer of `check`."""
        (status,) = [line["connectionStatus"] for line in self.lines if line["type"] == "CONNECTION_STATUS"]
        return dict(status)

    @property
    def catalog(self) -> Record:
        """The one answer of `discover`."""
        (catalog,) = [line["catalog"] for line in self.lines if line["type"] == "CATALOG"]
        return dict(catalog)


@contextmanager
def _process_restored() -> Iterator[None]:
    """Takes back what the entry point does to its process."""
    handler, threshold = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    streams = sys.stdout, sys.__stdout__, sys.excepthook
    try:
        yield
    finally:
        sys.stdout, sys.__stdout__, sys.excepthook = streams  # type: ignore[misc]
        signal.signal(signal.SIGTERM, handler)
        gc.set_threshold(*threshold)
        gc.unfreeze()


def run(args: Sequence[str], timing: Timing = FAST) -> Output:
    """Runs the entry point in this process, with everything that it writes to standard output captured."""
    with _process_restored(), io.StringIO() as captured:
        sys.stdout = sys.__stdout__ = captured  # type: ignore[misc,assignment]
        code = main(args, SourcePylon(timing))
        return Output(code, captured.getvalue())


def config_for(pylon: Sandbox, **fields: Any) -> Record:
    """The configuration that reads a sandbox."""
    return {"api_token": pylon.token, "api_url": pylon.url, **fields}


def configured_catalog(streams: Iterable[str] = STREAMS, full_refresh: Iterable[str] = ()) -> Record:
    """Streams as Airbyte configures them: incremental where they can be, unless named in `full_refresh`."""
    refreshed = set(full_refresh)

    def entry(name: str) -> Record:
        incremental = name in CURSORS and name not in refreshed
        stream = {
            "name": name,
            "json_schema": {"type": "object"},
            "supported_sync_modes": ["full_refresh", "incremental"] if name in CURSORS else ["full_refresh"],
        }
        return {
            "stream": stream,
            "sync_mode": "incremental" if incremental else "full_refresh",
            "destination_sync_mode": "append_dedup" if incremental else "overwrite",
        }

    return {"streams": [entry(name) for name in streams]}


def stream_state(name: str, state: Mapping[str, Any]) -> Record:
    """A state as Airbyte hands it over."""
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": dict(state)}}


@dataclass
class Files:
    """Configuration, catalog and state of one call, in a folder that vanishes."""

    config: Any
    catalog: Any = None
    state: Any = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="source-pylon-")))

    def __enter__(self) -> Files:
        for name in ("config", "catalog", "state"):
            value = getattr(self, name)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> str:
        """Where one of the three lies."""
        return str(self.folder / f"{name}.json")

    def arguments(self, verb: str) -> list[str]:
        """The command line of a verb."""
        args = [verb, "--config", self.path("config")]
        if self.catalog is not None:
            args += ["--catalog", self.path("catalog")]
        if self.state is not None:
            args += ["--state", self.path("state")]
        return args


def read(
    pylon: Sandbox,
    streams: Iterable[str] = STREAMS,
    *,
    state: Any = None,
    full_refresh: Iterable[str] = (),
    timing: Timing = FAST,
    succeeds: bool = True,
    **config: Any,
) -> Output:
    """One sync, in this process. Fails where the exit code is not 0, unless `succeeds` is false."""
    with Files(config_for(pylon, **config), configured_catalog(streams, full_refresh), state) as files:
        output = run(files.arguments("read"), timing)
    if succeeds:
        assert output.code == 0, output.errors or output.text[-3000:]
    return output


def check(pylon: Sandbox | None = None, timing: Timing = FAST, **config: Any) -> Output:
    """`check`, in this process."""
    with Files(config_for(pylon, **config) if pylon else config) as files:
        return run(files.arguments("check"), timing)


def discover(**config: Any) -> Output:
    """`discover`, in this process."""
    with Files({"api_token": "none", **config}) as files:
        return run(files.arguments("discover"))


def schemas() -> dict[str, Record]:
    """The discovered schema of each stream."""
    return {stream["name"]: stream["json_schema"] for stream in discover().catalog["streams"]}


def console_script() -> str:
    """The path of the installed console script."""
    found = shutil.which("source-pylon", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "the package is not installed: there is no source-pylon script"
    return found


def launcher(**options: float) -> list[str]:
    """The command that runs the connector in a process of its own, with its durations scaled."""
    command = [sys.executable, "-m", "integration_tests.launch"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return [*command, "--"]


def complete(command: Sequence[str], **options: Any) -> Output:
    """Runs a command to its end."""
    done = subprocess.run(
        list(command), capture_output=True, cwd=REPOSITORY, timeout=120, check=False, encoding="utf-8", **options
    )
    return Output(done.returncode, done.stdout, done.stderr)


def without_signatures(value: Any) -> Any:
    """A record without what differs at every read: the query strings of its file links, and when it was read."""
    if isinstance(value, dict):
        return {
            key: [_path_of(url) for url in item]
            if key in ("attachment_urls", "file_urls") and isinstance(item, list)
            else without_signatures(item)
            for key, item in value.items()
            if key != "issue_read_at"
        }
    return [without_signatures(item) for item in value] if isinstance(value, list) else value


def _path_of(url: str) -> str:
    return urlsplit(url).path


def _feedback(parts: Iterable[str]) -> str | None:
    return "\n\n".join(part for part in parts if part) or None


def join_ids(record: Record, names: Iterable[str]) -> Record:
    """The ids of nested objects, as the columns that the connector adds."""
    return {f"{name}_id": (record.get(name) or {}).get("id") for name in names}


def public_messages(pylon: Sandbox, issue_id: str) -> list[Record]:
    """The public messages of an issue as stored, oldest first."""
    return [message for message in pylon.messages(issue_id) if not message["is_private"]]


def expected_issue(
    pylon: Sandbox, stored: Record, *, include_messages: bool = True, trust_issue_body: bool = False
) -> Record:
    """What a stored issue must be emitted as, without what differs at every read."""
    record = {**stored, **join_ids(stored, ("account", "requester", "assignee", "team")), "messages_truncated": False}
    record["latest_message_time"] = stored.get("latest_message_time") or stored["created_at"]
    record["assignee_email"] = (stored.get("assignee") or {}).get("email")
    record["requester_email"] = (stored.get("requester") or {}).get("email")
    record["issue_type"] = type_of(stored) or None
    responses = stored.get("csat_responses") or [{}]
    record["csat_score"] = responses[-1].get("score")
    messages = pylon.messages(stored["id"]) if include_messages else []
    public = [{**one, "text": html_to_text(one["message_html"])} for one in messages if not one["is_private"]]
    texts = [message["text"] for message in public]
    body_is_public = _is_public_body(stored, messages) if include_messages else trust_issue_body
    if "body_html" in stored and not body_is_public:
        record["body_html"] = None
    if include_messages:
        record["messages"] = public
        if stored.get("attachment_urls"):
            shown = {_path_of(url) for message in public for url in message.get("file_urls") or ()}
            record["attachment_urls"] = [url for url in stored["attachment_urls"] if _path_of(url) in shown]
    else:
        # No body of the sandbox shows a file.
        record["messages"] = None
        record["attachment_urls"] = (
            [] if trust_issue_body and stored.get("body_html") and stored.get("attachment_urls") else None
        )
    record.update(_conversation_columns(public if include_messages else None))
    from_messages, from_body = _feedback(texts), html_to_text(record.get("body_html")) or None
    record["feedback_text"] = from_messages or from_body
    record["feedback_source"] = "messages" if from_messages else "body" if from_body else "none"
    cleaned: Record = without_signatures(record)
    return cleaned


def _is_public_body(stored: Record, messages: Iterable[Record]) -> bool:
    """Whether no internal note equals the body, contains it or is contained in it: letters and digits count."""
    body = _letters(stored.get("body_html"))
    notes = [_letters(message["message_html"]) for message in messages if message["is_private"]]
    return not any(body == note or (len(body) >= 20 and note and (body in note or note in body)) for note in notes)


def _letters(html: str | None) -> str:
    return re.sub(r"[\W_]+", "", (html_to_text(html, links=False) or "").casefold())


CONVERSATION = ("public_message_count", "customer_message_count", "last_customer_message_at", "last_team_message_at")
"""Columns of issues that are made from their public messages."""


def _conversation_columns(public: list[Record] | None) -> Record:
    """How many public messages there are, how many of them contacts wrote, and when each side wrote last."""
    if public is None:
        return dict.fromkeys(CONVERSATION)
    customer = [message["timestamp"] for message in public if author_type(message) == "contact"]
    team = [message["timestamp"] for message in public if author_type(message) == "user"]
    return {
        "public_message_count": len(public),
        "customer_message_count": len(customer),
        "last_customer_message_at": max(customer, default=None),
        "last_team_message_at": max(team, default=None),
    }


def author_type(message: Record) -> str | None:
    """`contact` for what a customer wrote, `user` for what the team or a bot wrote."""
    author = message.get("author") or {}
    return "contact" if author.get("contact") else "user" if author.get("user") else None


def type_of(issue: Record) -> str:
    """An issue's type in lower case, empty where it has none."""
    return str(issue.get("type") or "").lower()


def stored_issues(pylon: Sandbox, stream: str = "issues") -> list[Record]:
    """The stored issues that a stream owes."""
    issues: list[Record] = pylon.expected("issues")
    if stream == "issues":
        return issues
    return [issue for issue in issues if type_of(issue) == stream.removesuffix("s")]


def expected(pylon: Sandbox, stream: str) -> dict[str, Record]:
    """What a stream must emit of what is stored now, by id, without the signatures of links."""
    if stream in ISSUE_STREAMS:
        return {issue["id"]: expected_issue(pylon, issue) for issue in stored_issues(pylon, stream)}
    if stream == "survey_responses":
        surveys = {survey["id"]: survey for survey in pylon.expected("surveys")}
        return {record["id"]: _expected_response(record, surveys[parent]) for parent, record in pylon.expected(stream)}
    records: list[Record] = pylon.expected(stream)
    if stream == "contacts":
        return {record["id"]: {**record, **join_ids(record, ("account",))} for record in records}
    if stream == "accounts":
        return {record["id"]: {**record, **join_ids(record, ("owner",))} for record in records}
    if stream == "call_recordings":
        return {record["id"]: _expected_recording(record) for record in records}
    return {record["id"]: record for record in records}


def _expected_recording(record: Record) -> Record:
    source = "summary" if record.get("summary") else "title" if record.get("title") else "none"
    text = html_to_text(record[source]) if source != "none" else None
    return {**record, "feedback_text": text, "feedback_source": source}


def _expected_response(record: Record, survey: Record) -> Record:
    answers = record.get("answers") or ()
    asked = [f"{answer['prompt']}\n{answer['value']}" for answer in answers]
    given = {answer["question_type"]: answer["value"] for answer in reversed(answers) if answer["value"]}
    return {
        **record,
        "survey_id": record.get("survey_id") or survey["id"],
        "survey_name": survey["name"],
        "survey_type": record.get("survey_type") or survey["type"],
        "score": float(given["score"]) if "score" in given else None,
        "comment": given.get("comment"),
        "feedback_text": _feedback(asked),
    }


def newest(outputs: Iterable[Output], stream: str) -> dict[str, Record]:
    """The last emission of each record over several syncs, as a destination that deduplicates keeps it."""
    kept: dict[str, Record] = {}
    for output in outputs:
        kept.update((record["id"], record) for record in output.records(stream))
    return kept


def assert_kept_equals_stored(kept: Mapping[str, Record], pylon: Sandbox, stream: str) -> None:
    """Every stored record is kept as it is stored; deleted ones may be kept, too, because nothing tells of them."""
    wanted = expected(pylon, stream)
    assert not wanted.keys() - kept.keys(), f"{stream}: lost"
    stale = {key: (without_signatures(kept[key]), wanted[key]) for key in wanted}
    different = {key: pair for key, pair in stale.items() if pair[0] != pair[1]}
    assert not different, (
        f"{stream}: {len(different)} records are not as stored, such as {next(iter(different.items()))}"
    )


def is_covered(state: Mapping[str, Any], issue: Record) -> bool:
    """Whether the state of an issue stream says that an issue has been emitted as it is now stored.

    Its creation lies in the part of the history that has been read, none of its times is later than the changes that
    have been read, and it is not among those that could not be read.
    """
    back_to, until = state.get("history_read_back_to"), parse(state.get("changes_read_until"))
    if until is None or back_to is None or issue["id"] in state.get("unread_issues", ()):
        return False
    if back_to != "complete" and moment(issue["created_at"]) < moment(back_to):
        return False
    times = (issue["created_at"], issue["updated_at"], issue.get("latest_message_time"))
    return all(moment(value) <= until for value in times if value)


def moment(text: Any) -> datetime:
    """A time of a record or a state."""
    value = parse(text)
    assert value is not None, text
    return value


def ago(**delta: float) -> datetime:
    """A moment before now."""
    return datetime.now(timezone.utc) - timedelta(**delta)


def hook(pylon: Sandbox, template: str, call: Callable[[Seen], object], *, after: int = 0) -> Fault:
    """Calls a function once, within the server, when the request after the first `after` ones arrives; the request
    itself passes unharmed."""
    fault = Fault(template, delay(0.0), times=1, after=after)
    original = fault.meets

    def meets(seen: Seen) -> bool:
        struck = original(seen)
        if struck:
            call(seen)
        return struck

    fault.meets = meets  # type: ignore[method-assign]
    return pylon.faults.add(fault)


def unfiltered_search(pylon: Sandbox, page: int = 100) -> Action:
    """A search that ignores every filter: all issues, newest created first, in pages of at most `page`."""

    def answer(seen: Seen) -> Reply:
        body = seen.body or {}
        start = int(body.get("cursor") or 0)
        issues = pylon.expected("issues")
        end = start + min(page, int(body.get("limit", 100)))
        more = end < len(issues)
        pagination = {"cursor": str(end) if more else "", "has_next_page": more}
        envelope = {"data": issues[start:end], "pagination": pagination, "request_id": "unfiltered"}
        return Reply(200, json.dumps(envelope).encode(), {"Content-Type": "application/json"})

    return Action(instead=answer)

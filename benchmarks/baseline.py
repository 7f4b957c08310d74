"""The least that a program can do in Python to read Pylon: `requests`, `orjson`, and a loop.

python -m benchmarks.baseline STREAM --url URL --token TOKEN [--threads N] [--no-messages]

It reads the same pages and writes the same lines of records as the connector, with the same functions for what is added
to a record, but for nothing it asks twice, waits for no limit, keeps no state, and knows no error.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import requests

from source_pylon.extraction.issues.history import MAX_RANGE
from source_pylon.timestamps import render
from source_pylon.transform.columns import with_ids
from source_pylon.transform.issue_record import issue_record

Record = dict[str, Any]

_AT_ONCE = 200


def pages(session: requests.Session, url: str, **query: Any) -> Iterator[list[Record]]:
    """All pages of a list."""
    query = {"limit": 999, **query}
    while True:
        answer = orjson.loads(session.get(url, params=query).content)
        yield answer.get("data") or []
        if not (answer.get("pagination") or {}).get("has_next_page"):
            return
        query["cursor"] = answer["pagination"]["cursor"]


def issue_pages(session: requests.Session, url: str) -> Iterator[list[Record]]:
    """All pages of issues, year by year, newest first, until a year holds none."""
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
    found = True
    while found:
        since = until - MAX_RANGE
        found = False
        for page in pages(session, f"{url}/issues", limit=1000, start_time=render(since), end_time=render(until)):
            found = found or bool(page)
            yield page
        until = since


def issues(session: requests.Session, url: str, threads: int, with_messages: bool) -> Iterator[Record]:
    """All issues, as the connector emits them."""

    def finished(issue: Record) -> Record:
        if not with_messages:
            return issue_record(issue, None)
        messages: list[Record] = []
        if issue.get("latest_message_time") or issue.get("body_html") or issue.get("attachment_urls"):
            answer = session.get(f"{url}/issues/{issue['id']}/messages").content
            messages = orjson.loads(answer).get("data") or []
        return issue_record(issue, messages)

    if threads == 1:
        for page in issue_pages(session, url):
            yield from map(finished, page)
        return
    with ThreadPoolExecutor(threads) as pool:
        for page in issue_pages(session, url):
            yield from pool.map(finished, page)


def main(arguments: list[str]) -> None:
    """Reads one stream and writes its records."""
    parser = argparse.ArgumentParser("benchmarks.baseline")
    parser.add_argument("stream", choices=["accounts", "contacts", "issues"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-messages", action="store_true")
    options = parser.parse_args(arguments)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {options.token}"
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=options.threads))  # ignore-https-check
    if options.stream == "issues":
        records = issues(session, options.url, options.threads, not options.no_messages)
    else:
        listed = pages(session, f"{options.url}/{options.stream}")
        ids = {"contacts": {"account_id": "account"}, "accounts": {"owner_id": "owner"}}[options.stream]
        records = (with_ids(record, **ids) for page in listed for record in page)
    lines: list[bytes] = []
    for record in records:
        content = {"stream": options.stream, "data": record, "emitted_at": int(time.time() * 1000)}
        lines.append(orjson.dumps({"type": "RECORD", "record": content}))
        if len(lines) == _AT_ONCE:
            sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
            lines.clear()
    if lines:
        sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

"""A loop of requests as one writes it in an afternoon: every page, every message, one line of JSON for each record.

    python -m benchmarks.peers.bare accounts|issues --url URL --token TOKEN

It keeps no state and raises for every status that is not 2xx. Ten threads read the messages, which are put into their
issue.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

THREADS = 10
_YEAR = timedelta(days=365)
"""The widest range of `GET /issues`."""


def pages(session: requests.Session, url: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """All pages of a list."""
    while True:
        response = session.get(url, params=query, timeout=90)
        response.raise_for_status()
        answer = response.json()
        yield answer.get("data") or []
        pagination = answer.get("pagination") or {}
        if not pagination.get("has_next_page"):
            return
        query["cursor"] = pagination["cursor"]


def issues(session: requests.Session, url: str) -> Iterator[dict[str, Any]]:
    """All issues with their messages, year by year, newest first, until a year holds none."""

    def with_messages(issue: dict[str, Any]) -> dict[str, Any]:
        response = session.get(f"{url}/issues/{issue['id']}/messages", timeout=90)
        response.raise_for_status()
        return {**issue, "messages": response.json().get("data") or []}

    until = datetime.now(timezone.utc) + timedelta(days=1)
    found = True
    with ThreadPoolExecutor(THREADS) as pool:
        while found:
            since, found = until - _YEAR, False
            times = {"start_time": f"{since:%Y-%m-%dT%H:%M:%SZ}", "end_time": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
            for page in pages(session, f"{url}/issues", limit=1000, **times):
                found = found or bool(page)
                yield from pool.map(with_messages, page)
            until = since


def main(arguments: list[str]) -> None:
    """Reads accounts or issues and writes them, one a line."""
    parser = argparse.ArgumentParser("benchmarks.peers.bare")
    parser.add_argument("kind", choices=["accounts", "issues"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args(arguments)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {options.token}"
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))  # ignore-https-check
    if options.kind == "issues":
        for issue in issues(session, options.url):
            sys.stdout.write(json.dumps(issue) + "\n")
    else:
        for page in pages(session, f"{options.url}/accounts", limit=999):
            sys.stdout.writelines(json.dumps(account) + "\n" for account in page)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The sandbox in a process of its own, with its whole log at hand: `with Pylon(issues=3000) as pylon: pylon.url`."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple

from benchmarks.minimum_requests import may_have_messages, minimum_requests
from benchmarks.peers.judge import Verdict, judge
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sandbox.faults import Action, Reply, Seen
from integration_tests.sandbox.limits import Limiter
from integration_tests.sandbox.versions import encode
from source_pylon.api.endpoints import MESSAGES


class Call(NamedTuple):
    """One request as the sandbox saw it; `at` is the machine's monotonic clock, the same in all processes."""

    at: float
    template: str
    id: str
    status: int | None


class Pylon:
    """A handle on a sandbox in another process."""

    def __init__(self, *, size: Mapping[str, int], **options: Any) -> None:
        """`size` as of `Size`; `options` as of `Sandbox`, but for history, which ends an hour ago.

        So nothing lies within the settling time of a first sync, which the next would rightly read again.
        """
        options.setdefault("base_time", datetime.now(timezone.utc) - timedelta(hours=1))
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, dict(size), options), daemon=True)
        self.url = self.token = ""

    def __enter__(self) -> Pylon:
        self._process.start()
        self.url, self.token = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that reads this sandbox."""
        return {"api_token": self.token, "api_url": self.url}

    def storm(self, after: int, seconds: float) -> None:
        """After so many more message requests, every request is answered with 429 for so many seconds."""
        self._ask("storm", after, seconds)

    def judge(self, program: str, kind: str, paths: Sequence[str]) -> Verdict:
        """Judges what a program of the comparison with peers has written."""
        return Verdict(*self._ask("judge", program, kind, list(paths)))

    def _ask(self, name: str, *arguments: Any) -> Any:
        self._pipe.send((name, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def calls(self) -> list[Call]:
        """All requests since the last `forget`, oldest first."""
        return [Call(*call) for call in self._ask("calls")]

    def forget(self) -> None:
        """Forgets the requests seen so far."""
        self._ask("forget")

    def set_latency(self, seconds: float) -> None:
        """Every response takes that long from now on."""
        self._ask("set_latency", seconds)

    def limit(self, table: str | dict[str, int] | None, minute: float) -> dict[str, int]:
        """Sets the limits from now on, with empty windows; returns the calls per minute of each endpoint."""
        return dict(self._ask("limit", table, minute))

    def minimum_requests(self, streams: Sequence[str], include_messages: bool = True) -> dict[str, int]:
        """The requests that a first sync of these streams cannot avoid, by endpoint."""
        return dict(self._ask("minimum_requests", list(streams), include_messages))

    def asked_in_vain(self) -> int:
        """How many message requests went to issues with neither a message nor a body or file to compare with one."""
        return int(self._ask("asked_in_vain"))

    def add_before(self, issues: int, days: float) -> None:
        """Issues with a message each, from a quarter of a year that ended `days` ago."""
        self._ask("add_before", issues, days)

    def an_hour_passes(self, messages: int, others: int) -> None:
        """An hour later: `messages` issues have a new message, `others` changed without one."""
        self._ask("an_hour_passes", messages, others)

    def change(self, messages: int, others: int) -> None:
        """Now `messages` issues get a new message, and `others` change without one."""
        self._ask("change", messages, others)

    def widen_accounts(self, custom_fields: int) -> None:
        """Gives every account so many custom fields more: a generated one has half a kilobyte, seven make it one."""
        self._ask("widen_accounts", custom_fields)

    def fatten(self, issues: int, characters: int) -> None:
        """Gives the newest issues one more message each, of so many characters."""
        self._ask("fatten", issues, characters)


class _Served:
    """What the other process does when it is asked."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def calls(self) -> list[tuple[Any, ...]]:
        return [
            (seen.monotonic, seen.template, seen.params.get("id", ""), seen.status) for seen in list(self._sandbox.log)
        ]

    def forget(self) -> None:
        self._sandbox.log.clear()

    def set_latency(self, seconds: float) -> None:
        self._sandbox.latency = seconds

    def limit(self, table: str | dict[str, int] | None, minute: float) -> dict[str, int]:
        self._sandbox.limiter = Limiter(self._sandbox.operations, table, minute)
        return dict(self._sandbox.limiter.calls)

    def minimum_requests(self, streams: list[str], include_messages: bool) -> dict[str, int]:
        return minimum_requests(self._sandbox.store, streams, include_messages)

    def asked_in_vain(self) -> int:
        versions = self._sandbox.store.collection("issues").live.versions.values()
        having = {version.id for version in versions if may_have_messages(version.record())}
        asked = [seen.params["id"] for seen in list(self._sandbox.log) if seen.template == MESSAGES.key]
        return sum(issue not in having for issue in asked)

    def add_before(self, issues: int, days: float) -> None:
        end = self._sandbox.clock.now() - timedelta(days=days)
        for number in range(issues):
            at = end - timedelta(days=90) * (issues - number) / issues
            self._sandbox.store.add_message(self._sandbox.store.add_issue(at=at), at=at)

    def an_hour_passes(self, messages: int, others: int) -> None:
        hour = timedelta(hours=1)
        self._sandbox.clock.advance(hour)
        self._change(messages, others, hour)

    def change(self, messages: int, others: int) -> None:
        self._change(messages, others, timedelta())

    def _change(self, messages: int, others: int, within: timedelta) -> None:
        sandbox = self._sandbox
        now = sandbox.clock.now()
        for number, issue in enumerate(self._spread(messages + others)):
            at = now - within * (number + 1) / (messages + others + 1)
            if number < messages:
                sandbox.store.add_message(issue, html=f"<p>One more thing, {number}.</p>", at=at)
            else:
                sandbox.store.update_issue(issue, at=at, tags=[f"changed {number}"])

    def widen_accounts(self, custom_fields: int) -> None:
        for version in self._sandbox.store.collection("accounts").live.versions.values():
            record = version.record()
            for number in range(custom_fields):
                slug = f"custom_field_{number}"
                record["custom_fields"][slug] = {"slug": slug, "value": f"value {number} of {record['name']}"}
            version.raw = encode(record)

    def fatten(self, issues: int, characters: int) -> None:
        html = "<p>" + "All work and no play makes a long message. " * (characters // 43) + "</p>"
        for issue in self._spread(issues):
            self._sandbox.store.add_message(issue, html=html)

    def storm(self, after: int, seconds: float) -> None:
        asked, ends = 0, math.inf

        def meets(seen: Seen) -> bool:
            nonlocal asked, ends
            asked += seen.template == MESSAGES.key
            if asked > after and ends == math.inf:
                ends = seen.monotonic + seconds
            return asked > after and seen.monotonic < ends

        def refuse(seen: Seen) -> Reply:
            # What Pylon's own limit responds, with the seconds that are left.
            headers = {"Content-Type": "application/json", "X-Retry-After": str(math.ceil(ends - seen.monotonic))}
            return Reply(429, b'{"errors":["rate limit exceeded"],"request_id":"storm","code":"rate_limited"}', headers)

        self._sandbox.faults.clear()
        self._sandbox.faults.add(Fault("*", Action(instead=refuse), times=None, when=meets))

    def judge(self, program: str, kind: str, paths: list[str]) -> tuple[int, ...]:
        return tuple(judge(self._sandbox, program, kind, paths))

    def _spread(self, count: int) -> list[str]:
        # Those with messages, so that the requests which a change makes necessary are easily counted.
        ids = self._with_messages()
        return ids[:: max(1, len(ids) // count)][:count] if count else []

    def _with_messages(self) -> list[str]:
        collection = self._sandbox.store.collection("issues")
        versions = collection.live.versions
        return [one for one in collection.ids if versions[one].times.get("latest_message_activity_at") is not None]


def _serve(pipe: Connection, size: dict[str, int], options: dict[str, Any]) -> None:
    with Sandbox(size=Size(**size), **options) as sandbox:
        served = _Served(sandbox)
        pipe.send((sandbox.url, sandbox.token))
        while True:
            try:
                name, arguments = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(getattr(served, name)(*arguments))
            except Exception as error:
                pipe.send(error)

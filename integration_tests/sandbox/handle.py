"""The sandbox as tests use it: a context manager that holds all of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integration_tests.sandbox.clock import SandboxClock, millis
from integration_tests.sandbox.control import Control
from integration_tests.sandbox.evolve import Change, evolve
from integration_tests.sandbox.limits import DEFAULT_TABLE, Limiter
from integration_tests.sandbox.mutations import MutableStore
from integration_tests.sandbox.operations import read_operations
from integration_tests.sandbox.options import Behaviour, History, Size
from integration_tests.sandbox.server import Server
from integration_tests.sandbox.story import END, Story

if TYPE_CHECKING:
    from typing_extensions import Self

REGIONS = ("us", "eu")


class Sandbox:
    """A local Pylon: `with Sandbox(size=Size(issues=2000)) as pylon: ... pylon.url, pylon.token ...`.

    size, seed, base_time: what data there is; the same for the same three. `base_time` ends the history (default now).
    limits, minute, taken: see `Limiter`.
    latency: seconds that every answer takes. search_lag: seconds until a search knows a change.
    region: where `token` is at home; `other_region_token` is of the other region.
    port: 0 for any free one.
    history: the shape of the past.
    behaviour, or its fields by name: answers to what Pylon's documents leave open.
    story: the story of a support team (see story.py) instead of random data; size and history then say nothing,
        `base_time` is by default the story's own end, and the clock runs from there.

    `url` is set once it is entered. `faults` are the faults in force, `log` all requests seen, oldest first, and
    `unknown_keys` how often each key came that Pylon ignores, such as `POST /issues/search body:sort`.
    """

    def __init__(
        self,
        *,
        size: Size | None = None,
        seed: int = 1,
        limits: str | Mapping[str, int] | None = DEFAULT_TABLE,
        minute: float = 60.0,
        taken: float = 0.0,
        latency: float = 0.0,
        search_lag: float = 0.0,
        region: str = "us",
        port: int = 0,
        base_time: datetime | None = None,
        history: History | None = None,
        behaviour: Behaviour | None = None,
        story: bool = False,
        **behaviours: Any,
    ) -> None:
        """Makes the data; serves nothing until it is entered."""
        if region not in REGIONS:
            raise ValueError(f"region must be one of {REGIONS}")
        if story:
            size, base_time = Size.empty(), base_time or END
        operations = read_operations()
        other = next(name for name in REGIONS if name != region)
        # The connector asks for changes since its last sync, by whichever clock is behind: in a story, Pylon's.
        self.clock = SandboxClock(base_time if story else None)
        self.token = f"pylon_sandbox_{region}_{seed}"
        self.other_region_token = f"pylon_sandbox_{other}_{seed}"
        self.store = MutableStore(
            self.clock,
            seed=seed,
            size=size or Size(),
            behaviour=behaviour or Behaviour(**behaviours),
            search_lag=search_lag,
            base=None if base_time is None else millis(base_time),
            history=history or History(),
        )
        self.story = Story(self.store) if story else None
        self.limiter = Limiter(operations, limits, minute, taken)
        self.server = Server(
            operations,
            self.store,
            self.limiter,
            self.clock,
            tokens={self.token: region, self.other_region_token: other},
            region=region,
            latency=latency,
        )
        self.faults = self.server.faults
        self.log = self.server.log
        self.unknown_keys = self.server.unknown_keys
        self.url = ""
        self._port = port

    def __enter__(self) -> Self:
        """Starts the server; from now on `url` is set."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stops the server."""
        self.stop()

    def start(self) -> Self:
        """Starts the server."""
        control = Control(self.server, self.store, self.clock)
        self.url = f"http://127.0.0.1:{self.server.start(self._port, control.handle)}"
        return self

    def stop(self) -> None:
        """Stops the server; the data stays readable."""
        self.server.stop()

    def count(self, template: str, status: int | None = None) -> int:
        """How many requests an endpoint has seen, all or those answered with one status."""
        return sum(seen.template == template and status in (None, seen.status) for seen in list(self.log))

    def refused(self) -> int:
        """How many requests were answered with 429."""
        return sum(seen.status == 429 for seen in list(self.log))

    def forbid(self, template: str) -> None:
        """Takes the permission for an endpoint away from the token. Raises ValueError for an unknown one."""
        if template not in self.server.operations:
            raise ValueError(f"no endpoint {template!r}")
        self.server.forbidden.add(template)

    def allow(self, template: str) -> None:
        """Gives the permission for an endpoint back."""
        self.server.forbidden.discard(template)

    def revoke(self) -> None:
        """Makes the token unknown from now on."""
        self.server.tokens.pop(self.token, None)

    def evolve(self, seed: int, n: int, deletions: bool = True) -> list[Change]:
        """Makes a deterministic mix of `n` changes."""
        return evolve(self.store, seed, n, deletions)

    def story_day(self) -> None:
        """Lets a day of the story pass. Raises ValueError without a story, or when it has no more days."""
        if self.story is None:
            raise ValueError("the sandbox has no story")
        self.story.day()

    def story_now(self) -> int:
        """The moment up to which the story is told, in milliseconds. Raises ValueError without a story."""
        if self.story is None:
            raise ValueError("the sandbox has no story")
        return self.story.now

    def expected(self, kind: str) -> list[Any]:
        """All records of a kind as the API shows them now; see `Store.expected`."""
        return self.store.expected(kind)

    def messages(self, issue_id: str) -> list[dict[str, Any]]:
        """The messages of an issue as the API shows them now, internal notes among them."""
        return self.store.messages(issue_id)

    def private_markers(self) -> set[str]:
        """The markers of all internal notes that ever were."""
        return self.store.private_markers()

"""What a stream is: a declaration that turns a state into slices of records. Nothing here knows the CDK."""

import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.config import Config
from source_pylon.output.progress import Progress
from source_pylon.timing import Timing

logger = logging.getLogger("airbyte")

Record = dict[str, Any]
State = dict[str, Any]


@dataclass(frozen=True)
class Slice:
    """A part of a stream that is read by itself.

    `label` names it in logs. `state` is asked when this slice and all before it have been emitted, and gives what
    the stream's state becomes; without it the state stays.
    """

    label: Mapping[str, Any]
    read: Callable[[], Iterable[Record]]
    state: Callable[[], State] | None = None


@dataclass
class Selection:
    """One stream as a sync selected it. `state` is None for a full refresh, empty for a first sync."""

    definition: "Stream"
    state: State | None

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.definition.name


@dataclass
class Sync:
    """What all streams of one sync share."""

    client: PylonClient
    config: Config
    timing: Timing
    progress: Progress
    selections: list[Selection] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)
    """What streams that read together keep for each other, under a name of theirs; changed under `lock`."""
    keyless: Counter[str] = field(default_factory=Counter)
    """How many records of each stream came without their primary key; changed under `lock`."""
    unfinished: set[str] = field(default_factory=set)
    """Streams whose list of things to read missed some of them: their states go no further."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count_keyless(self, stream: str, count: int) -> None:
        """Leaves out records that have no primary key: no destination could update them, and an empty one ends the
        CDK's read loop. They make the stream fail in the end, and are asked for again by the next sync."""
        with self.lock:
            self.keyless[stream] += count

    def count_unlistable(self, stream: str, count: int) -> None:
        """As `count_keyless`, for what was to be read in slices: those that follow do not move the state."""
        self.count_keyless(stream, count)
        self.unfinished.add(stream)


class Stream(ABC):
    """One stream. Subclasses say how a kind of stream is read; instances in the table say what."""

    name: str
    primary_key: tuple[str, ...] = ("id",)
    cursor_field: str | None = None
    model: type[BaseModel]
    main: bool = False
    """Whether `check` asks for a record of it."""
    in_order: bool = False
    """Whether its slices are read one after the other; otherwise a few are read at once."""

    @property
    @abstractmethod
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that reading it calls."""

    @abstractmethod
    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """The slices of one sync, in the order in which the state passes them.

        `state` is None for a full refresh, and empty when there is none yet. Raises PylonError.
        """

    @abstractmethod
    def probe(self, client: PylonClient, config: Config) -> None:
        """Asks for one record; raises PylonError when the token or the endpoint does not allow it."""

    def done(self, sync: Sync) -> None:  # noqa: B027 most streams share nothing that they would have to give back
        """The stream is read or has failed; nothing more will be asked of its slices."""


def foreign_state(name: str, state: State) -> None:
    """Says that a state is not this connector's, so that the stream is read from its beginning."""
    logger.warning(
        f"The state of stream {name} holds no position that this connector could go on from "
        f"(it holds: {', '.join(sorted(map(str, state))) or 'nothing'}). The stream is read from its beginning."
    )


def ahead_of_time(name: str, mark: datetime) -> None:
    """Says that a state lies in the future, so that nothing can be newer than it."""
    logger.warning(
        f"The state of stream {name} lies in the future ({mark:%Y-%m-%d}), so nothing is newer. "
        "If it is wrong, reset the stream in Airbyte."
    )

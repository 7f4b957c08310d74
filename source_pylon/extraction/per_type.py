"""Streams whose endpoint lists one type of object at a time."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import Endpoint
from source_pylon.config import Config
from source_pylon.extraction.list import with_key
from source_pylon.extraction.stream import Record, Slice, State, Stream, Sync

logger = logging.getLogger("airbyte")


class TypedStream(Stream):
    """All records of each of some types, the whole at every sync.

    The type goes into the path where the endpoint has a placeholder for it, else into the query, under the name of
    `type_field`, which is also the record's field; where the API leaves it out, it is added.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        model: type[BaseModel],
        *,
        types: Callable[[Config], Sequence[str]],
        type_field: str,
        skips_refused: bool = False,
    ) -> None:
        """`skips_refused`: a type that Pylon refuses is left out with a log line, since plans differ in the types
        that they have; all of them refused is an error."""
        self.name = name
        self.endpoint = endpoint
        self.model = model
        self.types = types
        self.type_field = type_field
        self.skips_refused = skips_refused
        self.primary_key = (type_field, "id")

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The list of one type."""
        return (self.endpoint,)

    def slices(self, sync: Sync, state: State | None) -> Iterator[Slice]:
        """One slice for all types, so that it is known in the end whether any was to be had."""
        yield Slice({}, lambda: self._records(sync, self.types(sync.config)))

    def _records(self, sync: Sync, types: Sequence[str]) -> Iterator[Record]:
        if not types:
            logger.info(f"Stream {self.name}: no types are configured, so there is nothing to read.")
        refusals: list[errors.PylonError] = []
        for kind in dict.fromkeys(types):
            try:
                yield from self._of_type(sync, kind)
            except (errors.Forbidden, errors.NotFound, errors.Rejected) as refusal:
                if not self.skips_refused:
                    raise self._unknown(kind, refusal) from refusal
                refusals.append(refusal)
                logger.info(f"Stream {self.name}: Pylon has no {self.type_field} {kind!r} for this organisation.")
        if refusals and len(refusals) == len(types):
            raise refusals[0]

    def _unknown(self, kind: str, refusal: errors.PylonError) -> errors.PylonError:
        """A refusal as it is, or as the configuration's mistake where Pylon does not have the type."""
        if not isinstance(refusal, errors.NotFound):
            return refusal
        return errors.DisabledByConfig(
            f"Pylon has no {self.type_field} {kind!r} for {self.name}. Correct it in the configuration, or remove it.",
            refusal.detail,
        )

    def _of_type(self, sync: Sync, kind: str) -> Iterator[Record]:
        in_path = "{" in self.endpoint.path
        query: dict[str, Any] = {} if in_path else {self.type_field: kind}
        for page in sync.client.pages(self.endpoint, *([kind] if in_path else ()), query=query):
            records = [{**item, self.type_field: item.get(self.type_field) or kind} for item in page]
            yield from with_key(self, sync, records)

    def probe(self, client: PylonClient, config: Config) -> None:
        """Nothing: which types there are is the configuration's business."""

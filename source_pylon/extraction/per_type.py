"""Streams whose endpoint lists one type of object at a time."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.config import Config
from source_pylon.extraction.stream import EndpointStream, KeyGuard, Page, SyncContext

logger = logging.getLogger("airbyte")


class PerTypeStream(EndpointStream):
    """All records of several types, read in full by every sync.

    The type goes into the path where the endpoint has a placeholder for it, otherwise into the query under the name of
    `type_field`. That is also the record's field; where the API leaves it out, it is added.
    """

    type_field: ClassVar[str]
    skip_refused_types: ClassVar[bool] = False
    """Skip types that Pylon refuses: not every plan has every type. If all types are refused, the stream fails."""

    @abstractmethod
    def types(self, config: Config) -> Sequence[str]:
        """Return the types to read."""

    def pages(self, context: SyncContext, guard: KeyGuard, after: datetime | None) -> Iterator[Page]:
        """Read one type after the other."""
        types = list(dict.fromkeys(self.types(context.config)))
        if not types:
            logger.info(f"Stream {self.name}: the configuration names no types to read (see Custom Object Types).")
        refusals: list[errors.PylonError] = []
        for kind in types:
            try:
                yield from self._read_type(context, guard, kind)
            except (errors.Forbidden, errors.NotFound, errors.Rejected) as refusal:
                if not self.skip_refused_types:
                    raise self._explain(kind, refusal) from refusal
                refusals.append(refusal)
                logger.info(f"Stream {self.name}: skipped {self.type_field} {kind!r}, which Pylon does not have here.")
        if refusals and len(refusals) == len(types):
            raise refusals[0]

    def _explain(self, kind: str, refusal: errors.PylonError) -> errors.PylonError:
        """Return a refusal as it is, or as a configuration error if Pylon does not have the type."""
        if not isinstance(refusal, errors.NotFound):
            return refusal
        return errors.DisabledByConfig(
            f"Pylon has no {self.type_field} {kind!r} for {self.name}. Correct it in the configuration, or remove it.",
            refusal.detail,
        )

    def _arguments(self, kind: str) -> tuple[list[str], dict[str, Any]]:
        """Return the ids for the path and the query that request a type."""
        return ([kind], {}) if "{" in self.endpoint.path else ([], {self.type_field: kind})

    def _read_type(self, context: SyncContext, guard: KeyGuard, kind: str) -> Iterator[Page]:
        ids, query = self._arguments(kind)
        for page in context.client.pages(self.endpoint, *ids, query=query):
            named = [{**record, self.type_field: record.get(self.type_field) or kind} for record in page]
            yield Page(self.name, self.transformed(guard.keep(named)))

    def probe(self, client: PylonClient, config: Config) -> None:
        """Request one record of each configured type; raises DisabledByConfig for a type that does not exist."""
        if self.skip_refused_types:
            return
        for kind in self.types(config):
            ids, query = self._arguments(kind)
            try:
                next(client.pages(self.endpoint, *ids, query=query, limit=1), None)
            except errors.NotFound as refusal:
                raise self._explain(kind, refusal) from refusal

"""Catalogs: the description of each stream for `discover`, and configured catalogs for `read`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from airbyte_cdk.models import (
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_pylon.extraction.stream import Stream
from source_pylon.files import BadFile, read_catalog
from source_pylon.schemas import json_schema
from source_pylon.streams import STREAMS

SUGGESTED_STREAMS = (
    "issues",
    "call_recordings",
    "survey_responses",
    "contacts",
    "accounts",
    "article_feedback",
    "users",
    "teams",
    "tags",
    "custom_fields",
    "issue_statuses",
)
"""Streams that most users want, the same as in metadata.yaml: none that is a subset of another or slow to read."""


class UnknownStreams(ValueError):
    """Requested streams that do not exist; the message suggests ones that do."""


def airbyte_stream(stream: Stream) -> AirbyteStream:
    """Return a stream as the catalog describes it."""
    described = AirbyteStream(
        name=stream.name,
        json_schema=json_schema(stream.model),
        supported_sync_modes=[SyncMode.full_refresh],
        source_defined_primary_key=[[name] for name in stream.primary_key],
        # A full refresh always starts from the beginning; it does not continue from a state.
        is_resumable=False,
    )
    if stream.cursor_field:
        described.supported_sync_modes.append(SyncMode.incremental)
        described.source_defined_cursor = True
        described.default_cursor_field = [stream.cursor_field]
    return described


def suggested_catalog(names: Iterable[str] = ()) -> ConfiguredAirbyteCatalog:
    """Return a configured catalog of the named streams, or of the suggested ones; incremental where possible.

    Raises UnknownStreams.
    """
    known = {stream.name: stream for stream in STREAMS}
    wanted = list(dict.fromkeys(names)) or SUGGESTED_STREAMS
    if unknown := [name for name in wanted if name not in known]:
        raise UnknownStreams(" ".join(_unknown(name, known) for name in unknown))
    return ConfiguredAirbyteCatalog(streams=[_configured(airbyte_stream(known[name])) for name in wanted])


def configured_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """Return the configured catalog in a file; of any other catalog, such as discover's, all streams.

    Raises BadFile, whose text names the place and quotes no value: the file may be the configuration by mistake.
    """
    value = read_catalog(path)
    streams = [_as_configured(item) for item in value["streams"]]
    try:
        return ConfiguredAirbyteCatalogSerializer.load({**value, "streams": streams})
    except Exception as error:
        places = dict.fromkeys(str(item.instance_path) for item in getattr(error, "errors", ()))
        where = ", ".join(place for place in places if place) or "its content"
        raise BadFile(
            f"The catalog file {path} is not a configured catalog: {where} is incomplete or has a value that is not "
            "allowed. `source-pylon catalog` prints a configured catalog."
        ) from None


def _as_configured(item: Any) -> Any:
    if not isinstance(item, Mapping) or "stream" in item or "sync_mode" in item:
        return item
    incremental = "incremental" in (item.get("supported_sync_modes") or ())
    return {
        "stream": item,
        "sync_mode": "incremental" if incremental else "full_refresh",
        "destination_sync_mode": "append_dedup" if incremental else "overwrite",
        "cursor_field": item.get("default_cursor_field"),
        "primary_key": item.get("source_defined_primary_key"),
    }


def _configured(stream: AirbyteStream) -> ConfiguredAirbyteStream:
    incremental = SyncMode.incremental in stream.supported_sync_modes
    return ConfiguredAirbyteStream(
        stream=stream,
        sync_mode=SyncMode.incremental if incremental else SyncMode.full_refresh,
        destination_sync_mode=DestinationSyncMode.append_dedup if incremental else DestinationSyncMode.overwrite,
        cursor_field=stream.default_cursor_field,
        primary_key=stream.source_defined_primary_key,
    )


def _unknown(name: str, known: Mapping[str, Stream]) -> str:
    text = f"There is no stream {name}." if name.isidentifier() and len(name) < 50 else "One name is not a stream."
    if close := get_close_matches(name, known, n=1):
        return f"{text} Did you mean {close[0]}?"
    return f"{text} The streams are {', '.join(known)}."

"""The connection check: the requests that it makes, and the message that it returns."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import ME
from source_pylon.config import Config
from source_pylon.extraction.per_type import PerTypeStream
from source_pylon.extraction.stream import Stream

logger = logging.getLogger("airbyte")


def check_connection(client: PylonClient, config: Config, streams: Iterable[Stream]) -> tuple[bool, str | None]:
    """Return whether a sync would work, and a message for the user.

    Calls `/me`, then requests one record of each `checked` stream, and one record per type of the streams that read
    types named in the configuration. A stream that the token may not read and a type that does not exist are warnings.
    The check fails when no `checked` stream can be read, the token is not accepted, or Pylon does not respond.
    """
    probed = [stream for stream in streams if stream.checked or _reads_configured_types(stream, config)]
    refused: dict[str, str] = {}
    warnings: list[str] = []
    try:
        # A token without the right to see its own user may still read the streams.
        with contextlib.suppress(errors.Forbidden):
            client.request(ME)
        for stream in probed:
            try:
                stream.probe(client, config)
            except errors.DisabledByConfig as error:
                warnings.append(error.user_message)
            except (errors.Forbidden, errors.NotFound, errors.Rejected) as error:
                refused[stream.name] = error.user_message
    except errors.PylonError as error:
        return False, str(error)
    reasons = " ".join(dict.fromkeys(refused.values()))
    if refused and all(stream.name in refused for stream in probed if stream.checked):
        return False, f"The API token can read none of the streams. {reasons}"
    if refused:
        warnings.insert(
            0, f"The API token cannot read these streams: {', '.join(refused)}. Leave them out, or: {reasons}"
        )
    for warning in warnings:
        logger.warning(warning)
    return True, " ".join(warnings) or None


def unknown_options(config: Mapping[str, Any]) -> list[str]:
    """Return a warning for each key that is not an option. Airbyte's own keys begin with an underscore."""
    return [_unknown_option(str(key)) for key in config if key not in Config.model_fields and str(key)[:1] != "_"]


def _unknown_option(key: str) -> str:
    # A key that does not look like a name is not repeated, because it may be the token in the wrong place.
    named = f"an unknown option, {key}," if _is_name(key) else "an unknown option"
    close = get_close_matches(key, Config.model_fields, n=1)
    return f"The configuration has {named} which is ignored.{f' Did you mean {close[0]}?' if close else ''}"


def _is_name(key: str) -> bool:
    return key.isidentifier() and len(key) <= 40 and not any(character.isdigit() for character in key)


def _reads_configured_types(stream: Stream, config: Config) -> bool:
    return isinstance(stream, PerTypeStream) and not stream.skip_refused_types and bool(stream.types(config))

"""What `check` asks, and how it words the answer."""

import logging
from collections.abc import Sequence

from source_pylon.api import errors
from source_pylon.api.client import PylonClient
from source_pylon.api.endpoints import ME
from source_pylon.config import Config
from source_pylon.extraction.stream import Stream

logger = logging.getLogger("airbyte")


def check_connection(client: PylonClient, config: Config, definitions: Sequence[Stream]) -> tuple[bool, str | None]:
    """Whether a sync could work, and a message for the user.

    Calls `/me`, then asks each stream for one record. A stream that the token may not read is a warning; a check
    fails when no stream can be read, when the token is not accepted, or when Pylon does not answer.
    """
    try:
        _greet(client)
        refused: dict[str, str] = {}
        for definition in definitions:
            try:
                definition.probe(client, config)
            except (errors.Forbidden, errors.NotFound, errors.Rejected) as error:
                refused[definition.name] = error.user_message
    except errors.PylonError as error:
        return False, str(error)
    if not refused:
        return True, None
    reasons = " ".join(dict.fromkeys(refused.values()))
    if len(refused) == len(definitions):
        return False, f"The API token can read none of the streams. {reasons}"
    warning = f"The API token cannot read these streams: {', '.join(refused)}. Leave them out, or: {reasons}"
    logger.warning(warning)
    return True, warning


def _greet(client: PylonClient) -> None:
    try:
        client.request(ME)
    except errors.Forbidden:
        # A token without the right to see its own user may still read the streams.
        logger.debug("The token may not call %s.", ME.key)

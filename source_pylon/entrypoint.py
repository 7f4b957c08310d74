"""The CDK's entry point, with configurations judged by their own model, and records written as they are."""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification, Type

from source_pylon.source import load_config

_MOST_LINES = 200


class PylonEntrypoint(AirbyteEntrypoint):
    """AirbyteEntrypoint for this connector."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Raises a config_error that says what to change; the CDK's own text would quote the value, be it the token."""
        load_config(config)

    def run(self, parsed_args: argparse.Namespace) -> Iterable[str]:
        """The messages of one verb as lines of JSON, without line ends."""
        if parsed_args.command == "read":
            yield from self._run_read(parsed_args)
        else:
            yield from super().run(parsed_args)

    def _run_read(self, parsed_args: argparse.Namespace) -> Iterable[str]:
        # As the CDK does it, but for the serializer: the CDK's leaves out nulls at the top level of a record.
        debug = parsed_args.debug or is_platform_debug_log_enabled()
        self.logger.setLevel(logging.DEBUG if debug else logging.INFO)
        logging.getLogger("airbyte").setLevel(logging.DEBUG if debug else logging.INFO)
        spec = self.source.spec(self.logger)
        config = self.source.configure(self.source.read_config(parsed_args.config), "")
        catalog = self.source.read_catalog(parsed_args.catalog)
        state = self.source.read_state(parsed_args.state)
        yield from map(as_line, self.read(spec, config, catalog, state))


def as_line(message: AirbyteMessage) -> str:
    """A message as a line of JSON. A record's own nulls stay, and it is not walked through, only written."""
    record = message.record
    if message.type is not Type.RECORD or record is None:
        return PylonEntrypoint.airbyte_message_to_string(message)
    content = {"stream": record.stream, "data": record.data, "emitted_at": record.emitted_at}
    return orjson.dumps({"type": "RECORD", "record": content}).decode()


class LineBuffer:
    """Writes lines to standard output some hundred at a time."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Takes a line without its end; it is written with the next flush at the latest."""
        self._lines.append(line)
        if len(self._lines) >= _MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what has been taken."""
        if self._lines:
            self._lines.append("")
            text = "\n".join(self._lines)
            self._lines = []
            sys.stdout.write(text)
        sys.stdout.flush()

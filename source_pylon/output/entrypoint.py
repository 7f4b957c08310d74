"""The CDK's entry point, with our own validation of configurations, and records written as finished lines."""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteCatalog, ConnectorSpecification, Type
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_pylon.output.emitter import LineBuffer
from source_pylon.output.lines import Output, RecordBatch
from source_pylon.output.terminal import Terminal
from source_pylon.source import SourcePylon, load_config

_BYTES_PER_MESSAGE = 1_000
"""What counts as one message for the CDK's memory monitor, which looks at the memory every 5,000 messages, and every
100 once it is nearly full. By bytes, because a record has between a hundred bytes and 16 MB."""


class PylonEntrypoint(AirbyteEntrypoint):
    """AirbyteEntrypoint for this connector."""

    def __init__(
        self,
        source: SourcePylon,
        lines: LineBuffer,
        terminal: Terminal | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(source)
        self._pylon = source
        self._lines = lines
        self._terminal = terminal or Terminal()
        self._should_stop = should_stop

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Raise a config_error that says what to change; the CDK's own error would quote the value, even the token."""
        load_config(config)

    def run(self, parsed_args: argparse.Namespace) -> Iterator[str]:
        """Yield the messages of one verb as lines of JSON."""
        return (lines.decode() for lines in self.lines(parsed_args))

    def lines(self, parsed_args: argparse.Namespace) -> Iterator[bytes]:
        """Yield the messages of one verb as lines of JSON with line ends; records in batches.

        Same as the CDK's `run`, but without its temporary directory, which is not used and cannot be created in a
        container whose file system is read-only.
        """
        debug = parsed_args.debug or is_platform_debug_log_enabled()
        for logger in (self.logger, logging.getLogger("airbyte")):
            logger.setLevel(logging.DEBUG if debug else logging.INFO)
        spec = self.source.spec(self.logger)
        config = self.source.configure(self.source.read_config(parsed_args.config), "")
        if parsed_args.command == "check":
            yield from map(self._line, self.check(spec, config))
        elif parsed_args.command == "discover":
            yield from map(self._line, self.discover(spec, config))
        else:
            catalog = self.source.read_catalog(parsed_args.catalog)
            yield from self._sync(spec, config, catalog, self.source.read_state(parsed_args.state))

    def _sync(
        self,
        spec: ConnectorSpecification,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[Any],
    ) -> Iterator[bytes]:
        self.set_up_secret_filter(config, spec.connectionSpecification)
        counts: defaultdict[HashableStreamDescriptor, float] = defaultdict(float)
        unchecked = 0
        for output in self._pylon.outputs(config, catalog, state, self._lines.flush, self._should_stop):
            lines = self._counted_line(output, counts)
            unchecked += len(lines)
            yield lines
            messages, unchecked = divmod(unchecked, _BYTES_PER_MESSAGE)
            for _ in range(messages):
                self._memory_monitor.check_memory_usage()

    def _counted_line(self, output: Output, counts: defaultdict[HashableStreamDescriptor, float]) -> bytes:
        """Return the lines of an output; a state contains the number of records of its stream since the last state."""
        if isinstance(output, RecordBatch):
            counts[HashableStreamDescriptor(output.stream, output.namespace)] += output.count
            return output.lines
        return self._line(self.handle_record_counts(output, counts))

    def _line(self, message: AirbyteMessage) -> bytes:
        self._terminal.show_error(message)
        return message_line(message)


def message_line(message: AirbyteMessage) -> bytes:
    """Return a message other than a record as a line of JSON, without secrets."""
    return AirbyteEntrypoint.airbyte_message_to_string(_without_secrets(message)).encode() + b"\n"


def _without_secrets(message: AirbyteMessage) -> AirbyteMessage:
    """Return a message without secrets in its texts. States and catalogs are left alone: they hold no secret, and
    replacing a short token in them would corrupt them. Texts are filtered one by one to keep the JSON valid."""
    if message.type is Type.CONNECTION_STATUS and message.connectionStatus and message.connectionStatus.message:
        status = replace(message.connectionStatus, message=filter_secrets(message.connectionStatus.message))
        return replace(message, connectionStatus=status)
    if message.type is Type.TRACE and message.trace and message.trace.error:
        error = message.trace.error
        filtered = replace(
            error,
            message=filter_secrets(error.message),
            internal_message=error.internal_message and filter_secrets(error.internal_message),
            stack_trace=error.stack_trace and filter_secrets(error.stack_trace),
        )
        return replace(message, trace=replace(message.trace, error=filtered))
    return message

"""The CDK's entry point, with configurations judged by their own model, and records written as finished lines."""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteCatalog, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.memory_monitor import MemoryMonitor

from source_pylon.output.emitter import LineBuffer
from source_pylon.output.lines import Output, RecordBatch
from source_pylon.source import SourcePylon, load_config

_OUTPUTS_PER_MEMORY_CHECK = 20
"""A batch of records may have some megabytes."""


class PylonEntrypoint(AirbyteEntrypoint):
    """AirbyteEntrypoint for this connector."""

    def __init__(self, source: SourcePylon, lines: LineBuffer) -> None:
        super().__init__(source)
        self._pylon = source
        self._lines = lines
        self._memory_monitor = MemoryMonitor(check_interval=_OUTPUTS_PER_MEMORY_CHECK)

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Raise a config_error that says what to change; the CDK's own text would quote the value, be it the token."""
        load_config(config)

    def run(self, parsed_args: argparse.Namespace) -> Iterator[str]:
        """Yield the messages of one verb as lines of JSON."""
        return (lines.decode() for lines in self.lines(parsed_args))

    def lines(self, parsed_args: argparse.Namespace) -> Iterator[bytes]:
        """Yield the messages of one verb as lines of JSON, each with its end; records by the batch.

        As the CDK does it, but without its temporary directory: nothing is put there, and a container whose file
        system is read-only has none.
        """
        debug = parsed_args.debug or is_platform_debug_log_enabled()
        for logger in (self.logger, logging.getLogger("airbyte")):
            logger.setLevel(logging.DEBUG if debug else logging.INFO)
        spec = self.source.spec(self.logger)
        config = self.source.configure(self.source.read_config(parsed_args.config), "")
        if parsed_args.command == "check":
            yield from map(message_line, self.check(spec, config))
        elif parsed_args.command == "discover":
            yield from map(message_line, self.discover(spec, config))
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
        for output in self._pylon.outputs(config, catalog, state, self._lines.flush):
            yield self._counted_line(output, counts)
            self._memory_monitor.check_memory_usage()

    def _counted_line(self, output: Output, counts: defaultdict[HashableStreamDescriptor, float]) -> bytes:
        """Return the lines of an output; a state carries how many records of its stream came since the last one."""
        if isinstance(output, RecordBatch):
            counts[HashableStreamDescriptor(output.stream, output.namespace)] += output.count
            return output.lines
        return message_line(self.handle_record_counts(output, counts))


def message_line(message: AirbyteMessage) -> bytes:
    """Return a message that is no record as a line of JSON with its end."""
    # The CDK filters what is logged, not the traces of errors.
    return filter_secrets(PylonEntrypoint.airbyte_message_to_string(message)).encode() + b"\n"

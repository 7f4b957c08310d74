"""The CDK's entry point, with configurations judged by their own model, and records written as they are."""

import argparse
import logging
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER, is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification, Type
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.memory_monitor import MemoryMonitor

from source_pylon.source import SourcePylon, load_config
from source_pylon.sync.packs import count, packed
from source_pylon.transform.clean import dump_line

_ENOUGH_BYTES = 1_000_000
_MOST_AT_ONCE = 65_536
_MESSAGES_BETWEEN_LOOKS_AT_MEMORY = 20
"""A message may be a pack of some megabytes."""


_COUNT_OF_PACKS = re.compile(r"Read \d+ records from \w+ stream")


class PylonEntrypoint(AirbyteEntrypoint):
    """AirbyteEntrypoint for this connector."""

    def __init__(self, source: SourcePylon, lines: "LineBuffer") -> None:
        super().__init__(source)
        self._memory_monitor = MemoryMonitor(check_interval=_MESSAGES_BETWEEN_LOOKS_AT_MEMORY)
        source.pack_records(before_waiting=lines.flush)
        # It would count packs; how many records there were is logged by the connector itself.
        logging.getLogger("airbyte").addFilter(_is_no_count_of_packs)

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Raises a config_error that says what to change; the CDK's own text would quote the value, be it the token."""
        load_config(config)

    def run(self, parsed_args: argparse.Namespace) -> Iterable[str]:
        """The messages of one verb as lines of JSON."""
        return (lines.decode() for lines in self.lines(parsed_args))

    def lines(self, parsed_args: argparse.Namespace) -> Iterable[bytes]:
        """The messages of one verb as lines of JSON, each with its end, records by the pack.

        As the CDK does it, but for the serializer, and without its temporary directory: nothing is put there, and a
        container whose file system is read-only has none.
        """
        debug = parsed_args.debug or is_platform_debug_log_enabled()
        for logger in (self.logger, logging.getLogger("airbyte")):
            logger.setLevel(logging.DEBUG if debug else logging.INFO)
        spec = self.source.spec(self.logger)
        config = self.source.configure(self.source.read_config(parsed_args.config), "")
        messages: Iterable[AirbyteMessage]
        if parsed_args.command == "check":
            messages = self.check(spec, config)
        elif parsed_args.command == "discover":
            messages = self.discover(spec, config)
        else:
            catalog = self.source.read_catalog(parsed_args.catalog)
            messages = self.read(spec, config, catalog, self.source.read_state(parsed_args.state))
        yield from map(as_lines, messages)

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage, stream_message_count: defaultdict[HashableStreamDescriptor, float]
    ) -> AirbyteMessage:
        """Counts records, each one of a pack, and writes the count into each state, as the CDK does."""
        record = message.record
        if message.type is Type.RECORD and record is not None:
            # One is counted below.
            stream_message_count[HashableStreamDescriptor(name=record.stream)] += count(record.data) - 1
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)


def _is_no_count_of_packs(entry: logging.LogRecord) -> bool:
    return not _COUNT_OF_PACKS.fullmatch(entry.getMessage())


def as_lines(message: AirbyteMessage) -> bytes:
    """A message as a line of JSON with its end, a pack of records as several. A record's own nulls stay."""
    record = message.record
    if message.type is not Type.RECORD or record is None:
        # The CDK filters what is logged, not the traces of errors.
        return filter_secrets(PylonEntrypoint.airbyte_message_to_string(message)).encode() + b"\n"
    return packed(record.data) or dump_line(record.stream, record.data, record.emitted_at)


class LineBuffer:
    """Writes lines to standard output, small ones together, each of them whole.

    Log lines of other threads leave through the CDK's print buffer, so what is written here is written under its lock.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        self._leaving: tuple[memoryview, list[int]] = (memoryview(b""), [])
        """What is being written, and how many bytes of it each write took."""

    def add(self, lines: bytes) -> None:
        """Takes whole lines; they are written with the next flush at the latest."""
        if len(lines) >= _ENOUGH_BYTES:
            # By itself it need not be copied.
            self.flush()
        self._lines.append(lines)
        self._size += len(lines)
        if self._size >= _ENOUGH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what has been taken. What a signal interrupts goes on, where it was, with the next flush."""
        with PRINT_BUFFER.lock:
            sys.stdout.flush()
            try:
                self._write_all()
            except BaseException:
                # Once the lock is let go, a log line may leave: not in the middle of a line.
                self._write_all()
                raise

    def _write_all(self) -> None:
        self._write()
        if self._lines:
            # What a signal's exception finds in neither place is lost as if the process had been killed before.
            lines, self._lines, self._size = self._lines, [], 0
            self._leaving = (memoryview(b"".join(lines)), [])
            self._write()

    def _write(self) -> None:
        lines, taken = self._leaving
        try:
            output = sys.__stdout__.fileno() if sys.__stdout__ else 1
        except OSError:
            # Standard output is no file where a test has taken its place.
            self._leaving = (memoryview(b""), [])
            sys.stdout.write(lines.tobytes().decode())
            return
        while (start := sum(taken)) < len(lines):
            # A signal's exception may be raised before anything is done with what a call returns; a list that is
            # extended by an iterator takes it without a step of Python in between. Else lines would leave twice.
            taken.extend(map(os.write, (output,), (lines[start : start + _MOST_AT_ONCE],)))
        self._leaving = (memoryview(b""), [])

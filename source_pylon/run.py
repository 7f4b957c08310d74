"""The console entry point: arguments, files, signals and the exit code."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from source_pylon.signals import Stopped, StopSignals, end_by

if TYPE_CHECKING:
    from source_pylon.source import SourcePylon

_PROGRAM = "source-pylon"
_DESCRIPTION = """\
Reads the support data of Pylon (usepylon.com) as messages of the Airbyte protocol: JSON lines on standard output.

  source-pylon spec                                               the options of a configuration
  source-pylon check    --config config.json                      whether the configuration works
  source-pylon discover --config config.json                      all streams with their schemas
  source-pylon catalog  [--streams issues,accounts]               a configured catalog, ready for read
  source-pylon read     --config config.json --catalog catalog.json [--state state.json]

A first sync, and a second one that reads only what has changed:

  source-pylon catalog --streams issues,accounts > catalog.json
  source-pylon read --config config.json --catalog catalog.json > first.jsonl
  source-pylon read --config config.json --catalog catalog.json --state first.jsonl > second.jsonl
"""
_VERBS = {
    "spec": "print the specification of the configuration",
    "check": "check that the configuration works",
    "discover": "print the catalog of all streams",
    "catalog": "print a configured catalog: each stream incremental where it can be",
    "read": "read the streams of a catalog",
}
_HARMLESS = re.compile(r"the following arguments are required: |argument --[a-z]+: expected one argument$")
"""Messages of argparse that are safe to print. Its others quote the arguments, which may contain the token."""
_COLLECT_AFTER = 50_000
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BLOCK = 256 * 1024


def run() -> NoReturn:
    """Run the connector with the arguments of the command line, and end the process with its exit code."""
    code = main(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    # Exit without joining threads: those that wait for Pylon would keep the process alive.
    os._exit(code)


def main(args: Sequence[str], source: SourcePylon | None = None) -> int:
    """Run one verb and return the exit code; ends the process if a signal stopped it. `source` is for tests."""
    # Install the handlers before the connector is imported, which takes two seconds: process 1 of a container ignores
    # signals that it has no handler for.
    with StopSignals() as stop:
        code = _main(args, source, stop)
    if stop.signum is not None:
        end_by(stop.signum)
    return code


def _main(args: Sequence[str], source: SourcePylon | None, stop: StopSignals) -> int:
    try:
        parsed = _parser().parse_args(args)
        if parsed.command == "spec":
            return _spec()
        return _launch(parsed, source, stop)
    except Stopped:
        return 1
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        try:
            _report(error)
        except BrokenPipeError:
            return _reader_gone()
        return 1


def _report(error: Exception) -> None:
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    from source_pylon.output.entrypoint import message_line
    from source_pylon.output.terminal import Terminal

    if not isinstance(error, AirbyteTracedException):
        error = AirbyteTracedException.from_exception(
            error, message="The connector stopped because of an unexpected error. Please report it with the log."
        )
    message = error.as_airbyte_message()
    Terminal().show_error(message)
    sys.stdout.write(message_line(message).decode())
    sys.stdout.flush()


class _Parser(argparse.ArgumentParser):
    """A parser whose errors never quote the arguments, because somebody may have pasted the token."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; an unknown one is an error of the verb's own parser, which shows the usage of the verb."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error("unknown arguments")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit with code 2."""
        if not _HARMLESS.match(message):
            if self.prog == _PROGRAM:
                advice = f"The verbs are {', '.join(_VERBS)}; --help describes their arguments."
            else:
                advice = "The usage above shows all that this verb takes; --help describes them."
            message = f"an argument is not recognized. {advice}"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        _PROGRAM,
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(title="verbs", dest="command", required=True, metavar="verb")
    for verb, text in _VERBS.items():
        sub = verbs.add_parser(verb, help=text, description=text, allow_abbrev=False)
        sub.add_argument("--debug", action="store_true", help="log in detail")
        if verb != "spec":
            sub.add_argument(
                "--config", required=verb != "catalog", metavar="FILE", help="the configuration, a JSON file"
            )
        if verb == "catalog":
            sub.add_argument(
                "--streams", metavar="NAMES", help="names separated by commas; without it, the suggested streams"
            )
        if verb == "read":
            sub.add_argument(
                "--catalog",
                required=True,
                metavar="FILE",
                help="a configured catalog, or the output of discover, of which all streams are read",
            )
            sub.add_argument(
                "--state", metavar="FILE", help="the state to continue from: JSON, or the output of an earlier read"
            )
    return parser


def _spec() -> int:
    # Answered without the CDK, whose import takes two seconds.
    from source_pylon.config import specification

    print(json.dumps({"type": "SPEC", "spec": specification()}), flush=True)
    return 0


def _catalog(parsed: argparse.Namespace, source: SourcePylon) -> int:
    from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer

    from source_pylon.catalog import UnknownStreams, suggested_catalog
    from source_pylon.source import load_config

    if parsed.config is not None:
        load_config(source.read_config(parsed.config))
    names = [name.strip() for name in (parsed.streams or "").split(",") if name.strip()]
    try:
        catalog = suggested_catalog(names)
    except UnknownStreams as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(ConfiguredAirbyteCatalogSerializer.dump(catalog), indent=1), flush=True)
    return 0


def _launch(parsed: argparse.Namespace, source: SourcePylon | None, stop: StopSignals) -> int:
    from airbyte_cdk.logger import PRINT_BUFFER

    from source_pylon.output.emitter import LineBuffer
    from source_pylon.output.entrypoint import PylonEntrypoint
    from source_pylon.output.terminal import Terminal
    from source_pylon.source import SourcePylon

    source = source or SourcePylon()
    if parsed.command == "catalog":
        return _catalog(parsed, source)
    # Print no stack trace when a log line cannot be written because its reader has gone away.
    logging.raiseExceptions = False
    _return_memory_to_the_system()
    # Freeze objects created during import so that the garbage collector skips them: scanning them again and again
    # takes a quarter of a sync's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    lines = LineBuffer()
    terminal = Terminal()
    entrypoint = PylonEntrypoint(source, lines, terminal, stop.requested)
    with PRINT_BUFFER:
        try:
            with stop.graceful() if parsed.command == "read" else contextlib.nullcontext():
                for some in entrypoint.lines(parsed):
                    lines.add(some)
        finally:
            lines.flush()
        if stop.signum is not None:
            said = f"Stopped by {signal.Signals(stop.signum).name}. The next sync continues from the last state."
            entrypoint.logger.info(said)
            terminal.show(said)
    return 0


def _return_memory_to_the_system() -> None:
    # By default, glibc keeps freed memory of large responses: its threshold for returning blocks grows with each of
    # them, and each thread has a heap of its own. With conversations of several megabytes, this saves 0.6 of 1.0 GB.
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_ARENA_MAX, 2)


def _reader_gone() -> int:
    # Discard what is still buffered: the interpreter would print an error if it could not write it at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 1

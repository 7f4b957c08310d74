"""The console entry point: arguments, files, signals and the exit code."""

import argparse
import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from source_pylon.source import SourcePylon

_DESCRIPTION = """\
Reads support data of Pylon (usepylon.com) as messages of the Airbyte protocol: JSON lines on standard output.

  source-pylon spec                                               what a configuration holds
  source-pylon check    --config config.json                      whether the token works
  source-pylon discover --config config.json                      the streams and their schemas
  source-pylon read     --config config.json --catalog catalog.json [--state state.json]
"""
_COLLECT_AFTER = 50_000
_LAST_WORDS = 3.0
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BLOCK = 256 * 1024


def run() -> NoReturn:
    """Runs the connector with the arguments of the command line, and ends the process with its exit code."""
    code = main(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    # Threads that wait for Pylon, or for a reader of standard output that has gone, must not keep the process.
    os._exit(code)


def main(args: Sequence[str], source: "SourcePylon | None" = None) -> int:
    """Runs one verb and gives the exit code. `source` is for tests and benchmarks."""
    try:
        _parser().parse_args(args)
        if args[0] == "spec":
            return _spec()
        return _launch(args, source)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    except BrokenPipeError:
        return _reader_gone()
    except BaseException as error:
        try:
            _report(error)
        except BrokenPipeError:
            return _reader_gone()
        return 1


def _report(error: BaseException) -> None:
    from airbyte_cdk.models import FailureType
    from airbyte_cdk.utils.traced_exception import AirbyteTracedException

    if isinstance(error, AirbyteTracedException) and error.failure_type is FailureType.config_error:
        # Its text says what to do; a stack of calls would only hide it.
        error.emit_message()
    else:
        # The CDK's hook writes the error as a trace message, without secrets.
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "source-pylon", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="verb")
    texts = {
        "spec": "print the specification of the configuration",
        "check": "check that the configuration works",
        "discover": "print the catalog of streams",
        "read": "read the streams of a configured catalog",
    }
    for verb, text in texts.items():
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.add_argument("--debug", action="store_true", help="log in detail")
        if verb != "spec":
            sub.add_argument("--config", required=True, metavar="FILE", help="the configuration, JSON")
        if verb == "read":
            sub.add_argument("--catalog", required=True, metavar="FILE", help="the configured catalog, JSON")
            sub.add_argument("--state", metavar="FILE", help="states of an earlier sync, JSON or JSON lines")
    return parser


def _spec() -> int:
    # Answered without the CDK, whose import takes two seconds.
    from source_pylon.config import specification

    print(json.dumps({"type": "SPEC", "spec": specification()}), flush=True)
    return 0


def _launch(args: Sequence[str], source: "SourcePylon | None") -> int:
    from airbyte_cdk.logger import PRINT_BUFFER

    from source_pylon.output.emitter import LineBuffer
    from source_pylon.output.entrypoint import PylonEntrypoint
    from source_pylon.source import SourcePylon

    signal.signal(signal.SIGTERM, _terminate)
    # A log line that finds nobody to read it is no error worth a stack of calls.
    logging.raiseExceptions = False
    _give_memory_back()
    # What the imports made lives as long as the process: looking through it again and again costs a quarter of a sync.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    source = source or SourcePylon()
    lines = LineBuffer()
    entrypoint = PylonEntrypoint(source, lines)
    parsed = entrypoint.parse_args(list(args))
    try:
        with PRINT_BUFFER:
            try:
                for some in entrypoint.lines(parsed):
                    lines.add(some)
            finally:
                if signal.setitimer(signal.ITIMER_REAL, 0) != (0.0, 0.0):
                    # Told to end: a reader that is slow gets the last lines whole, one that takes nothing is left.
                    signal.setitimer(signal.ITIMER_REAL, _LAST_WORDS, 1.0)
                lines.flush()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def _give_memory_back() -> None:
    # Left to itself, glibc keeps what large answers took: it gives blocks back from a size on that grows with each of
    # them, and each thread has a heap of its own. 1.0 GB becomes 0.4 GB where conversations are of megabytes.
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_ARENA_MAX, 2)


def _terminate(signum: int, frame: object) -> NoReturn:
    # As an exception, so that buffered lines are written whole. One that is raised within a destructor is lost: it is
    # raised again until it gets through.
    signal.signal(signal.SIGALRM, _terminate_again)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
    # Python would write of the lost one to standard error, which is the CDK's print buffer: among the messages.
    sys.unraisablehook = lambda unraisable: None
    raise SystemExit(128 + signum)


def _terminate_again(signum: int, frame: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _reader_gone() -> int:
    # Whatever is still buffered has no reader; without this the interpreter would complain about it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 1

"""Syncs as processes of their own that cost no start: one process imports everything and forks for each.

Importing Airbyte's CDK takes two seconds, far longer than a small sync. What is forked is a real process: it ends by
the signal that it is sent, and its standard output is a pipe.
"""

from __future__ import annotations

import gc
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn

from integration_tests.support.connector import REPOSITORY, Output, _seconds, timing_of
from integration_tests.support.fault_runs import FAULT_TIMING
from source_pylon.run import main
from source_pylon.source import SourcePylon
from source_pylon.timing import Timing

if TYPE_CHECKING:
    from typing_extensions import Self

_MAX_BYTES_OF_AN_ORDER = 65_536
_PATIENCE = 90.0
"""After so many seconds a process that does not end counts as hanging."""


class ForkedSync:
    """One sync that is under way. What it writes must be read, or it waits for its reader as for any other."""

    def __init__(self, fork_server: ForkServer, pid: int, output: int, errors: IO[bytes]) -> None:
        self._forks = fork_server
        self._pid = pid
        self._output: int | None = output
        self._errors = errors
        self._chunks: list[bytes] = []
        self._code: int | None = None

    def ends(self) -> int:
        """Its exit code, once it has ended with nobody reading on."""
        if self._code is None:
            self._code = self._forks.wait(self._pid)
        return self._code

    def read(self, lines: float = math.inf, seconds: float = _PATIENCE, chunk: int = 65_536) -> bool:
        """Reads on until so many lines more have come or so many seconds have passed; whether there may be more."""
        until = time.monotonic() + seconds
        while self._output is not None and lines > 0:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._output], [], [], left)[0]:
                return True
            read = os.read(self._output, chunk)
            if not read:
                self.leave()
                return False
            self._chunks.append(read)
            lines -= read.count(b"\n")
        return self._output is not None

    def leave(self) -> None:
        """Goes away as a reader."""
        if self._output is not None:
            os.close(self._output)
            self._output = None

    def send(self, sent: signal.Signals) -> None:
        """Sends the process a signal. One that has ended stays known until it is waited for, so none is mistaken."""
        os.kill(self._pid, sent)

    def ended(self) -> Output:
        """What it put out and was read of it, once it has ended; one that goes on is killed, as its exit code tells."""
        if self.read():
            self.send(signal.SIGKILL)
        code = self.ends()
        self.leave()
        self._errors.seek(0)
        stderr = self._errors.read().decode("utf-8", "replace")
        self._errors.close()
        return Output(code, b"".join(self._chunks).decode("utf-8", "replace"), stderr)


class ForkServer:
    """The process that forks itself; a context manager."""

    def __enter__(self) -> Self:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "integration_tests.support.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=REPOSITORY,
                pass_fds=[theirs.fileno()],
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.close()
        self._process.wait(timeout=_PATIENCE)

    def start(self, args: Sequence[str], timing: Timing = FAULT_TIMING) -> ForkedSync:
        """Starts a sync as a process of its own."""
        output, writes = os.pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 closed when the sync has ended
        try:
            order = {"args": list(args), "timing": _seconds(timing)}
            pid = self._order(order, [writes, errors.fileno()])
        finally:
            os.close(writes)
        return ForkedSync(self, pid, output, errors)

    def wait(self, pid: int) -> int:
        """The exit code of a sync, once it has ended; of one that a signal ended, minus the signal."""
        self._orders.settimeout(_PATIENCE)
        try:
            return self._order({"wait": pid})
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._orders.settimeout(None)
            self._orders.recv(_MAX_BYTES_OF_AN_ORDER)
            raise AssertionError(f"it did not end within {_PATIENCE:.0f} s") from None
        finally:
            self._orders.settimeout(None)

    def _order(self, order: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        socket.send_fds(self._orders, [json.dumps(order).encode()], list(descriptors))
        answer = self._orders.recv(_MAX_BYTES_OF_AN_ORDER)
        assert answer, "the process that forks itself has ended"
        return int(json.loads(answer))


def _serve(orders: socket.socket) -> None:
    # What is frozen here is looked through by no sync, and stays shared with all of them.
    gc.collect()
    gc.freeze()
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, _MAX_BYTES_OF_AN_ORDER, 2)
        if not order:
            return
        wanted = json.loads(order)
        if "wait" in wanted:
            answer = os.waitstatus_to_exitcode(os.waitpid(wanted["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                orders.close()
                _sync(descriptors, wanted)
            for descriptor in descriptors:
                os.close(descriptor)
        orders.sendall(json.dumps(answer).encode())


def _sync(descriptors: Sequence[int], wanted: Mapping[str, Any]) -> NoReturn:
    code = 70
    try:
        for descriptor, standard in zip(descriptors, (1, 2), strict=True):
            os.dup2(descriptor, standard)
            os.close(descriptor)
        code = main(wanted["args"], SourcePylon(timing_of(wanted["timing"])))
    finally:
        # As the console script ends; what is below on the stack belongs to the process that was forked.
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        _serve(channel)

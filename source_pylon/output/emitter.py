"""Writes finished lines to standard output: small ones together, each of them whole."""

from __future__ import annotations

import os
import sys

from airbyte_cdk.logger import PRINT_BUFFER

_FLUSH_THRESHOLD = 1_000_000
_MAX_WRITE = 65_536


class LineBuffer:
    """A buffer of whole lines, written under the lock of the CDK's print buffer, through which other threads log."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        self._in_progress: tuple[memoryview, list[int]] = (memoryview(b""), [])
        """What is being written, and how many bytes of it each write accepted."""

    def add(self, lines: bytes) -> None:
        """Add whole lines; they are written with the next flush at the latest."""
        if len(lines) >= _FLUSH_THRESHOLD:
            # Written by itself, it does not have to be copied.
            self.flush()
        self._lines.append(lines)
        self._size += len(lines)
        if self._size >= _FLUSH_THRESHOLD:
            self.flush()

    def flush(self) -> None:
        """Write what was added. After an interruption by a signal, the next flush continues where this one stopped."""
        with PRINT_BUFFER.lock:
            sys.stdout.flush()
            try:
                self._write_all()
            except BaseException:
                # After the lock is released, a log line may be written, which must not be in the middle of a line.
                self._write_all()
                raise

    def _write_all(self) -> None:
        self._write()
        if self._lines:
            # An exception between these two statements loses lines, as a kill would; the state in them is lost, too.
            lines, self._lines, self._size = self._lines, [], 0
            self._in_progress = (memoryview(b"".join(lines)), [])
            self._write()

    def _write(self) -> None:
        lines, taken = self._in_progress
        try:
            output = sys.__stdout__.fileno() if sys.__stdout__ else 1
        except OSError:
            # A test has replaced standard output by something that is not a file.
            self._in_progress = (memoryview(b""), [])
            sys.stdout.write(lines.tobytes().decode())
            return
        while (start := sum(taken)) < len(lines):
            # A signal may raise before the result of a call is stored, and then lines would be written twice. A list
            # that is extended by an iterator stores it without a step of Python in between.
            taken.extend(map(os.write, (output,), (lines[start : start + _MAX_WRITE],)))
        self._in_progress = (memoryview(b""), [])

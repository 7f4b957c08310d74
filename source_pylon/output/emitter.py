"""Writes finished lines to standard output: small ones together, each of them whole."""

from __future__ import annotations

import os
import sys

from airbyte_cdk.logger import PRINT_BUFFER

_ENOUGH_BYTES = 1_000_000
_MOST_AT_ONCE = 65_536


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

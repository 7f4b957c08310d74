"""Shows errors on the terminal when standard output goes to a file or a pipe."""

from __future__ import annotations

import os
import sys

from airbyte_cdk.models import AirbyteMessage, Status, TraceType, Type
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from tqdm import tqdm


class Terminal:
    """Writes to standard error if it is a terminal and standard output is not; otherwise shows nothing."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._is_on = _is_terminal(2) and not _is_terminal(1)

    def show_error(self, message: AirbyteMessage) -> None:
        """Show the text of an error or a failed check, each text once."""
        if message.type is Type.CONNECTION_STATUS and message.connectionStatus is not None:
            if message.connectionStatus.status is Status.FAILED:
                self.show(message.connectionStatus.message or "The check failed.")
        elif message.type is Type.TRACE and message.trace is not None and message.trace.type is TraceType.ERROR:
            self.show(message.trace.error.message if message.trace.error else "")

    def show(self, text: str) -> None:
        """Show a text above the progress lines; the same text is shown only once."""
        if self._is_on and text not in self._shown:
            self._shown.add(text)
            tqdm.write(filter_secrets(text), file=sys.__stderr__)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False

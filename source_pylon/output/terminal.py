"""Shows a person at a terminal what would only be in the file or pipe that standard output goes to."""

from __future__ import annotations

import os
import sys

from airbyte_cdk.models import AirbyteMessage, Status, TraceType, Type
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from tqdm import tqdm


class Terminal:
    """Standard error, where it is a terminal and standard output is not; otherwise it shows nothing."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._is_on = _is_terminal(2) and not _is_terminal(1)

    def show_error(self, message: AirbyteMessage) -> None:
        """Show the text of an error or of a failed check, each once."""
        if message.type is Type.CONNECTION_STATUS and message.connectionStatus is not None:
            if message.connectionStatus.status is Status.FAILED:
                self.show(message.connectionStatus.message or "The check failed.")
        elif message.type is Type.TRACE and message.trace is not None and message.trace.type is TraceType.ERROR:
            self.show(message.trace.error.message if message.trace.error else "")

    def show(self, text: str) -> None:
        """Show a text, above the progress where there is any. The same text is shown once."""
        if self._is_on and text not in self._shown:
            self._shown.add(text)
            tqdm.write(filter_secrets(text), file=sys.__stderr__)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False

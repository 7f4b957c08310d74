"""Ends HTTP exchanges that take too long, wherever they are blocked, by shutting down their sockets."""

import contextlib
import os
import socket
import threading
import time
from typing import Any

_TICKS_PER_DURATION = 8
_MAX_TICK = 1.0
_IDLE_TICKS = 30
"""The thread ends after this many ticks without an exchange, and is started again when one begins."""


class Watch:
    """One exchange in progress, with its deadline and the sockets that it uses."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = False
        self.sockets: list[socket.socket] = []
        self.duplicates: list[socket.socket] = []
        """Those of the sockets that belong to the watchdog."""


class Watchdog:
    """Shuts down the sockets of exchanges that are past their deadline. Thread-safe.

    A read timeout limits the silence between two bytes only. Headers that drip, an endless `100 Continue`, chunk
    extensions, or an endless gzip header keep a thread within one call of the HTTP library for ever. Only closing the
    connection makes that call return.
    """

    def __init__(self, duration: float) -> None:
        """`duration` is the usual limit of an exchange in seconds; the interval of the checks follows from it."""
        self._tick = min(_MAX_TICK, duration / _TICKS_PER_DURATION)
        self._lock = threading.Lock()
        self._watches: dict[int, Watch] = {}
        self._running = False

    def begin(self, seconds: float) -> Watch:
        """Start to watch an exchange of the calling thread, which may take this many seconds."""
        watch = Watch(time.monotonic() + seconds)
        with self._lock:
            self._watches[threading.get_ident()] = watch
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="pylon-watchdog", daemon=True).start()
        return watch

    def attach(self, used: Any, *, is_final: bool) -> None:
        """Add a socket to the exchange of the calling thread. `is_final`: it will not be wrapped in TLS any more.

        Otherwise a duplicate is kept, which stays valid when the HTTP library wraps the socket. Shutting it down ends
        the connection for all of its descriptors.
        """
        watch = self._watches.get(threading.get_ident())
        if watch is None:
            return
        # TLS through a proxy that is itself reached by TLS uses an object that is no socket.
        is_kept = is_final and isinstance(used, socket.socket)
        held = used if is_kept else socket.socket(fileno=os.dup(used.fileno()))
        with self._lock:
            watch.sockets.append(held)
            if not is_kept:
                watch.duplicates.append(held)
            if watch.expired:
                _shut_down(held)

    def end(self, watch: Watch) -> None:
        """Stop watching an exchange."""
        with self._lock:
            self._watches.pop(threading.get_ident(), None)
        for held in watch.duplicates:
            held.close()

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(self._tick)
            now = time.monotonic()
            with self._lock:
                idle = 0 if self._watches else idle + 1
                if idle > _IDLE_TICKS:
                    self._running = False
                    return
                for watch in self._watches.values():
                    if now > watch.deadline and not watch.expired:
                        watch.expired = True
                        for held in watch.sockets:
                            _shut_down(held)


def _shut_down(held: socket.socket) -> None:
    # The other side may have closed it already.
    with contextlib.suppress(OSError):
        # Not the method of a TLS socket: it forgets its encryption first, and a thread that reads meanwhile would take
        # encrypted bytes for the response.
        socket.socket.shutdown(held, socket.SHUT_RDWR)


class WatchedConnection:
    """Mixed into a connection class of urllib3: tells the watchdog which socket an exchange uses."""

    watchdog: Watchdog
    sock: Any

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc]
        # Attached before the handshake, so that a slow handshake or proxy response is ended as well.
        self.watchdog.attach(made, is_final=False)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, on a new connection or a kept one."""
        if self.sock is not None:
            self.watchdog.attach(self.sock, is_final=True)
        super().request(*args, **kwargs)  # type: ignore[misc]


def watched(connection_class: type, watchdog: Watchdog) -> type:
    """Return a subclass of `connection_class` whose sockets are watched."""
    return type("WatchedConnection", (WatchedConnection, connection_class), {"watchdog": watchdog})

"""A PostgreSQL server for tests: Debian's programs, an unprivileged user, a loopback port, a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

# Debian puts each major version's programs into a folder of its own, which is on nobody's PATH.
VERSION = 15
PROGRAMS = Path(f"/usr/lib/postgresql/{VERSION}/bin")
# The user that Debian's package makes: initdb and the server refuse to run as root.
SYSTEM_USER = "postgres"


class Server(NamedTuple):
    """Where a running server is and how to log in; `database` exists and is empty."""

    host: str
    port: int
    username: str
    password: str
    database: str


def missing() -> str | None:
    """Why no server can be started here, or None."""
    if not (PROGRAMS / "initdb").exists():
        return f"PostgreSQL {VERSION} is not installed: apt-get install postgresql-{VERSION}"
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL cannot run as root, and setpriv (util-linux) is missing"
    return None


@contextmanager
def server(time_zone: str = "UTC") -> Iterator[Server]:
    """Runs an empty server until the end of the block, and removes its files then."""
    # Not below pytest's folders: only the user of the tests may enter those, and the server's is another one.
    with TemporaryDirectory(prefix="pylon-postgres-") as folder:
        data, log = Path(folder) / "data", Path(folder) / "server.log"
        if os.geteuid() == 0:
            shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
        login = ("--username", "tester", "--auth", "trust")
        run("initdb", "--pgdata", data, *login, "--encoding", "UTF8", "--locale", "C", "--no-sync")
        port = free_port()
        # Nothing here outlives the test, so the server need not wait for the disk.
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        options += f" -c full_page_writes=off -c synchronous_commit=off -c timezone={time_zone}"
        run("pg_ctl", "--pgdata", data, "--log", log, "--wait", "--timeout", "60", "--options", options, "start")
        try:
            # A password is wanted by PyAirbyte and dbt, and checked by nobody.
            yield Server("127.0.0.1", port, "tester", "unchecked", "postgres")
        finally:
            run("pg_ctl", "--pgdata", data, "--wait", "--mode", "immediate", "stop")


def run(program: str, *arguments: object) -> None:
    """Runs one of PostgreSQL's programs as an unprivileged user; raises with its output where it fails."""
    command = [str(PROGRAMS / program), *map(str, arguments)]
    if os.geteuid() == 0:
        command = ["setpriv", f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups", *command]
    # The server inherits the outputs of pg_ctl: into a pipe, this would wait for the server's end.
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}")


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

#!/usr/bin/env python3
"""Prepare the development environment and run a task. Needs nothing but Python 3.10 to 3.13 and git.

    python3 dev.py                     list the tasks
    python3 dev.py install             create or update the environment, nothing else
    python3 dev.py demo                sync twice from a local Pylon and show what arrived
    python3 dev.py test                run the linters, the type checker and all tests
    python3 dev.py TASK [ARGUMENT ...] run any other task

The tasks are defined in pyproject.toml, under [tool.poe.tasks], and run by Poe the Poet. Before a task runs, this file
creates `.venv` if it is missing and installs the locked packages if requirements-dev.txt has changed. pip checks every
file against its hash. pip's own settings apply (environment variables and configuration files). Of several dev.py that
are started at once, one installs and the others wait for it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST, NEWEST = (3, 10), (3, 13)


class SetupError(Exception):
    """The environment cannot be prepared; the text says what to do about it."""


def main(arguments: Sequence[str]) -> int:
    """Prepare `.venv`, then hand over to the task runner. Return an exit code if that fails, 2 for a setup error."""
    try:
        require_python(arguments)
        # The file names every package. Left to look for dependencies, older pips take the newest release of one with an
        # extra (`coverage[toml]`), which has no hash here.
        python = install(".venv", "requirements-dev.txt", "--no-deps", "--require-hashes", "-r", "requirements-dev.txt")
        # The package itself, editable. poetry-core, which builds it, is one of the locked packages.
        install(".venv", "pyproject.toml", "--no-deps", "--no-build-isolation", "-e", ".")
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if list(arguments) == ["install"]:
        return 0
    command = [str(python), "-m", "poethepoet", "-C", str(ROOT), *(arguments or ["--help"])]
    if os.name == "nt":
        return subprocess.call(command)
    # Replace this process, so that signals reach the task.
    return os.execv(command[0], command)


def require_python(arguments: Sequence[str]) -> None:
    """Raise SetupError if this Python is not one of those that the packages are locked for."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = next((name for name in names if shutil.which(name)), None)
    same = " ".join([str(found), "dev.py", *arguments])
    advice = f"Run: {same}" if found else "Install one of them and run dev.py with it."
    raise SetupError(
        f"this needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}, but {sys.executable} is {sys.version.split()[0]}. {advice}"
    )


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Wait until no other process prepares `folder`, and keep others waiting meanwhile. Without effect on Windows.

    The system releases the lock when its holder ends, however it ends.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (ROOT / f"{folder}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another process that installs into {folder}", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(folder: str, source: str, *pip_arguments: str) -> Path:
    """Run `pip install` in the virtual environment `folder`, which is created if needed, and return its Python.

    Does nothing if `source`, the file that decides what is installed, has not changed since the last time. An
    environment of another Python, or one that was moved, is created anew. Processes that install into the same folder
    wait for each other. Raises SetupError.
    """
    with locked(folder):
        return _install(folder, source, *pip_arguments)


def _install(folder: str, source: str, *pip_arguments: str) -> Path:
    venv = ROOT / folder
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    owner, owned_by = venv / "created-by.txt", f"{sys.version} in {venv}"
    if not python.exists() or not owner.is_file() or owner.read_text() != owned_by:
        if missing := [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]:
            raise SetupError(
                f"{sys.executable} lacks {' and '.join(missing)}. On Debian and Ubuntu, install them with: "
                f"apt install python3.{sys.version_info[1]}-venv"
            )
        print(f"Creating {folder} with Python {sys.version.split()[0]}", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", str(venv)]):
            raise SetupError(f"could not create a virtual environment in {venv}.")
        owner.write_text(owned_by)
    stamp = venv / f"installed-{source.replace('/', '-')}"
    digest = hashlib.sha256((ROOT / source).read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        stamp.unlink(missing_ok=True)
        print(f"Installing {source} into {folder} (a minute or two the first time)", flush=True)
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-qq"]
        if subprocess.call([*command, *pip_arguments], cwd=ROOT, stdin=subprocess.DEVNULL):
            raise SetupError(f"pip could not install {source}; its message is above.")
        stamp.write_text(digest)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

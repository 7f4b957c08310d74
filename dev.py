#!/usr/bin/env python3
"""What is done to this repository, by name. Needs nothing but Python, 3.10 to 3.13:

    python3 dev.py demo          read a local Pylon twice and show what came (options: python3 dev.py demo --help)
    python3 dev.py test          lint, types and all tests; further arguments go to pytest
    python3 dev.py lint          lint and types alone
    python3 dev.py install       the environment alone
    python3 dev.py benchmark     the questions of benchmarks/, by name or all; without a name, lists them
    python3 dev.py audit         known vulnerabilities of the locked versions, and what could not be asked
    python3 dev.py lock-check    whether poetry.lock was made from pyproject.toml as it stands
    python3 dev.py requirements  the locked dependencies as a requirements file of pip's

Each makes `.venv` first, with the Python that runs it, or brings it up to date; nothing is installed anywhere else.
The versions are those of poetry.lock, each file of them checked by its hash. pip installs them and not Poetry, because
every Python has pip: Poetry is one tool more on a fresh machine, needed only to change the lock. pip's own settings
(its environment variables and files, and so the index, the proxy and the certificates) hold as always.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "poetry.lock"
PROJECT = ROOT / "pyproject.toml"
STAMP = VENV / "installed"

OLDEST, NEWEST = (3, 10), (3, 13)
NEWEST_FOR_EXAMPLES = (3, 12)
GROUPS = ("main", "dev")

CHECKS: dict[str, list[str]] = {
    "lock-check": ["dev.py", "lock-check"],
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy", "--strict", "source_pylon", "dev.py", "integration_tests/demo"],
}


class Failure(Exception):
    """Something that the person at the terminal can mend; the text says how."""


def main(arguments: Sequence[str]) -> int:
    """Runs one verb and returns the exit code; `arguments` are those of the command line."""
    verb, rest = (arguments[0], list(arguments[1:])) if arguments else ("--help", [])
    try:
        if verb in ("-h", "--help", "help"):
            print(__doc__)
            return 0
        require_python(verb)
        if verb == "requirements":
            print("\n".join(requirements(read_toml(LOCK))))
            return 0
        if verb == "lock-check":
            check_lock(read_toml(PROJECT), read_toml(LOCK))
            return 0
        if verb not in ("demo", "test", "lint", "install", "benchmark", "audit"):
            raise Failure(f"there is no {verb!r}; python3 dev.py --help lists what there is.")
        install()
        return run(verb, rest)
    except Failure as failure:
        print(f"dev.py: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def run(verb: str, rest: Sequence[str]) -> int:
    """Runs an installed verb with further arguments and returns its exit code."""
    if verb == "install":
        return 0
    if verb == "demo":
        return call("-m", "integration_tests.demo", *rest)
    if verb == "benchmark":
        install_more("benchmarks", ROOT / "benchmarks" / "requirements.txt")
        return call("-m", "benchmarks", *rest)
    if verb == "audit":
        return audit()
    if verb == "test" and os.environ.get("CI"):
        install_examples()
    stages = CHECKS if verb == "lint" else {**CHECKS, "pytest": ["-m", "pytest", *rest]}
    for name, command in stages.items():
        say(name)
        code = call(*command)
        if code:
            print(f"dev.py: {name} failed (exit code {code}).", file=sys.stderr)
            return code
    return 0


def audit() -> int:
    """Asks for known vulnerabilities of the locked versions; 0: none, 1: some, 2: not all could be asked for.

    pip-audit has an environment of its own, so that its dependencies are none of ours.
    """
    folder = ROOT / ".audit"
    python = folder / "bin" / "python"
    if not python.exists():
        say("Installing pip-audit into .audit")
        if call("-m", "venv", str(folder)) or subprocess.call([str(python), "-m", "pip", "install", "-q", "pip-audit"]):
            raise Failure("pip-audit could not be installed.")
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    asked = [str(python), "-m", "pip_audit", *options, "-r", str(VENV / "requirements.txt")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        print(f"The database of vulnerabilities could not be asked, so nothing is known: {reason[0][:300]}")
        return 2
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    print(f"{len(packages)} packages, {len(found)} known vulnerabilities, {len(skipped)} could not be asked for.")
    if found:
        return 1
    return 2 if skipped else 0


# --- the environment --------------------------------------------------------------------------------------------------


def require_python(verb: str) -> None:
    """Raises Failure when this Python is too old, or newer than what the dependencies are locked for."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    found = next((name for name in (f"python3.{minor}" for minor in minors) if shutil.which(name)), None)
    advice = f"Run: {found} dev.py {verb}" if found else "Install one of them and run dev.py with it."
    raise Failure(
        f"this needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; {sys.executable} is {sys.version.split()[0]}. {advice}"
    )


def install() -> None:
    """Makes `.venv` hold the locked dependencies and this project, editable; does nothing when it does already.

    Raises Failure when that cannot be done.
    """
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and venv_python().exists():
        return
    began = time.monotonic()
    make_venv()
    STAMP.unlink(missing_ok=True)
    locked = VENV / "requirements.txt"
    listed = answer(str(venv_python()), str(ROOT / "dev.py"), "requirements")
    if listed.returncode:
        raise Failure(listed.stdout.strip())
    locked.write_text(listed.stdout)
    say("Installing the locked dependencies into .venv (some minutes the first time)")
    # The lock is complete: what pip would resolve beyond it would be something else than what was tested.
    pip("--require-hashes", "--no-deps", "-r", str(locked))
    pip("--no-deps", "-e", str(ROOT))
    STAMP.write_text(wanted)
    say(f"Installed in {time.monotonic() - began:.0f} s")


def install_examples() -> None:
    """Makes `.venv-examples` hold what the examples need, so that their tests are not skipped; says so if it cannot.

    Where everything is checked, and not at every developer's: it is half a gigabyte.
    """
    folder, listed = ROOT / ".venv-examples", ROOT / "examples" / "requirements.txt"
    if sys.version_info[:2] > NEWEST_FOR_EXAMPLES:
        print(f"PyAirbyte is not for Python {sys.version.split()[0]}: the tests of the examples are skipped.")
        return
    stamp = folder / "installed"
    if stamp.is_file() and stamp.read_text() == listed.read_text():
        return
    say("Installing PyAirbyte into .venv-examples, for the tests of the examples")
    made = answer(sys.executable, "-m", "venv", "--clear", str(folder))
    python = folder / "bin" / "python"
    quiet = ("--disable-pip-version-check", "--no-input", "install", "-q", "-r", str(listed))
    done = made if made.returncode else answer(str(python), "-m", "pip", *quiet)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"PyAirbyte could not be installed, so the tests of the examples are skipped:\n{done.stdout[-500:]}")
        return
    stamp.write_text(listed.read_text())


def install_more(what: str, listed: Path) -> None:
    """Adds to `.venv` what only some verbs need, unless it is there; what is locked stays. Raises Failure."""
    stamp = VENV / f"installed-{what}"
    wanted = STAMP.read_text() + listed.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say(f"Installing what the {what} need beside")
    unhashed = VENV / "constraints.txt"
    pins = [line.split(" --hash=")[0] for line in (VENV / "requirements.txt").read_text().splitlines()]
    unhashed.write_text("\n".join(pins))
    pip("-r", str(listed), "-c", str(unhashed))
    stamp.write_text(wanted)


def fingerprint() -> str:
    """What an installation depends on: the lock, the project, the Python, and the place, which scripts name."""
    digest = hashlib.sha256()
    for part in (LOCK.read_bytes(), PROJECT.read_bytes(), sys.version.encode(), str(ROOT).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def make_venv() -> None:
    """Makes `.venv` with this Python unless it stands already; one of another Python is replaced. Raises Failure."""
    if venv_python().exists():
        probe = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        seen = answer(str(venv_python()), "-c", probe)
        if seen.returncode == 0 and seen.stdout.strip() == ".".join(map(str, sys.version_info[:2])):
            return
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise Failure(
            f"{sys.executable} lacks {' and '.join(missing)}. Install them and try again; on Debian and Ubuntu: "
            f"apt install python3.{sys.version_info[1]}-venv"
        )
    say(f"Making .venv with Python {sys.version.split()[0]}")
    made = answer(sys.executable, "-m", "venv", "--clear", str(VENV))
    if made.returncode:
        raise Failure(f"a virtual environment could not be made in {VENV}:\n{made.stdout.strip()}")


def pip(*arguments: str) -> None:
    """Installs by the environment's pip, silent but for a line on a terminal; raises Failure with all that it said."""
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", *arguments]
    shown = sys.stderr.isatty()
    said: list[str] = []
    # An unbuffered pip, for the sake of the line on the terminal.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if shown and line.startswith(("Collecting", "Installing")):
                print(f"\r\033[K   {line.strip()[:70]}", end="", file=sys.stderr, flush=True)
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if process.returncode:
        raise Failure(f"pip failed (exit code {process.returncode}):\n{''.join(said[-60:]).rstrip()}")


def venv_python() -> Path:
    """The Python of `.venv`."""
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def call(*arguments: str) -> int:
    """Runs the environment's Python from the repository's root and returns its exit code."""
    return subprocess.run([str(venv_python()), *arguments], cwd=ROOT, check=False).returncode


def answer(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command, with what it writes to either output in `stdout`."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def say(text: str) -> None:
    """Tells what is being done; flushed, so that it stands before the output of what it announces."""
    print(f"== {text}", flush=True)


# --- the lock ---------------------------------------------------------------------------------------------------------


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; raises Failure when this Python has nothing to read it with."""
    # Python 3.10 has no tomllib; the pip of an environment brings its own.
    for name in ("tomllib", "pip._vendor.tomli", "tomli"):
        try:
            reader = importlib.import_module(name)
        except ImportError:
            continue
        content: dict[str, Any] = reader.loads(path.read_text(encoding="utf-8"))
        return content
    raise Failure(f"this Python cannot read TOML; run {venv_python()} dev.py instead.")


def requirements(lock: Mapping[str, Any], groups: Iterable[str] = GROUPS) -> list[str]:
    """The packages of a lock that `groups` need, as lines of a requirements file in pip's hash-checking mode.

    Packages that only an extra needs are left out. Which Pythons a package is for stands in its markers (its
    `python-versions` only repeat what the package itself says, and pip judges that). Raises Failure for a lock of
    another format, and for packages that do not come from an index.
    """
    version = str(lock["metadata"]["lock-version"])
    if not version.startswith("2.") or version == "2.0":
        raise Failure(f"poetry.lock has format {version}; 2.1 is understood. Make it anew with Poetry 2.")
    wanted = set(groups)
    lines = []
    for package in lock["package"]:
        needing = wanted & set(package["groups"])
        if not needing or package["optional"]:
            continue
        pinned = f"{package['name']}=={package['version']}"
        if package.get("source", {}).get("type", "legacy") != "legacy":
            raise Failure(f"{pinned} does not come from an index, so it cannot be installed by its hash.")
        if not package["files"]:
            raise Failure(f"{pinned} has no hashes in poetry.lock.")
        marker = marker_for(package.get("markers"), needing)
        hashes = sorted({f"--hash={file['hash']}" for file in package["files"]})
        lines.append(" ".join([pinned, *([f"; {marker}"] if marker else []), *hashes]))
    return lines


def marker_for(markers: str | Mapping[str, str] | None, groups: Iterable[str]) -> str:
    """When a package is needed by any of `groups`; empty for always. `markers` is what the lock says of it.

    One text holds for all groups; in a table each group has its own, and a group that is not in it has no condition.
    """
    if not markers:
        return ""
    if isinstance(markers, str):
        return markers
    conditions = [markers.get(group, "") for group in sorted(groups)]
    if not all(conditions):
        return ""
    unique = list(dict.fromkeys(conditions))
    return unique[0] if len(unique) == 1 else " or ".join(f"({condition})" for condition in unique)


def check_lock(project: Mapping[str, Any], lock: Mapping[str, Any]) -> None:
    """Raises Failure when the lock was made from another `pyproject.toml`."""
    if content_hash(project) != lock["metadata"]["content-hash"]:
        raise Failure("poetry.lock does not belong to pyproject.toml as it stands. Run: poetry lock")


def content_hash(project: Mapping[str, Any]) -> str:
    """The hash by which Poetry 2 knows the `pyproject.toml` that a lock was made from, dependencies alone."""
    # As Poetry's `Locker` has it for a project described under [tool.poetry]: four keys always, the groups if any.
    described = project["tool"]["poetry"]
    relevant = {key: described.get(key) for key in ("dependencies", "source", "extras", "dev-dependencies")}
    if "group" in described:
        relevant["group"] = described["group"]
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def script() -> NoReturn:
    """The command line's entry."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    script()

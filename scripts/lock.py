"""Renew poetry.lock and the requirement files that pip installs from.

    python3 dev.py lock                  resolve what pyproject.toml asks for, then export
    python3 dev.py lock --regenerate     the same with the newest versions (any option of `poetry lock` works)
    python3 dev.py lock --index URL      through another package index; its address is not written to the lock
    python3 dev.py requirements          export only

Poetry and its export plugin do the work, in an environment of their own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

import dev

ROOT = dev.ROOT
EXPORTS = {
    "requirements.txt": ("main",),
    "requirements-build.txt": ("build",),
    "requirements-dev.txt": ("main", "dev", "build"),
    "requirements-tools.txt": ("tools",),
}
"""Each requirements file and the dependency groups of pyproject.toml that it holds."""


def main() -> None:
    """Lock and export, as the command line says."""
    parser = argparse.ArgumentParser(prog="dev.py lock", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--index", metavar="URL", help="the simple API of the index to resolve from")
    parser.add_argument("--export-only", action="store_true", help="leave poetry.lock as it is")
    options, for_poetry = parser.parse_known_args()
    python = dev.install(".venv-poetry", "scripts/poetry.txt", "-r", "scripts/poetry.txt")
    poetry = str(python.with_name("poetry"))
    if not options.export_only:
        lock(poetry, options.index, for_poetry)
    for name, groups in EXPORTS.items():
        command = [poetry, "export", "--only", ",".join(groups), "--format", "requirements.txt", "--output", name]
        subprocess.run(command, cwd=ROOT, check=True)


def lock(poetry: str, index: str | None, arguments: list[str]) -> None:
    """Run `poetry lock`, in a copy of the project if it has to resolve from another index."""
    if index is None:
        subprocess.run([poetry, "lock", *arguments], cwd=ROOT, check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "poetry.lock", "README.md"):
            shutil.copy(ROOT / name, folder)
        subprocess.run([poetry, "source", "add", "--priority=primary", "index", index], cwd=folder, check=True)
        subprocess.run([poetry, "lock", *arguments], cwd=folder, check=True)
        text = (Path(folder) / "poetry.lock").read_text(encoding="utf-8")
    text = re.sub(r"\n\[package\.source\]\n(?:\w+ = .*\n)+", "", text)
    hashed = content_hash(read_toml(ROOT / "pyproject.toml"))
    text = re.sub(r'^content-hash = ".*"$', f'content-hash = "{hashed}"', text, flags=re.MULTILINE)
    (ROOT / "poetry.lock").write_text(text, encoding="utf-8")


def content_hash(project: Mapping[str, Any]) -> str:
    """Return the hash by which Poetry 2 recognises the pyproject.toml that a lock was made from."""
    # What Poetry's `Locker` hashes for a project described under [tool.poetry]: four keys always, the groups if any.
    described = project["tool"]["poetry"]
    relevant = {key: described.get(key) for key in ("dependencies", "source", "extras", "dev-dependencies")}
    if "group" in described:
        relevant["group"] = described["group"]
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file."""
    return tomli.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

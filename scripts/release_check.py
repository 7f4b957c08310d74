"""Check that the package is ready to be released: python3 dev.py release-check.

Builds the source distribution and the wheel, checks both, installs the wheel into an empty environment as a user would
and runs the connector from there: `spec`, then the demonstration. The distributions are left in build/release/dist/.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import yaml

import dev
from scripts.lock import read_toml

ROOT = dev.ROOT
RELEASE = ROOT / "build" / "release"


class NotReady(Exception):
    """Something that has to change before the release; the text says what."""


def main() -> int:
    """Run every check and return 0 if the package can be released, else 1."""
    try:
        version = agreed_version(declared_versions())
        say(f"version {version} is the same everywhere")
        wheel = build(version)
        console_script = install(wheel)
        check_specification(console_script)
        demo = ["-m", "integration_tests.demo", "--issues", "60", "--changes", "20"]
        run(sys.executable, *demo, "--connector", str(console_script), "--output", str(RELEASE / "demo"))
        shutil.rmtree(RELEASE / "venv")
    except NotReady as reason:
        print(f"Not ready for a release: {reason}", file=sys.stderr)
        return 1
    say(f"ready: {wheel.name} and its source distribution are in {wheel.parent.relative_to(ROOT)}/")
    return 0


def declared_versions() -> dict[str, str]:
    """Return the version that each file of the repository declares."""

    def first(path: str, pattern: str) -> str:
        found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        return found[1] if found else "none"

    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]
    return {
        "pyproject.toml": read_toml(ROOT / "pyproject.toml")["tool"]["poetry"]["version"],
        "metadata.yaml": metadata["dockerImageTag"],
        "Dockerfile": first("Dockerfile", r'io\.airbyte\.version="(.*)"'),
        "CHANGELOG.md": first("CHANGELOG.md", r"^## \[?([0-9][^\s\]]*)"),
        "docs/pylon.md": first("docs/pylon.md", r"^\| (\d+\.\d+\.\d+\S*) +\|"),
    }


def agreed_version(declared: dict[str, str]) -> str:
    """Return the one version that all files declare; raise NotReady if they differ."""
    if len(set(declared.values())) != 1:
        raise NotReady("the versions differ: " + ", ".join(f"{name} says {value}" for name, value in declared.items()))
    return next(iter(declared.values()))


def build(version: str) -> Path:
    """Build both distributions, check them and return the wheel."""
    shutil.rmtree(RELEASE, ignore_errors=True)
    distributions = RELEASE / "dist"
    # Without isolation: poetry-core is one of the locked packages.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(distributions), str(ROOT))
    wheel = distributions / f"source_pylon-{version}-py3-none-any.whl"
    source = distributions / f"source_pylon-{version}.tar.gz"
    run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(source))
    with zipfile.ZipFile(wheel) as archive:
        check_content(archive.namelist())
    with tarfile.open(source) as archive:
        check_content([name.partition("/")[2] for name in archive.getnames()])
    return wheel


def check_content(names: list[str]) -> None:
    """Raise NotReady unless a distribution holds the package and nothing beside it but what describes it."""
    described = ("source_pylon/", "source_pylon-", "pyproject.toml", "README.md", "LICENSE", "PKG-INFO")
    if strange := [name for name in names if name and not name.startswith(described)]:
        raise NotReady(f"a distribution contains {', '.join(strange)}")
    if "source_pylon/py.typed" not in names:
        raise NotReady("a distribution lacks source_pylon/py.typed")


def install(wheel: Path) -> Path:
    """Install the wheel and the newest dependencies it allows into an empty environment; return its console script."""
    environment = RELEASE / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", str(wheel))
    run(str(python), "-m", "pip", "check")
    return environment / "bin" / "source-pylon"


def check_specification(console_script: Path) -> None:
    """Raise NotReady unless the installed connector prints its specification."""
    # From another folder, so that the package is the installed one.
    done = subprocess.run(
        [str(console_script), "spec"], cwd=console_script.parent, capture_output=True, text=True, check=False
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or [message["type"] for message in messages] != ["SPEC"]:
        raise NotReady(f"spec failed (exit code {done.returncode}): {(done.stdout + done.stderr)[-2000:]}")
    say("the installed connector prints its specification")


def run(*command: str) -> None:
    """Run a command in the repository; raise NotReady if it fails."""
    say(" ".join(command))
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise NotReady(f"failed: {' '.join(command)}")


def say(text: str) -> None:
    """Announce a step, before the output of what it runs."""
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

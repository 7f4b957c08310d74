"""poetry.lock, and the requirement files that pip installs from."""

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import dev
from scripts.lock import EXPORTS, content_hash, read_toml

ROOT = Path(__file__).parents[1]
LOCK = read_toml(ROOT / "poetry.lock")

Pins = dict[tuple[str, str], set[str]]
"""Name and version of each package, with the hashes of its files."""


def locked(groups: tuple[str, ...]) -> Pins:
    return {
        (package["name"], package["version"]): {file["hash"] for file in package["files"]}
        for package in LOCK["package"]
        if set(groups) & set(package["groups"]) and not is_optional(package)
    }


def is_optional(package: dict[str, Any]) -> bool:
    # Poetry marks what an extra needs, and what only an optional group needs; we have no extras.
    return bool(package["optional"]) and package["groups"] == ["main"]


def exported(text: str) -> Pins:
    pins: Pins = {}
    for line in text.replace("\\\n", " ").splitlines():
        requirement = Requirement(line.split(" --hash=")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pins[requirement.name, pin.version] = set(re.findall(r"--hash=(\S+)", line))
    return pins


@pytest.mark.parametrize("name", EXPORTS)
def test_every_requirements_file_agrees_with_poetry_lock(name: str) -> None:
    pins = exported((ROOT / name).read_text())
    assert pins == locked(EXPORTS[name]), "run: python3 dev.py requirements"
    assert all(pins.values()), "pip checks only files that have a hash"


def test_the_comparison_notices_another_version_and_another_hash() -> None:
    text = (ROOT / "requirements-build.txt").read_text()
    assert exported(re.sub("==[0-9.]+", "==0.1", text)) != locked(EXPORTS["requirements-build.txt"])
    assert exported(re.sub("sha256:[0-9a-f]{4}", "sha256:zzzz", text)) != locked(EXPORTS["requirements-build.txt"])


def test_every_requirements_file_is_exported() -> None:
    assert sorted(path.name for path in ROOT.glob("requirements*.txt")) == sorted(EXPORTS)


def test_the_lock_is_up_to_date_with_the_project() -> None:
    project = read_toml(ROOT / "pyproject.toml")
    assert content_hash(project) == LOCK["metadata"]["content-hash"], "run: python3 dev.py lock"
    project["tool"]["poetry"]["dependencies"]["another"] = "*"
    assert content_hash(project) != LOCK["metadata"]["content-hash"]


def test_the_supported_pythons_are_those_of_the_project_and_the_lock() -> None:
    supported = f">=3.{dev.OLDEST[1]},<3.{dev.NEWEST[1] + 1}"
    assert read_toml(ROOT / "pyproject.toml")["tool"]["poetry"]["dependencies"]["python"] == supported
    assert LOCK["metadata"]["python-versions"] == supported


def test_no_package_is_tied_to_one_index() -> None:
    assert [package["name"] for package in LOCK["package"] if "source" in package] == []
    for name in EXPORTS:
        assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", ["dev.py", "pyproject.toml", "Dockerfile"])
def test_locked_packages_are_installed_without_looking_for_others(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    installations = [line for line in text.splitlines() if "--require-hashes" in line]
    assert installations
    assert [line for line in installations if "--no-deps" not in line] == []

"""What a defect is, and how it is planted: an import hook that edits the source of the modules concerned.

Imports nothing but the standard library, because it runs at the start of every process with a defect.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "source_pylon"
VARIABLE = "PLANTED_DEFECT"
"""Names the defect that a process and all of its children have."""


@dataclass(frozen=True)
class Edit:
    """A passage that occurs once in a file of source_pylon, and what replaces it."""

    file: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        """The file."""
        return PACKAGE / self.file

    def applied(self, source: str) -> str:
        """Return the source with the defect. Raises ValueError if the passage does not occur exactly once."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds {count} times what has to be replaced: {self.old!r}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True, init=False)
class Defect:
    """A deliberate defect, and the scenario that must fail with it."""

    name: str
    proof: str
    """A part of the name of one test of docs/reliability.md, which no other test of the page contains."""
    edits: tuple[Edit, ...]

    def __init__(self, name: str, proof: str, *edits: Edit) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "proof", proof)
        object.__setattr__(self, "edits", edits)

    def sources(self) -> dict[Path, str]:
        """Return the source of each file concerned, with the defect."""
        sources: dict[Path, str] = {}
        for edit in self.edits:
            sources[edit.path] = edit.applied(sources.get(edit.path) or edit.path.read_text(encoding="utf-8"))
        return sources


class _Loader(SourceFileLoader):
    """Compiles a module from its edited source; byte code on disk is neither read nor written."""

    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the module with the defect."""
        code: CodeType = compile(self._source, self.path, "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, sources: dict[Path, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module that the defect concerns; None for every other module."""
        if not fullname.startswith("source_pylon."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        source = self._sources.get(Path(spec.origin).resolve())
        if source is not None:
            spec.loader = _Loader(fullname, spec.origin, source)
        return spec


def plant() -> None:
    """Plant the defect that the environment names in this process, before the connector is imported."""
    name = os.environ.get(VARIABLE)
    if not name:
        return
    from integration_tests.defects.catalog import DEFECTS

    sys.meta_path.insert(0, _Finder(DEFECTS[name].sources()))

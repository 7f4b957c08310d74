"""A table in a page of the documentation that a command makes, and a test compares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import ROOT


@dataclass(frozen=True)
class GeneratedTable:
    """A table between `<!-- name -->` and `<!-- /name -->` in a page; `make` returns it as Markdown."""

    page: Path
    name: str
    make: Callable[[], str]

    def in_page(self, text: str) -> str:
        """Return a page with the table in its place. Raises ValueError if the page has no place for it."""
        opening, closing = f"<!-- {self.name} -->", f"<!-- /{self.name} -->"
        before, begin, rest = text.partition(opening)
        _, end, after = rest.partition(closing)
        if not begin or not end:
            raise ValueError(f"no {opening} and {closing} in the page")
        return f"{before}{opening}\n{self.make()}\n{closing}{after}"

    def main(self, command: str) -> int:
        """Print the table; with --write, put it into the page. Returns 1 if the page has another one."""
        page = self.page.relative_to(ROOT)
        parser = argparse.ArgumentParser(command)
        parser.add_argument("--write", action="store_true", help=f"put it into {page}")
        write = parser.parse_args().write
        print(self.make())
        text = self.page.read_text(encoding="utf-8")
        wanted = self.in_page(text)
        if write:
            self.page.write_text(wanted, encoding="utf-8")
        elif wanted != text:
            print(f"\n{page} has another table; write this one with --write", file=sys.stderr)
            return 1
        return 0

"""Airbyte source connector for Pylon, the B2B customer-support platform."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_pylon.source import SourcePylon

__all__ = ["SourcePylon"]


def __getattr__(name: str) -> Any:
    # Importing the CDK takes two seconds; `spec` and `--help` answer without it.
    if name == "SourcePylon":
        from source_pylon.source import SourcePylon

        return SourcePylon
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

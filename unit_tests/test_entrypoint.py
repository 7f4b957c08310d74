"""The entry point: what surrounds the output of a sync."""

import argparse
from collections.abc import Iterator, MutableMapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.utils import memory_monitor
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_pylon.output.emitter import LineBuffer
from source_pylon.output.entrypoint import PylonEntrypoint
from source_pylon.output.lines import Output, RecordBatch
from source_pylon.source import SourcePylon

READ = argparse.Namespace(command="read", debug=False, config="", catalog="", state="")
BATCH = RecordBatch("accounts", None, b"x" * 100_000, 1)
LIMIT = 1_000_000_000


class Container:
    """The memory of a container, as Linux shows it to the processes within."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "memory.max").write_text(str(LIMIT))
        self.use(0.5)

    def use(self, share: float) -> None:
        """Let the processes take this share of the limit."""
        used = int(share * LIMIT)
        (self._folder / "memory.current").write_text(str(used))
        (self._folder / "memory.stat").write_text(f"anon {used}\n")


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    for name in ("current", "max", "stat"):
        monkeypatch.setattr(memory_monitor, f"_CGROUP_V2_{name.upper()}", tmp_path / f"memory.{name}")
    return Container(tmp_path)


class EndlessSource(SourcePylon):
    """Emits batches without end."""

    @classmethod
    def read_config(cls, config_path: str) -> MutableMapping[str, Any]:
        return {"api_token": "a-token"}

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        return ConfiguredAirbyteCatalog(streams=[])

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        return []

    def outputs(self, *_: Any, **__: Any) -> Iterator[Output]:
        while True:
            yield BATCH


def test_a_sync_ends_within_a_megabyte_once_its_container_is_full(container: Container) -> None:
    lines = PylonEntrypoint(EndlessSource(), LineBuffer()).lines(READ)
    container.use(0.92)
    list(islice(lines, 100))
    container.use(0.98)
    with pytest.raises(AirbyteTracedException, match="critical threshold"):
        list(islice(lines, 1_000_000 // len(BATCH.lines)))


def test_a_sync_continues_while_its_container_has_memory_left(container: Container) -> None:
    lines = PylonEntrypoint(EndlessSource(), LineBuffer()).lines(READ)
    container.use(0.92)
    assert len(list(islice(lines, 200))) == 200

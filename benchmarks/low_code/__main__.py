"""Runs the manifest: python -m benchmarks.low_code read --config config.json --catalog catalog.json."""

import sys
from pathlib import Path

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource


def main(arguments: list[str]) -> None:
    """Does what Airbyte's runner for manifests does."""
    catalog_path = AirbyteEntrypoint.extract_catalog(arguments)
    config_path = AirbyteEntrypoint.extract_config(arguments)
    source = YamlDeclarativeSource(
        str(Path(__file__).parent / "manifest.yaml"),
        catalog=YamlDeclarativeSource.read_catalog(catalog_path) if catalog_path else None,
        config=YamlDeclarativeSource.read_config(config_path) if config_path else None,
        state=[],
    )
    launch(source, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])

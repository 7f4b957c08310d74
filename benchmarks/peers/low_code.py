"""Runs the manifest `low_code.yaml`: python -m benchmarks.peers.low_code read --config ... --catalog ... --state ..."""

import sys
from pathlib import Path

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource


def main(arguments: list[str]) -> None:
    """Does what Airbyte's runner for manifests does."""
    config = AirbyteEntrypoint.extract_config(arguments)
    catalog = AirbyteEntrypoint.extract_catalog(arguments)
    state = AirbyteEntrypoint.extract_state(arguments)
    source = YamlDeclarativeSource(
        str(Path(__file__).with_name("low_code.yaml")),
        config=YamlDeclarativeSource.read_config(config) if config else None,
        catalog=YamlDeclarativeSource.read_catalog(catalog) if catalog else None,
        state=YamlDeclarativeSource.read_state(state) if state else [],
    )
    launch(source, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])

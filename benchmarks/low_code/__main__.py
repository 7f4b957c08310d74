"""Runs a manifest of the low-code engine: python -m benchmarks.low_code MANIFEST read --config ... --catalog ..."""

import sys

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource


def main(manifest: str, arguments: list[str]) -> None:
    """Does what Airbyte's runner for manifests does; `manifest` is an absolute path."""
    config = AirbyteEntrypoint.extract_config(arguments)
    catalog = AirbyteEntrypoint.extract_catalog(arguments)
    state = AirbyteEntrypoint.extract_state(arguments)
    source = YamlDeclarativeSource(
        manifest,
        config=YamlDeclarativeSource.read_config(config) if config else None,
        catalog=YamlDeclarativeSource.read_catalog(catalog) if catalog else None,
        state=YamlDeclarativeSource.read_state(state) if state else [],
    )
    launch(source, arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

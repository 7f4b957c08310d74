"""The CDK's entry point, with the configuration judged by its own model and files read with errors that name them."""

from collections.abc import Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import ConnectorSpecification

from source_pylon.source import load_config


class PylonEntrypoint(AirbyteEntrypoint):
    """AirbyteEntrypoint for this connector."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Raises a config_error that says what to change; the CDK's own text would quote the value, be it the token."""
        load_config(config)

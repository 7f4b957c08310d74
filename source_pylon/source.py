"""SourcePylon, the class that Airbyte's CDK calls: spec, check, discover and read."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from typing import Any

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    FailureType,
    Status,
    StreamDescriptor,
    SyncMode,
)
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as stream_status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_pylon.api.client import Observer, PylonClient
from source_pylon.api.endpoints import Endpoint, calls_per_minute
from source_pylon.api.transport import Transport
from source_pylon.catalog import airbyte_stream, configured_catalog
from source_pylon.checks import check_connection, unknown_options
from source_pylon.config import Config, InvalidConfig, specification
from source_pylon.extraction.stream import ConfiguredStream, Stream, SyncContext
from source_pylon.files import BadFile, read_json, read_states
from source_pylon.output.lines import Output
from source_pylon.output.progress import Progress
from source_pylon.output.runner import SyncRunner, as_messages
from source_pylon.streams import STREAMS
from source_pylon.timing import Timing

logger = logging.getLogger("airbyte")


class SourcePylon(Source):
    """The Airbyte source for Pylon. Its arguments are for tests and benchmarks only."""

    # The configuration model validates instead: its errors never quote a value, which may be the token.
    check_config_against_spec = False

    def __init__(
        self,
        timing: Timing | None = None,
        limits: Callable[[Endpoint], int] = calls_per_minute,
    ) -> None:
        self._timing = timing or Timing()
        self._limits = limits

    @classmethod
    def read_config(cls, config_path: str) -> MutableMapping[str, Any]:
        """Return the configuration in a file; raises a config_error that names the file and the position."""
        config = read_json(config_path, "configuration")
        if not isinstance(config, dict):
            raise BadFile(f"The configuration file {config_path} does not contain a JSON object.")
        return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """Return the configured catalog in a file, or all streams of the catalog that `discover` printed.

        Raises a config_error that names the file and what is wrong with it.
        """
        return configured_catalog(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """Return the states of an earlier sync, none without a file; raises a config_error for a damaged one."""
        if not state_path:
            return []
        states = [AirbyteStateMessageSerializer.load(state) for state in read_states(state_path)]
        if not states:
            logger.info("The state file contains no state, so every stream is read from its beginning.")
        return states

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        """Return the specification, which is made from the configuration model."""
        return ConnectorSpecificationSerializer.load(specification())

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Return the configuration unchanged; the CDK's own method would write the token to a file."""
        return config

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Return whether a sync would work. The message of a failure or a warning says what to change."""
        try:
            settings = load_config(config)
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        warnings = unknown_options(config)
        succeeded, message = check_connection(
            self._client(settings, timing=self._timing.for_check()), settings, STREAMS
        )
        for warning in warnings:
            logger.warning(warning)
        return AirbyteConnectionStatus(
            status=Status.SUCCEEDED if succeeded else Status.FAILED,
            message=" ".join([*filter(None, [message]), *warnings]) or None,
        )

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """Return all streams with their schemas; makes no request."""
        load_config(config)
        return AirbyteCatalog(streams=[airbyte_stream(stream) for stream in STREAMS])

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Read the streams of the catalog, for callers that embed the source; see `outputs`."""
        yield from as_messages(self.outputs(config, catalog, state))

    def outputs(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
        before_waiting: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Output]:
        """Read the streams of the catalog concurrently; those that do not exist are reported first.

        Raises AirbyteTracedException where the configuration or the catalog cannot be used, and at the end, when a
        stream was not read completely. `before_waiting` is called before waiting for the next output. Once
        `should_stop` returns true, yields the last state of each stream and ends.
        """
        settings = load_config(config)
        for warning in unknown_options(config):
            logger.warning(warning)
        if not catalog.streams:
            logger.warning("The configured catalog selects no stream, so nothing is read.")
        known = {stream.name: stream for stream in STREAMS}
        unknown = [item for item in catalog.streams if item.stream.name not in known]
        streams = _configured_streams(known, catalog, ConnectorStateManager(state=state))
        errors = [_unknown_stream(item.stream.name, known) for item in unknown]
        for item, error in zip(unknown, errors, strict=True):
            yield stream_status(item.stream, AirbyteStreamStatus.INCOMPLETE)
            yield error.as_airbyte_message(StreamDescriptor(name=item.stream.name))
        if streams:
            progress = Progress(self._timing)
            client = self._client(settings, progress)
            progress.waiting_endpoints, progress.in_flight = client.waiting_endpoints, client.in_flight
            context = SyncContext(client, settings, self._timing, on_reading=progress.follow)
            progress.sink = runner = SyncRunner(context, streams, progress, before_waiting, should_stop)
            context.on_estimate = runner.estimate
            yield from runner.outputs()
        if errors:
            raise errors[0]

    def _client(self, config: Config, observer: Observer | None = None, timing: Timing | None = None) -> PylonClient:
        timing = timing or self._timing
        for secret in {config.api_token, json.dumps(config.api_token)[1:-1]}:
            add_to_secrets(secret)
        connections = config.num_workers + 4 * len(STREAMS)
        transport = Transport(config.base_url, config.api_token, timing, connections=connections)
        return PylonClient(
            transport,
            region=config.region,
            timing=timing,
            share_percent=config.rate_limit_percent,
            limits=self._limits,
            observer=observer,
        )


def load_config(config: Mapping[str, Any]) -> Config:
    """Return the configuration as a model; raises a config_error that says what to change."""
    try:
        return Config.load(config)
    except InvalidConfig as error:
        raise _config_error(f"The configuration cannot be used. {error}", "invalid configuration") from None


def _config_error(message: str, detail: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=message, internal_message=detail, failure_type=FailureType.config_error)


def _unknown_stream(name: str, known: Iterable[str]) -> AirbyteTracedException:
    close = get_close_matches(name, known, n=1)
    advice = f"Did you mean {close[0]}? If not, refresh" if close else "Refresh"
    return _config_error(
        f"Stream {name} does not exist in this connector. {advice} the connection's schema and deselect it.",
        "unknown stream in the configured catalog",
    )


def _configured_streams(
    known: Mapping[str, Stream], catalog: ConfiguredAirbyteCatalog, states: ConnectorStateManager
) -> list[ConfiguredStream]:
    streams: list[ConfiguredStream] = []
    for item in catalog.streams:
        stream = known.get(item.stream.name)
        if stream is None:
            continue
        if any(configured.stream is stream for configured in streams):
            # They would share one reading, each would get part of its records, and both would be reported complete.
            raise _config_error(
                f"The configured catalog names stream {stream.name} twice. Select it once; nothing was read.",
                "stream twice in the configured catalog",
            )
        incremental = item.sync_mode == SyncMode.incremental and stream.cursor_field is not None
        state = dict(states.get_stream_state(stream.name, item.stream.namespace)) if incremental else None
        streams.append(ConfiguredStream(stream, state, item.stream.namespace))
    return streams

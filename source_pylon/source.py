"""SourcePylon: the connector as Airbyte's CDK sees it."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    AirbyteStream,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    FailureType,
    Status,
    StreamDescriptor,
    SyncMode,
)
from airbyte_cdk.sources.abstract_source import AbstractSource
from airbyte_cdk.sources.concurrent_source.concurrent_source import ConcurrentSource
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.message import InMemoryMessageRepository, MessageRepository
from airbyte_cdk.sources.message.concurrent_repository import ConcurrentMessageRepository
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.cursor import CursorField
from airbyte_cdk.sources.streams.concurrent.default_stream import DefaultStream
from airbyte_cdk.sources.streams.core import Stream as CdkStream
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as stream_status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_pylon.api.client import Observer, PylonClient
from source_pylon.api.endpoints import Endpoint, calls_per_minute
from source_pylon.api.transport import Transport
from source_pylon.checks import check_connection
from source_pylon.config import Config, InvalidConfig, specification
from source_pylon.extraction.stream import Selection, Stream, Sync
from source_pylon.files import BadFile, read_json, read_states
from source_pylon.output.progress import Progress
from source_pylon.schemas import json_schema
from source_pylon.streams import STREAMS
from source_pylon.sync.checkpoints import NO_CURSOR, CheckpointCursor
from source_pylon.sync.outlet import MessageOutlet
from source_pylon.sync.partitions import SliceGenerator
from source_pylon.sync.queue import ClosableQueue, PackingQueue
from source_pylon.timing import Timing

logger = logging.getLogger("airbyte")

_QUEUE_LENGTH = 1_000


class SourcePylon(AbstractSource):
    """Airbyte's source for Pylon. Needs no arguments; what it takes is for tests and benchmarks."""

    # The model's own rules judge the configuration, with texts that never quote a value.
    check_config_against_spec = False

    def __init__(
        self,
        timing: Timing | None = None,
        allowance: Callable[[Endpoint], int] = calls_per_minute,
    ) -> None:
        self._before_waiting: Callable[[], None] | None = None
        self._timing = timing or Timing()
        self._allowance = allowance

    @classmethod
    def read_config(cls, config_path: str) -> MutableMapping[str, Any]:
        """The configuration file; raises a config_error that names the file and the place."""
        with _files_as_config_errors():
            config = read_json(config_path, "configuration")
            if not isinstance(config, dict):
                raise BadFile(f"The configuration file {config_path} does not hold a JSON object.")
            return config

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """The configured catalog; raises a config_error that names the file and what is wrong with it."""
        with _files_as_config_errors():
            value = read_json(catalog_path, "catalog")
            try:
                return ConfiguredAirbyteCatalogSerializer.load(value)
            except Exception as error:
                raise BadFile(f"The catalog file {catalog_path} is not a configured catalog: {error}") from None

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The states of an earlier sync, none without a file; raises a config_error for a damaged one."""
        with _files_as_config_errors():
            return (
                [AirbyteStateMessageSerializer.load(state) for state in read_states(state_path)] if state_path else []
            )

    def pack_records(self, before_waiting: Callable[[], None]) -> None:
        """From now on `read` gives records in packs (see sync/packs.py), for a caller that knows them.

        `before_waiting` is called on the thread that reads messages before it has to wait for one.
        """
        self._before_waiting = before_waiting

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        """The specification, made from the configuration's model."""
        return ConnectorSpecificationSerializer.load(specification())

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """The configuration as it is: the CDK's own method would write the token into a file."""
        return config

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Whether the token and the API work; FAILED comes with what to do."""
        try:
            settings = load_config(config)
        except AirbyteTracedException as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=error.message)
        main = [definition for definition in STREAMS if definition.main]
        succeeded, message = check_connection(self._client(settings, timing=self._timing.for_check()), settings, main)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED if succeeded else Status.FAILED, message=message)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, Any | None]:
        """As `check`, in the CDK's older form."""
        status = self.check(logger, config)
        return status.status is Status.SUCCEEDED, status.message

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """All streams with their schemas; makes no request."""
        load_config(config)
        return AirbyteCatalog(streams=[airbyte_stream(definition) for definition in STREAMS])

    def streams(self, config: Mapping[str, Any]) -> list[CdkStream]:
        """None: the CDK's classic streams are not used."""
        return []

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Reads the streams of the catalog at once. Those that do not exist are reported first, and make it fail."""
        settings = load_config(config)
        known = {definition.name: definition for definition in STREAMS}
        unknown = [item for item in catalog.streams if item.stream.name not in known]
        selections = _selections(known, catalog, ConnectorStateManager(state=state))
        errors = [_unknown_stream(item.stream.name) for item in unknown]
        for item, error in zip(unknown, errors, strict=True):
            yield stream_status(item.stream, AirbyteStreamStatus.INCOMPLETE)
            yield error.as_airbyte_message(StreamDescriptor(name=item.stream.name))
        if selections:
            yield from self._read(settings, selections)
        if errors:
            raise errors[0]

    def _read(self, config: Config, selections: list[Selection]) -> Iterator[AirbyteMessage]:
        queue = PackingQueue(self._before_waiting) if self._before_waiting else ClosableQueue(_QUEUE_LENGTH)
        # With the CDK's in-memory repository, states overtake the records that they cover.
        repository = ConcurrentMessageRepository(queue, InMemoryMessageRepository())
        outlet = MessageOutlet(repository, queue)
        progress = Progress(self._timing, outlet)
        client = self._client(config, progress)
        progress.held_back, progress.unanswered = client.held_back, client.unanswered
        sync = Sync(client, config, self._timing, progress, selections)
        generators = [self._generator(sync, selection, repository, queue) for selection in selections]
        outlet.generators = generators
        # Waiting threads cost nothing, and a stream that waits for its rate limit must not keep another from its own.
        source = ConcurrentSource.create(
            num_workers=4 * len(generators) + 1,
            initial_number_of_partitions_to_generate=len(generators),
            logger=logger,
            slice_logger=self._slice_logger,
            message_repository=repository,
            queue=queue,
        )
        progress.begin({selection.name: selection.definition.endpoints for selection in selections})
        try:
            yield from source.read([concurrent_stream(generator) for generator in generators])
        finally:
            progress.end()
            # Where the reader left early, nothing more is read, and no thread waits for it.
            for generator in generators:
                generator.fail()
            queue.close()

    def _generator(
        self, sync: Sync, selection: Selection, repository: MessageRepository, queue: ClosableQueue
    ) -> SliceGenerator:
        resumable = selection.definition.cursor_field is not None and selection.state is not None
        cursor = CheckpointCursor(
            selection.name,
            dict(selection.state or {}) if resumable else NO_CURSOR,
            repository,
            self._timing.checkpoint,
            hand_over=queue.flush,
            on_emit=sync.progress.checkpoint,
        )
        return SliceGenerator(sync, selection, cursor, keeps_state=resumable)

    def _client(self, config: Config, observer: Observer | None = None, timing: Timing | None = None) -> PylonClient:
        timing = timing or self._timing
        for secret in {config.api_token, json.dumps(config.api_token)[1:-1]}:
            add_to_secrets(secret)
        connections = config.num_workers + 4 * len(STREAMS)
        transport = Transport(config.base_url, config.api_token, timing, connections)
        return PylonClient(
            transport,
            region=config.region,
            timing=timing,
            share_percent=config.rate_limit_percent,
            allowance=self._allowance,
            observer=observer,
        )


@contextmanager
def _files_as_config_errors() -> Iterator[None]:
    try:
        yield
    except BadFile as error:
        raise AirbyteTracedException(
            message=str(error), internal_message="unusable file", failure_type=FailureType.config_error
        ) from None


def concurrent_stream(generator: SliceGenerator) -> AbstractStream:
    """A selected stream as the CDK's concurrent core reads it."""
    definition = generator.selection.definition
    return DefaultStream(
        partition_generator=generator,
        name=definition.name,
        json_schema=lambda: json_schema(definition.model),
        primary_key=list(definition.primary_key),
        cursor_field=CursorField(definition.cursor_field) if definition.cursor_field else None,
        logger=logger,
        cursor=generator.cursor,
    )


def airbyte_stream(definition: Stream) -> AirbyteStream:
    """A stream as the catalog describes it."""
    stream = AirbyteStream(
        name=definition.name,
        json_schema=json_schema(definition.model),
        supported_sync_modes=[SyncMode.full_refresh],
        source_defined_primary_key=[[name] for name in definition.primary_key],
        is_resumable=False,
    )
    if definition.cursor_field:
        stream.supported_sync_modes.append(SyncMode.incremental)
        stream.source_defined_cursor = True
        stream.default_cursor_field = [definition.cursor_field]
        stream.is_resumable = True
    return stream


def load_config(config: Mapping[str, Any]) -> Config:
    """The configuration as its model; raises a config_error that says what to change."""
    try:
        return Config.load(config)
    except InvalidConfig as error:
        raise AirbyteTracedException(
            message=f"The configuration cannot be used. {error}",
            internal_message="invalid configuration",
            failure_type=FailureType.config_error,
        ) from None


def _unknown_stream(name: str) -> AirbyteTracedException:
    return AirbyteTracedException(
        message=f"Stream {name} does not exist in this connector. Refresh the connection's schema and deselect it.",
        internal_message="unknown stream in the configured catalog",
        failure_type=FailureType.config_error,
    )


def _twice(name: str) -> AirbyteTracedException:
    return AirbyteTracedException(
        message=f"The configured catalog names stream {name} twice. Select it once; nothing was read.",
        internal_message="stream twice in the configured catalog",
        failure_type=FailureType.config_error,
    )


def _selections(
    known: Mapping[str, Stream], catalog: ConfiguredAirbyteCatalog, states: ConnectorStateManager
) -> list[Selection]:
    selections: list[Selection] = []
    for item in catalog.streams:
        definition = known.get(item.stream.name)
        if definition is None:
            continue
        if any(selection.definition is definition for selection in selections):
            # Each of the two would get a part of what they read together, and both would count as complete.
            raise _twice(definition.name)
        incremental = item.sync_mode == SyncMode.incremental and definition.cursor_field is not None
        state = dict(states.get_stream_state(definition.name, item.stream.namespace)) if incremental else None
        selections.append(Selection(definition, state))
    return selections

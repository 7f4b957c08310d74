"""The table of streams is the one place where a stream is declared, and the documentation names what it holds."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, SyncMode
from airbyte_cdk.models import Type as MessageType

from source_pylon import source, streams
from source_pylon.api.endpoints import get_paginated
from source_pylon.catalog import airbyte_stream
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Stream
from source_pylon.schemas import json_schema
from source_pylon.source import SourcePylon
from source_pylon.streams import STREAMS
from source_pylon.streams.projects import TaskComment
from source_pylon.streams.records import Record, Timestamp, field, key

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/pylon.md")
MAIN = ("issues", "conversations", "tickets", "call_recordings", "survey_responses", "contacts", "accounts")

every_stream = pytest.mark.parametrize("definition", STREAMS, ids=lambda definition: definition.name)


def test_names_are_unique() -> None:
    names = [definition.name for definition in STREAMS]
    assert len(names) == len(set(names))


@every_stream
def test_a_name_is_snake_case(definition: Stream) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", definition.name)


@every_stream
def test_the_primary_key_is_in_the_schema_and_never_null(definition: Stream) -> None:
    schema = json_schema(definition.model)["properties"]
    assert definition.primary_key
    for name in definition.primary_key:
        assert schema[name]["type"] == "string"


@every_stream
def test_the_cursor_is_a_time_of_the_schema(definition: Stream) -> None:
    if definition.cursor_field is not None:
        field_schema = json_schema(definition.model)["properties"][definition.cursor_field]
        assert field_schema["format"] == "date-time"
        assert "cursor" in field_schema["description"]


@every_stream
def test_the_catalog_says_what_the_row_says(definition: Stream) -> None:
    stream = airbyte_stream(definition)
    assert stream.source_defined_primary_key == [[name] for name in definition.primary_key]
    if definition.cursor_field is None:
        assert stream.supported_sync_modes == [SyncMode.full_refresh]
        assert not stream.default_cursor_field
    else:
        assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
        assert stream.default_cursor_field == [definition.cursor_field]
        assert stream.source_defined_cursor


def test_check_asks_for_the_seven_main_streams_and_no_other() -> None:
    assert tuple(definition.name for definition in STREAMS if definition.main) == MAIN


def test_every_model_of_a_record_is_a_stream_s_or_a_part_of_one() -> None:
    for module in pkgutil.iter_modules(streams.__path__):
        importlib.import_module(f"{streams.__name__}.{module.name}")
    used: set[type] = set()
    waiting: list[Any] = [definition.model for definition in STREAMS]
    while waiting:
        model = waiting.pop()
        if model not in used:
            used.update(base for base in model.__mro__ if issubclass(base, Record))
            waiting += [part for item in model.model_fields.values() for part in models_in(item.annotation)]
    found = {
        model
        for module in pkgutil.iter_modules(streams.__path__)
        for model in vars(importlib.import_module(f"{streams.__name__}.{module.name}")).values()
        if isinstance(model, type) and issubclass(model, Record)
    }
    # The stream of comments on tasks needs a kind of stream that reads children of changed parents only.
    assert found - used == {TaskComment}


def models_in(annotation: Any) -> Iterator[type[Record]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


# A new stream.


class Gadget(Record):
    """A made-up object."""

    id: str = key("The id of the gadget.")
    updated_at: Timestamp | None = field("When the gadget was last changed, the stream's cursor.")


GADGETS = [{"id": "a", "updated_at": "2026-01-01T00:00:00Z", "new": 1}, {"id": "b", "updated_at": None}]


class Gadgets(BaseHTTPRequestHandler):
    """A server that lists gadgets."""

    def do_GET(self) -> None:
        found = self.path.split("?", maxsplit=1)[0] == "/gadgets"
        body = json.dumps({"data": GADGETS, "request_id": "r"} if found else {"errors": [], "request_id": "r"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def gadgets_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gadgets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_new_stream_needs_its_model_and_one_row(monkeypatch: pytest.MonkeyPatch, gadgets_url: str) -> None:
    row = ListStream("gadgets", get_paginated("/gadgets"), Gadget, cursor_field="updated_at")
    monkeypatch.setattr(source, "STREAMS", (*STREAMS, row))
    config = {"api_token": "token", "api_url": gadgets_url}
    connector = SourcePylon()
    discovered = connector.discover(source.logger, config).streams
    assert [stream.name for stream in discovered] == [*(definition.name for definition in STREAMS), "gadgets"]
    assert discovered[-1].json_schema == json_schema(Gadget)
    catalog = ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {"name": "gadgets", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append_dedup",
                }
            ]
        }
    )
    messages = list(connector.read(source.logger, config, catalog))
    emitted = [message.record.data for message in messages if message.type is MessageType.RECORD and message.record]
    assert emitted == GADGETS
    assert any(message.type is MessageType.STATE for message in messages)


# The documentation.


def stream_rows(page: str) -> list[list[str]]:
    """The rows that begin with a name as code, of the page's tables whose header begins `Stream | Primary key`."""
    rows: list[list[str]] = []
    inside = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0].lower() in ("stream", "name"):
            inside = len(cells) > 1 and cells[1].lower() == "primary key"
        elif inside and re.fullmatch(r"`\w+`", cells[0]):
            rows.append(cells)
    return rows


@pytest.mark.parametrize("page", PAGES)
def test_the_page_s_table_of_streams_holds_every_stream_in_the_order_of_the_code(page: str) -> None:
    assert [row[0].strip("`") for row in stream_rows(page)] == [definition.name for definition in STREAMS]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_s_rows_say_the_primary_key_and_the_cursor_of_each_stream(page: str) -> None:
    said = {
        row[0].strip("`"): (re.findall(r"`(\w+)`", row[1]), re.findall(r"`(\w+)`", row[2])) for row in stream_rows(page)
    }
    assert said == {
        definition.name: (list(definition.primary_key), [definition.cursor_field] if definition.cursor_field else [])
        for definition in STREAMS
    }

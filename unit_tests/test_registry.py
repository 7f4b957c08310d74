"""The registry holds every stream, a new one takes one line in it, and the documentation names what it holds."""

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
from airbyte_cdk.models import SyncMode

from source_pylon import source, streams
from source_pylon.api.endpoints import get_paginated
from source_pylon.catalog import airbyte_stream
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Stream
from source_pylon.run import main
from source_pylon.schemas import json_schema
from source_pylon.streams import STREAMS
from source_pylon.streams.records import RecordModel, Timestamp, field, key

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/pylon.md")
CHECKED = (
    "issues",
    "conversations",
    "tickets",
    "call_recordings",
    "survey_responses",
    "contacts",
    "accounts",
    "article_feedback",
)

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
def test_the_catalog_says_what_the_class_declares(definition: Stream) -> None:
    stream = airbyte_stream(definition)
    assert stream.source_defined_primary_key == [[name] for name in definition.primary_key]
    if definition.cursor_field is None:
        assert stream.supported_sync_modes == [SyncMode.full_refresh]
        assert not stream.default_cursor_field
    else:
        assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
        assert stream.default_cursor_field == [definition.cursor_field]
        assert stream.source_defined_cursor


def test_check_requests_the_issue_streams_and_the_other_sources_of_feedback() -> None:
    assert tuple(definition.name for definition in STREAMS if definition.checked) == CHECKED


def test_every_record_model_belongs_to_a_stream() -> None:
    for module in pkgutil.iter_modules(streams.__path__):
        importlib.import_module(f"{streams.__name__}.{module.name}")
    used: set[type] = set()
    waiting: list[Any] = [definition.model for definition in STREAMS]
    while waiting:
        model = waiting.pop()
        if model not in used:
            used.update(base for base in model.__mro__ if issubclass(base, RecordModel))
            waiting += [part for item in model.model_fields.values() for part in models_in(item.annotation)]
    found = {
        model
        for module in pkgutil.iter_modules(streams.__path__)
        for model in vars(importlib.import_module(f"{streams.__name__}.{module.name}")).values()
        if isinstance(model, type) and issubclass(model, RecordModel)
    }
    assert found - used == set()


def models_in(annotation: Any) -> Iterator[type[RecordModel]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, RecordModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)


# A new stream.


class Gadget(RecordModel):
    """A made-up object."""

    id: str = key("The id of the gadget.")
    updated_at: Timestamp | None = field("When the gadget was last changed, the stream's cursor.")


class Gadgets(ListStream):
    """What a module of a new noun would hold besides the record model."""

    name = "gadgets"
    endpoint = get_paginated("/gadgets")
    model = Gadget
    cursor_field = "updated_at"


GADGETS = [{"id": "a", "updated_at": "2026-01-01T00:00:00Z", "new": 1}, {"id": "b", "updated_at": None}]


class GadgetServer(BaseHTTPRequestHandler):
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
    with ThreadingHTTPServer(("127.0.0.1", 0), GadgetServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_new_stream_needs_one_class_and_one_line_in_the_registry(
    monkeypatch: pytest.MonkeyPatch, gadgets_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(source, "STREAMS", (*STREAMS, Gadgets()))
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps({"api_token": "token", "api_url": gadgets_url}))

    assert main(["discover", "--config", str(config)]) == 0
    (discovered,) = (message["catalog"]["streams"] for message in messages(capfd) if message["type"] == "CATALOG")
    assert [stream["name"] for stream in discovered] == [*(definition.name for definition in STREAMS), "gadgets"]
    assert discovered[-1]["json_schema"] == json_schema(Gadget)
    assert discovered[-1]["supported_sync_modes"] == ["full_refresh", "incremental"]

    chosen = {"stream": discovered[-1], "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    catalog.write_text(json.dumps({"streams": [chosen]}))
    assert main(["read", "--config", str(config), "--catalog", str(catalog)]) == 0
    written = messages(capfd)
    assert [message["record"]["data"] for message in written if message["type"] == "RECORD"] == GADGETS
    (state,) = (message["state"]["stream"] for message in written if message["type"] == "STATE")
    assert state["stream_descriptor"]["name"] == "gadgets"
    assert state["stream_state"].keys() == {"updated_at"}


def messages(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The Airbyte messages that were written to standard output since the last call."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


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
def test_the_table_of_streams_has_every_stream_in_the_order_of_the_code(page: str) -> None:
    assert [row[0].strip("`") for row in stream_rows(page)] == [definition.name for definition in STREAMS]


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_streams_has_the_primary_key_and_cursor_of_each_stream(page: str) -> None:
    said = {
        row[0].strip("`"): (re.findall(r"`(\w+)`", row[1]), re.findall(r"`(\w+)`", row[2])) for row in stream_rows(page)
    }
    assert said == {
        definition.name: (list(definition.primary_key), [definition.cursor_field] if definition.cursor_field else [])
        for definition in STREAMS
    }

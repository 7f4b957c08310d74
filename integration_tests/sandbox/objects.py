"""Plausible objects made from nothing but their schema in the OpenAPI document."""

from __future__ import annotations

from random import Random
from typing import Any

from integration_tests.sandbox import text
from integration_tests.sandbox.clock import DAY, shown
from integration_tests.sandbox.document import Document

_MAX_DEPTH = 3
"""How deep nested objects are filled in: some schemas refer to themselves."""


class SchemaFactory:
    """Fills the schemas of the document with values."""

    def __init__(self, document: Document) -> None:
        """Makes objects of the document's schemas."""
        self._document = document

    def record(self, schema: str, rng: Random, identity: str, created: int, updated: int) -> dict[str, Any]:
        """An object of a schema with a given id and times (milliseconds); some optional fields are null."""
        record: dict[str, Any] = {}
        for name, part in self._document.schemas[schema].get("properties", {}).items():
            record[name] = self._value(name, part, rng, created, 1)
            if record[name] is not None and name not in ("title", "name", "label") and rng.random() < 0.08:
                record[name] = None
        record["id"] = identity
        for name, moment in (("created_at", created), ("updated_at", updated)):
            if name in record:
                record[name] = shown(moment)
        return record

    def _value(self, name: str, schema: dict[str, Any], rng: Random, moment: int, depth: int) -> Any:
        if "$ref" in schema:
            if depth >= _MAX_DEPTH:
                return None
            schema = self._document.schemas[schema["$ref"].rsplit("/", 1)[-1]]
            depth += 1
        if "enum" in schema:
            return rng.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "array":
            item = self._value(name.removesuffix("s"), schema["items"], rng, moment, depth)
            return [] if item is None else [item]
        if kind == "object":
            if "properties" not in schema:
                return {}
            parts = schema["properties"].items()
            return {key: self._value(key, part, rng, moment, depth) for key, part in parts}
        if kind == "boolean":
            return rng.random() < 0.5
        if kind in ("integer", "number"):
            return rng.randrange(1000)
        return self._text(name, schema, rng, moment)

    def _text(self, name: str, schema: dict[str, Any], rng: Random, moment: int) -> str:
        if name.endswith(("_at", "_time", "_date")) or schema.get("format") == "date-time":
            return shown(moment + rng.randrange(DAY))
        if name == "id" or name.endswith("_id"):
            return text.identity("any", rng.random())
        if name.endswith("_html"):
            return text.body(rng)
        if name.endswith(("url", "link")):
            return f"https://app.sandbox.invalid/{rng.randrange(10_000)}"
        if name in ("slug", "source", "type", "status", "action", "object_type", "icon"):
            return f"{name}_{rng.randrange(10)}"
        if "email" in name:
            return f"person{rng.randrange(100)}@customer.example"
        return text.sentence(rng)

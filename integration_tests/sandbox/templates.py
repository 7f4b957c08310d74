"""Records made from the SDK's models: every field filled in, with values that depend on nothing but the model."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from functools import cache
from random import Random
from typing import Any, TypeVar

import pydantic
from polyfactory.factories.pydantic_factory import ModelFactory

from integration_tests.sandbox import text

TEMPLATES = 8
"""How many records are made of each model; all other records are variations of these."""

_KEPT = frozenset(
    {"id", "slug", "number", "name", "title", "object_type", "macro_group_id", "is_deactivated", "is_internal", "type"}
)
"""Fields that irregular records keep, in addition to times: keys, and fields that requests filter on."""

Model = TypeVar("Model", bound=pydantic.BaseModel)


class _Factory(ModelFactory[Model]):
    """Fills in every field, optional ones too, with text that fits its name."""

    __is_base_factory__ = True
    __allow_none_optionals__ = False
    __use_defaults__ = False

    @classmethod
    def get_field_value(cls, field_meta: Any, *arguments: Any, **options: Any) -> Any:
        rng, name, annotation = cls.__random__, field_meta.name, field_meta.annotation
        if name == "custom_fields":
            return {}
        if annotation is str:
            known = _known_values(cls.__model__).get(name)
            return rng.choice(known) if known else _text(rng, name)
        if annotation is dt.datetime:
            return dt.datetime(2026, 1, 1 + rng.randrange(28), tzinfo=dt.timezone.utc)
        return super().get_field_value(field_meta, *arguments, **options)


@cache
def _known_values(model: type[pydantic.BaseModel]) -> dict[str, list[str]]:
    """Return the known values that the SDK lists in the descriptions of a model's fields."""
    fields = re.findall(r'^    (\w+): .*\n    """\n(.*?)    """', inspect.getsource(model), re.MULTILINE | re.DOTALL)
    return {name: re.findall(r"`(\w*)`", meaning.partition("Known values:")[2]) for name, meaning in fields}


def _text(rng: Random, name: str) -> str:
    if name == "id" or name.endswith("_id"):
        return text.identity("any", rng.random())
    if name.endswith(("_at", "_time", "_date")):
        return f"2026-01-{1 + rng.randrange(28):02}T00:00:00Z"
    if name.endswith("_html"):
        return text.body(rng)
    if name.endswith(("url", "link")):
        return f"https://app.sandbox.invalid/{rng.randrange(10_000)}"
    if "email" in name:
        return f"person{rng.randrange(100)}@customer.example"
    if name in ("title", "name", "label", "description", "summary", "comment", "text", "bounce_details"):
        return text.sentence(rng)
    return f"{name or 'value'}_{rng.randrange(10)}"


@cache
def _templates(model: type[pydantic.BaseModel]) -> list[dict[str, Any]]:
    factory = _Factory.create_factory(model)
    factory.seed_random(len(model.model_fields))
    templates = [factory.build().model_dump(mode="json") for _ in range(TEMPLATES)]
    rng = Random(TEMPLATES)
    for record in templates[1:]:
        # Only the first record has all optional fields.
        for name, field in model.model_fields.items():
            if not field.is_required() and rng.random() < 0.7:
                record[name] = None
    return templates


def template(model: type[pydantic.BaseModel], number: int) -> dict[str, Any]:
    """Return a record of a model, the same for the same number. Change only its top level: the rest is shared."""
    return dict(_templates(model)[number % TEMPLATES])


def roughen(record: dict[str, Any], rng: Random) -> None:
    """Make a record irregular, as recorded ones are: some fields null or missing, and one unknown field."""
    names = [name for name in record if name not in _KEPT and not name.endswith(("_at", "_time"))]
    for name in rng.sample(names, min(len(names), 1 + rng.randrange(4))):
        if rng.random() < 0.5:
            record[name] = None
        else:
            del record[name]
    record[f"unknown_{rng.randrange(3)}"] = {"since": "a later version of the API"}

"""Spec and catalog against the last ones that users have, in golden/: what would break them fails here.

An addition (an option, a stream, a field) only asks for new golden files:

    python unit_tests/test_compatibility.py

That refuses when something would break users. A change that is meant to break them needs `--breaking`, a new version
that says so, and a migration guide (`releases.breakingChanges` in metadata.yaml, docs/pylon-migrations.md).
"""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteCatalog, AirbyteMessage, AirbyteMessageSerializer, Type

from source_pylon.catalog import airbyte_stream
from source_pylon.config import specification
from source_pylon.streams import STREAMS

GOLDEN = Path(__file__).parent / "golden"
REFRESH = "python unit_tests/test_compatibility.py"

Schema = dict[str, Any]


def current() -> dict[str, Any]:
    """Spec and catalog as the code makes them, by the names of their golden files."""
    message = AirbyteMessage(
        type=Type.CATALOG, catalog=AirbyteCatalog([airbyte_stream(definition) for definition in STREAMS])
    )
    catalog = AirbyteMessageSerializer.dump(message)["catalog"]
    plain: dict[str, Any] = json.loads(json.dumps({"spec.json": specification(), "catalog.json": catalog}))
    return plain


def golden() -> dict[str, Any]:
    """Spec and catalog that users have."""
    return {name: json.loads((GOLDEN / name).read_text()) for name in ("spec.json", "catalog.json")}


# --- what breaks users ------------------------------------------------------------------------------------------------


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What in `new` would break somebody who uses `old`; both as `current` returns them."""
    return [*spec_breaks(old["spec.json"], new["spec.json"]), *catalog_breaks(old["catalog.json"], new["catalog.json"])]


def spec_breaks(old: Schema, new: Schema) -> Iterator[str]:
    """A configuration that was good must stay good, and mean the same."""
    before, after = old["connectionSpecification"], new["connectionSpecification"]
    for name in sorted(set(after["required"]) - set(before["required"])):
        yield f"option {name} is required now"
    for name, option in before["properties"].items():
        if name not in after["properties"]:
            yield f"option {name} is gone"
        else:
            yield from option_breaks(name, option, after["properties"][name])
    if set(old["supported_destination_sync_modes"]) - set(new["supported_destination_sync_modes"]):
        yield "a destination sync mode is gone"


def option_breaks(name: str, old: Schema, new: Schema) -> Iterator[str]:
    for keyword in ("type", "default", "pattern", "format", "items"):
        if old.get(keyword) != new.get(keyword):
            yield f"option {name} has another {keyword}"
    if "enum" in new and not set(old.get("enum", [object()])) <= set(new["enum"]):
        yield f"option {name} takes fewer values"
    if new.get("minimum", float("-inf")) > old.get("minimum", float("-inf")):
        yield f"option {name} has a higher minimum"
    if new.get("maximum", float("inf")) < old.get("maximum", float("inf")):
        yield f"option {name} has a lower maximum"
    if old.get("airbyte_secret") and not new.get("airbyte_secret"):
        yield f"option {name} is not secret any more"


def catalog_breaks(old: Schema, new: Schema) -> Iterator[str]:
    """A query over tables that exist must go on working, and a state must go on fitting."""
    streams = {stream["name"]: stream for stream in new["streams"]}
    for before in old["streams"]:
        name, after = before["name"], streams.get(before["name"])
        if after is None:
            yield f"stream {name} is gone"
            continue
        for what in ("source_defined_primary_key", "default_cursor_field", "source_defined_cursor", "namespace"):
            if before.get(what) != after.get(what):
                yield f"stream {name} has another {what}"
        if set(before["supported_sync_modes"]) - set(after["supported_sync_modes"]):
            yield f"stream {name} has lost a sync mode"
        yield from field_breaks(name, before["json_schema"], after["json_schema"])


def field_breaks(path: str, old: Schema, new: Schema) -> Iterator[str]:
    """Types stay as they are, but for null, which may be added; fields stay."""
    before, after = types(old), types(new)
    if after - {"null"} != before - {"null"} or ("null" in before and "null" not in after):
        yield f"{path} has another type"
    for keyword in ("format", "airbyte_type"):
        if old.get(keyword) != new.get(keyword):
            yield f"{path} has another {keyword}"
    if old.get("additionalProperties") is True and new.get("additionalProperties") is not True:
        yield f"{path} takes no further fields"
    for name, field in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name} is gone"
        else:
            yield from field_breaks(f"{path}.{name}", field, new["properties"][name])
    if "items" in old:
        yield from field_breaks(f"{path}[]", old["items"], new.get("items", {}))


def types(schema: Schema) -> set[str]:
    given = schema.get("type", [])
    return {given} if isinstance(given, str) else set(given)


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return current()


def test_nothing_breaks_existing_users(now: dict[str, Any]) -> None:
    assert breaks(golden(), now) == []


def test_the_golden_files_are_up_to_date(now: dict[str, Any]) -> None:
    assert golden() == now, f"The spec or the catalog changed. If nothing breaks users, run: {REFRESH}"


def options(given: dict[str, Any]) -> Schema:
    found: Schema = given["spec.json"]["connectionSpecification"]["properties"]
    return found


def issues(given: dict[str, Any]) -> Schema:
    found: Schema
    (found,) = (stream for stream in given["catalog.json"]["streams"] if stream["name"] == "issues")
    return found


def fields(given: dict[str, Any]) -> Schema:
    found: Schema = issues(given)["json_schema"]["properties"]
    return found


BREAKING: dict[str, Callable[[dict[str, Any]], object]] = {
    "option start_date is gone": lambda given: options(given).pop("start_date"),
    "option region is required now": lambda given: given["spec.json"]["connectionSpecification"]["required"].append(
        "region"
    ),
    "option num_workers has another type": lambda given: options(given)["num_workers"].update(type="string"),
    "option num_workers has another default": lambda given: options(given)["num_workers"].update(default=5),
    "option num_workers has a lower maximum": lambda given: options(given)["num_workers"].update(maximum=8),
    "option num_workers has a higher minimum": lambda given: options(given)["num_workers"].update(minimum=2),
    "option start_date has another pattern": lambda given: options(given)["start_date"].update(pattern="^2"),
    "option region takes fewer values": lambda given: options(given)["region"]["enum"].remove("eu"),
    "option start_date takes fewer values": lambda given: options(given)["start_date"].update(enum=["2026-01-01"]),
    "option api_token is not secret any more": lambda given: options(given)["api_token"].pop("airbyte_secret"),
    "a destination sync mode is gone": lambda given: given["spec.json"]["supported_destination_sync_modes"].pop(),
    "stream tickets is gone": lambda given: given["catalog.json"].update(
        streams=[stream for stream in given["catalog.json"]["streams"] if stream["name"] != "tickets"]
    ),
    "stream issues has another source_defined_primary_key": lambda given: issues(given).update(
        source_defined_primary_key=[["number"]]
    ),
    "stream issues has another default_cursor_field": lambda given: issues(given).update(
        default_cursor_field=["updated_at"]
    ),
    "stream issues has lost a sync mode": lambda given: issues(given)["supported_sync_modes"].remove("incremental"),
    "issues.title is gone": lambda given: fields(given).pop("title"),
    "issues.number has another type": lambda given: fields(given)["number"].update(type=["null", "string"]),
    "issues.title has another type": lambda given: fields(given)["title"].update(type="string"),
    "issues.created_at has another format": lambda given: fields(given)["created_at"].pop("format"),
    "issues.created_at has another airbyte_type": lambda given: fields(given)["created_at"].update(
        airbyte_type="timestamp_without_timezone"
    ),
    "issues.tags[] has another type": lambda given: fields(given)["tags"]["items"].update(type=["null", "object"]),
    "issues.account takes no further fields": lambda given: fields(given)["account"].update(additionalProperties=False),
    "issues.account.id is gone": lambda given: fields(given)["account"]["properties"].pop("id"),
    "issues.messages[].text is gone": lambda given: fields(given)["messages"]["items"]["properties"].pop("text"),
}

HARMLESS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a new option": lambda given: options(given).update(colour={"type": "string", "order": 20}),
    "a new value": lambda given: options(given)["region"]["enum"].append("ap"),
    "wider bounds": lambda given: options(given)["num_workers"].update(maximum=64, minimum=0),
    "another description": lambda given: options(given)["region"].update(description="Where."),
    "an option that need not be given any more": lambda given: given["spec.json"]["connectionSpecification"][
        "required"
    ].clear(),
    "a new stream": lambda given: given["catalog.json"]["streams"].append({"name": "new", "json_schema": {}}),
    "a new field": lambda given: fields(given).update(mood={"type": ["null", "string"]}),
    "a field that may be null now": lambda given: fields(given)["id"].update(type=["null", "string"]),
    "a new field within a field": lambda given: fields(given)["account"]["properties"].update(name={"type": "string"}),
}


@pytest.mark.parametrize("what", BREAKING)
def test_a_change_that_breaks_users_is_found(now: dict[str, Any], what: str) -> None:
    changed = copy.deepcopy(now)
    BREAKING[what](changed)
    assert what in breaks(now, changed)


@pytest.mark.parametrize("what", HARMLESS)
def test_an_addition_breaks_nobody_but_requires_new_golden_files(now: dict[str, Any], what: str) -> None:
    changed = copy.deepcopy(now)
    HARMLESS[what](changed)
    assert breaks(now, changed) == []
    assert changed != now


def refresh(breaking_is_meant: bool) -> int:
    """Writes the golden files; the exit code is 1 where that would hide what breaks users."""
    new = current()
    found = breaks(golden(), new) if (GOLDEN / "spec.json").exists() else []
    if found and not breaking_is_meant:
        print("Not written, because this breaks users:", *found, sep="\n  ", file=sys.stderr)
        return 1
    GOLDEN.mkdir(exist_ok=True)
    for name, content in new.items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        is_new = not (GOLDEN / name).exists() or (GOLDEN / name).read_text() != text
        (GOLDEN / name).write_text(text)
        print(f"{GOLDEN / name}: {'written' if is_new else 'unchanged'}")
    return 0


def test_new_golden_files_cannot_hide_what_breaks_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", tmp_path / "golden")
    assert refresh(breaking_is_meant=False) == 0
    users_have = golden()
    options(users_have)["colour"] = {"type": "string"}
    (tmp_path / "golden" / "spec.json").write_text(json.dumps(users_have["spec.json"]))
    assert refresh(breaking_is_meant=False) == 1
    assert golden() == users_have
    assert refresh(breaking_is_meant=True) == 0
    assert golden() == current()


if __name__ == "__main__":
    sys.exit(refresh("--breaking" in sys.argv[1:]))

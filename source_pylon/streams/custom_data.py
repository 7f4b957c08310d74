"""Custom fields (`GET /custom-fields`) and custom objects (`GET /custom-objects/{type}`)."""

from collections.abc import Sequence
from typing import Any

from source_pylon.api.endpoints import get_all, get_paginated
from source_pylon.config import Config
from source_pylon.extraction.per_type import PerTypeStream
from source_pylon.streams.records import CUSTOM_FIELD_VALUES, RecordModel, Timestamp, field, key


class NumberMetadata(RecordModel):
    currency: str | None = field("The currency of the number custom field.")
    decimal_places: int | None = field("The decimal places of the number custom field.")
    duration_display_format: str | None = field("How durations are shown: auto, minutes, hours, days, months, years.")
    duration_input_unit: str | None = field("The input unit for duration format (seconds, minutes, hours, days).")
    format: str | None = field("The format: with_commas, percent, currency, duration, or a newer one.")


class SelectOption(RecordModel):
    ai_description: str | None = field("What tells Pylon's AI when to choose the option.")
    label: str | None = field("The label of the option, as people see it.")
    slug: str | None = field("The slug of the option, as found in values of the field.")


class SelectMetadata(RecordModel):
    options: list[SelectOption] | None = field("The options to choose from.")


class CustomField(RecordModel):
    object_type: str = key(
        "For account, issue, contact, task, project, meeting, opportunity or another. Set by the connector if missing."
    )
    id: str = key("The id of the custom field, unique only within its object_type.")
    created_at: Timestamp | None = field("When the custom field was created.")
    default_value: str | None = field("The default value for single-valued custom fields.")
    default_values: list[str] | None = field("The default values for multi-valued custom fields.")
    description: str | None = field("The description of the custom field.")
    is_read_only: bool | None = field("Whether it is read-only, as fields synced from apps and integrations are.")
    label: str | None = field("The label of the custom field.")
    number_metadata: NumberMetadata | None = field("How numbers are shown, for number fields.")
    select_metadata: SelectMetadata | None = field("The options, for select and multiselect fields.")
    slug: str | None = field("The slug of the custom field: its key in the custom_fields of records.")
    source: str | None = field("The source of the custom field.")
    type: str | None = field("Type: text, number, boolean, date, datetime, user, url, select, multiselect or another.")
    updated_at: Timestamp | None = field("When the custom field was last updated.")


class ObjectRelation(RecordModel):
    object_id: str | None = field("The ID of the related object.")
    object_type: str | None = field("The type of the related object, such as account, contact, issue or a custom type.")


class CustomObject(RecordModel):
    type: str = key("The slug of the type. Set by the connector where the API leaves it out.")
    id: str = key("The ID of the custom object.")
    created_at: Timestamp | None = field("When the object was created.")
    custom_fields: dict[str, Any] | None = field(
        f"{CUSTOM_FIELD_VALUES} Relationship fields are left out here and are in relations."
    )
    name: str | None = field("The name of the custom object.")
    relations: list[ObjectRelation] | None = field("Related objects, taken from custom fields that hold relationships.")
    updated_at: Timestamp | None = field("When the object was last updated.")


class CustomFields(PerTypeStream):
    """Definitions of custom fields, with their options. Ids are unique only within a type of object."""

    name = "custom_fields"
    endpoint = get_all("/custom-fields")
    model = CustomField
    primary_key = ("object_type", "id")
    type_field = "object_type"
    skip_refused_types = True

    def types(self, config: Config) -> Sequence[str]:
        """Return every type of object that Pylon documents."""
        return ("account", "issue", "contact", "task", "project", "meeting", "opportunity")


class CustomObjects(PerTypeStream):
    """Custom objects of the types that the configuration names."""

    name = "custom_objects"
    endpoint = get_paginated("/custom-objects/{type}", 100)
    model = CustomObject
    primary_key = ("type", "id")
    type_field = "type"

    def types(self, config: Config) -> Sequence[str]:
        return config.custom_object_types

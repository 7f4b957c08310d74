"""What all record models share: the base class, the kinds of fields, and objects that many records refer to.

The models describe records as emitted. Their JSON schemas and documentation come from them; records
themselves pass through as plain dictionaries, so that a new field of the API reaches the warehouse before the
model knows it. Every field but a primary key may be null or missing: real responses leave fields out. No
enumeration is declared, so that a value that Pylon adds tomorrow is still valid; the known ones are in the
descriptions.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# RFC 3339 text, as the API gives it ("2026-07-01T12:00:00Z").
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time", "airbyte_type": "timestamp_with_timezone"})]


class RecordModel(BaseModel):
    """A record, or an object within one. Validators are built only when somebody validates."""

    model_config = ConfigDict(extra="allow", defer_build=True)


def key(description: str) -> Any:
    """A field that identifies the record: never null, never missing."""
    return Field(description=description)


def field(description: str) -> Any:
    """A field of the API's record."""
    return Field(default=None, description=description)


def added(description: str) -> Any:
    """A field that the API's record does not have; its description says so."""
    return Field(default=None, description=f"Added by the connector: {description}")


CUSTOM_FIELD_VALUES = (
    "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be chosen. Values "
    "of select fields are option slugs, of relationship fields ids (see the stream custom_fields)."
)


class ExternalId(RecordModel):
    external_id: str | None = field("The object's id in the other system, unique per type of object.")
    label: str | None = field("What the id is, unique within the object.")


class MiniAccount(RecordModel):
    external_ids: list[ExternalId] | None = field("External IDs associated with the account.")
    id: str | None = field("The ID of the account.")


class MiniContact(RecordModel):
    email: str | None = field("The contact's email address.")
    id: str | None = field("The ID of the contact.")


class MiniObject(RecordModel):
    id: str | None = field("The object's ID.")


class MiniUser(RecordModel):
    email: str | None = field("The user's email address.")
    id: str | None = field("The ID of the user.")


class Actor(RecordModel):
    contact: MiniContact | None = field("The contact, if it is one.")
    user: MiniUser | None = field("The user, if it is one.")


class ExternalIssue(RecordModel):
    external_id: str | None = field(
        "The id in the other system. Jira, Asana: a number; GitHub: owner/repository/number; Linear: a UUID."
    )
    link: str | None = field("The address of the linked issue.")
    source: str | None = field("The other system: jira, github, linear, asana or another.")


class MiniIssue(RecordModel):
    id: str | None = field("The ID of the issue.")
    number: int | None = field("The issue's number, as people see it in Pylon.")
    title: str | None = field("The title of the issue.")

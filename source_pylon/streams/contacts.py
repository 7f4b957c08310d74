"""Contacts (`GET /contacts`)."""

from typing import Any

from source_pylon.api.endpoints import get_paginated
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Record
from source_pylon.streams.records import ExternalId, MiniAccount, RecordModel, added, field, key
from source_pylon.transform.columns import with_ids


class IntegrationUserId(RecordModel):
    """A contact's id in another system."""

    id: str | None = field("The user ID in the external system.")
    source: str | None = field("The other system: slack, intercom, hubspot or another.")


class Contact(RecordModel):
    """A contact, as emitted by the stream contacts."""

    id: str = key("The ID of the contact.")
    account: MiniAccount | None = field("The account that the contact belongs to; ids only.")
    avatar_url: str | None = field("The contact's picture.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    email: str | None = field("The contact's main email address, if there is one.")
    emails: list[str] | None = field("The list of all emails of the contact.")
    external_ids: list[ExternalId] | None = field("External IDs associated with the contact.")
    integration_user_ids: list[IntegrationUserId] | None = field(
        "Integration user IDs linking this contact to external systems."
    )
    name: str | None = field("The name of the contact.")
    phone_numbers: list[str] | None = field("The list of all phone numbers of the contact.")
    portal_role: str | None = field(
        "The contact's role in the customer portal: no_access, member, admin, or a newer one. Kept by Pylon"
        " for older clients; see portal_role_id."
    )
    portal_role_id: str | None = field("The ID of the custom portal role assigned to the contact.")
    primary_phone_number: str | None = field("The primary phone number of the contact, if it exists.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")


def contact_record(contact: dict[str, Any]) -> dict[str, Any]:
    """Return a contact as emitted: with the id of its account as a column."""
    return with_ids(contact, account_id="account")


class Contacts(ListStream):
    """Contacts. They have no time of change, so every sync reads all of them."""

    name = "contacts"
    endpoint = get_paginated("/contacts")
    model = Contact
    suggested = True

    def transform(self, record: Record) -> Record:
        """Add the account's id."""
        return contact_record(record)

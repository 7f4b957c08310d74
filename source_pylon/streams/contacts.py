"""Contacts (`GET /contacts`)."""

from typing import Any

from source_pylon.api.endpoints import get_paginated
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Record
from source_pylon.streams.records import CUSTOM_FIELD_VALUES, ExternalId, MiniAccount, RecordModel, added, field, key
from source_pylon.transform.columns import with_ids


class IntegrationUserId(RecordModel):
    id: str | None = field("The user ID in the external system.")
    source: str | None = field("The other system: slack, intercom, hubspot or another.")


class Contact(RecordModel):
    id: str = key("The ID of the contact.")
    account: MiniAccount | None = field("The account that the contact belongs to; ids only.")
    avatar_url: str | None = field("The contact's picture.")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    email: str | None = field("The contact's main email address, if there is one.")
    emails: list[str] | None = field("The list of all emails of the contact.")
    external_ids: list[ExternalId] | None = field("External IDs associated with the contact.")
    integration_user_ids: list[IntegrationUserId] | None = field("The contact's user ids in other systems.")
    name: str | None = field("The name of the contact.")
    phone_numbers: list[str] | None = field("The list of all phone numbers of the contact.")
    portal_role: str | None = field("Kept for older clients (see portal_role_id): no_access, member, admin or another.")
    portal_role_id: str | None = field("The ID of the custom portal role assigned to the contact.")
    primary_phone_number: str | None = field("The primary phone number of the contact, if it exists.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")


class Contacts(ListStream):
    """Contacts. They have no time of change, so every sync reads all of them."""

    name = "contacts"
    endpoint = get_paginated("/contacts")
    model = Contact
    checked = True

    def transform(self, record: Record) -> Record:
        return with_ids(record, account_id="account")

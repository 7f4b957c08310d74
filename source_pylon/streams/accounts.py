"""Accounts (`GET /accounts`), their relationships (`GET /accounts/{id}/relationships`) and their activities.

Activities are listed per account, newest first, by `GET /accounts/{id}/activities`, which takes `start_time` and
`end_time`; their types by `GET /activity-types`.
"""

from datetime import timedelta
from typing import Any

from source_pylon.api.endpoints import get_all, get_paginated
from source_pylon.config import Config
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Record
from source_pylon.extraction.substream import SubStream
from source_pylon.streams.records import (
    CUSTOM_FIELD_VALUES,
    ExternalId,
    MiniUser,
    RecordModel,
    Timestamp,
    added,
    field,
    key,
)
from source_pylon.transform.columns import with_ids


class MirrorChannel(RecordModel):
    """A channel that mirrors another."""

    channel_id: str | None = field("The channel's id in its app; for Microsoft Teams `{team_id}|{channel_id}`.")
    source: str | None = field("The app: slack, microsoft_teams, discord or a newer one.")


class Channel(RecordModel):
    channel_id: str | None = field("The channel's id in its app; for Microsoft Teams `{team_id}|{channel_id}`.")
    channel_name: str | None = field("The human-readable name of the channel.")
    channel_url: str | None = field("The direct URL to the channel in its source app, if available.")
    is_internal: bool | None = field("Whether it is internal, such as one for triage; else one with the customer.")
    is_primary: bool | None = field("Whether this channel is the primary channel for the account.")
    mirror_to: MirrorChannel | None = field("The internal channel that mirrors this one, if any.")
    source: str | None = field("The app: slack, microsoft_teams, discord or a newer one.")


class CrmDetails(RecordModel):
    id: str | None = field("The account's id in the CRM system.")
    source: str | None = field("The CRM system: salesforce, hubspot or another.")


class CrmSettings(RecordModel):
    details: list[CrmDetails] | None = field("One entry per CRM system.")


class Account(RecordModel):
    id: str = key("The ID of the account.")
    associated_account_ids: list[str] | None = field("For a partner: the ids of the accounts associated with it.")
    channels: list[Channel] | None = field("Channels associated with the account.")
    created_at: Timestamp | None = field("The creation time of the account.")
    crm_settings: CrmSettings | None = field("The account's entries in connected CRM systems.")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    domain: str | None = field("The primary domain of the account.")
    domains: list[str] | None = field("The list of domains associated with the account.")
    external_ids: list[ExternalId] | None = field("External IDs associated with the account.")
    is_disabled: bool | None = field("Whether the account is disabled in Pylon.")
    latest_customer_activity_time: Timestamp | None = field("When the customer was last active.")
    logo_url: str | None = field("The address of the account's logo.")
    name: str | None = field("The name of the account.")
    owner: MiniUser | None = field("The user who owns the account; id and email only.")
    parent_account_id: str | None = field("The ID of the parent account; null if there is none.")
    primary_domain: str | None = field("The primary domain of the account.")
    subaccount_ids: list[str] | None = field("The IDs of the accounts whose parent this account is.")
    tags: list[str] | None = field("Tags associated with the account.")
    type: str | None = field("The type of the account: customer, internal, community, partner, or a newer one.")
    updated_at: Timestamp | None = field("When the account was last changed, the stream's cursor.")
    owner_id: str | None = added("the id of the user who owns the account, for joins; the same as owner.id.")


class AccountRelationship(RecordModel):
    id: str = key("The ID of the relationship.")
    child_account_id: str | None = field("The ID of the account on the child or client side of the relationship.")
    created_at: Timestamp | None = field("The creation time of the relationship.")
    parent_account_id: str | None = field("The ID of the account on the parent or partner side of the relationship.")
    related_object_id: str | None = field("The ID of the related parent or partner account.")
    relationship_type: str | None = field("The kind of relationship: parent_account, partner_account or a newer one.")
    updated_at: Timestamp | None = field("The time the relationship was last updated.")


class ActivityTypeOfActivity(RecordModel):
    id: str | None = field("The ID of the activity type.")
    icon_url: str | None = field("The address of the icon.")
    label: str | None = field("The label of the activity type.")
    slug: str | None = field("The slug of the activity type.")


class ActivityType(ActivityTypeOfActivity):
    id: str = key("The ID of the activity type.")


class AccountActivity(RecordModel):
    """An activity that was recorded on an account, as emitted by the stream account_activities.

    An organisation records such activities itself, through Pylon's API (Pylon calls them custom activities).
    """

    id: str = key("The ID of the activity.")
    account_id: str | None = field("The ID of the account on which the activity was recorded.")
    activity_type: ActivityTypeOfActivity | None = field("The type of the activity (see the stream activity_types).")
    body_html: str | None = field("The content of the activity in HTML.")
    contact_id: str | None = field("The ID of the contact who performed the activity, if a contact did.")
    created_at: Timestamp | None = field("When the activity was recorded in Pylon.")
    happened_at: Timestamp | None = field("When the activity happened, the stream's cursor.")
    link: str | None = field("The link that the activity shows.")
    link_text: str | None = field("The text of the link.")
    updated_at: Timestamp | None = field("When the activity was last changed.")
    user_id: str | None = field("The ID of the user who performed the activity, if a user did.")


class Accounts(ListStream):
    """Accounts. Every sync reads the whole list and emits the changed accounts."""

    name = "accounts"
    endpoint = get_paginated("/accounts")
    model = Account
    cursor_field = "updated_at"
    checked = True

    def transform(self, record: Record) -> Record:
        return with_ids(record, owner_id="owner")


class AccountRelationships(SubStream):
    """Which account belongs to which; one request for each account."""

    name = "account_relationships"
    parents = Accounts.endpoint
    endpoint = get_all("/accounts/{account_id}/relationships")
    model = AccountRelationship


class AccountActivities(SubStream):
    """Activities that an organisation recorded on its accounts; one request for each account."""

    name = "account_activities"
    parents = Accounts.endpoint
    endpoint = get_paginated("/accounts/{id}/activities", 1000)
    model = AccountActivity
    cursor_field = "happened_at"
    since_parameter = "start_time"

    def lookback(self, config: Config) -> timedelta:
        """Seven days: an activity may be recorded after it happened, and the list is filtered by when it happened."""
        return timedelta(days=7)

    def transform_child(self, record: Record, parent: Record) -> Record:
        return {**record, "account_id": record.get("account_id") or parent.get("id")}


class ActivityTypes(ListStream):
    name = "activity_types"
    endpoint = get_all("/activity-types")
    model = ActivityType

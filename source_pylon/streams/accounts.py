"""Accounts (`GET /accounts`) and what relates them (`GET /accounts/{id}/relationships`)."""

from typing import Any

from source_pylon.streams.records import ExternalId, MiniUser, Record, Timestamp, field, key


class MirrorChannel(Record):
    """A channel that mirrors another."""

    channel_id: str | None = field("The channel's id in its app; for Microsoft Teams `{team_id}|{channel_id}`.")
    source: str | None = field("The app: slack, microsoft_teams, discord or a newer one.")


class Channel(Record):
    """A channel in which the account is talked with."""

    channel_id: str | None = field("The channel's id in its app; for Microsoft Teams `{team_id}|{channel_id}`.")
    channel_name: str | None = field("The human-readable name of the channel.")
    channel_url: str | None = field("The direct URL to the channel in its source app, if available.")
    is_internal: bool | None = field(
        "Whether it is an internal channel (such as one for triage) instead of one with the customer."
    )
    is_primary: bool | None = field("Whether this channel is the primary channel for the account.")
    mirror_to: MirrorChannel | None = field("The internal channel that mirrors this one, if any.")
    source: str | None = field("The app: slack, microsoft_teams, discord or a newer one.")


class CrmDetails(Record):
    """An account's place in one CRM system."""

    id: str | None = field("The account's id in the CRM system.")
    source: str | None = field("The CRM system: salesforce, hubspot or another.")


class CrmSettings(Record):
    """Where an account stands in CRM systems."""

    details: list[CrmDetails] | None = field("One entry per CRM system.")


class Account(Record):
    """An account, as emitted by the stream accounts."""

    id: str = key("The ID of the account.")
    channels: list[Channel] | None = field("Channels associated with the account.")
    created_at: Timestamp | None = field("The creation time of the account.")
    crm_settings: CrmSettings | None = field("Where the account stands in connected CRM systems.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    domain: str | None = field("The primary domain of the account.")
    domains: list[str] | None = field("The list of domains associated with the account.")
    external_ids: list[ExternalId] | None = field("External IDs associated with the account.")
    is_disabled: bool | None = field("Whether the account is disabled in Pylon.")
    latest_customer_activity_time: Timestamp | None = field("When the customer was last active.")
    name: str | None = field("The name of the account.")
    owner: MiniUser | None = field("The user who owns the account; id and email only.")
    primary_domain: str | None = field("The primary domain of the account.")
    tags: list[str] | None = field("Tags associated with the account.")
    type: str | None = field("The type of the account: customer, partner or another.")
    updated_at: Timestamp | None = field("When the account was last changed, the stream's cursor.")


class AccountRelationship(Record):
    """A relationship between two accounts, as emitted by the stream account_relationships."""

    id: str = key("The ID of the relationship.")
    child_account_id: str | None = field("The ID of the account on the child or client side of the relationship.")
    created_at: Timestamp | None = field("The creation time of the relationship.")
    parent_account_id: str | None = field("The ID of the account on the parent or partner side of the relationship.")
    related_object_id: str | None = field("The ID of the related parent or partner account.")
    relationship_type: str | None = field("The kind of relationship: parent_account, partner_account or a newer one.")
    updated_at: Timestamp | None = field("The time the relationship was last updated.")

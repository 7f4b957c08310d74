"""Feature requests (`POST /feature-requests/search`)."""

from typing import Any

from source_pylon.streams.records import ExternalIssue, Record, Timestamp, field, key


class FeatureRequest(Record):
    """A feature request, as emitted by the stream feature_requests."""

    id: str = key("The ID of the feature request.")
    account_ids: list[str] | None = field("Accounts that have asked for the feature, found through the evidence.")
    created_at: Timestamp | None = field("The time the feature request was created (RFC3339).")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    description: str | None = field("The description of the feature request.")
    evidence_count: int | None = field(
        "The number of evidence items (excluding irrelevant) linked to this feature request."
    )
    external_issues: list[ExternalIssue] | None = field(
        "Linked issues of other systems such as Jira, GitHub, Linear and Asana."
    )
    portal_visible_to_account_ids: list[str] | None = field(
        "Account IDs that can see this feature request in the customer portal. Empty means hidden from all "
        "accounts. Only takes effect when the Feature Requests tab is enabled in portal settings."
    )
    request_status: str | None = field(
        "The status: new, in_progress, closed, archived, or the slug of a custom status."
    )
    title: str | None = field("The title of the feature request.")
    updated_at: Timestamp | None = field("The time the feature request was last updated (RFC3339).")

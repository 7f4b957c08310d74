"""Feature requests (`POST /feature-requests/search`)."""

from typing import Any

from source_pylon.api.endpoints import search
from source_pylon.extraction.search import SearchStream
from source_pylon.streams.records import CUSTOM_FIELD_VALUES, ExternalIssue, RecordModel, Timestamp, field, key


class FeatureRequest(RecordModel):
    id: str = key("The ID of the feature request.")
    account_ids: list[str] | None = field("Accounts that have asked for the feature, found through the evidence.")
    created_at: Timestamp | None = field("The time the feature request was created (RFC3339).")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    description: str | None = field("The description of the feature request.")
    evidence_count: int | None = field("How many pieces of evidence are linked to it, without irrelevant ones.")
    external_issues: list[ExternalIssue] | None = field("Linked issues of Jira, GitHub, Linear, Asana or another.")
    portal_visible_to_account_ids: list[str] | None = field(
        "Accounts that see it in the customer portal, if the portal shows feature requests; empty hides it from all."
    )
    request_status: str | None = field("The status: new, in_progress, closed, archived, or a custom status's slug.")
    title: str | None = field("The title of the feature request.")
    updated_at: Timestamp | None = field("The time the feature request was last updated (RFC3339).")


class FeatureRequests(SearchStream):
    """Feature requests. The search has no time filter and no pages, so all are read at every sync."""

    name = "feature_requests"
    endpoint = search("/feature-requests/search", 1000)
    model = FeatureRequest

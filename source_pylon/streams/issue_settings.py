"""Settings of an organisation for its issues: statuses, tags and ticket forms.

`GET /issue-statuses`, `/tags`, `/ticket-forms`. Statuses have no id: the slug is the key.
"""

from typing import Any

from source_pylon.api.endpoints import get_all
from source_pylon.extraction.list import ListStream
from source_pylon.streams.records import RecordModel, field, key


class IssueStatus(RecordModel):
    slug: str = key("The slug of the status, as found in an issue's state; it identifies the status.")
    category: str | None = field("Its base: new, waiting_on_you, waiting_on_customer, on_hold, closed or another.")
    is_archived: bool | None = field("Whether the status is archived.")
    is_default_status: bool | None = field("Whether the status is a default status.")
    label: str | None = field("The label of the issue status.")


class Tag(RecordModel):
    id: str = key("The ID of the tag.")
    hex_color: str | None = field("The tag's color as a hex code.")
    object_type: str | None = field("What the tag is for: account, issue, contact, article or another.")
    value: str | None = field("The tag's text, as found in the tags of other objects.")


class TicketFormAffectedField(RecordModel):
    required: bool | None = field("Whether the field must be filled in while the condition holds.")
    slug: str | None = field("The slug of the affected field.")
    type: str | None = field("The type of the affected field.")
    visible: bool | None = field("Whether the field is shown while the condition holds.")


class TicketFormVisibilityCondition(RecordModel):
    affected_fields: list[TicketFormAffectedField] | None = field("The fields that the condition shows or requires.")
    filter: dict[str, Any] | None = field("The filter that the field's value must match.")
    filter_unsupported: bool | None = field("True where filter is left out, because the API cannot express it.")
    id: str | None = field("The ID of the condition.")


class TicketFormLayoutField(RecordModel):
    description_html: str | None = field("The description of the ticket form layout field in HTML.")
    hidden: bool | None = field("Whether the field is hidden until a condition on another field shows it.")
    name: str | None = field("The name of the ticket form layout field.")
    required: bool | None = field("Whether the field must be filled in.")
    slug: str | None = field("The slug of the ticket form layout field.")
    type: str | None = field("The type of the ticket form layout field.")
    visibility_conditions: list[TicketFormVisibilityCondition] | None = field("Conditions on its value.")


class TicketForm(RecordModel):
    id: str = key("The ID of the ticket form.")
    description_html: str | None = field("The description of the ticket form in HTML.")
    fields: list[TicketFormLayoutField] | None = field("The fields of the form in their order.")
    is_public: bool | None = field("Whether the form can be used without a login.")
    name: str | None = field("The name of the ticket form.")
    slug: str | None = field("The slug of the ticket form.")
    url: str | None = field("The URL of the ticket form.")


class Tags(ListStream):
    name = "tags"
    endpoint = get_all("/tags")
    model = Tag


class TicketForms(ListStream):
    name = "ticket_forms"
    endpoint = get_all("/ticket-forms")
    model = TicketForm


class IssueStatuses(ListStream):
    """Statuses of issues, custom ones too. They have no id."""

    name = "issue_statuses"
    endpoint = get_all("/issue-statuses")
    model = IssueStatus
    primary_key = ("slug",)

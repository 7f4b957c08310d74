"""What an organisation sets up for its issues.

`GET /issue-statuses`, `/tags`, `/ticket-forms`. Statuses have no id: the slug is the key.
"""

from typing import Any

from source_pylon.streams.records import Record, field, key


class IssueStatus(Record):
    """A status of issues, as emitted by the stream issue_statuses."""

    slug: str = key("The slug of the status, as found in an issue's state; it identifies the status.")
    category: str | None = field(
        "The base status that it counts as: new, waiting_on_you, waiting_on_customer, on_hold, closed or a newer one."
    )
    is_archived: bool | None = field("Whether the status is archived.")
    is_default_status: bool | None = field("Whether the status is a default status.")
    label: str | None = field("The label of the issue status.")


class Tag(Record):
    """A tag, as emitted by the stream tags."""

    id: str = key("The ID of the tag.")
    hex_color: str | None = field("The tag's color as a hex code.")
    object_type: str | None = field(
        "The type of object that the tag is for: account, issue, contact, article or another."
    )
    value: str | None = field("The tag's text, as found in the tags of other objects.")


class TicketFormAffectedField(Record):
    """What becomes of another field of the form while a condition holds."""

    required: bool | None = field("Whether the field must be filled in while the condition holds.")
    slug: str | None = field("The slug of the affected field.")
    type: str | None = field("The type of the affected field.")
    visible: bool | None = field("Whether the field is shown while the condition holds.")


class TicketFormVisibilityCondition(Record):
    """A condition on a field's value that shows or requires other fields of the form."""

    affected_fields: list[TicketFormAffectedField] | None = field(
        "The fields that are shown or required while the condition holds."
    )
    filter: dict[str, Any] | None = field("The filter that the field's value must match.")
    filter_unsupported: bool | None = field(
        "True where the condition cannot be written as a filter of the API; filter is then left out, but the condition "
        "still holds in the form."
    )
    id: str | None = field("The ID of the condition.")


class TicketFormLayoutField(Record):
    """A field of a form for tickets."""

    description_html: str | None = field("The description of the ticket form layout field in HTML.")
    hidden: bool | None = field("Whether the field is hidden until a condition on another field shows it.")
    name: str | None = field("The name of the ticket form layout field.")
    required: bool | None = field("Whether the field must be filled in.")
    slug: str | None = field("The slug of the ticket form layout field.")
    type: str | None = field("The type of the ticket form layout field.")
    visibility_conditions: list[TicketFormVisibilityCondition] | None = field(
        "Conditions on this field's value that show or require other fields."
    )


class TicketForm(Record):
    """A form for tickets, as emitted by the stream ticket_forms."""

    id: str = key("The ID of the ticket form.")
    description_html: str | None = field("The description of the ticket form in HTML.")
    fields: list[TicketFormLayoutField] | None = field("The fields of the form in their order.")
    is_public: bool | None = field("Whether the form can be used without a login.")
    name: str | None = field("The name of the ticket form.")
    slug: str | None = field("The slug of the ticket form.")
    url: str | None = field("The URL of the ticket form.")

"""What an organisation sets up for its issues.

`GET /activity-types`, `/issue-statuses`, `/tags`, `/ticket-forms`. Statuses have no id: the slug is the key.
"""

from source_pylon.streams.records import Record, field, key


class ActivityType(Record):
    """A type of activity, as emitted by the stream activity_types."""

    id: str = key("The ID of the activity type.")
    icon_url: str | None = field("The address of the icon.")
    label: str | None = field("The label of the activity type.")
    slug: str | None = field("The slug of the activity type.")


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


class TicketFormLayoutField(Record):
    """A field of a form for tickets."""

    description_html: str | None = field("The description of the ticket form layout field in HTML.")
    name: str | None = field("The name of the ticket form layout field.")
    slug: str | None = field("The slug of the ticket form layout field.")
    type: str | None = field("The type of the ticket form layout field.")


class TicketForm(Record):
    """A form for tickets, as emitted by the stream ticket_forms."""

    id: str = key("The ID of the ticket form.")
    description_html: str | None = field("The description of the ticket form in HTML.")
    fields: list[TicketFormLayoutField] | None = field("The fields of the form in their order.")
    is_public: bool | None = field("Whether the form can be used without a login.")
    name: str | None = field("The name of the ticket form.")
    slug: str | None = field("The slug of the ticket form.")
    url: str | None = field("The URL of the ticket form.")

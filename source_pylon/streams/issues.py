"""Issues of all types (`GET /issues`, `POST /issues/search`)."""

from typing import Any

from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.streams.issue_messages import Message
from source_pylon.streams.records import (
    ExternalIssue,
    MiniAccount,
    MiniContact,
    MiniIssue,
    MiniTeam,
    MiniUser,
    RecordModel,
    Timestamp,
    added,
    field,
    key,
)


class ActiveTimeByUser(RecordModel):
    """The active time that one user spent on an issue."""

    active_time_seconds: int | None = field("The user's active time on the issue in seconds.")
    business_hours_active_time_seconds: int | None = field(
        "The user's business-hours active time on the issue in seconds."
    )
    user_id: str | None = field("The ID of the user who spent the time.")


class CsatResponse(RecordModel):
    """A customer's rating of an issue."""

    comment: str | None = field("What the customer wrote.")
    score: int | None = field("The score that the customer gave.")


class ExternalIncident(RecordModel):
    """An incident of another system that is linked to an issue."""

    external_id: str | None = field("The incident's id in the other system, if known.")
    link: str | None = field("The address of the incident, if known.")
    reference: str | None = field("The incident's reference in the other system, such as INC-123.")
    source: str | None = field("The other system: incident_io, rootly, or a newer one.")


class IssueChatWidgetInfo(RecordModel):
    """Where a chat was started."""

    page_url: str | None = field("The URL of the page that the user was on when they started the chat widget issue.")


class SlackInfo(RecordModel):
    """The Slack message that started an issue."""

    channel_id: str | None = field("The Slack channel ID associated with the issue.")
    message_ts: str | None = field("The Slack timestamp that identifies the message which started the issue.")
    workspace_id: str | None = field("The Slack workspace ID associated with the issue.")


class ServiceLevelTimes(RecordModel):
    """The progress of one service level."""

    breach_time: Timestamp | None = field("When it will be breached, or was. Value when it was read.")
    business_hours_seconds: int | None = field("The elapsed business-hours time in seconds, if any.")
    seconds: int | None = field("The elapsed time in seconds, if any.")
    time: str | None = field("When it was reached, if it was.")


class TeamServiceLevels(RecordModel):
    """The service levels of one team on an issue."""

    first_resolution: ServiceLevelTimes | None = field("The team's service level for the first resolution.")
    first_response: ServiceLevelTimes | None = field("The team's service level for the first response.")
    resolution: ServiceLevelTimes | None = field("The team's service level for the resolution.")
    team_id: str | None = field("The team whose service levels these are.")


class Issue(RecordModel):
    """An issue of any type, as emitted by the streams issues, conversations and tickets."""

    id: str = key("The ID of the issue.")
    account: MiniAccount | None = field("The account that the issue belongs to; ids only.")
    active_time_by_user: list[ActiveTimeByUser] | None = field(
        "Active time that each user spent on the issue. Value when it was read: it grows without an edit."
    )
    active_time_seconds: int | None = field(
        "Active time spent on the issue by all users, in seconds. Value when it was read: it grows without an edit."
    )
    assignee: MiniUser | None = field("The user to whom the issue is assigned; id and email only.")
    attachment_urls: list[str] | None = field(
        "Signed links to the files of the issue; the signature changes at every read. Files that belong to "
        "private messages are taken out by the connector; null where messages are not read, because the "
        "list cannot be judged then."
    )
    author_unverified: bool | None = field(
        "Whether any message on the issue has an unverified author identity. True if any message author's "
        "identity has NOT been verified (e.g., from public forms)."
    )
    body_html: str | None = field("The body in HTML: what the requester wrote first.")
    business_hours_active_time_seconds: int | None = field(
        "Active time spent on the issue by all users within business hours, in seconds. Value when it was read."
    )
    business_hours_first_response_seconds: int | None = field(
        "The business hours time in seconds it took for the first response to the issue, if any."
    )
    business_hours_resolution_seconds: int | None = field(
        "The business hours time in seconds it took for the issue to be resolved, if any."
    )
    business_hours_time_in_status_seconds: dict[str, Any] | None = field(
        "Seconds within business hours that the issue has spent in each status, by status slug, base and "
        "custom statuses alike. Value when it was read: the current status keeps counting."
    )
    chat_widget_info: IssueChatWidgetInfo | None = field("Where the chat was started, for issues from the chat widget.")
    child_issues: list[MiniIssue] | None = field("The child issues in this group, if this issue is an issue group.")
    created_at: Timestamp | None = field("The time the issue was created.")
    csat_responses: list[CsatResponse] | None = field("The CSAT responses of the issue, if any.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields). Priority is one of them."
    )
    customer_portal_visible: bool | None = field("Whether the issue is visible in the customer portal.")
    external_incidents: list[ExternalIncident] | None = field(
        "Linked incidents of other systems such as incident.io and Rootly."
    )
    external_issues: list[ExternalIssue] | None = field(
        "Linked issues of other systems such as Jira, GitHub, Linear and Asana."
    )
    first_resolution_time: Timestamp | None = field(
        "When the issue was resolved for the first time, if it was. Stays the same when the issue is opened again and "
        "resolved again; compare resolution_time."
    )
    first_response_breach_time: Timestamp | None = field(
        "When the service level for the first response will be breached; only with an active one. Value"
        " when it was read: it moves without an edit."
    )
    first_response_seconds: int | None = field(
        "The time in seconds it took for the first response to the issue, if any."
    )
    first_response_time: Timestamp | None = field("The time of the first response to the issue, if any.")
    is_issue_group: bool | None = field("Whether the issue is a group of other issues (see child_issues).")
    latest_message_time: Timestamp | None = field(
        "When the latest message was sent, the stream's cursor. Never null here: an issue without messages "
        "carries its created_at."
    )
    link: str | None = field("The issue's address in Pylon.")
    number: int | None = field("The issue's number, as people see it in Pylon.")
    number_of_touches: int | None = field("The number of times the issue has been touched.")
    parent_issue_group: MiniIssue | None = field("The group that the issue belongs to, if any.")
    requester: MiniContact | None = field("The contact who asked; id and email only.")
    resolution_breach_time: Timestamp | None = field(
        "When the service level for the resolution will be breached; only for open issues with an active "
        "one. Value when it was read: it moves without an edit."
    )
    resolution_seconds: int | None = field("The time in seconds it took for the issue to be resolved, if any.")
    resolution_time: Timestamp | None = field("The time of the resolution of the issue, if any.")
    slack: SlackInfo | None = field("The Slack message that the issue began with, for issues from Slack.")
    snoozed_until_time: Timestamp | None = field("The time the issue was snoozed until in RFC3339 format, if any.")
    source: str | None = field(
        "Where the issue came in: slack, microsoft_teams, microsoft_teams_chat, chat_widget, customer_portal, "
        "email, manual, form, discord, google_chat, whatsapp, sms, telegram, phone, or a newer source."
    )
    state: str | None = field(
        "The state: new, waiting_on_you, waiting_on_customer, on_hold, closed, or the slug of a custom "
        "status (see the stream issue_statuses)."
    )
    tags: list[str] | None = field("Tags associated with the issue.")
    team: MiniTeam | None = field("The team to which the issue is assigned; id only.")
    team_slas: list[TeamServiceLevels] | None = field(
        "Service levels of single teams on the issue, one entry per team."
    )
    time_in_status_seconds: dict[str, Any] | None = field(
        "Seconds that the issue has spent in each status, by status slug, base and custom statuses alike. "
        "Value when it was read: the current status keeps counting without an edit."
    )
    title: str | None = field("The title; generated by Pylon for issues from Slack.")
    type: str | None = field("The type: conversation or ticket; older data may use capital letters.")
    updated_at: Timestamp | None = field("When the issue was last changed.")
    workspace_email: str | None = field(
        "The email address of your organisation through which the issue's emails are routed; for issues that began "
        "with an email, the address to which it was sent."
    )
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    requester_id: str | None = added("the requesting contact's id, for joins; the same as requester.id.")
    requester_email: str | None = added("the requesting contact's email address; the same as requester.email.")
    assignee_id: str | None = added("the assigned user's id, for joins; the same as assignee.id.")
    assignee_email: str | None = added("the assigned user's email address; the same as assignee.email.")
    team_id: str | None = added("the assigned team's id, for joins; the same as team.id.")
    issue_type: str | None = added(
        "the type in lower case, such as conversation or ticket; null where Pylon gives none."
    )
    csat_score: float | None = added(
        "the score of the last of csat_responses, which carry no times of their own; null where there is none."
    )
    public_message_count: int | None = added(
        "how many public messages the issue has; null where messages are not read or not allowed to be read."
    )
    customer_message_count: int | None = added(
        "how many of the public messages a contact wrote; null where messages are not read or not allowed to be read."
    )
    last_customer_message_at: Timestamp | None = added("when a contact last wrote a public message.")
    last_team_message_at: Timestamp | None = added("when a user last wrote a public message.")
    issue_read_at: Timestamp | None = added(
        "when the connector read the issue and its messages: of two versions, the one with the later time is the newer."
    )
    messages: list[Message] | None = added(
        "the public messages, oldest first; private ones are never among them. Null where messages are not "
        "read or not allowed to be read."
    )
    feedback_text: str | None = added(
        "the plain text of the public messages in their order, or of the body when there is no public "
        "message; null when there is no text at all."
    )
    feedback_source: str | None = added("what feedback_text was made from: messages, body or none.")
    messages_truncated: bool | None = added(
        "true where the record would have been too large for destinations: message_html was left out, then "
        "the oldest messages; null or false otherwise."
    )


class Issues(IssueStream):
    """Issues of every type, with their public messages."""

    name = "issues"
    model = Issue
    emits_every_issue = True
    suggested = True


class Conversations(IssueStream):
    """The issues whose type is `conversation`."""

    name = "conversations"
    model = Issue
    issue_type = "conversation"
    suggested = True


class Tickets(IssueStream):
    """The issues whose type is `ticket`."""

    name = "tickets"
    model = Issue
    issue_type = "ticket"
    suggested = True

"""Issues of all types (`GET /issues`, `POST /issues/search`)."""

from typing import Any

from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.streams.issue_messages import Message
from source_pylon.streams.records import (
    CUSTOM_FIELD_VALUES,
    ExternalIssue,
    MiniAccount,
    MiniContact,
    MiniIssue,
    MiniObject,
    MiniUser,
    RecordModel,
    Timestamp,
    added,
    field,
    key,
)


class ActiveTimeByUser(RecordModel):
    active_time_seconds: int | None = field("The user's active time on the issue in seconds.")
    business_hours_active_time_seconds: int | None = field("The user's active seconds within business hours.")
    user_id: str | None = field("The ID of the user who spent the time.")


class CsatResponse(RecordModel):
    comment: str | None = field("What the customer wrote.")
    score: int | None = field("The score that the customer gave.")


class ExternalIncident(RecordModel):
    external_id: str | None = field("The incident's id in the other system, if known.")
    link: str | None = field("The address of the incident, if known.")
    reference: str | None = field("The incident's reference in the other system, such as INC-123.")
    source: str | None = field("The other system: incident_io, rootly, or a newer one.")


class IssueChatWidgetInfo(RecordModel):
    page_url: str | None = field("The URL of the page that the user was on when they started the chat widget issue.")


class SlackInfo(RecordModel):
    channel_id: str | None = field("The Slack channel ID associated with the issue.")
    message_ts: str | None = field("The Slack timestamp that identifies the message which started the issue.")
    workspace_id: str | None = field("The Slack workspace ID associated with the issue.")


class ServiceLevelTimes(RecordModel):
    breach_time: Timestamp | None = field("When it will be breached, or was. Value when it was read.")
    business_hours_seconds: int | None = field("The elapsed business-hours time in seconds, if any.")
    seconds: int | None = field("The elapsed time in seconds, if any.")
    time: str | None = field("When it was reached, if it was.")


class TeamServiceLevels(RecordModel):
    first_resolution: ServiceLevelTimes | None = field("The team's service level for the first resolution.")
    first_response: ServiceLevelTimes | None = field("The team's service level for the first response.")
    resolution: ServiceLevelTimes | None = field("The team's service level for the resolution.")
    team_id: str | None = field("The team whose service levels these are.")


class Issue(RecordModel):
    id: str = key("The ID of the issue.")
    account: MiniAccount | None = field("The account that the issue belongs to; ids only.")
    active_time_by_user: list[ActiveTimeByUser] | None = field("Active time of each user. Value when it was read.")
    active_time_seconds: int | None = field("Active time of all users, in seconds. Value when it was read.")
    assignee: MiniUser | None = field("The user to whom the issue is assigned; id and email only.")
    attachment_urls: list[str] | None = field(
        "Signed links to files; the signature changes at every read. Files of private messages are taken out; null "
        "where messages are not read."
    )
    author_unverified: bool | None = field("Whether the identity of any message's author is not verified.")
    body_html: str | None = field("The body in HTML: what the requester wrote first.")
    business_hours_active_time_seconds: int | None = field("Active business-hours seconds. Value when it was read.")
    business_hours_first_response_seconds: int | None = field("Seconds within business hours to the first response.")
    business_hours_resolution_seconds: int | None = field("Seconds within business hours until it was resolved.")
    business_hours_time_in_status_seconds: dict[str, Any] | None = field(
        "Seconds within business hours in each status, by slug. Value when it was read: the current one keeps counting."
    )
    chat_widget_info: IssueChatWidgetInfo | None = field("Where the chat was started, for issues from the chat widget.")
    child_issues: list[MiniIssue] | None = field("The child issues in this group, if this issue is an issue group.")
    created_at: Timestamp | None = field("The time the issue was created.")
    csat_responses: list[CsatResponse] | None = field("The CSAT responses of the issue, if any.")
    custom_fields: dict[str, Any] | None = field(f"{CUSTOM_FIELD_VALUES} Priority is one of them.")
    customer_portal_visible: bool | None = field("Whether the issue is visible in the customer portal.")
    external_incidents: list[ExternalIncident] | None = field("Linked incidents of incident.io, Rootly or another.")
    external_issues: list[ExternalIssue] | None = field("Linked issues of Jira, GitHub, Linear, Asana or another.")
    first_resolution_time: Timestamp | None = field("When it was first resolved. Stays the same if it is reopened.")
    first_response_breach_time: Timestamp | None = field("Deadline of the first response. Value when it was read.")
    first_response_seconds: int | None = field("Seconds to the first response, if there was one.")
    first_response_time: Timestamp | None = field("The time of the first response to the issue, if any.")
    is_issue_group: bool | None = field("Whether the issue is a group of other issues (see child_issues).")
    latest_message_time: Timestamp | None = field(
        "When the latest message was sent, the stream's cursor. Never null here: an issue without messages carries its "
        "created_at."
    )
    link: str | None = field("The issue's address in Pylon.")
    number: int | None = field("The issue's number, as people see it in Pylon.")
    number_of_touches: int | None = field("The number of times the issue has been touched.")
    parent_issue_group: MiniIssue | None = field("The group that the issue belongs to, if any.")
    requester: MiniContact | None = field("The contact who asked; id and email only.")
    resolution_breach_time: Timestamp | None = field("Deadline of the resolution. Value when it was read.")
    resolution_seconds: int | None = field("The time in seconds it took for the issue to be resolved, if any.")
    resolution_time: Timestamp | None = field("The time of the resolution of the issue, if any.")
    slack: SlackInfo | None = field("The Slack message that the issue began with, for issues from Slack.")
    snoozed_until_time: Timestamp | None = field("The time the issue was snoozed until in RFC3339 format, if any.")
    source: str | None = field(
        "Where it came in: slack, microsoft_teams, microsoft_teams_chat, chat_widget, customer_portal, email, manual, "
        "form, discord, google_chat, whatsapp, sms, telegram, phone, or a newer source."
    )
    state: str | None = field(
        "The state: new, waiting_on_you, waiting_on_customer, on_hold, closed, or a custom one (see issue_statuses)."
    )
    tags: list[str] | None = field("Tags associated with the issue.")
    team: MiniObject | None = field("The team to which the issue is assigned; id only.")
    team_slas: list[TeamServiceLevels] | None = field("The service levels of each team on the issue.")
    time_in_status_seconds: dict[str, Any] | None = field("Seconds in each status, by slug. Value when it was read.")
    title: str | None = field("The title; generated by Pylon for issues from Slack.")
    type: str | None = field("The type: conversation or ticket; older data may use capital letters.")
    updated_at: Timestamp | None = field("When the issue was last changed.")
    workspace_email: str | None = field("Your address through which its emails are routed, or to which they were sent.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    requester_id: str | None = added("the requesting contact's id, for joins; the same as requester.id.")
    requester_email: str | None = added("the requesting contact's email address; the same as requester.email.")
    assignee_id: str | None = added("the assigned user's id, for joins; the same as assignee.id.")
    assignee_email: str | None = added("the assigned user's email address; the same as assignee.email.")
    team_id: str | None = added("the assigned team's id, for joins; the same as team.id.")
    issue_type: str | None = added("the type in lower case, such as conversation or ticket; null without one.")
    csat_score: float | None = added("the score of the last of csat_responses; null where there is none.")
    public_message_count: int | None = added("how many public messages it has; null where they were not read.")
    customer_message_count: int | None = added("how many public messages a contact wrote; null if they were not read.")
    last_customer_message_at: Timestamp | None = added("when a contact last wrote a public message.")
    last_team_message_at: Timestamp | None = added("when a user last wrote a public message.")
    issue_read_at: Timestamp | None = added("when it was read with its messages; the later of two versions is newer.")
    messages: list[Message] | None = added(
        "the public messages, oldest first; private ones are never among them. Null where they were not read."
    )
    feedback_text: str | None = added("the plain text of the public messages, else of the body; null without any.")
    feedback_source: str | None = added("what feedback_text was made from: messages, body or none.")
    messages_truncated: bool | None = added(
        "true where message_html, then the oldest messages, were left out: destinations refuse records that large."
    )


class Issues(IssueStream):
    name = "issues"
    model = Issue
    emits_every_issue = True
    checked = True


class Conversations(IssueStream):
    name = "conversations"
    model = Issue
    issue_type = "conversation"
    checked = True


class Tickets(IssueStream):
    name = "tickets"
    model = Issue
    issue_type = "ticket"
    checked = True

"""Public messages of issues. `GET /issues/{id}/messages` gives them without their issue's id."""

from source_pylon.api.endpoints import MESSAGES
from source_pylon.api.errors import DisabledByConfig
from source_pylon.config import Config
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.stream import Record
from source_pylon.streams.records import MiniContact, MiniUser, RecordModel, Timestamp, added, field, key
from source_pylon.transform.issue_record import message_records
from source_pylon.transform.truncation import message_within


class EmailEvent(RecordModel):
    email: str | None = field("The email address of the recipient.")
    time: str | None = field("When it happened, in RFC 3339 format.")


class EmailMessageInfo(RecordModel):
    bcc_emails: list[str] | None = field("The email addresses of the BCC recipients of the message.")
    cc_emails: list[str] | None = field("The email addresses of the CC recipients of the message.")
    from_email: str | None = field("The email address of the sender of the message.")
    message_id: str | None = field("The email's Message-ID header (RFC 5322); not the message's id in Pylon.")
    opens: list[EmailEvent] | None = field(
        "When each recipient first opened it. Approximate; empty for received emails and for personal email accounts."
    )
    sender_authentication_status: str | None = field(
        "Whether SPF or DKIM confirm the sender: pass, fail or unknown, which does not mean genuine."
    )
    to_emails: list[str] | None = field("The email addresses of the recipients of the message.")


class MessageAuthor(RecordModel):
    avatar_url: str | None = field("The author's picture.")
    contact: MiniContact | None = field("The contact who wrote the message, if a contact did.")
    name: str | None = field("The author's name.")
    user: MiniUser | None = field("The user who wrote the message, if a user or a bot did.")


class Message(RecordModel):
    author: MessageAuthor | None = field("Who wrote the message: a contact or a user. Posts by bots carry a user.")
    author_unverified: bool | None = field(
        "Whether the author's identity is not verified: public forms, unknown visitors, failed email authentication."
    )
    email_info: EmailMessageInfo | None = field("Sender, recipients and delivery, for messages that are emails.")
    file_urls: list[str] | None = field("Signed links to the message's files; the signature changes at every read.")
    id: str | None = field("The message's id.")
    is_private: bool | None = field("Whether it is an internal note. Always false here: notes are never emitted.")
    message_html: str | None = field("The message in HTML; null where the record would be too large with it.")
    source: str | None = field("Where the message was sent: slack, email, chat_widget or another source.")
    thread_id: str | None = field("The thread of an internal note. Always null here: notes are never emitted.")
    timestamp: Timestamp | None = field("When the message was sent.")
    text: str | None = added("the message as plain text.")


class IssueMessage(Message):
    id: str = key("The message's id.")
    issue_id: str | None = added("the id of the issue that the message belongs to.")
    issue_number: int | None = added("the number of the issue that the message belongs to.")
    issue_type: str | None = added("the type of its issue in lower case: conversation, ticket or another.")
    account_id: str | None = added("the id of the account that the issue belongs to.")
    author_id: str | None = added("the id of the author, a user or a contact; see author_type.")
    author_email: str | None = added("the email address of the author.")
    author_name: str | None = added("the name of the author.")
    author_type: str | None = added(
        "contact (the customer) or user (your team, bots too); contact where Pylon names both, null where neither."
    )
    issue_updated_at: Timestamp | None = added("when the issue was last changed.")
    issue_read_at: Timestamp | None = added(
        "when its issue was read. If others of its issue have a later time, it was deleted or became private."
    )
    latest_message_time: Timestamp | None = added(
        "when the issue's latest message was sent, the stream's cursor; its created_at without one."
    )


class IssueMessages(IssueStream):
    """The public messages of all issues, one record each."""

    name = "issue_messages"
    model = IssueMessage

    def check_config(self, config: Config) -> None:
        if not config.include_messages:
            raise DisabledByConfig(
                "Include Messages is switched off in the configuration. Switch it on, or leave this stream out.",
                MESSAGES.key,
            )

    def records(self, issue: Record) -> list[Record]:
        return list(message_records(issue))

    def fit(self, record: Record) -> Record:
        return message_within(record)

"""Public messages of issues. `GET /issues/{id}/messages` gives them without their issue's id."""

from source_pylon.streams.records import MiniContact, MiniUser, Record, Timestamp, added, field, key


class EmailMessageInfo(Record):
    """The addresses of an email."""

    bcc_emails: list[str] | None = field("The email addresses of the BCC recipients of the message.")
    cc_emails: list[str] | None = field("The email addresses of the CC recipients of the message.")
    from_email: str | None = field("The email address of the sender of the message.")
    message_id: str | None = field(
        "The email's Message-ID header (RFC 5322). It is not the id of the message in Pylon."
    )
    to_emails: list[str] | None = field("The email addresses of the recipients of the message.")


class MessageAuthor(Record):
    """Who wrote a message."""

    avatar_url: str | None = field("The author's picture.")
    contact: MiniContact | None = field("The contact who wrote the message, if a contact did.")
    name: str | None = field("The author's name.")
    user: MiniUser | None = field("The user who wrote the message, if a user or a bot did.")


class Message(Record):
    """A public message, as it stands in an issue's messages."""

    author: MessageAuthor | None = field("Who wrote the message: a contact or a user. Posts by bots carry a user.")
    email_info: EmailMessageInfo | None = field("Sender and recipients, for messages that are emails.")
    file_urls: list[str] | None = field("Signed links to the message's files; the signature changes at every read.")
    id: str | None = field("The message's id.")
    is_private: bool | None = field(
        "Whether the message is an internal note. Always false here: private messages are never emitted."
    )
    message_html: str | None = field("The message in HTML; null where the record would be too large with it.")
    source: str | None = field("Where the message was sent: slack, email, chat_widget or another source.")
    thread_id: str | None = field("Pylon's internal thread, set for internal notes only.")
    timestamp: Timestamp | None = field("When the message was sent.")
    text: str | None = added("the message as plain text.")


class IssueMessage(Message):
    """A public message on its own, as emitted by the stream issue_messages."""

    id: str = key("The message's id.")
    issue_id: str | None = added("the id of the issue that the message belongs to.")
    issue_number: int | None = added("the number of the issue that the message belongs to.")
    issue_type: str | None = added("the type of the issue that the message belongs to: conversation or ticket.")
    account_id: str | None = added("the id of the account that the issue belongs to.")
    latest_message_time: Timestamp | None = added(
        "when the latest message of the issue was sent, the stream's cursor; the issue's created_at where "
        "the API gives none."
    )

"""Email addresses that Pylon does not send to (`GET /email-suppressions`)."""

from source_pylon.streams.records import Record, Timestamp, field, key


class EmailSuppression(Record):
    """A suppressed email address, as emitted by the stream email_suppressions."""

    id: str = key("The ID of the email suppression.")
    bounce_details: str | None = field(
        "What the receiving mail server answered (SMTP), where Pylon saw the email bounce."
    )
    created_at: Timestamp | None = field("When the address was suppressed.")
    email: str | None = field("The email address that Pylon does not send to.")
    reason: str | None = field("Why the address is suppressed: hard_bounce, manual, or a newer reason.")

"""Email addresses that Pylon does not send to (`GET /email-suppressions`)."""

from source_pylon.api.endpoints import get_paginated
from source_pylon.extraction.list import ListStream
from source_pylon.streams.records import RecordModel, Timestamp, field, key


class EmailSuppression(RecordModel):
    id: str = key("The ID of the email suppression.")
    bounce_details: str | None = field("What the receiving mail server answered (SMTP), where Pylon saw a bounce.")
    created_at: Timestamp | None = field("When the address was suppressed.")
    email: str | None = field("The email address that Pylon does not send to.")
    reason: str | None = field("Why the address is suppressed: hard_bounce, manual, or a newer reason.")


class EmailSuppressions(ListStream):
    name = "email_suppressions"
    endpoint = get_paginated("/email-suppressions", 1000)
    model = EmailSuppression

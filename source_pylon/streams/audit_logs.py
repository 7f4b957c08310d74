"""Audit logs (`POST /audit-logs/search`)."""

from datetime import timedelta
from typing import Any

from source_pylon.api.endpoints import search
from source_pylon.config import Config
from source_pylon.extraction.search import SearchStream
from source_pylon.streams.records import RecordModel, Timestamp, field, key


class AuditLog(RecordModel):
    id: str = key("The ID of the audit log.")
    action: str | None = field("What was done; the list of actions is not public.")
    action_happened_at: Timestamp | None = field("When it was done, the stream's cursor.")
    actor_contact_id: str | None = field("The ID of the contact who performed the action, if applicable.")
    actor_user_id: str | None = field("The ID of the user who performed the action, if applicable.")
    attributes: dict[str, Any] | None = field("Further facts as text, by name.")
    created_at: Timestamp | None = field("When the entry was written.")
    link: str | None = field("The link associated with the audit log, if applicable.")
    metadata: dict[str, Any] | None = field("Further facts; their structure depends on the action.")
    object_id: str | None = field("The id of the object to which it was done.")
    object_type: str | None = field("The type of the object to which it was done.")
    source: str | None = field("The source of the audit log.")


class AuditLogs(SearchStream):
    """Who did what and when: the one trace of deletions and merges."""

    name = "audit_logs"
    endpoint = search("/audit-logs/search")
    model = AuditLog
    cursor_field = "action_happened_at"

    def lookback(self, config: Config) -> timedelta:
        """One day: an action may appear in the log some time after it happened."""
        return timedelta(days=1)

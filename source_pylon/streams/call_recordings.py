"""Call recordings (`POST /call-recordings/search`)."""

from datetime import timedelta
from typing import Any

from source_pylon.api.endpoints import search
from source_pylon.config import Config
from source_pylon.extraction.search import SearchStream
from source_pylon.extraction.stream import Record
from source_pylon.streams.records import CUSTOM_FIELD_VALUES, RecordModel, Timestamp, added, field, key
from source_pylon.transform.columns import with_feedback


class CallRecording(RecordModel):
    id: str = key("The ID of the call recording.")
    account_id: str | None = field("The account ID associated with the call recording.")
    calendar_event_id: str | None = field("The calendar event ID associated with the call recording.")
    created_at: Timestamp | None = field("When the recording was added to Pylon, which can be days after the call.")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    duration_ms: int | None = field("The length of the call in milliseconds.")
    end_time: Timestamp | None = field("When the call ended.")
    external_id: str | None = field("The external ID of the call recording from the source system.")
    participant_emails: list[str] | None = field("The participant emails of the call recording.")
    source: str | None = field("Which system made it: fathom, gong, grain, granola, custom_call_recorder or another.")
    start_time: Timestamp | None = field("When the call began, the stream's cursor.")
    summary: str | None = field("The summary of the call; it often arrives after the recording.")
    title: str | None = field("The title of the call recording.")
    updated_at: Timestamp | None = field("When the recording was last changed in Pylon.")
    url: str | None = field("The URL of the call recording.")
    feedback_text: str | None = added("the plain text of the summary, else the title; null when there is neither.")
    feedback_source: str | None = added("what feedback_text was made from: summary, title or none.")


class CallRecordings(SearchStream):
    name = "call_recordings"
    endpoint = search("/call-recordings/search", 1000)
    model = CallRecording
    cursor_field = "start_time"
    begins_at_start_date = True
    checked = True

    def lookback(self, config: Config) -> timedelta:
        """As configured: recordings appear in Pylon hours or days after the call."""
        return timedelta(days=config.call_recordings_lookback_days)

    def transform(self, record: Record) -> Record:
        return with_feedback(record, "summary", "title")

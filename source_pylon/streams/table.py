"""Every stream, one row each. A new object of Pylon's is a new row, and its model in `records`."""

from datetime import timedelta

from source_pylon.client.endpoints import listing, search, whole
from source_pylon.feedback import call_recording_record, contact_record, survey_response_record
from source_pylon.records.accounts import Account
from source_pylon.records.call_recordings import CallRecording
from source_pylon.records.contacts import Contact
from source_pylon.records.issues import Issue
from source_pylon.records.surveys import SurveyResponse
from source_pylon.streams.children import ChildStream
from source_pylon.streams.definition import StreamDefinition
from source_pylon.streams.issues.stream import IssueStream
from source_pylon.streams.listed import ListStream
from source_pylon.streams.searched import SearchStream

STREAMS: tuple[StreamDefinition, ...] = (
    IssueStream("issues", Issue),
    IssueStream("conversations", Issue, "conversation"),
    IssueStream("tickets", Issue, "ticket"),
    SearchStream(
        "call_recordings",
        search("/call-recordings/search"),
        CallRecording,
        derive=call_recording_record,
        cursor_field="start_time",
        lookback=lambda config: timedelta(days=config.call_recordings_lookback_days),
        begins_at_start_date=True,
        main=True,
    ),
    ChildStream(
        "survey_responses",
        whole("/surveys"),
        listing("/surveys/{id}/responses"),
        SurveyResponse,
        derive=survey_response_record,
        cursor_field="submitted_at",
        since="submitted_after",
        begins_at_start_date=True,
        main=True,
    ),
    ListStream("contacts", listing("/contacts"), Contact, derive=contact_record, main=True),
    ListStream("accounts", listing("/accounts"), Account, cursor_field="updated_at", main=True),
)

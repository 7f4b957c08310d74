"""The registry of streams, in the order of the catalog.

A new stream is one class in the module of its noun, and one line here.
"""

from source_pylon.extraction.stream import Stream
from source_pylon.streams.accounts import AccountActivities, AccountRelationships, Accounts, ActivityTypes
from source_pylon.streams.audit_logs import AuditLogs
from source_pylon.streams.call_recordings import CallRecordings
from source_pylon.streams.contacts import Contacts
from source_pylon.streams.custom_data import CustomFields, CustomObjects
from source_pylon.streams.email_suppressions import EmailSuppressions
from source_pylon.streams.feature_requests import FeatureRequests
from source_pylon.streams.issue_messages import IssueMessages
from source_pylon.streams.issue_settings import IssueStatuses, Tags, TicketForms
from source_pylon.streams.issues import Conversations, Issues, Tickets
from source_pylon.streams.knowledge_base import (
    ArticleFeedbacks,
    Articles,
    Collections,
    KnowledgeBases,
    TrainingDataSources,
)
from source_pylon.streams.macros import MacroGroups, Macros
from source_pylon.streams.projects import Milestones, Projects, TaskComments, Tasks, TaskStatuses
from source_pylon.streams.surveys import SurveyResponses, Surveys
from source_pylon.streams.users import Teams, UserRoles, Users

STREAMS: tuple[Stream, ...] = (
    Issues(),
    Conversations(),
    Tickets(),
    CallRecordings(),
    SurveyResponses(),
    Contacts(),
    Accounts(),
    IssueMessages(),
    ArticleFeedbacks(),
    Surveys(),
    Users(),
    Teams(),
    Tags(),
    TicketForms(),
    UserRoles(),
    ActivityTypes(),
    IssueStatuses(),
    CustomFields(),
    KnowledgeBases(),
    Articles(),
    Collections(),
    Macros(),
    MacroGroups(),
    TrainingDataSources(),
    Tasks(),
    TaskStatuses(),
    Projects(),
    Milestones(),
    FeatureRequests(),
    EmailSuppressions(),
    AuditLogs(),
    CustomObjects(),
    AccountRelationships(),
    AccountActivities(),
    TaskComments(),
)

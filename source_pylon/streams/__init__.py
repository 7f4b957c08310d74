"""Every stream, one row each. A new object of Pylon's is a new row, and its model in the module of its noun."""

from datetime import timedelta

from source_pylon.api.endpoints import get_all, get_paginated, search
from source_pylon.extraction.issues.messages_stream import IssueMessageStream
from source_pylon.extraction.issues.stream import IssueStream
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.per_type import TypedStream
from source_pylon.extraction.search import SearchStream
from source_pylon.extraction.stream import Stream
from source_pylon.extraction.substream import ChildStream
from source_pylon.streams.accounts import (
    Account,
    AccountActivity,
    AccountRelationship,
    ActivityType,
    account_activity_record,
    account_record,
)
from source_pylon.streams.audit_logs import AuditLog
from source_pylon.streams.call_recordings import CallRecording, call_recording_record
from source_pylon.streams.contacts import Contact, contact_record
from source_pylon.streams.custom_data import CustomField, CustomObject
from source_pylon.streams.email_suppressions import EmailSuppression
from source_pylon.streams.feature_requests import FeatureRequest
from source_pylon.streams.issue_messages import IssueMessage
from source_pylon.streams.issue_settings import IssueStatus, Tag, TicketForm
from source_pylon.streams.issues import Issue
from source_pylon.streams.knowledge_base import (
    Article,
    ArticleFeedback,
    Collection,
    KnowledgeBase,
    TrainingData,
    article_feedback_record,
    child_of_knowledge_base,
)
from source_pylon.streams.macros import Macro, MacroGroup
from source_pylon.streams.projects import (
    Milestone,
    Project,
    Task,
    TaskStatus,
    milestone_record,
    project_record,
    task_record,
)
from source_pylon.streams.surveys import Survey, SurveyResponse, survey_response_record
from source_pylon.streams.users import Team, User, UserRole

STREAMS: tuple[Stream, ...] = (
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
        get_all("/surveys"),
        get_paginated("/surveys/{id}/responses"),
        SurveyResponse,
        derive=survey_response_record,
        cursor_field="submitted_at",
        since="submitted_after",
        # A comment may follow on a score; nothing but the response itself tells that it changed.
        lookback=timedelta(days=7),
        begins_at_start_date=True,
        main=True,
    ),
    ListStream("contacts", get_paginated("/contacts"), Contact, derive=contact_record, main=True),
    ListStream(
        "accounts", get_paginated("/accounts"), Account, derive=account_record, cursor_field="updated_at", main=True
    ),
    IssueMessageStream("issue_messages", IssueMessage),
    ListStream(
        "article_feedback",
        get_paginated("/article-feedback"),
        ArticleFeedback,
        derive=article_feedback_record,
        cursor_field="updated_at",
    ),
    ListStream("surveys", get_all("/surveys"), Survey),
    ListStream("users", get_all("/users"), User, query={"include_deactivated": "true"}),
    ListStream("teams", get_all("/teams"), Team),
    ListStream("tags", get_all("/tags"), Tag),
    ListStream("ticket_forms", get_all("/ticket-forms"), TicketForm),
    ListStream("user_roles", get_all("/user-roles"), UserRole),
    ListStream("activity_types", get_all("/activity-types"), ActivityType),
    ListStream("issue_statuses", get_all("/issue-statuses"), IssueStatus, primary_key=("slug",)),
    TypedStream(
        "custom_fields",
        get_all("/custom-fields"),
        CustomField,
        types=lambda config: ("account", "issue", "contact", "task", "project", "meeting", "opportunity"),
        type_field="object_type",
        skips_refused=True,
    ),
    ListStream("knowledge_bases", get_all("/knowledge-bases"), KnowledgeBase),
    ChildStream(
        "knowledge_base_articles",
        get_all("/knowledge-bases"),
        get_paginated("/knowledge-bases/{id}/articles"),
        Article,
        derive=child_of_knowledge_base,
    ),
    ChildStream(
        "knowledge_base_collections",
        get_all("/knowledge-bases"),
        get_all("/knowledge-bases/{id}/collections"),
        Collection,
        derive=child_of_knowledge_base,
    ),
    ListStream("macros", get_all("/macros"), Macro),
    ListStream("macro_groups", get_all("/macro-groups"), MacroGroup),
    ListStream("training_data", get_all("/training-data"), TrainingData),
    SearchStream("tasks", search("/tasks/search"), Task, derive=task_record, cursor_field="updated_at"),
    ListStream("task_statuses", get_all("/task-statuses"), TaskStatus, primary_key=("slug",)),
    SearchStream("projects", search("/projects/search"), Project, derive=project_record, cursor_field="updated_at"),
    SearchStream(
        "milestones", search("/milestones/search"), Milestone, derive=milestone_record, cursor_field="updated_at"
    ),
    SearchStream("feature_requests", search("/feature-requests/search", 1000), FeatureRequest),
    ListStream("email_suppressions", get_paginated("/email-suppressions"), EmailSuppression),
    SearchStream(
        "audit_logs",
        search("/audit-logs/search"),
        AuditLog,
        cursor_field="action_happened_at",
        lookback=lambda config: timedelta(days=1),
    ),
    TypedStream(
        "custom_objects",
        get_paginated("/custom-objects/{type}", 100),
        CustomObject,
        types=lambda config: config.custom_object_types,
        type_field="type",
    ),
    ChildStream(
        "account_relationships",
        get_paginated("/accounts"),
        get_all("/accounts/{account_id}/relationships"),
        AccountRelationship,
        derive=lambda relationship, account: relationship,
    ),
    ChildStream(
        "account_activities",
        get_paginated("/accounts"),
        get_paginated("/accounts/{id}/activities"),
        AccountActivity,
        derive=account_activity_record,
        cursor_field="happened_at",
        since="start_time",
        # An activity may be reported to Pylon after it happened, and the list is filtered by when it happened.
        lookback=timedelta(days=7),
    ),
)

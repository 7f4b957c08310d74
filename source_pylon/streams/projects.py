"""Projects, their milestones, and tasks with their comments and statuses.

`POST /projects/search`, `/milestones/search` and `/tasks/search` filter on `updated_at`; milestones of a project that
is not launched yet are not among the results. `GET /tasks/{id}/comments` lists all comments of one task, internal ones
too. `GET /task-statuses` gives statuses without ids: the slug is the key.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from source_pylon.api.endpoints import get_all, search
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.search import SearchStream
from source_pylon.extraction.stream import Record, SyncContext
from source_pylon.extraction.substream import SubStream
from source_pylon.extraction.time_windows import time_filter, windows_after
from source_pylon.streams.records import (
    CUSTOM_FIELD_VALUES,
    Actor,
    ExternalIssue,
    MiniAccount,
    MiniIssue,
    MiniObject,
    RecordModel,
    Timestamp,
    added,
    field,
    key,
)
from source_pylon.transform.columns import nested_text, with_ids


class Project(RecordModel):
    id: str = key("The ID of the project.")
    account: MiniAccount | None = field("The account that the project is for; ids only.")
    archived_at: Timestamp | None = field("When the project was archived, if it was.")
    created_at: Timestamp | None = field("When the project was created.")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    customer_portal_visible: bool | None = field("Whether the project is visible in the customer portal.")
    description_html: str | None = field("The description of the project in HTML format.")
    end_date: Timestamp | None = field("When the project is to end.")
    is_archived: bool | None = field("Whether the project is archived.")
    name: str | None = field("The name of the project.")
    owner_id: str | None = field("The user who owns the project.")
    progress: float | None = field("The share of the project's tasks that are completed, from 0 to 1.")
    project_template: MiniObject | None = field("The template that the project was made from, if any.")
    start_date: Timestamp | None = field("When the project begins.")
    status: str | None = field("The status of the project: not_started, in_progress, completed, or a newer one.")
    updated_at: Timestamp | None = field("When the project was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")


class Milestone(RecordModel):
    id: str = key("The ID of the milestone.")
    account: MiniAccount | None = field("The account that the milestone's project is for; ids only.")
    created_at: Timestamp | None = field("When the milestone was created.")
    due_date: Timestamp | None = field("When the milestone is due.")
    name: str | None = field("The name of the milestone.")
    project: MiniObject | None = field("The project that the milestone belongs to; id only.")
    updated_at: Timestamp | None = field("When the milestone was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    project_id: str | None = added("the project's id, for joins; the same as project.id.")


class Task(RecordModel):
    id: str = key("The ID of the task.")
    account: MiniAccount | None = field("The account that the task is for; ids only.")
    assignee: Actor | None = field("The user or contact to whom the task is assigned.")
    body_html: str | None = field("The body of the task in HTML format.")
    completed_at: Timestamp | None = field("When the task was completed, if it was.")
    created_at: Timestamp | None = field("When the task was created.")
    custom_fields: dict[str, Any] | None = field(CUSTOM_FIELD_VALUES)
    customer_portal_visible: bool | None = field("Whether the task is visible in the customer portal.")
    due_date: Timestamp | None = field("When the task is due.")
    external_issues: list[ExternalIssue] | None = field("Linked issues of Jira, GitHub, Linear, Asana or another.")
    linked_issues: list[MiniIssue] | None = field("Linked issues of Pylon that the token's user may see.")
    milestone: MiniObject | None = field("The milestone that the task belongs to; id only.")
    parent_task_id: str | None = field("The ID of the parent task, if this is a subtask.")
    project: MiniObject | None = field("The project that the task belongs to; id only.")
    status: str | None = field("The slug of its status (see the stream task_statuses), such as in_progress.")
    subtask_ids: list[str] | None = field("The IDs of subtasks belonging to this task.")
    title: str | None = field("The title of the task.")
    updated_at: Timestamp | None = field("When the task was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    assignee_id: str | None = added("the id of the assigned user or contact, for joins; the same as in assignee.")
    project_id: str | None = added("the project's id, for joins; the same as project.id.")
    milestone_id: str | None = added("the milestone's id, for joins; the same as milestone.id.")


class TaskComment(RecordModel):
    id: str = key("The ID of the comment.")
    author: Actor | None = field("The user or contact who wrote the comment.")
    body_html: str | None = field("The comment in HTML.")
    created_at: Timestamp | None = field("When the comment was written.")
    is_internal: bool | None = field("Whether it is internal. Always false here: such comments are never emitted.")
    last_edited_at: Timestamp | None = field("When the text of the comment was last edited, if it was.")
    task_id: str | None = field("The ID of the task that the comment is on.")
    task_updated_at: Timestamp | None = added("when the task was last changed, the stream's cursor.")
    updated_at: Timestamp | None = field("When the comment was last changed.")


class TaskStatus(RecordModel):
    slug: str = key("The slug of the status, as found in a task's status; it identifies the status.")
    category: str | None = field("The base status that it counts as, such as not_started, in_progress or completed.")
    is_archived: bool | None = field("Whether the status is archived.")
    is_default_status: bool | None = field("Whether the status is a default status.")
    label: str | None = field("The label of the status, as people see it.")


def is_public_comment(comment: Mapping[str, Any]) -> bool:
    """Return whether a comment on a task is certainly visible to the customer.

    `is_internal` true marks what only the organisation's own users see. A comment without a plain `false` there
    counts as internal and is never emitted.
    """
    return comment.get("is_internal") is False


class Tasks(SearchStream):
    name = "tasks"
    endpoint = search("/tasks/search", 1000)
    model = Task
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        record = with_ids(record, account_id="account", project_id="project", milestone_id="milestone")
        if record.get("assignee_id") is None:
            assignee = record.get("assignee")
            actors = (assignee.get("user"), assignee.get("contact")) if isinstance(assignee, dict) else ()
            record["assignee_id"] = next((found for actor in actors if (found := nested_text(actor, "id"))), None)
        return record


class TaskStatuses(ListStream):
    """Statuses of tasks, custom ones too. They have no id."""

    name = "task_statuses"
    endpoint = get_all("/task-statuses")
    model = TaskStatus
    primary_key = ("slug",)


class TaskComments(SubStream):
    """Comments on tasks that customers can see; one request for each task that changed."""

    name = "task_comments"
    parents = Tasks.endpoint
    endpoint = get_all("/tasks/{id}/comments")
    model = TaskComment
    cursor_field = "task_updated_at"
    reads_changed_parents = True

    def parent_pages(self, context: SyncContext, after: datetime | None) -> Iterator[list[Record]]:
        """Yield the tasks that changed, one time window after the other; all tasks in a first sync."""
        if after is None:
            yield from context.client.pages(self.parents)
            return
        for window in windows_after(after, context.safe_horizon(), context.timing.search_window):
            yield from context.client.pages(self.parents, body={"filter": time_filter("updated_at", window)})

    def transform_child(self, record: Record, parent: Record) -> Record | None:
        """Add the task; a comment that is not certainly public is left out."""
        if not is_public_comment(record):
            return None
        return {
            **record,
            "task_id": record.get("task_id") or parent.get("id"),
            "task_updated_at": parent.get("updated_at"),
        }


class Projects(SearchStream):
    name = "projects"
    # Pylon documents the limit of this search as less than 1000.
    endpoint = search("/projects/search", 999)
    model = Project
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        return with_ids(record, account_id="account")


class Milestones(SearchStream):
    """Milestones of projects that are launched."""

    name = "milestones"
    endpoint = search("/milestones/search", 1000)
    model = Milestone
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        return with_ids(record, account_id="account", project_id="project")

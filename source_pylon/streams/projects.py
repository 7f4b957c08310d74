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
    Actor,
    ExternalIssue,
    MiniAccount,
    MiniIssue,
    RecordModel,
    Timestamp,
    added,
    field,
    key,
)
from source_pylon.transform.columns import nested_id, with_ids


class MiniMilestone(RecordModel):
    """A milestone, by id only."""

    id: str | None = field("The ID of the milestone.")


class MiniProject(RecordModel):
    """A project, by id only."""

    id: str | None = field("The ID of the project.")


class MiniProjectTemplate(RecordModel):
    """A template of projects, by id only."""

    id: str | None = field("The ID of the project template.")


class Project(RecordModel):
    """A project, as emitted by the stream projects."""

    id: str = key("The ID of the project.")
    account: MiniAccount | None = field("The account that the project is for; ids only.")
    archived_at: Timestamp | None = field("When the project was archived, if it was.")
    created_at: Timestamp | None = field("When the project was created.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    customer_portal_visible: bool | None = field("Whether the project is visible in the customer portal.")
    description_html: str | None = field("The description of the project in HTML format.")
    end_date: Timestamp | None = field("When the project is to end.")
    is_archived: bool | None = field("Whether the project is archived.")
    name: str | None = field("The name of the project.")
    owner_id: str | None = field("The user who owns the project.")
    progress: float | None = field("The share of the project's tasks that are completed, from 0 to 1.")
    project_template: MiniProjectTemplate | None = field("The template that the project was made from, if any.")
    start_date: Timestamp | None = field("When the project begins.")
    status: str | None = field("The status of the project: not_started, in_progress, completed, or a newer one.")
    updated_at: Timestamp | None = field("When the project was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")


class Milestone(RecordModel):
    """A milestone of a project, as emitted by the stream milestones."""

    id: str = key("The ID of the milestone.")
    account: MiniAccount | None = field("The account that the milestone's project is for; ids only.")
    created_at: Timestamp | None = field("When the milestone was created.")
    due_date: Timestamp | None = field("When the milestone is due.")
    name: str | None = field("The name of the milestone.")
    project: MiniProject | None = field("The project that the milestone belongs to; id only.")
    updated_at: Timestamp | None = field("When the milestone was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    project_id: str | None = added("the project's id, for joins; the same as project.id.")


class Task(RecordModel):
    """A task, as emitted by the stream tasks."""

    id: str = key("The ID of the task.")
    account: MiniAccount | None = field("The account that the task is for; ids only.")
    assignee: Actor | None = field("The user or contact to whom the task is assigned.")
    body_html: str | None = field("The body of the task in HTML format.")
    completed_at: Timestamp | None = field("When the task was completed, if it was.")
    created_at: Timestamp | None = field("When the task was created.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    customer_portal_visible: bool | None = field("Whether the task is visible in the customer portal.")
    due_date: Timestamp | None = field("When the task is due.")
    external_issues: list[ExternalIssue] | None = field(
        "Linked issues of other systems such as Jira, GitHub, Linear and Asana."
    )
    linked_issues: list[MiniIssue] | None = field("Linked issues of Pylon that the token's user may see.")
    milestone: MiniMilestone | None = field("The milestone that the task belongs to; id only.")
    parent_task_id: str | None = field("The ID of the parent task, if this is a subtask.")
    project: MiniProject | None = field("The project that the task belongs to; id only.")
    status: str | None = field(
        "The slug of the task's status, such as not_started, in_progress or completed (see the stream task_statuses)."
    )
    subtask_ids: list[str] | None = field("The IDs of subtasks belonging to this task.")
    title: str | None = field("The title of the task.")
    updated_at: Timestamp | None = field("When the task was last changed, the stream's cursor.")
    account_id: str | None = added("the account's id, for joins; the same as account.id.")
    assignee_id: str | None = added(
        "the id of the assigned user or contact, for joins; the same as assignee.user.id or assignee.contact.id."
    )
    project_id: str | None = added("the project's id, for joins; the same as project.id.")
    milestone_id: str | None = added("the milestone's id, for joins; the same as milestone.id.")


class TaskComment(RecordModel):
    """A comment on a task that the customer can see, as emitted by the stream task_comments."""

    id: str = key("The ID of the comment.")
    author: Actor | None = field("The user or contact who wrote the comment.")
    body_html: str | None = field("The comment in HTML.")
    created_at: Timestamp | None = field("When the comment was written.")
    is_internal: bool | None = field(
        "Whether only your team can see the comment. Always false here: internal comments are never emitted."
    )
    last_edited_at: Timestamp | None = field("When the text of the comment was last edited, if it was.")
    task_id: str | None = field("The ID of the task that the comment is on.")
    task_updated_at: Timestamp | None = added("when the task was last changed, the stream's cursor.")
    updated_at: Timestamp | None = field("When the comment was last changed.")


class TaskStatus(RecordModel):
    """A status of tasks, as emitted by the stream task_statuses."""

    slug: str = key("The slug of the status, as found in a task's status; it identifies the status.")
    category: str | None = field("The base status that it counts as, such as not_started, in_progress or completed.")
    is_archived: bool | None = field("Whether the status is archived.")
    is_default_status: bool | None = field("Whether the status is a default status.")
    label: str | None = field("The label of the status, as people see it.")


def project_record(project: dict[str, Any]) -> dict[str, Any]:
    """Return a project as emitted: with the id of its account as a column."""
    return with_ids(project, account_id="account")


def milestone_record(milestone: dict[str, Any]) -> dict[str, Any]:
    """Return a milestone as emitted: with the ids of its account and project as columns."""
    return with_ids(milestone, account_id="account", project_id="project")


def task_record(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task as emitted: with the ids of its account, assignee, project and milestone as columns."""
    record = with_ids(task, account_id="account", project_id="project", milestone_id="milestone")
    if record.get("assignee_id") is None:
        assignee = record.get("assignee")
        actors = (assignee.get("user"), assignee.get("contact")) if isinstance(assignee, dict) else ()
        record["assignee_id"] = next(filter(None, map(nested_id, actors)), None)
    return record


def is_public_comment(comment: Mapping[str, Any]) -> bool:
    """Return whether a comment on a task is certainly visible to the customer.

    `is_internal` true marks what only the organisation's own users see. A comment without a plain `false` there
    counts as internal and is never emitted.
    """
    return comment.get("is_internal") is False


def task_comment_record(comment: dict[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a public comment as emitted: with the id of its task where the API leaves it out."""
    return {
        **comment,
        "task_id": comment.get("task_id") or task.get("id"),
        "task_updated_at": task.get("updated_at"),
    }


class Tasks(SearchStream):
    """Tasks."""

    name = "tasks"
    endpoint = search("/tasks/search", 1000)
    model = Task
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        """Add the ids of account, assignee, project and milestone."""
        return task_record(record)


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
        return task_comment_record(record, parent) if is_public_comment(record) else None


class Projects(SearchStream):
    """Projects."""

    name = "projects"
    # Pylon documents the limit of this search as less than 1000.
    endpoint = search("/projects/search", 999)
    model = Project
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        """Add the account's id."""
        return project_record(record)


class Milestones(SearchStream):
    """Milestones of projects that are launched."""

    name = "milestones"
    endpoint = search("/milestones/search", 1000)
    model = Milestone
    cursor_field = "updated_at"

    def transform(self, record: Record) -> Record:
        """Add the ids of account and project."""
        return milestone_record(record)

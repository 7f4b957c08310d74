"""Projects and tasks (`POST /projects/search`, `POST /tasks/search`)."""

from typing import Any

from source_pylon.streams.records import MiniAccount, MiniContact, MiniUser, Record, Timestamp, field, key


class Actor(Record):
    """A user or a contact."""

    contact: MiniContact | None = field("The contact, if it is one.")
    user: MiniUser | None = field("The user, if it is one.")


class MiniMilestone(Record):
    """A milestone, by id only."""

    id: str | None = field("The ID of the milestone.")


class MiniProject(Record):
    """A project, by id only."""

    id: str | None = field("The ID of the project.")


class MiniProjectTemplate(Record):
    """A template of projects, by id only."""

    id: str | None = field("The ID of the project template.")


class Project(Record):
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
    project_template: MiniProjectTemplate | None = field("The template that the project was made from, if any.")
    start_date: Timestamp | None = field("When the project begins.")
    updated_at: Timestamp | None = field("When the project was last changed, the stream's cursor.")


class Task(Record):
    """A task, as emitted by the stream tasks."""

    id: str = key("The ID of the task.")
    account: MiniAccount | None = field("The account that the task is for; ids only.")
    assignee: Actor | None = field("The user or contact to whom the task is assigned.")
    body_html: str | None = field("The body of the task in HTML format.")
    created_at: Timestamp | None = field("When the task was created.")
    custom_fields: dict[str, Any] | None = field(
        "Values of custom fields by slug; each holds `slug` and `value`, or `values` where several may be "
        "chosen. Values of select fields are option slugs, of relationship fields ids (see the stream "
        "custom_fields)."
    )
    customer_portal_visible: bool | None = field("Whether the task is visible in the customer portal.")
    due_date: Timestamp | None = field("When the task is due.")
    milestone: MiniMilestone | None = field("The milestone that the task belongs to; id only.")
    parent_task_id: str | None = field("The ID of the parent task, if this is a subtask.")
    project: MiniProject | None = field("The project that the task belongs to; id only.")
    status: str | None = field("The status of the task, such as not_started, in_progress or completed.")
    subtask_ids: list[str] | None = field("The IDs of subtasks belonging to this task.")
    title: str | None = field("The title of the task.")
    updated_at: Timestamp | None = field("When the task was last changed, the stream's cursor.")

"""Users, teams and roles (`GET /users`, `/teams`, `/user-roles`)."""

from source_pylon.api.endpoints import get_all
from source_pylon.extraction.list import ListStream
from source_pylon.streams.records import MiniUser, RecordModel, field, key


class MiniRole(RecordModel):
    id: str | None = field("The ID of the role.")
    name: str | None = field("The name of the role.")
    slug: str | None = field("The slug of the role.")


class User(RecordModel):
    id: str = key("The ID of the user.")
    avatar_url: str | None = field("The user's picture.")
    email: str | None = field("The primary email of the user.")
    emails: list[str] | None = field("The list of all emails of the user.")
    is_deactivated: bool | None = field("Whether the user is deactivated.")
    name: str | None = field("The name of the user.")
    role: MiniRole | None = field("One of the user's roles, kept by Pylon for older clients; see roles.")
    role_id: str | None = field("The id of one of the user's roles, kept by Pylon for older clients; see role_ids.")
    role_ids: list[str] | None = field("The ids of all roles of the user (see the stream user_roles).")
    roles: list[MiniRole] | None = field("All roles of the user, those assigned through SCIM too.")
    status: str | None = field("The user's status: active, away, out_of_office, empty, or a newer one.")


class TeamAssignmentConfiguration(RecordModel):
    assignment_method: str | None = field("How issues are assigned: routing, schedule, manual, pull_queue or another.")
    only_assign_if_user_active: bool | None = field("Whether only members who are active are assigned issues.")
    override_existing_assignee: bool | None = field("Whether a new assignment replaces an earlier assignee.")
    team_schedule_id: str | None = field("The ID of the schedule from which the team assigns, if it has one.")


class TeamScheduleBlock(RecordModel):
    """A span of time in a schedule, and who receives issues in it."""

    days: list[str] | None = field("The days of the week on which the block holds; empty for a daily one.")
    end_time: str | None = field(
        "When the block ends, as HH:MM in the schedule's time zone; on the next day where it is not after start_time."
    )
    recurrence: str | None = field("How often: weekly, biweekly, daily, or custom where these fields cannot say.")
    start_time: str | None = field("When the block begins, as HH:MM in the schedule's time zone.")
    team_id: str | None = field("The sub-team that receives issues during the block.")
    user_id: str | None = field("The member who receives issues during the block.")
    week_offset: int | None = field("In which of two alternating weeks a biweekly block falls.")


class TeamSchedule(RecordModel):
    blocks: list[TeamScheduleBlock] | None = field("Who receives issues, and when.")
    id: str | None = field("The ID of the schedule.")
    timezone: str | None = field("The time zone of the hours in the blocks, by its IANA name.")


class Team(RecordModel):
    id: str = key("The ID of the team.")
    assignment_configuration: TeamAssignmentConfiguration | None = field("How members are assigned issues.")
    name: str | None = field("The name of the team.")
    schedule: TeamSchedule | None = field("When the members of the team receive issues.")
    users: list[MiniUser] | None = field("The users in the team.")


class UserRole(MiniRole):
    id: str = key("The ID of the role.")


class Users(ListStream):
    """Users of Pylon, deactivated ones too."""

    name = "users"
    endpoint = get_all("/users")
    model = User
    query = {"include_deactivated": "true"}  # noqa: RUF012


class Teams(ListStream):
    name = "teams"
    endpoint = get_all("/teams")
    model = Team


class UserRoles(ListStream):
    name = "user_roles"
    endpoint = get_all("/user-roles")
    model = UserRole

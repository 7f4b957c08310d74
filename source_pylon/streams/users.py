"""Users, teams and roles (`GET /users`, `/teams`, `/user-roles`)."""

from source_pylon.streams.records import MiniUser, Record, field, key


class MiniRole(Record):
    """A user's role."""

    id: str | None = field("The ID of the role.")
    name: str | None = field("The name of the role.")
    slug: str | None = field("The slug of the role.")


class User(Record):
    """A user of Pylon, as emitted by the stream users."""

    id: str = key("The ID of the user.")
    avatar_url: str | None = field("The user's picture.")
    email: str | None = field("The primary email of the user.")
    emails: list[str] | None = field("The list of all emails of the user.")
    name: str | None = field("The name of the user.")
    role: MiniRole | None = field("The user's role.")
    role_id: str | None = field("The id of the user's role (see the stream user_roles).")
    status: str | None = field("The user's status, such as active, away or deactivated.")


class Team(Record):
    """A team of users, as emitted by the stream teams."""

    id: str = key("The ID of the team.")
    name: str | None = field("The name of the team.")
    users: list[MiniUser] | None = field("The users in the team.")


class UserRole(Record):
    """A role of users, as emitted by the stream user_roles."""

    id: str = key("The ID of the role.")
    name: str | None = field("The name of the role.")
    slug: str | None = field("The slug of the role.")

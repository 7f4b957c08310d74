"""Macros and their groups (`GET /macros`, `/macro-groups`)."""

from source_pylon.api.endpoints import get_all
from source_pylon.extraction.list import ListStream
from source_pylon.streams.records import RecordModel, Timestamp, field, key


class MacroAction(RecordModel):
    type: str | None = field("The kind of action, such as set_issue_state or set_issue_tags.")


class Visibility(RecordModel):
    """Who may use or edit a macro."""

    team_ids: list[str] | None = field("Team IDs who can access the resource.")
    type: str | None = field("The kind of visibility.")
    user_ids: list[str] | None = field("User IDs who can access the resource.")


class Macro(RecordModel):
    id: str = key("The ID of the macro.")
    actions: list[MacroAction] | None = field("The actions that execute when this macro is applied.")
    created_at: Timestamp | None = field("The time the macro was created.")
    edit_visibility: Visibility | None = field("Who may edit the macro.")
    has_actions: bool | None = field("Whether this macro has actions that execute when applied.")
    macro_group_id: str | None = field("The ID of the macro group this macro belongs to.")
    name: str | None = field("The name of the macro.")
    text_html: str | None = field("The HTML content of the macro.")
    text_type: str | None = field("What the text becomes: reply, note, email, or a newer kind.")
    updated_at: Timestamp | None = field("The time the macro was last updated.")
    visibility: Visibility | None = field("Who may use the macro.")


class MacroGroup(RecordModel):
    id: str = key("The ID of the macro group.")
    created_at: Timestamp | None = field("The time the macro group was created.")
    title: str | None = field("The title of the macro group.")
    updated_at: Timestamp | None = field("The time the macro group was last updated.")


class Macros(ListStream):
    name = "macros"
    endpoint = get_all("/macros")
    model = Macro


class MacroGroups(ListStream):
    name = "macro_groups"
    endpoint = get_all("/macro-groups")
    model = MacroGroup

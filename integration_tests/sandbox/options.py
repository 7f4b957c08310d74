"""What a test can choose: how much data there is, and how Pylon behaves where nothing is published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How many objects the data set holds.

    `same_second` issues have their latest message in one and the same second, or within `burst_seconds`. Lists that
    belong to no count here (teams, tags, forms and so on) hold `others` objects each.
    """

    issues: int = 200
    contacts: int = 60
    accounts: int = 40
    call_recordings: int = 40
    surveys: int = 3
    survey_responses: int = 60
    users: int = 12
    tasks: int = 15
    projects: int = 6
    audit_logs: int = 30
    others: int = 5
    same_second: int = 0
    burst_seconds: int = 1

    @classmethod
    def empty(cls) -> Size:
        """An organisation with nothing in it."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0))


@dataclass(frozen=True)
class Behaviour:
    """Answers to the questions that Pylon's documents leave open, each with the value that is thought likeliest.

    inclusive_bounds: whether `time_is_after` and its like match the bound itself.
    max_range_days: the widest time range of issues, for `GET /issues` at most 365 days; None for that and for searches
        of any width.
    private_counts: whether an internal note counts for the filter `latest_message_activity_at`.
    private_in_record: whether an internal note counts for the record's own `latest_message_time`.
    match_without_messages: whether `latest_message_activity_at` matches an issue without messages, by its creation.
    irregular: the share (0 to 1) of records with null, missing and unknown fields and issue types in any case, as
        recorded ones have them; the official SDK refuses some of these.
    imported: the share (0 to 1) of issues that were imported, with messages older than the issue itself.
    """

    inclusive_bounds: bool = False
    max_range_days: float | None = None
    private_counts: bool = True
    private_in_record: bool = True
    match_without_messages: bool = False
    irregular: float = 0.0
    imported: float = 0.0

"""Columns that the connector adds to records of any stream: ids for joins, feedback text, plain text.

All functions take values as the API returns them. A value of an unexpected type is kept and adds nothing.
"""

from typing import Any

from source_pylon.transform.clean import clean_text
from source_pylon.transform.html_to_text import normalise

Record = dict[str, Any]


def as_text(value: object) -> str:
    """Return a text or number of a record as text; empty for anything else."""
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def plain_text(value: object) -> str:
    """Return a text or number of a record as text with tidy white space; empty for anything else.

    Only fields whose name ends in `_html` hold HTML. In other fields, `<Button>` and `&copy` are literal text.
    """
    return normalise(clean_text(as_text(value))).strip()


def nested_text(value: object, name: str) -> str | None:
    """Return a text of a nested object, such as its id or email; None if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None


def with_ids(record: Record, **nested: str) -> Record:
    """Add the ids of nested objects to the record as columns of their own, for joins, and return it.

    `with_ids(task, account_id="account")` sets `account_id` to `task["account"]["id"]`, or to None if there is no
    such id. An id that the API gives itself stays.
    """
    for column, name in nested.items():
        if record.get(column) is None:
            record[column] = nested_text(record.get(name), "id")
    return record


def with_feedback(record: Record, *fields: str) -> Record:
    """Return a copy of the record with the first of the fields that holds text as `feedback_text`.

    `feedback_source` names that field; where none of them holds text, it is "none" and the text is None.
    """
    for name in fields:
        text = plain_text(record.get(name))
        if text:
            return {**record, "feedback_text": text, "feedback_source": name}
    return {**record, "feedback_text": None, "feedback_source": "none"}

"""Parses times as Pylon writes them, and writes times and durations as text."""

import re
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

_SHAPE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d+))?\s*(Z|z|[+-]\d{2}:?\d{2})?)?")


def parse(value: object) -> datetime | None:
    """Return the time that `value` holds, in UTC; None if it is not a time.

    Takes RFC 3339 with any number of fraction digits (cut to microseconds) and any offset, and a bare
    date (its midnight). A time without an offset is taken as UTC. Pylon shows whole seconds and a `Z`.
    """
    if not isinstance(value, str):
        return None
    if len(value) == 20 and value[19] == "Z":
        try:
            return datetime.fromisoformat(value[:19] + "+00:00")
        except ValueError:
            return None
    match = _SHAPE.fullmatch(value.strip())
    if match is None:
        return None
    day, time, fraction, offset = match.groups()
    if offset in (None, "Z", "z"):
        offset = "+00:00"
    elif ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    time = time or "00:00:00"
    if len(time) == 5:
        time += ":00"
    micros = ((fraction or "") + "000000")[:6]
    try:
        return datetime.fromisoformat(f"{day}T{time}.{micros}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def render(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC, with a fraction only if it has one."""
    text = moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def duration_text(minutes: float) -> str:
    """Return minutes in words, for people."""
    if minutes < 1:
        return "less than a minute"
    if minutes < 1.5:
        return "about a minute"
    return f"about {minutes:.0f} minutes" if minutes < 100 else f"about {minutes / 60:.0f} hours"

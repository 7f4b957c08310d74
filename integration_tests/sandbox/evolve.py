"""A deterministic mix of changes, as a support team makes them in a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import NamedTuple

from integration_tests.sandbox.mutations import MutableStore
from integration_tests.sandbox.text import sentence


class Change(NamedTuple):
    """What was changed: the kind of change, the kind of object, its id."""

    change: str
    kind: str
    id: str


def evolve(store: MutableStore, seed: int, n: int, deletions: bool = True) -> list[Change]:
    """Makes `n` changes, the same for the same store and seed; `deletions` false leaves out what removes objects."""
    rng = Random(f"{store.seed}/evolve/{seed}")
    menu = [(weight, make) for weight, make, deletes in _MENU if deletions or not deletes]
    weights = [weight for weight, _ in menu]
    changes: list[Change] = []
    with store.lock:
        while len(changes) < n:
            _, make = rng.choices(menu, weights)[0]
            change = make(store, rng)
            changes.append(change if change is not None else _new_issue(store, rng))
    return changes


def _pick(store: MutableStore, rng: Random, kind: str) -> str | None:
    collection = store.collection(kind)
    # The order in which objects came: the order of creation would depend on how fast the clock ticks.
    while collection.live.versions:
        identity = collection.ids[rng.randrange(len(collection.ids))]
        if identity in collection.live.versions:
            return identity
    return None


def _message(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    if issue is None:
        return None
    store.add_message(issue, files=int(rng.random() < 0.1))
    return Change("add_message", "issues", issue)


def _note(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    if issue is None:
        return None
    store.add_message(issue, private=True, files=int(rng.random() < 0.2))
    return Change("add_private_message", "issues", issue)


def _close(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    if issue is None:
        return None
    store.close_issue(issue)
    return Change("close", "issues", issue)


def _tag(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    if issue is None:
        return None
    store.update_issue(issue, tags=[f"tag {rng.randrange(100)}"])
    return Change("update", "issues", issue)


def _new_issue(store: MutableStore, rng: Random) -> Change:
    issue = store.add_issue(type=rng.choice(["conversation", "ticket", "Ticket", None]))
    for _ in range(rng.randrange(3)):
        store.add_message(issue, private=rng.random() < 0.2)
    return Change("add", "issues", issue)


def _late_recording(store: MutableStore, rng: Random) -> Change:
    start = store.clock.now() - timedelta(hours=rng.randrange(1, 96))
    return Change("add", "call_recordings", store.add_call_recording(start_time=start))


def _summary(store: MutableStore, rng: Random) -> Change | None:
    recording = _pick(store, rng, "call_recordings")
    if recording is None:
        return None
    store.update_call_recording(recording, summary=sentence(rng))
    return Change("update", "call_recordings", recording)


def _response(store: MutableStore, rng: Random) -> Change | None:
    survey = _pick(store, rng, "surveys")
    return Change("add", "survey_responses", store.add_survey_response(survey)) if survey else None


def _survey(store: MutableStore, rng: Random) -> Change:
    return Change("add", "surveys", store.add_survey(type=rng.choice(["nps", "csat", "custom"])))


def _account(store: MutableStore, rng: Random) -> Change | None:
    account = _pick(store, rng, "accounts")
    if account is None:
        return None
    store.update_account(account, name=f"Renamed {rng.randrange(10_000)}")
    return Change("update", "accounts", account)


def _new_account(store: MutableStore, rng: Random) -> Change:
    return Change("add", "accounts", store.add_account())


def _new_contact(store: MutableStore, rng: Random) -> Change:
    return Change("add", "contacts", store.add_contact())


def _delete_issue(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    if issue is None:
        return None
    store.delete_issue(issue)
    return Change("delete", "issues", issue)


def _delete_message(store: MutableStore, rng: Random) -> Change | None:
    issue = _pick(store, rng, "issues")
    # Only public ones: a client that listed the issue before could not tell whose the deleted note's files were.
    public = [message.record["id"] for message in store.thread(issue) if not message.private] if issue else []
    if issue is None or not public:
        return None
    store.delete_message(issue, public[-1])
    return Change("delete_message", "issues", issue)


_MENU: list[tuple[int, Callable[[MutableStore, Random], Change | None], bool]] = [
    (30, _message, False),
    (10, _note, False),
    (12, _close, False),
    (8, _tag, False),
    (10, _new_issue, False),
    (5, _late_recording, False),
    (5, _summary, False),
    (6, _response, False),
    (1, _survey, False),
    (4, _account, False),
    (2, _new_account, False),
    (2, _new_contact, False),
    (2, _delete_issue, True),
    (3, _delete_message, True),
]

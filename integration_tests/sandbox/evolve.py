"""A deterministic mix of changes, as a support team makes them in a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import NamedTuple

from integration_tests.sandbox.store import Store
from integration_tests.sandbox.text import sentence


class Change(NamedTuple):
    """What was changed: the kind of change, the kind of object, its id."""

    change: str
    kind: str
    id: str


def evolve(store: Store, seed: int, n: int, deletions: bool = True) -> list[Change]:
    """Makes `n` changes, the same for the same store and seed; `deletions` false leaves out what removes objects."""
    rng = Random(f"{store.seed}/evolve/{seed}")
    menu = {key: entry for key, entry in _MENU.items() if deletions or not key[0].startswith("delete")}
    changes: list[Change] = []
    with store.lock:
        while len(changes) < n:
            ((change, kind),) = rng.choices(list(menu), [weight for weight, _ in menu.values()])
            needed = {"survey_responses": "surveys"}.get(kind) if change == "add" else kind
            picked = _pick(store, rng, needed) if needed else ""
            if picked is None:
                change, kind, picked = "add", "issues", ""
            made = menu[change, kind][1](store, rng, picked)
            changes.append(Change(change, kind, str(made) if change == "add" else picked))
    return changes


def _pick(store: Store, rng: Random, kind: str) -> str | None:
    collection = store.collection(kind)
    # Picks from the ids in order of arrival: the order of creation times would depend on how fast the clock ticks.
    while collection.live.versions:
        identity = rng.choice(list(collection.ids))
        if identity in collection.live.versions:
            return identity
    return None


def _add_issue(store: Store, rng: Random, _: str) -> str:
    issue = store.add_issue(type=rng.choice(["conversation", "ticket"]))
    for _message in range(rng.randrange(3)):
        store.add_message(issue, private=rng.random() < 0.2)
    return issue


def _add_recording(store: Store, rng: Random, _: str) -> str:
    return store.add_call_recording(start_time=store.clock.now() - timedelta(hours=rng.randrange(1, 96)))


def _delete_message(store: Store, rng: Random, issue: str) -> None:
    # Only public messages: a client that listed the issue before could not tell that the files belonged to a note.
    public = [message.record["id"] for message in store.thread(issue) if not message.private]
    if public:
        store.delete_message(issue, public[-1])
    else:
        store.close_issue(issue)


Make = Callable[[Store, Random, str], str | None]

_MENU: dict[tuple[str, str], tuple[int, Make]] = {
    ("add_message", "issues"): (30, lambda store, rng, id: store.add_message(id, files=int(rng.random() < 0.1))),
    ("add_private_message", "issues"): (10, lambda store, rng, id: store.add_message(id, private=True, files=1)),
    ("close", "issues"): (12, lambda store, rng, id: store.close_issue(id)),
    ("update", "issues"): (8, lambda store, rng, id: store.update_issue(id, tags=[f"tag {rng.randrange(100)}"])),
    ("add", "issues"): (10, _add_issue),
    ("add", "call_recordings"): (5, _add_recording),
    ("update", "call_recordings"): (
        5,
        lambda store, rng, id: store.update("call_recordings", id, summary=sentence(rng)),
    ),
    ("add", "survey_responses"): (6, lambda store, rng, id: store.add_survey_response(id)),
    ("add", "surveys"): (1, lambda store, rng, _: store.add("surveys", type=rng.choice(["nps", "csat", "custom"]))),
    ("update", "accounts"): (
        4,
        lambda store, rng, id: store.update("accounts", id, name=f"Renamed {rng.randrange(999)}"),
    ),
    ("add", "accounts"): (2, lambda store, rng, _: store.add("accounts")),
    ("add", "contacts"): (2, lambda store, rng, _: store.add("contacts")),
    ("delete", "issues"): (2, lambda store, rng, id: store.delete("issues", id)),
    ("delete_message", "issues"): (3, _delete_message),
}
"""For each change: its weight, and the function that makes it, given the object that was picked."""

"""Makes a failing scenario smaller while it fails in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from unit_tests.simulation.scenario import Scenario, SyncPlan
from unit_tests.simulation.simulate import simulate

Value = TypeVar("Value", Scenario, SyncPlan)

_CHANGES = 400


def fails(scenario: Scenario, rule: str) -> bool:
    """Whether a scenario breaks a rule."""
    return any(violation.rule == rule for violation in simulate(scenario).violations)


def reduced(scenario: Scenario, rule: str) -> Scenario:
    """Return a smaller scenario that breaks the same rule; no single step makes it smaller still."""
    improved = True
    while improved:
        improved = False
        for smaller in _smaller(scenario):
            if fails(smaller, rule):
                scenario, improved = smaller, True
                break
    left = [number for number in range(_CHANGES) if number not in scenario.skipped_changes]
    size = len(left)
    while size:
        for at in range(0, len(left), size):
            smaller = replace(scenario, skipped_changes=scenario.skipped_changes | set(left[at : at + size]))
            if smaller != scenario and fails(smaller, rule):
                scenario = smaller
        size //= 2
    return scenario


def _with(value: Value, name: str, changed: Any) -> Value:
    return replace(value, **{name: changed})


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    syncs = scenario.syncs
    for number in range(len(syncs)):
        yield replace(scenario, syncs=syncs[:number] + syncs[number + 1 :])
    for each in fields(Scenario):
        if each.name in ("seed", "syncs", "quiet", "skipped_changes", "initial_issues"):
            continue
        if getattr(scenario, each.name) != each.default:
            yield _with(scenario, each.name, each.default)
    for count in (0, 1, 3, 8, 20):
        if count < scenario.initial_issues:
            yield replace(scenario, initial_issues=count)
    for attribute in ("syncs", "quiet"):
        plans: tuple[SyncPlan, ...] = getattr(scenario, attribute)
        for number, plan in enumerate(plans):
            for each in fields(SyncPlan):
                if getattr(plan, each.name) != each.default:
                    simpler = _with(plan, each.name, each.default)
                    yield _with(scenario, attribute, (*plans[:number], simpler, *plans[number + 1 :]))
            for name in plan.streams if len(plan.streams) > 1 else ():
                simpler = replace(plan, streams=tuple(one for one in plan.streams if one != name))
                yield _with(scenario, attribute, (*plans[:number], simpler, *plans[number + 1 :]))

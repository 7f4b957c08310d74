"""Search filters, checked as strictly as the SDK documents them and compiled into conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from usepylon import Filter

from integration_tests.sandbox.clock import DAY, parse
from integration_tests.sandbox.operations import ApiError, Operation
from integration_tests.sandbox.options import Behaviour
from integration_tests.sandbox.versions import Version

MAX_DEPTH = 3
"""The SDK: the maximum allowed depth for a tree of filters is 3, counting the top-level filter."""

Condition = Callable[[Version], bool]


def between(name: str, low: float, high: float, inclusive: bool) -> Condition:
    """Return the condition that a time lies between two bounds, with or without the bounds themselves."""
    if inclusive:
        return lambda version: low <= version.times.get(name, math.nan) <= high
    return lambda version: low < version.times.get(name, math.nan) < high


@dataclass(frozen=True)
class Compiler:
    """Compiles the filters of one search endpoint; raises ApiError (400) for an invalid one."""

    operation: Operation
    behaviour: Behaviour

    def compile(self, node: Filter) -> Condition:
        """Compile a filter. One without any known key matches everything."""
        if not node.model_fields_set & Filter.model_fields.keys():
            return lambda version: True
        return self._compile(node, 1)

    def _compile(self, node: Filter, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise ApiError(400, f"filter is nested deeper than {MAX_DEPTH}")
        if node.operator not in ("and", "or"):
            return self._leaf(node)
        if not node.subfilters:
            raise ApiError(400, f"operator {node.operator} needs subfilters")
        combine = all if node.operator == "and" else any
        parts = [self._compile(part, depth + 1) for part in node.subfilters]
        return lambda version: combine(part(version) for part in parts)

    def _leaf(self, node: Filter) -> Condition:
        name, operator = node.field or "", node.operator
        if name not in self.operation.filterable or node.subfilters is not None:
            raise ApiError(400, f"a filter cannot have field {name} or subfilters with operator {operator}")
        if operator not in self.operation.filterable[name]:
            raise ApiError(400, f"operator {operator} is not allowed for field {name}")
        values = _values(node)
        if operator.startswith("time_"):
            return self._time(name, operator, values)
        if name != "issue_type":
            raise ApiError(501, f"the sandbox does not model filters on {name}")
        if not _TYPES.issuperset(values):
            raise ApiError(400, f"{name} must be one of {sorted(_TYPES)}")
        return _BY_TYPE[operator](values)

    def _time(self, name: str, operator: str, values: list[str]) -> Condition:
        times = [_parse(name, value) for value in values]
        low = -math.inf if operator == "time_is_before" else times[0]
        high = math.inf if operator == "time_is_after" else times[-1]
        if low > high:
            raise ApiError(400, f"time_range on {name} ends before it begins")
        widest = self.behaviour.max_range_days
        if self.operation.path == "/issues/search" and widest and widest * DAY + 1 < high - low < math.inf:
            raise ApiError(400, f"the time range on {name} is wider than {widest:g} days")
        return between(name, low, high, self.behaviour.inclusive_bounds)


_TYPES = {"conversation", "ticket"}
_BY_TYPE: dict[str, Callable[[list[str]], Condition]] = {
    **dict.fromkeys(("equals", "in"), lambda values: lambda version: version.kind in values),
    "not_in": lambda values: lambda version: version.kind not in values,
    "is_set": lambda values: lambda version: version.kind is not None,
    "is_unset": lambda values: lambda version: version.kind is None,
}
"""The condition of each operator on `issue_type`; `Version.kind` is in lower case, whatever the record shows."""


def _values(node: Filter) -> list[str]:
    """Return the values of a leaf, which must be given in the one form that its operator takes."""
    operator, given = node.operator, (node.value is not None, node.values is not None)
    if operator in ("is_set", "is_unset"):
        form, fits = "neither value nor values", given == (False, False)
    elif operator in ("in", "not_in", "time_range"):
        form, fits = "values, a list of strings", given == (False, True) and bool(node.values)
    else:
        form, fits = "value, a string", given == (True, False)
    if not fits or (operator == "time_range" and len(node.values or ()) != 2):
        raise ApiError(400, f"operator {operator} takes {form}")
    return node.values or [value for value in (node.value,) if value is not None]


def _parse(name: str, value: str) -> float:
    try:
        return parse(value)
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from error

"""Filters of the search endpoints: checked as strictly as the document allows, then compiled to a predicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from integration_tests.sandbox.clock import DAY, parse
from integration_tests.sandbox.document import Filterable, Operation
from integration_tests.sandbox.errors import ApiError
from integration_tests.sandbox.options import Behaviour
from integration_tests.sandbox.versions import Version

MAX_DEPTH = 3
"""The document: the maximum allowed depth for a tree of filters is 3."""

_KEYS = ("field", "operator", "subfilters", "value", "values")
_COMPOUND = ("and", "or")
_MANY = ("in", "not_in", "time_range")
_NONE = ("is_set", "is_unset")
_TIMES = ("time_is_after", "time_is_before", "time_range")

# The document names no operators for custom fields: all that make sense for a text, a number or a list are taken.
_CUSTOM = frozenset(
    {
        "contains",
        "does_not_contain",
        "equals",
        "greater_than",
        "greater_than_or_equals",
        "in",
        "is_set",
        "is_unset",
        "less_than",
        "less_than_or_equals",
        "not_equals",
        "not_in",
        "string_contains",
        "string_does_not_contain",
    }
)

_ISSUE_TYPES = ("conversation", "ticket")

Predicate = Callable[[Version], bool]


@dataclass(frozen=True)
class Condition:
    """A compiled filter: time ranges (milliseconds) and further tests, all of which must hold.

    `inclusive` tells whether the bounds of the ranges match.
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    tests: tuple[Predicate, ...] = ()
    inclusive: bool = False

    def matches(self, version: Version) -> bool:
        """Whether a version fulfils the filter."""
        return self.matches_but(version, None)

    def matches_but(self, version: Version, known: str | None) -> bool:
        """Whether a version fulfils the filter, when the range of the time `known` is known to hold."""
        for name, (low, high) in self.ranges.items():
            if name == known:
                continue
            moment = version.times.get(name)
            if moment is None or not (low <= moment <= high if self.inclusive else low < moment < high):
                return False
        return all(test(version) for test in self.tests)

    def also(self, *tests: Predicate) -> Condition:
        """This condition with further tests."""
        return replace(self, tests=(*self.tests, *tests))


class Compiler:
    """Compiles the filters of one search endpoint.

    `slugs` are the slugs of custom fields that may be filtered on; `unknown` is told each key that no filter has.
    """

    def __init__(
        self,
        operation: Operation,
        slugs: frozenset[str],
        behaviour: Behaviour,
        unknown: Callable[[str], None],
    ) -> None:
        """Holds the rules; compiles nothing yet."""
        self._operation = operation
        self._slugs = slugs
        self._behaviour = behaviour
        self._unknown = unknown

    def compile(self, node: Any) -> Condition | None:
        """The condition of a filter as sent; None where it says nothing. Raises ApiError (400) for a wrong one."""
        if node is None:
            return None
        if not isinstance(node, dict):
            raise ApiError(400, "filter must be an object")
        if not any(node.get(key) is not None for key in _KEYS):
            # Seen in public code: {"created_at": {"gte": ...}} gets the newest issues, unfiltered.
            for key in node:
                self._unknown(f"filter.{key}")
            return None
        return self._compile(node, 1)

    def _compile(self, node: Any, depth: int) -> Condition:
        if not isinstance(node, dict):
            raise ApiError(400, "filter must be an object")
        if depth > MAX_DEPTH:
            raise ApiError(400, f"filter is nested deeper than {MAX_DEPTH}")
        for key in node:
            if key not in _KEYS:
                self._unknown(f"filter.{key}")
        operator = node.get("operator")
        if not isinstance(operator, str):
            raise ApiError(400, "filter needs an operator")
        if operator in _COMPOUND:
            return self._compound(operator, node, depth)
        if node.get("subfilters") is not None:
            raise ApiError(400, f"operator {operator} takes no subfilters")
        return self._leaf(operator, node)

    def _compound(self, operator: str, node: dict[str, Any], depth: int) -> Condition:
        subfilters = node.get("subfilters")
        if not isinstance(subfilters, list) or not subfilters:
            raise ApiError(400, f"operator {operator} needs subfilters")
        parts = [self._compile(part, depth + 1) for part in subfilters]
        if operator == "or":
            return self._condition().also(lambda version: any(part.matches(version) for part in parts))
        ranges: dict[str, tuple[float, float]] = {}
        for part in parts:
            for name, (low, high) in part.ranges.items():
                lowest, highest = ranges.get(name, (float("-inf"), float("inf")))
                ranges[name] = (max(low, lowest), min(high, highest))
        self._check_width(ranges)
        return self._condition(ranges).also(*(test for part in parts for test in part.tests))

    def _condition(self, ranges: dict[str, tuple[float, float]] | None = None) -> Condition:
        return Condition(ranges or {}, inclusive=self._behaviour.inclusive_bounds)

    def _leaf(self, operator: str, node: dict[str, Any]) -> Condition:
        name = node.get("field")
        if not isinstance(name, str) or not name:
            raise ApiError(400, "filter needs a field")
        known = self._operation.filterable.get(name)
        if known is None and not (self._operation.custom_fields and name in self._slugs):
            raise ApiError(400, f"field {name} cannot be filtered on")
        if operator not in (known.operators if known else _CUSTOM):
            raise ApiError(400, f"operator {operator} is not allowed for field {name}")
        values = _values(operator, node)
        if known is not None and known.values is not None and not set(values) <= set(known.values):
            raise ApiError(400, f"field {name} must be one of {list(known.values)}")
        if operator in _TIMES:
            return self._time(name, operator, values)
        return self._condition().also(_predicate(known, name, operator, values))

    def _time(self, name: str, operator: str, values: list[str]) -> Condition:
        try:
            times = [parse(value) for value in values]
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        low = float("-inf") if operator == "time_is_before" else times[0]
        high = float("inf") if operator == "time_is_after" else times[-1]
        if low > high:
            raise ApiError(400, f"time_range on {name} ends before it begins")
        ranges = {name: (low, high)}
        self._check_width(ranges)
        return self._condition(ranges)

    def _check_width(self, ranges: dict[str, tuple[float, float]]) -> None:
        cap = self._behaviour.max_range_days
        if cap is None or self._operation.record != "Issue":
            return
        for name, (low, high) in ranges.items():
            if float("-inf") < low and high < float("inf") and high - low > cap * DAY:
                raise ApiError(400, f"the time range on {name} is wider than {cap:g} days")


def _values(operator: str, node: dict[str, Any]) -> list[str]:
    value, values = node.get("value"), node.get("values")
    if operator in _NONE:
        if value is not None or values is not None:
            raise ApiError(400, f"operator {operator} takes neither value nor values")
        return []
    if operator in _MANY:
        if value is not None or not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise ApiError(400, f"operator {operator} takes values, a list of strings")
        if not values or (operator == "time_range" and len(values) != 2):
            raise ApiError(400, f"operator {operator} has the wrong number of values")
        return values
    if values is not None or not isinstance(value, str):
        raise ApiError(400, f"operator {operator} takes value, a string")
    return [value]


def _predicate(known: Filterable | None, name: str, operator: str, values: list[str]) -> Predicate:
    test = _TESTS[operator]
    if name == "issue_type":
        # Records spell the type in either case, the filter's values are lower case: the version holds that form.
        kinds = frozenset(kind for kind in (None, *_ISSUE_TYPES) if test([kind] if kind else [], values))
        return lambda version: version.kind in kinds
    if known is None:
        return lambda version: test(_custom(version.record(), name), values)
    return lambda version: test(_texts(version.record(), name), values)


def _texts(record: dict[str, Any], name: str) -> list[str]:
    """What a record holds under the name of a filter: `account_id` may stand in the record as `account.id`."""
    value = record.get(name)
    if value is None and name.endswith("_id"):
        nested = record.get(name[: -len("_id")])
        value = nested.get("id") if isinstance(nested, dict) else None
    if name == "external_ids" and isinstance(value, list):
        value = [entry["external_id"] for entry in value]
    if isinstance(value, bool):
        value = str(value).lower()
    if value is None:
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _custom(record: dict[str, Any], slug: str) -> list[str]:
    entry = (record.get("custom_fields") or {}).get(slug) or {}
    if entry.get("values"):
        return list(entry["values"])
    return [entry["value"]] if entry.get("value") else []


def _any_equal(have: list[str], want: list[str]) -> bool:
    return any(value in want for value in have)


def _any_within(have: list[str], want: list[str]) -> bool:
    return any(want[0].casefold() in value.casefold() for value in have)


def _number(have: list[str], want: list[str], compare: Callable[[float, float], bool]) -> bool:
    try:
        return bool(have) and compare(float(have[0]), float(want[0]))
    except ValueError:
        return False


_TESTS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "equals": _any_equal,
    "not_equals": lambda have, want: not _any_equal(have, want),
    "contains": _any_equal,
    "does_not_contain": lambda have, want: not _any_equal(have, want),
    "in": _any_equal,
    "not_in": lambda have, want: not _any_equal(have, want),
    "string_contains": _any_within,
    "string_does_not_contain": lambda have, want: not _any_within(have, want),
    "is_set": lambda have, want: bool(have),
    "is_unset": lambda have, want: not have,
    "greater_than": lambda have, want: _number(have, want, lambda a, b: a > b),
    "less_than": lambda have, want: _number(have, want, lambda a, b: a < b),
    "greater_than_or_equals": lambda have, want: _number(have, want, lambda a, b: a >= b),
    "less_than_or_equals": lambda have, want: _number(have, want, lambda a, b: a <= b),
}

"""Search filters, checked as strictly as the SDK documents them and compiled into conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from integration_tests.sandbox.clock import DAY, parse
from integration_tests.sandbox.errors import ApiError
from integration_tests.sandbox.operations import Filterable, Operation
from integration_tests.sandbox.options import Behaviour
from integration_tests.sandbox.versions import Version

MAX_DEPTH = 3
"""The SDK: the maximum allowed depth for a tree of filters is 3, counting the top-level filter."""

_KEYS = ("field", "operator", "subfilters", "value", "values")
_EVER = (-math.inf, math.inf)

Predicate = Callable[[Version], bool]
Range = tuple[float, float]
"""A half-open range of times in milliseconds: the start is included, the end is not."""


@dataclass(frozen=True)
class Condition:
    """A compiled filter: all ranges and tests must hold, and one of the conditions in `either`, if there are any."""

    ranges: dict[str, Range] = field(default_factory=dict)
    tests: tuple[Predicate, ...] = ()
    either: tuple[Condition, ...] = ()

    def matches(self, version: Version) -> bool:
        """Whether a version fulfils the filter."""
        for name, (low, high) in self.ranges.items():
            moment = version.times.get(name)
            if moment is None or not low <= moment < high:
                return False
        return all(test(version) for test in self.tests) and (
            not self.either or any(part.matches(version) for part in self.either)
        )

    def also(self, *tests: Predicate, **ranges: Range) -> Condition:
        """This condition with further tests and with narrower ranges."""
        narrowed = dict(self.ranges)
        for name, (low, high) in ranges.items():
            lowest, highest = narrowed.get(name, _EVER)
            narrowed[name] = (max(low, lowest), min(high, highest))
        return replace(self, ranges=narrowed, tests=(*self.tests, *tests))


def time(name: str, value: str) -> float:
    """Parse a time of a request into milliseconds; raises ApiError (400) if it is not a time."""
    try:
        return parse(value)
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from error


def between(after: float, before: float, inclusive: bool) -> Range:
    """Return the range between two bounds, with or without the bounds themselves."""
    if inclusive:
        return _whole(math.ceil, after), _whole(math.floor, before) + 1
    return _whole(math.floor, after) + 1, _whole(math.ceil, before)


def _whole(rounded: Callable[[float], int], moment: float) -> float:
    return moment if math.isinf(moment) else rounded(moment)


class Compiler:
    """Compiles the filters of one search endpoint.

    `slugs` are the slugs of custom fields that may be filtered on; `unknown` is told each key that no filter has.
    """

    def __init__(
        self, operation: Operation, slugs: frozenset[str], behaviour: Behaviour, unknown: Callable[[str], None]
    ) -> None:
        self._operation = operation
        self._slugs = slugs
        self._inclusive = behaviour.inclusive_bounds
        self._cap = behaviour.max_range_days if operation.path == "/issues/search" else None
        self._unknown = unknown

    def compile(self, node: Any) -> Condition:
        """Compile a filter as it was sent; no filter matches everything. Raises ApiError (400) for an invalid one."""
        if isinstance(node, dict) and not any(node.get(key) is not None for key in _KEYS):
            # Public code sends {"created_at": {"gte": ...}} and gets the newest issues, unfiltered.
            for key in node:
                self._unknown(f"filter.{key}")
            node = None
        return Condition() if node is None else self._compile(node, 1)

    def _compile(self, node: Any, depth: int) -> Condition:
        if not isinstance(node, dict):
            raise ApiError(400, "filter must be an object")
        if depth > MAX_DEPTH:
            raise ApiError(400, f"filter is nested deeper than {MAX_DEPTH}")
        for key in node.keys() - set(_KEYS):
            self._unknown(f"filter.{key}")
        name, subfilters = node.get("operator"), node.get("subfilters")
        if not isinstance(name, str):
            raise ApiError(400, "filter needs an operator")
        if name not in ("and", "or"):
            if subfilters is not None:
                raise ApiError(400, f"operator {name} takes no subfilters")
            return self._leaf(name, node)
        if not isinstance(subfilters, list) or not subfilters:
            raise ApiError(400, f"operator {name} needs subfilters")
        parts = [self._compile(part, depth + 1) for part in subfilters]
        if name == "or":
            return Condition(either=tuple(parts))
        whole = Condition()
        for part in parts:
            whole = whole.also(part.matches) if part.either else whole.also(*part.tests, **part.ranges)
        return self._capped(whole)

    def _leaf(self, name: str, node: dict[str, Any]) -> Condition:
        slug = node.get("field")
        if not isinstance(slug, str) or not slug:
            raise ApiError(400, "filter needs a field")
        known = self._operation.filterable.get(slug)
        if known is None:
            if not self._operation.custom_fields or slug not in self._slugs:
                raise ApiError(400, f"field {slug} cannot be filtered on")
            # The SDK names no operators for custom fields: allow those of texts and lists.
            known = Filterable(frozenset(_TESTS), ())
        if name not in known.operators:
            raise ApiError(400, f"operator {name} is not allowed for field {slug}")
        values = _values(name, node)
        if known.values and not set(values) <= set(known.values):
            raise ApiError(400, f"field {slug} must be one of {list(known.values)}")
        if name.startswith("time_"):
            return self._time(slug, name, values)
        test = _TESTS[name]
        if slug == "issue_type":
            # Records may spell the type in either case; filters and `Version.kind` use lower case.
            return Condition().also(lambda version: test([version.kind] if version.kind else [], values))
        read = _texts if slug in self._operation.filterable else _custom
        return Condition().also(lambda version: test(read(version.record(), slug), values))

    def _time(self, slug: str, name: str, values: list[str]) -> Condition:
        times = [time(slug, value) for value in values]
        low = -math.inf if name == "time_is_before" else times[0]
        high = math.inf if name == "time_is_after" else times[-1]
        if low > high:
            raise ApiError(400, f"time_range on {slug} ends before it begins")
        return self._capped(Condition({slug: between(low, high, self._inclusive)}))

    def _capped(self, condition: Condition) -> Condition:
        for name, (low, high) in condition.ranges.items():
            if self._cap is not None and self._cap * DAY + 1 < high - low < math.inf:
                raise ApiError(400, f"the time range on {name} is wider than {self._cap:g} days")
        return condition


def _values(name: str, node: dict[str, Any]) -> list[str]:
    value, values = node.get("value"), node.get("values")
    if name in ("is_set", "is_unset"):
        if value is not None or values is not None:
            raise ApiError(400, f"operator {name} takes neither value nor values")
        return []
    if name in ("in", "not_in", "time_range"):
        if value is not None or not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            raise ApiError(400, f"operator {name} takes values, a list of strings")
        if not values or (name == "time_range" and len(values) != 2):
            raise ApiError(400, f"operator {name} has the wrong number of values")
        return values
    if values is not None or not isinstance(value, str):
        raise ApiError(400, f"operator {name} takes value, a string")
    return [value]


def _texts(record: dict[str, Any], name: str) -> list[str]:
    """Return the values of a record for a filter's field; `account_id`, for example, is `account.id` in the record."""
    value = record.get(_ALIASES.get(name, name))
    if name == "reopened":
        first, last = record.get("first_resolution_time"), record.get("resolution_time")
        value = first is not None and first != last
    if name == "slack_channel_id":
        value = (record.get("slack") or {}).get("channel_id")
    if value is None and name.endswith("_id"):
        nested = record.get(name.removesuffix("_id")) or {}
        # The assignee of a task is a user or a contact.
        value = (nested.get("user") or nested.get("contact") or nested).get("id")
    if name == "external_ids" and isinstance(value, list):
        value = [entry["external_id"] for entry in value]
    if isinstance(value, bool):
        value = str(value).lower()
    if value is None:
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


_ALIASES = {"issue_is_issue_group": "is_issue_group"}


def _custom(record: dict[str, Any], slug: str) -> list[str]:
    entry = (record.get("custom_fields") or {}).get(slug) or {}
    return list(entry.get("values") or filter(None, [entry.get("value")]))


Test = Callable[[list[str], list[str]], bool]


def _equal(have: list[str], want: list[str]) -> bool:
    return any(value in want for value in have)


def _within(have: list[str], want: list[str]) -> bool:
    return any(want[0].casefold() in value.casefold() for value in have)


def _not(test: Test) -> Test:
    return lambda have, want: not test(have, want)


_TESTS: dict[str, Test] = {
    **dict.fromkeys(("equals", "contains", "in"), _equal),
    **dict.fromkeys(("not_equals", "does_not_contain", "not_in"), _not(_equal)),
    "string_contains": _within,
    "string_does_not_contain": _not(_within),
    "is_set": lambda have, want: bool(have),
    "is_unset": lambda have, want: not have,
}

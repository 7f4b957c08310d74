"""Search filters, checked as strictly as the SDK documents them and compiled into conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic
from usepylon import Filter

from integration_tests.sandbox.clock import DAY, parse
from integration_tests.sandbox.errors import ApiError
from integration_tests.sandbox.operations import Filterable, Operation
from integration_tests.sandbox.options import Behaviour
from integration_tests.sandbox.versions import Version

MAX_DEPTH = 3
"""The SDK: the maximum allowed depth for a tree of filters is 3, counting the top-level filter."""

Condition = Callable[[Version], bool]


def time(name: str, value: str) -> float:
    """Parse a time of a request into milliseconds; raises ApiError (400) if it is not a time."""
    try:
        return parse(value)
    except ValueError as error:
        raise ApiError(400, f"{name}: {error}") from error


def between(name: str, low: float, high: float, inclusive: bool) -> Condition:
    """Return the condition that a time lies between two bounds, with or without the bounds themselves."""
    if inclusive:
        return lambda version: low <= version.times.get(name, math.nan) <= high
    return lambda version: low < version.times.get(name, math.nan) < high


@dataclass(frozen=True)
class Compiler:
    """Compiles the filters of one search endpoint.

    `slugs` are the slugs of custom fields that may be filtered on; `unknown` is told each key that no filter has.
    """

    operation: Operation
    slugs: frozenset[str]
    behaviour: Behaviour
    unknown: Callable[[str], None]

    def compile(self, sent: Any) -> Condition:
        """Compile a filter as it was sent; no filter matches everything. Raises ApiError (400) for an invalid one."""
        if sent is None:
            return lambda version: True
        if all(sent.get(name) is None for name in Filter.model_fields):
            # Public code sends {"created_at": {"gte": ...}} and gets the newest issues, unfiltered.
            for key in sent:
                self.unknown(f"filter.{key}")
            return lambda version: True
        try:
            return self._compile(Filter.model_validate(sent), 1)
        except pydantic.ValidationError as error:
            raise ApiError(400, f"invalid filter: {error.errors()[0]['msg']}") from error

    def _compile(self, node: Filter, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise ApiError(400, f"filter is nested deeper than {MAX_DEPTH}")
        for key in node.model_extra or ():
            self.unknown(f"filter.{key}")
        if not isinstance(node.operator, str):
            raise ApiError(400, "filter needs an operator")
        if node.operator not in ("and", "or"):
            return self._leaf(node)
        if not node.subfilters:
            raise ApiError(400, f"operator {node.operator} needs subfilters")
        combine = all if node.operator == "and" else any
        parts = [self._compile(part, depth + 1) for part in node.subfilters]
        return lambda version: combine(part(version) for part in parts)

    def _leaf(self, node: Filter) -> Condition:
        slug, operator = node.field, node.operator
        if node.subfilters is not None:
            raise ApiError(400, f"operator {operator} takes no subfilters")
        if not slug:
            raise ApiError(400, "filter needs a field")
        known = self.operation.filterable.get(slug)
        if known is None:
            if slug not in self.slugs:
                raise ApiError(400, f"field {slug} cannot be filtered on")
            # The SDK names no operators for custom fields: allow those of texts and lists.
            known = Filterable(frozenset(_TESTS), ())
        if operator not in known.operators:
            raise ApiError(400, f"operator {operator} is not allowed for field {slug}")
        values = _values(node)
        if known.values and not set(values) <= set(known.values):
            raise ApiError(400, f"field {slug} must be one of {list(known.values)}")
        if operator.startswith("time_"):
            return self._time(slug, operator, values)
        test = _TESTS[operator]
        if slug == "issue_type":
            # Records may spell the type in either case; filters and `Version.kind` use lower case.
            return lambda version: test([version.kind] if version.kind else [], values)
        read = _texts if slug in self.operation.filterable else _custom
        return lambda version: test(read(version.record(), slug), values)

    def _time(self, slug: str, operator: str, values: list[str]) -> Condition:
        times = [time(slug, value) for value in values]
        low = -math.inf if operator == "time_is_before" else times[0]
        high = math.inf if operator == "time_is_after" else times[-1]
        if low > high:
            raise ApiError(400, f"time_range on {slug} ends before it begins")
        widest = self.behaviour.max_range_days
        if self.operation.path == "/issues/search" and widest and widest * DAY + 1 < high - low < math.inf:
            raise ApiError(400, f"the time range on {slug} is wider than {widest:g} days")
        return between(slug, low, high, self.behaviour.inclusive_bounds)


def _values(node: Filter) -> list[str]:
    operator, value, values = node.operator, node.value, node.values
    if operator in ("is_set", "is_unset"):
        if value is not None or values is not None:
            raise ApiError(400, f"operator {operator} takes neither value nor values")
        return []
    if operator in ("in", "not_in", "time_range"):
        if value is not None or not values:
            raise ApiError(400, f"operator {operator} takes values, a list of strings")
        if operator == "time_range" and len(values) != 2:
            raise ApiError(400, f"operator {operator} takes two values")
        return values
    if values is not None or value is None:
        raise ApiError(400, f"operator {operator} takes value, a string")
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

"""Rules for podFailurePolicy and successPolicy.

Models validatePodFailurePolicy* and validateSuccessPolicy* of pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from pocketkube import fields, indexes
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, workload

MOST_RULES: Final = 20
_MOST_EXIT_CODES, _MOST_PATTERNS = 255, 20
_LONGEST_INDEXES: Final = 64 * 1024
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")


def invalid(path: str, detail: str) -> Cause:
    """`Invalid value` of which the value is not shown."""
    return Cause("FieldValueInvalid", path, f"Invalid value: {detail}")


def pod_failure(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of spec.podFailurePolicy."""
    rules = spec["podFailurePolicy"].get("rules") or ()
    if len(rules) > MOST_RULES:
        yield fields.too_many(f"{path}.rules", len(rules), MOST_RULES)
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {c.get("name") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    for index, rule in enumerate(rules):
        yield from _rule(f"{path}.rules[{index}]", rule, spec, names)


def _rule(path: str, rule: Obj, spec: Obj, names: set[str | None]) -> Iterator[Cause]:
    action, codes, patterns = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            yield fields.invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    else:
        yield from _choice(f"{path}.action", action, _ACTIONS)
    if codes is not None:
        yield from _exit_codes(f"{path}.onExitCodes", codes, names)
    if len(patterns) > _MOST_PATTERNS:
        yield fields.too_many(f"{path}.onPodConditions", len(patterns), _MOST_PATTERNS)
    for index, pattern in enumerate(patterns):
        at = f"{path}.onPodConditions[{index}]"
        for problem in formats.qualified_name(pattern.get("type", "")):
            yield fields.invalid(f"{at}.type", pattern.get("type", ""), problem)
        yield from _choice(f"{at}.status", pattern.get("status", ""), _STATUSES)
    if codes is not None and patterns:
        yield invalid(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not patterns:
        yield invalid(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _choice(path: str, value: str, supported: Iterable[str]) -> Iterator[Cause]:
    if not value:
        yield fields.required(path, f"valid values: [{' '.join(map(fields.show, supported))}]")
    elif value not in supported:
        yield fields.not_supported(path, value, supported)


def _exit_codes(path: str, codes: Obj, names: set[str | None]) -> Iterator[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values")
    yield from _choice(f"{path}.operator", operator, _OPERATORS)
    container = codes.get("containerName")
    if container is not None and container not in names:
        why = "must be one of the container or initContainer names in the pod template"
        yield fields.invalid(f"{path}.containerName", container, why)
    if not values:
        yield fields.invalid(f"{path}.values", values, "at least one value is required")
        return
    if len(values) > _MOST_EXIT_CODES:
        yield fields.too_many(f"{path}.values", len(values), _MOST_EXIT_CODES)
    for index, code in enumerate(values):
        at = f"{path}.values[{index}]"
        if operator == "In" and code == 0:
            yield fields.invalid(at, code, "must not be 0 for the In operator")
        if code in values[:index]:
            yield fields.duplicate(at, code)
    if any(later < earlier for earlier, later in pairwise(values)):
        yield fields.invalid(f"{path}.values", values, "must be ordered")


def success(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of spec.successPolicy of an indexed Job."""
    rules = spec["successPolicy"].get("rules") or ()
    if not rules:
        yield fields.required(
            f"{path}.rules", "at least one rules must be specified when the successPolicy is specified"
        )
    if len(rules) > MOST_RULES:
        yield fields.too_many(f"{path}.rules", len(rules), MOST_RULES)
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        yield from _success_rule(f"{path}.rules[{index}]", rule, completions)


def _success_rule(path: str, rule: Obj, completions: int) -> Iterator[Cause]:
    text, count = rule.get("succeededIndexes"), rule.get("succeededCount")
    total = 0
    if text is None and count is None:
        yield fields.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if text is not None:
        if len(text) > _LONGEST_INDEXES:
            yield fields.too_long(f"{path}.succeededIndexes", _LONGEST_INDEXES)
        try:
            total = indexes.checked(text, completions)
        except ValueError as error:
            yield fields.invalid(f"{path}.succeededIndexes", text, f"error parsing succeededIndexes: {error}")
    if count is None:
        return
    at = f"{path}.succeededCount"
    yield from workload.not_negative(at, count)
    most = "must be less than or equal to"
    if count > completions:
        yield fields.invalid(at, count, f"{most} {completions} (the number of specified completions)")
    if text is not None and count > total:
        why = f"{most} {total} (the number of indexes in the specified succeededIndexes field)"
        yield fields.invalid(at, count, why)

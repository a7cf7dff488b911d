"""Conditions as newer kinds have them (metav1.Condition), with a reason and a time.

Models ValidateConditions of apimachinery/pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

_STATUSES: Final = ("False", "True", "Unknown")
_REASON: Final = re.compile("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_LENGTH: Final = 1024
_MESSAGE_LENGTH: Final = 32 * 1024
_WRONG_REASON: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON.pattern}')"
)


def validate(path: str, conditions: list[Obj]) -> Iterator[Cause]:
    """Field errors of `conditions`."""
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        type_ = condition.get("type") or ""
        if type_ in seen:
            yield fields.duplicate(f"{path}[{index}].type", type_)
        seen.add(type_)
        yield from _one(f"{path}[{index}]", condition)


def _one(at: str, condition: Obj) -> Iterator[Cause]:
    type_ = condition.get("type") or ""
    for problem in formats.qualified_name(type_):
        yield fields.invalid(f"{at}.type", type_, problem)
    if condition.get("status") not in _STATUSES:
        yield fields.not_supported(f"{at}.status", condition.get("status") or "", _STATUSES)
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        yield fields.invalid(f"{at}.observedGeneration", generation, "must be greater than or equal to zero")
    if not condition.get("lastTransitionTime"):
        yield fields.required(f"{at}.lastTransitionTime")
    reason = condition.get("reason") or ""
    if not reason:
        yield fields.required(f"{at}.reason")
    elif not _REASON.fullmatch(reason):
        yield fields.invalid(f"{at}.reason", reason, _WRONG_REASON)
    if len(reason.encode()) > _REASON_LENGTH:
        yield fields.too_long(f"{at}.reason", _REASON_LENGTH)
    if len((condition.get("message") or "").encode()) > _MESSAGE_LENGTH:
        yield fields.too_long(f"{at}.message", _MESSAGE_LENGTH)

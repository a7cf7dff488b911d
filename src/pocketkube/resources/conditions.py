"""Conditions as newer kinds have them (metav1.Condition), with a reason and a time.

Models ValidateConditions of apimachinery/pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats


def validate(path: str, conditions: list[Obj]) -> Iterator[Cause]:
    types = [one.get("type") or "" for one in conditions]
    for index, condition in enumerate(conditions):
        here, type_ = f"{path}[{index}]", types[index]
        for problem in formats.qualified_name(type_):
            yield fields.invalid(f"{here}.type", type_, problem)
        if type_ in types[:index]:
            yield fields.duplicate(f"{here}.type", type_)
        if condition.get("status") not in ("True", "False", "Unknown"):
            accepted = ("False", "True", "Unknown")
            yield fields.not_supported(f"{here}.status", condition.get("status") or "", accepted)
        if (condition.get("observedGeneration") or 0) < 0:
            text = "must be greater than or equal to zero"
            yield fields.invalid(f"{here}.observedGeneration", condition["observedGeneration"], text)
        if not condition.get("lastTransitionTime"):
            yield fields.required(f"{here}.lastTransitionTime", "must be set")
        reason = condition.get("reason") or ""
        if not reason:
            yield fields.required(f"{here}.reason", "must be set")
        elif len(reason) > 1024:
            yield fields.too_long(f"{here}.reason", 1024)
        elif not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", reason):
            text = (
                "a condition reason must start with alphabetic character, optionally followed by a string of "
                "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. "
                "'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used "
                "for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
            )
            yield fields.invalid(f"{here}.reason", reason, text)
        if len(condition.get("message") or "") > 32768:
            yield fields.too_long(f"{here}.message", 32768)

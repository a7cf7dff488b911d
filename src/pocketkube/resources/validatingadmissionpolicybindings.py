"""ValidatingAdmissionPolicyBindings: where a policy holds, with which parameters, and what comes of a violation.

Models pkg/registry/admissionregistration/validatingadmissionpolicybinding and its validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec import policies

ACTIONS: Final = ("Audit", "Deny", "Warn")
_AT: Final = "spec.validationActions"


class RESOURCE(policies.AdmissionPolicyBinding):
    kind = "ValidatingAdmissionPolicyBinding"
    plural = "validatingadmissionpolicybindings"

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from super().validate(obj)
        actions = objects.spec(obj).get("validationActions") or []
        for index, action in enumerate(actions):
            if action not in ACTIONS:
                yield fields.not_supported(f"{_AT}[{index}]", action, ACTIONS)
            if action in actions[:index]:
                yield fields.duplicate(f"{_AT}[{index}]", action)
        if {"Deny", "Warn"} <= set(actions):
            twice = (
                "repeating the same validation failure information in the API response and headers serves no purpose"
            )
            yield fields.invalid(_AT, actions, f"must not contain both Deny and Warn ({twice})")
        if not actions:
            yield fields.required(_AT, "at least one validation action is required")

"""MutatingAdmissionPolicyBindings: where a policy changes what is written, and with which parameters.

Models pkg/registry/admissionregistration/mutatingadmissionpolicybinding and its validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec import policies


class RESOURCE(policies.AdmissionPolicyBinding):
    kind = "MutatingAdmissionPolicyBinding"
    plural = "mutatingadmissionpolicybindings"

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from super().validate(obj)
        yield from policies.mutating_operations(objects.spec(obj).get("matchResources"), "spec.matchResources")

"""PodDisruptionBudgets.

Models pkg/registry/policy/poddisruptionbudget, ValidatePodDisruptionBudget* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import conditions, metadata, workload
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

UNHEALTHY: Final = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS: Final = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


class RESOURCE(Resource):
    group = "policy"
    kind = "PodDisruptionBudget"
    plural = "poddisruptionbudgets"
    short_names = ("pdb",)
    has_status = True
    bumps_generation = True
    unconditional_update = False
    columns = described(
        "poddisruptionbudgets",
        NAME,
        Column("Min Available"),
        Column("Max Unavailable"),
        Column("Allowed Disruptions", "integer"),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        return [
            objects.name(obj),
            str(spec.get("minAvailable", "N/A")),
            str(spec.get("maxUnavailable", "N/A")),
            status.get("disruptionsAllowed", 0),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def initial_status(self, obj: Obj) -> Obj:
        return dict.fromkeys(_COUNTS, 0)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status = new.setdefault("status", {})
        for field in _COUNTS:
            status.setdefault(field, 0)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if least is not None and most is not None:
            shown = {
                "MinAvailable": least,
                "Selector": spec.get("selector"),
                "MaxUnavailable": most,
                "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
            }
            yield fields.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
        for field, value in (("minAvailable", least), ("maxUnavailable", most)):
            if value is not None:
                yield from workload.int_or_percent(f"spec.{field}", value)
                yield from workload.at_most_all(f"spec.{field}", value)
        if spec.get("selector") is not None:
            yield from metadata.label_selector("spec.selector", spec["selector"])
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy is not None and policy not in UNHEALTHY:
            yield fields.not_supported("spec.unhealthyPodEvictionPolicy", policy, UNHEALTHY)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from conditions.validate("status.conditions", objects.status(new).get("conditions") or [])
        for field in _COUNTS:
            yield from workload.not_negative(f"status.{field}", objects.status(new).get(field))

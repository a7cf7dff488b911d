"""HorizontalPodAutoscalers, stored as autoscaling/v2; autoscaling/v1 is a view of that.

Models pkg/registry/autoscaling/horizontalpodautoscaler and the printer; the rules are in autoscaler_spec.
Left out: scaling to zero (the gate HPAScaleToZero is off in v1.36, too).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.autoscaler_spec import defaults, printing, v1, validation
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class _Autoscaler(Resource):
    group = "autoscaling"
    kind = "HorizontalPodAutoscaler"
    plural = "horizontalpodautoscalers"
    short_names = ("hpa",)
    categories = ("all",)
    has_status = True
    columns = described(
        "horizontalpodautoscalers",
        NAME,
        Column("Reference"),
        Column("Targets"),
        Column("MinPods"),
        Column("MaxPods"),
        Column("Replicas"),
        AGE,
    )

    @property
    def stored_version(self) -> str:
        return "v2"

    def row(self, obj: Obj) -> list[Any]:
        obj = self.internal(obj)
        spec = objects.spec(obj)
        target, least = spec.get("scaleTargetRef") or {}, spec.get("minReplicas")
        return [
            objects.name(obj),
            f"{target.get('kind', '')}/{target.get('name', '')}",
            printing.targets(obj),
            "<unset>" if least is None else str(least),
            spec.get("maxReplicas", 0),
            objects.status(obj).get("currentReplicas", 0),
            age(self.world.clock, obj),
        ]


class V1(_Autoscaler):
    version = "v1"

    def present(self, obj: Obj) -> Obj:
        return v1.from_v2(obj)

    def internal(self, obj: Obj) -> Obj:
        return v1.to_v2(obj)


class RESOURCE(_Autoscaler):
    version = "v2"
    other_versions = (V1,)

    def internal(self, obj: Obj) -> Obj:
        return v1.without_annotations(obj)

    def default(self, obj: Obj) -> None:
        defaults.autoscaler(obj)

    def initial_status(self, obj: Obj) -> Obj:
        return {"desiredReplicas": 0, "currentMetrics": None}

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from validation.autoscaler(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from validation.autoscaler(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        for field in ("currentReplicas", "desiredReplicas"):
            yield from workload.not_negative(f"status.{field}", objects.status(new).get(field))

"""ReplicaSets.

Models pkg/registry/apps/replicaset, pkg/apis/apps (defaults, ValidateReplicaSet*) and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata, workload
from pocketkube.resources.base import Column, Resource, Scale
from pocketkube.resources.columns import AGE, NAME, age, containers, described, selector_text
from pocketkube.resources.pod_spec import defaults


class RESOURCE(Resource):
    group = "apps"
    kind = "ReplicaSet"
    plural = "replicasets"
    short_names = ("rs",)
    categories = ("all",)
    has_status = True
    scale = Scale()
    bumps_generation = True
    columns = described(
        "replicasets",
        NAME,
        Column("Desired", "integer"),
        Column("Current", "integer"),
        Column("Ready", "integer"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
        Column("Selector", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        return [
            objects.name(obj),
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            age(self.world.clock, obj),
            *containers(objects.dig(spec, "template", "spec", default={})),
            selector_text(spec.get("selector")),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("selector", None)
        defaults.template(spec.setdefault("template", {}))

    def initial_status(self, obj: Obj) -> Obj:
        return {"replicas": 0}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        new.setdefault("status", {}).setdefault("replicas", 0)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from workload.not_negative("spec.replicas", spec.get("replicas"))
        yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        yield from workload.selector("spec.selector", spec.get("selector"))
        yield from workload.template("spec.template", spec)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        before, after = objects.spec(old).get("selector"), objects.spec(new).get("selector")
        yield from metadata.immutable("spec.selector", after, before)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from workload.status(objects.status(new), "fullyLabeledReplicas", "readyReplicas", "availableReplicas")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return workload.warned(new, old)

"""ReplicationControllers: what ReplicaSets were before they had set-based selectors.

Models pkg/registry/core/replicationcontroller, SetDefaults_ReplicationController,
ValidateReplicationController* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pocketkube import fields, objects, selectors
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.base import Column, Resource, Scale
from pocketkube.resources.columns import AGE, NAME, age, containers, described, labels_text
from pocketkube.resources.pod_spec import defaults, validation


class RESOURCE(Resource):
    kind = "ReplicationController"
    plural = "replicationcontrollers"
    short_names = ("rc",)
    categories = ("all",)
    has_status = True
    scale = Scale()
    bumps_generation = True
    default_propagation = "Orphan"
    storage_prefix = "controllers"
    columns = described(
        "replicationcontrollers",
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
            labels_text(spec.get("selector")),
        ]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return {**super().fields(obj), "status.replicas": str(objects.status(obj).get("replicas", 0))}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        template = spec.get("template")
        if template is None:
            return
        defaults.template(template)
        if labels := objects.labels(template):
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not objects.labels(obj):
                obj["metadata"]["labels"] = dict(labels)

    def initial_status(self, obj: Obj) -> Obj:
        return {"replicas": 0}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        new.setdefault("status", {}).setdefault("replicas", 0)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        if not spec.get("selector"):
            yield fields.required("spec.selector")
        yield from workload.not_negative("spec.replicas", spec.get("replicas"))
        template = spec.get("template")
        if template is None:
            yield fields.required("spec.template")
            return
        yield from workload.selected("spec.template", template, selectors.from_set(spec.get("selector")))
        yield from validation.template("spec.template", template)
        yield from workload.restarting("spec.template", template, "ReplicationController")

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from workload.status(objects.status(new), "fullyLabeledReplicas", "readyReplicas", "availableReplicas")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return workload.warned(new, old)

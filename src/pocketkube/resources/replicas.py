"""What ReplicaSets and ReplicationControllers have in common: columns, status, what a status may say.

Models the strategies of pkg/registry/{apps/replicaset,core/replicationcontroller} where they are
alike, and the printers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.base import Column, Resource, Scale
from pocketkube.resources.columns import AGE, NAME, age, containers

COLUMNS = (
    NAME,
    Column("Desired", "integer"),
    Column("Current", "integer"),
    Column("Ready", "integer"),
    AGE,
    Column("Containers", priority=1),
    Column("Images", priority=1),
    Column("Selector", priority=1),
)


class Replicas(Resource):
    categories: ClassVar[tuple[str, ...]] = ("all",)
    has_status = True
    scale = Scale()
    bumps_generation = True

    def selected(self, obj: Obj) -> str:
        """The selector, as the last column shows it."""
        raise NotImplementedError

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        return [
            objects.name(obj),
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            age(self.world.clock, obj),
            *containers(objects.dig(spec, "template", "spec", default={})),
            self.selected(obj),
        ]

    def initial_status(self, obj: Obj) -> Obj:
        return {"replicas": 0}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        new.setdefault("status", {}).setdefault("replicas", 0)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from workload.status(objects.status(new), "fullyLabeledReplicas", "readyReplicas", "availableReplicas")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return workload.warned(new, old)

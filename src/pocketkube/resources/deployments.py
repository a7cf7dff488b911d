"""Deployments.

Models pkg/registry/apps/deployment, pkg/apis/apps (defaults, ValidateDeployment*) and the printer.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects, selectors
from pocketkube.errors import BadRequest
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource, Scale
from pocketkube.resources.columns import AGE, NAME, age, containers, described
from pocketkube.resources.pod_spec import defaults


class RESOURCE(Resource):
    group = "apps"
    kind = "Deployment"
    plural = "deployments"
    short_names = ("deploy",)
    categories = ("all",)
    has_status = True
    scale = Scale()
    bumps_generation = True
    columns = described(
        "deployments",
        NAME,
        Column("Ready"),
        Column("Up-to-date"),
        Column("Available"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
        Column("Selector", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        try:
            selector = str(selectors.from_label_selector(spec.get("selector")))
        except BadRequest:
            selector = "<invalid>"
        return [
            objects.name(obj),
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0),
            age(self.world.clock, obj),
            *containers(objects.dig(spec, "template", "spec", default={})),
            selector,
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("selector", None)
        strategy = spec.setdefault("strategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        defaults.template(spec.setdefault("template", {}))

    def generation_basis(self, obj: Obj) -> Any:
        # annotations count, because they are copied to the ReplicaSets
        return objects.spec(obj), objects.annotations(obj)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        keep_labels(new, old)


def keep_labels(new: Obj, old: Obj) -> None:
    """Writing a status must not change labels."""
    new["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]

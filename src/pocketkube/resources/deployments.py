"""Deployments.

Models pkg/registry/apps/deployment, pkg/apis/apps (defaults, ValidateDeployment*) and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import fields, objects, selectors
from pocketkube.errors import BadRequest, Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata, workload
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

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from workload.not_negative("spec.replicas", spec.get("replicas"))
        yield from workload.selector("spec.selector", spec.get("selector"))
        yield from workload.template("spec.template", spec)
        yield from _strategy(spec.get("strategy") or {})
        ready, deadline = spec.get("minReadySeconds", 0), spec.get("progressDeadlineSeconds")
        yield from workload.not_negative("spec.minReadySeconds", ready)
        yield from workload.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
        yield from workload.not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline is not None and deadline <= ready:
            yield fields.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        before, after = objects.spec(old).get("selector"), objects.spec(new).get("selector")
        yield from metadata.immutable("spec.selector", after, before)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        status = objects.status(new)
        yield from workload.status(status, "updatedReplicas", "readyReplicas", "availableReplicas")
        collisions = status.get("collisionCount") or 0
        if collisions < (objects.status(old).get("collisionCount") or 0):
            yield fields.invalid("status.collisionCount", collisions, "cannot be decremented")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return workload.warned(new, old)


def _strategy(strategy: Obj) -> Iterator[Cause]:
    type_, rolling, path = strategy.get("type", ""), strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    if type_ == "Recreate":
        if rolling is not None:
            yield fields.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
    elif type_ == "RollingUpdate":
        yield from _rolling(path, rolling or {})
    else:
        internal = {"Type": type_, "RollingUpdate": _internal(rolling)}
        yield fields.not_supported("spec.strategy", internal, ("Recreate", "RollingUpdate"))


def _internal(rolling: Obj | None) -> Obj | None:
    if rolling is None:
        return None
    return {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}


def _rolling(path: str, rolling: Obj) -> Iterator[Cause]:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    yield from workload.int_or_percent(f"{path}.maxUnavailable", unavailable)
    yield from workload.int_or_percent(f"{path}.maxSurge", surge)
    if workload.number(unavailable) == 0 and workload.number(surge) == 0:
        yield fields.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from workload.at_most_all(f"{path}.maxUnavailable", unavailable)


def keep_labels(new: Obj, old: Obj) -> None:
    """Writing a status must not change labels."""
    new["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]

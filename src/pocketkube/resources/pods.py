"""Pods.

Models pkg/registry/core/pod (strategy, binding) and the admission plugins of a default cluster that touch only pods:
ServiceAccount, DefaultTolerationSeconds. Eviction and resize: `pod_spec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pocketkube import objects
from pocketkube.errors import Cause, Conflict
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.resources.base import CONNECT, Column, DeleteOptions, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.pod_spec import (
    admission,
    annotated_profiles,
    defaults,
    labelkeys,
    printing,
    resizing,
    updates,
    validation,
    warnings,
)
from pocketkube.resources.pod_spec.quality import qos_class

_CHANGED = ("get", "patch", "update")
"""The verbs of what changes a part of a pod."""


class RESOURCE(Resource):
    kind = "Pod"
    plural = "pods"
    short_names = ("po",)
    categories = ("all",)
    has_status = True
    bumps_generation = True
    returns_deleted = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {
        "attach": ("PodAttachOptions", ("create", "get")),
        "binding": ("Binding", ("create",)),
        "ephemeralcontainers": ("Pod", _CHANGED),
        "eviction": ("Eviction", ("create",)),
        "exec": ("PodExecOptions", ("create", "get")),
        "log": ("Pod", ("get",)),
        "portforward": ("PodPortForwardOptions", ("create", "get")),
        "proxy": ("PodProxyOptions", CONNECT),
        "resize": ("Pod", _CHANGED),
    }
    revalidates_metadata = True
    columns = described(
        "pods",
        NAME,
        Column("Ready"),
        Column("Status"),
        Column("Restarts"),
        AGE,
        Column("IP", priority=1),
        Column("Node", priority=1),
        Column("Nominated Node", priority=1),
        Column("Readiness Gates", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        shown = printing.summary(obj, self.world.clock)
        status = objects.status(obj)
        return [
            objects.name(obj),
            shown.ready,
            shown.status,
            shown.restarts,
            age(self.world.clock, obj),
            objects.dig(status, "podIPs", 0, "ip") or "<none>",
            objects.spec(obj).get("nodeName") or "<none>",
            status.get("nominatedNodeName") or "<none>",
            printing.readiness_gates(obj),
        ]

    def row_conditions(self, obj: Obj) -> list[Obj]:
        phase = objects.status(obj).get("phase")
        text = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}.get(phase or "")
        return [{"type": "Completed", "status": "True", "reason": phase, "message": text}] if text else []

    def fields(self, obj: Obj) -> Mapping[str, str]:
        spec, status = objects.spec(obj), objects.status(obj)
        return {
            **super().fields(obj),
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": str(bool(spec.get("hostNetwork"))).lower(),
            "status.phase": status.get("phase", ""),
            "status.podIP": objects.dig(status, "podIPs", 0, "ip") or "",
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def default(self, obj: Obj) -> None:
        defaults.pod(obj)

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is None:
            admission.create(self.world, new)
        else:
            admission.update(new)

    def awaits(self, obj: Obj) -> tuple[str, Key] | None:
        return admission.account_to_come(self.world, obj)

    def initial_status(self, obj: Obj) -> Obj:
        status: Obj = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        if obj["spec"].get("schedulingGates"):
            gated = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
            status["conditions"] = [{**gated, "lastProbeTime": None, "lastTransitionTime": None}]
        return status

    def prepare_create(self, obj: Obj) -> None:
        labelkeys.merge(obj)

    def canonicalize(self, obj: Obj) -> None:
        annotated_profiles.adopt(obj)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        # what reports a status has no say in who owns the pod
        new["metadata"].pop("ownerReferences", None)
        if "ownerReferences" in old["metadata"]:
            new["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"]

    def update_subresource(self, subresource: str, new: Obj, old: Obj) -> Iterable[Cause]:
        if subresource == "binding":
            return self._bind(new, old)
        if subresource == "ephemeralcontainers":
            added = objects.spec(new).get("ephemeralContainers")
            new["spec"] = {**objects.copy(old["spec"]), "ephemeralContainers": added or []}
            defaults.pod(new)
            return updates.validate_ephemeral(new, old)
        if subresource == "resize":
            new["spec"] = resizing.narrow(new, old)["spec"]
            defaults.pod(new)
            return resizing.validate(new, old)
        return super().update_subresource(subresource, new, old)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from validation.pod(obj)
        yield from validation.new_pod(obj)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return updates.validate(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return updates.validate_status(new, old)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return warnings.of_pod(new) if old is None else ()

    def _bind(self, new: Obj, old: Obj) -> Iterator[Cause]:
        node, name = objects.spec(new).get("nodeName", ""), objects.name(old)
        if objects.is_terminating(old):
            raise Conflict.of("pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if taken := objects.spec(old).get("nodeName"):
            raise Conflict.of("pods/binding", name, f'pod {name} is already assigned to node "{taken}"')
        new["spec"] = {**old["spec"], "nodeName": node}
        admission.place(self.world, new)
        status = new["status"] = objects.copy(old.get("status") or {})
        kept = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.world.clock.now(),
        }
        if generation := old["metadata"].get("generation"):
            scheduled["observedGeneration"] = generation
        status["conditions"] = [*kept, scheduled]
        status.pop("nominatedNodeName", None)
        yield from ()

    def generation_basis(self, obj: Obj) -> Any:
        # binding is no change of what the pod should be
        return {name: value for name, value in objects.spec(obj).items() if name != "nodeName"}

    def grace_period(self, obj: Obj, options: DeleteOptions) -> int | None:
        """Nobody has to stop a pod that is on no node, or over."""
        spec = objects.spec(obj)
        if not spec.get("nodeName") or is_terminal(obj):
            return 0
        period = options.grace_period_seconds
        if period is None:
            period = int(spec.get("terminationGracePeriodSeconds") or 0)
        return 1 if period < 0 else period

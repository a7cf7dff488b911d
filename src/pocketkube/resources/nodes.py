"""Nodes.

Models pkg/registry/core/node/strategy.go, ValidateNode*, the node printer and the admission of nodes: a new one is not
ready until somebody says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import node_validation
from pocketkube.resources.base import CONNECT, Column, Resource
from pocketkube.resources.columns import AGE, NAME, UNKNOWN, age, described

_ROLE: Final = "node-role.kubernetes.io/"
NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
_INFO: Final = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


class RESOURCE(Resource):
    kind = "Node"
    plural = "nodes"
    short_names = ("no",)
    namespaced = False
    has_status = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"proxy": ("NodeProxyOptions", CONNECT)}
    storage_prefix = "minions"
    revalidates_metadata = True
    columns = described(
        "nodes",
        NAME,
        Column("Status"),
        Column("Roles"),
        AGE,
        Column("Version"),
        Column("Internal-IP", priority=1),
        Column("External-IP", priority=1),
        Column("OS-Image", priority=1),
        Column("Kernel-Version", priority=1),
        Column("Container-Runtime", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        info = objects.status(obj).get("nodeInfo") or {}
        ready = objects.condition(obj, "Ready")
        states = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
        if objects.spec(obj).get("unschedulable"):
            states.append("SchedulingDisabled")
        kernel = info.get("kernelVersion") or UNKNOWN
        if architecture := info.get("architecture"):
            kernel += f" ({architecture})"
        return [
            objects.name(obj),
            ",".join(states),
            ",".join(_roles(obj)) or "<none>",
            age(self.world.clock, obj),
            info.get("kubeletVersion", ""),
            _address(obj, "InternalIP"),
            _address(obj, "ExternalIP"),
            info.get("osImage") or UNKNOWN,
            kernel,
            info.get("containerRuntimeVersion") or UNKNOWN,
        ]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        closed = bool(objects.spec(obj).get("unschedulable"))
        return {"metadata.name": objects.name(obj), "spec.unschedulable": str(closed).lower()}

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})
        status = obj.setdefault("status", {})
        if "capacity" in status and "allocatable" not in status:
            status["allocatable"] = dict(status["capacity"])
        status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})
        info = status.setdefault("nodeInfo", {})
        for name in _INFO:
            info.setdefault(name, "")

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is not None:
            return
        taints = new["spec"].get("taints") or []
        if not any((taint.get("key"), taint.get("effect")) == (NOT_READY, "NoSchedule") for taint in taints):
            new["spec"]["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]

    def initial_status(self, obj: Obj) -> Obj:
        status: Obj = obj["status"]
        return status

    def prepare_create(self, obj: Obj) -> None:
        _without_config(obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        _without_config(new)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        _without_config(new)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return node_validation.node(obj)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from node_validation.node(new)
        yield from node_validation.update(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return node_validation.update(new, old)

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        return node_validation.warnings(new)


def _without_config(obj: Obj) -> None:
    """Drop what configured kubelets once, and no object here has ever had."""
    objects.spec(obj).pop("configSource", None)
    objects.status(obj).pop("config", None)


def _roles(obj: Obj) -> list[str]:
    held = objects.labels(obj)
    roles = {key.removeprefix(_ROLE) for key in held if key.startswith(_ROLE)} | {held.get("kubernetes.io/role", "")}
    return sorted(roles - {""})


def _address(obj: Obj, type_: str) -> str:
    found = (a["address"] for a in objects.status(obj).get("addresses") or () if a.get("type") == type_)
    return next(found, "<none>")

"""Nodes.

Models pkg/registry/core/node/strategy.go, ValidateNode*, the node printer and the admission of nodes: a new one is not
ready until somebody says so. Left out: spec.configSource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import CONNECT, Column, Resource
from pocketkube.resources.columns import AGE, NAME, UNKNOWN, age, described
from pocketkube.selectors import label_value_errors

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

    def validate(self, obj: Obj) -> Iterator[Cause]:
        seen: set[tuple[str, str]] = set()
        for index, taint in enumerate(objects.spec(obj).get("taints") or ()):
            at = f"spec.taints[{index}]"
            yield from _taint(at, taint)
            identity = (taint.get("key", ""), taint.get("effect", ""))
            if identity in seen:
                yield fields.duplicate(at, taint)
            seen.add(identity)
        yield from _pod_cidrs(objects.spec(obj).get("podCIDRs") or [])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        for name in ("podCIDRs", "providerID"):
            before = objects.spec(old).get(name)
            if before and objects.spec(new).get(name) != before:
                text = 'node updates may not change podCIDR except from "" to valid'
                if name == "providerID":
                    text = 'node updates may not change providerID except from "" to valid'
                yield fields.forbidden(f"spec.{name}", text)


def _pod_cidrs(cidrs: list[str]) -> Iterator[Cause]:
    for index, cidr in enumerate(cidrs):
        for problem in formats.cidr_legacy(cidr):
            yield fields.invalid(f"spec.podCIDRs[{index}]", cidr, problem)
    if len(cidrs) > 1 and (len(cidrs) > 2 or len({":" in cidr for cidr in cidrs}) < 2):
        yield fields.invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")


def _taint(at: str, taint: Obj) -> Iterator[Cause]:
    for problem in formats.qualified_name(taint.get("key", "")):
        yield fields.invalid(f"{at}.key", taint.get("key", ""), problem)
    for problem in label_value_errors(taint.get("value", "")):
        yield fields.invalid(f"{at}.value", taint.get("value", ""), problem)
    effect = taint.get("effect", "")
    if not effect:
        yield fields.required(f"{at}.effect")
    elif effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        yield fields.not_supported(
            f"{at}.effect", effect, ("NoSchedule", "PreferNoSchedule", "NoExecute"), in_order=True
        )


def _roles(obj: Obj) -> list[str]:
    held = objects.labels(obj)
    roles = {key.removeprefix(_ROLE) for key in held if key.startswith(_ROLE)} | {held.get("kubernetes.io/role", "")}
    return sorted(roles - {""})


def _address(obj: Obj, type_: str) -> str:
    found = (a["address"] for a in objects.status(obj).get("addresses") or () if a.get("type") == type_)
    return next(found, "<none>")

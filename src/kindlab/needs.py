"""What a lab needs of its cluster beyond Services and Pods, and whether the cluster has it (`needs` in lab.toml)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kindlab.api import Api, ApiError
from kindlab.checks.door import door_of
from kindlab.checks.enforcement import enforces_policies
from kindlab.checks.verdict import CouldNotGrade
from kindlab.kinds import SNAPSHOT_CLASS
from kindlab.volume_limits import limits

GATEWAY = "GatewayClass.gateway.networking.k8s.io"


def _ingress(api: Api) -> bool:
    """An IngressClass whose controller listens."""
    doors = (door_of(api, found["spec"].get("controller", "")) for found in api.list("IngressClass"))
    return any(door is not None and door.ready for door in doors)


def _gateway(api: Api) -> bool:
    """A GatewayClass that a controller has accepted."""
    conditions = (c for found in api.list(GATEWAY) for c in (found.get("status") or {}).get("conditions") or ())
    return any(c["type"] == "Accepted" and c["status"] == "True" for c in conditions)


def _metrics(api: Api) -> bool:
    """The resource metrics API answers."""
    api.request("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    return True


def _snapshots(api: Api) -> bool:
    """A VolumeSnapshotClass and a StorageClass of the same driver."""
    drivers = {found["driver"] for found in api.list(SNAPSHOT_CLASS)}
    return any(found["provisioner"] in drivers for found in api.list("StorageClass"))


def _expansion(api: Api) -> bool:
    """A StorageClass of a CSI driver whose volumes may grow."""
    drivers = {found["metadata"]["name"] for found in api.list("CSIDriver")}
    return any(c.get("allowVolumeExpansion") and c["provisioner"] in drivers for c in api.list("StorageClass"))


FILLED = 40
"""A node that takes so many volumes is not filled in a lab."""


def _volume_limits(api: Api) -> bool:
    """A StorageClass whose driver tells in a CSINode how many volumes the node takes, few enough to fill it."""
    drivers = {found["provisioner"] for found in api.list("StorageClass")}
    return any(driver in drivers and 0 < count < FILLED for (_, driver), count in limits(api).items())


NEEDS: dict[str, tuple[Callable[[Api], bool], str]] = {
    "ingress": (_ingress, "an ingress controller (cluster-config/traefik-values.yaml installs Traefik)"),
    "gateway": (_gateway, "the Gateway API and a controller for it (cluster-config/gateway-api, traefik-values.yaml)"),
    "metrics": (_metrics, "metrics-server (kubectl apply -k cluster-config/metrics-server installs it)"),
    "snapshots": (_snapshots, "a class of volumes that can be snapshotted (cluster-config/csi-hostpath)"),
    "expansion": (_expansion, "a class whose volumes may grow (cluster-config/csi-hostpath)"),
    "volume-limits": (_volume_limits, "a class whose driver limits its nodes to so many volumes (cluster-config)"),
    "network-policy": (enforces_policies, "a network plugin that enforces NetworkPolicies (kindnet does, flannel not)"),
}
"""Word of lab.toml -> whether a cluster has it, and what to call it."""

TRIED = frozenset({"network-policy"})
"""What only a trial shows, which takes seconds: asked when a lab starts, and by a check when something gets through
that must not (`lab.need_policies`); not at every grade."""


PATIENCE = 5.0
"""Seconds that a cluster which has just been started gets to have everything running."""


def missing(api: Api, needs: Iterable[str]) -> list[str]:
    """What the cluster lacks of these, in words for people; what may still be starting is waited for."""
    lacking = _lacking(api, needs)
    tried = [need for need in lacking if need in TRIED]
    starting = [need for need in lacking if need not in TRIED]
    for _ in api.follow("Pod", timeout=PATIENCE) if starting else ():
        starting = _lacking(api, starting)
        if not starting:
            break
    return [NEEDS[need][1] for need in (*starting, *tried)]


def _lacking(api: Api, needs: Iterable[str]) -> list[str]:
    return [need for need in needs if not _has(api, need)]


def _has(api: Api, need: str) -> bool:
    try:
        return NEEDS[need][0](api)
    except (ApiError, CouldNotGrade):  # not served, or not answered
        return False

"""Filters by what a volume itself forbids: one pod at a time, one node at a time, its zone.

Models pkg/scheduler/framework/plugins/{volumerestrictions,volumezone}.
"""

from __future__ import annotations

from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState
from pocketkube.scheduler.volumes import claim_keys

_BETA: Final = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
TOPOLOGY: Final = (*_BETA, *_BETA.values())
IN_USE: Final = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
_SEVERAL_ZONES: Final = "__"


def restrictions(cycle: Cycle, state: NodeState) -> Refusal | None:
    volumes = cycle.volumes
    if volumes is None:
        return None
    others = [v for pod in state.storing.values() for v in objects.spec(pod)["volumes"]] if volumes.disks else ()
    if any(_is_same_disk(mine, other) for mine in volumes.disks for other in others):
        return Refusal(("node(s) had no available disk",))
    if volumes.single and any(
        not volumes.single.isdisjoint(claim_keys(other))
        for each in cycle.nodes.values()
        for other in each.storing.values()
    ):
        return Refusal((IN_USE,))
    return None


def _is_same_disk(one: Obj, other: Obj) -> bool:
    """Whether two inline volumes are the same disk, and not both read it only."""
    if (a := one.get("awsElasticBlockStore")) and (b := other.get("awsElasticBlockStore")):
        return bool(a["volumeID"] == b["volumeID"])
    for kind, same in (("gcePersistentDisk", _same_gce), ("iscsi", _same_iscsi), ("rbd", _same_rbd)):
        if (a := one.get(kind)) and (b := other.get(kind)) and same(a, b):
            return not (a.get("readOnly") and b.get("readOnly"))
    return False


def _same_gce(a: Obj, b: Obj) -> bool:
    return bool(a["pdName"] == b["pdName"])


def _same_iscsi(a: Obj, b: Obj) -> bool:
    return bool(a["iqn"] == b["iqn"])


def _same_rbd(a: Obj, b: Obj) -> bool:
    monitors = set(a.get("monitors") or ()) & set(b.get("monitors") or ())
    return bool(monitors) and (a.get("pool"), a.get("image")) == (b.get("pool"), b.get("image"))


def zone(cycle: Cycle, state: NodeState) -> Refusal | None:
    """Labels of bound volumes that name zones or regions; a node without such labels takes every volume."""
    volumes = cycle.volumes
    labels = objects.labels(state.node)
    if volumes is None or labels.keys().isdisjoint(TOPOLOGY):
        return None
    for claim in volumes.bound:
        for key, value in objects.labels(volumes.volume_of(claim) or {}).items():
            if key in TOPOLOGY and labels.get(key, labels.get(_BETA.get(key, key))) not in value.split(_SEVERAL_ZONES):
                return Refusal(("node(s) had no available volume zone",), for_good=True)
    return None

"""The filter by where the pod's claims can be used: bound ones by their volume, unbound ones by what could serve them.

Models FindPodVolumes of pkg/scheduler/framework/plugins/volumebinding/binder.go. It leaves a plan for each node that
fits; the scheduler carries out that of the node it chooses. Left out: scores by capacity (alpha).
"""

from __future__ import annotations

from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.objects import Obj
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState
from pocketkube.scheduler.volumes import Plan, PodVolumes
from pocketkube.selectors import from_label_selector, topology_allows

NOTHING_TO_BIND: Final = "node(s) didn't find available persistent volumes to bind"
WRONG_NODE: Final = "node(s) didn't match PersistentVolume's node affinity"
NO_SPACE: Final = "node(s) did not have enough free storage"
NO_VOLUME: Final = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


class _Refused(Exception):
    """`str()` is why a node does not do for the unbound claims."""


def binding(cycle: Cycle, state: NodeState) -> Refusal | None:
    volumes = cycle.volumes
    if volumes is None or not volumes.claims:
        return None
    reasons = []
    if (reason := _bound(volumes, state.node)) is not None:
        reasons.append(reason)
    try:
        volumes.plans[state.name] = _plan(volumes, state.node)
    except _Refused as refused:
        reasons.append(str(refused))
    in_order = (WRONG_NODE, NOTHING_TO_BIND, NO_SPACE, NO_VOLUME)
    return Refusal(tuple(sorted(reasons, key=in_order.index)), for_good=True) if reasons else None


def _bound(volumes: PodVolumes, node: Obj) -> str | None:
    for claim in volumes.bound:
        volume = volumes.volume_of(claim)
        if volume is None:
            return NO_VOLUME
        if not claims.node_matches(volume, node):
            return WRONG_NODE
    return None


def _plan(volumes: PodVolumes, node: Obj) -> Plan:
    """Smaller claims choose first, so that the larger volumes are left for those that need them. Raises _Refused."""
    selected = {claims.SELECTED_NODE: objects.name(node)}
    decided = [claim for claim in volumes.delayed if claims.SELECTED_NODE in objects.annotations(claim)]
    if any(not selected.items() <= objects.annotations(claim).items() for claim in decided):
        raise _Refused(NOTHING_TO_BIND)
    promises: list[tuple[Obj, Obj]] = []
    provisions = list(decided)
    for claim in sorted((c for c in volumes.delayed if c not in decided), key=claims.requested):
        taken = {objects.name(volume) for _, volume in promises}
        volume = claims.find_match(claim, volumes.offers[claims.class_of(claim)], node=node, excluded=taken)
        if volume is None:
            provisions.append(claim)
        else:
            promises.append((claim, volume))
    for claim in provisions:
        _check_provision(volumes, claim, node)
    return Plan(tuple(promises), tuple(provisions))


def _check_provision(volumes: PodVolumes, claim: Obj, node: Obj) -> None:
    """Raises _Refused when no volume can be made for the claim that pods of the node could use."""
    storage_class = volumes.client.get("storageclasses", "", claims.class_of(claim))
    if storage_class["provisioner"] == claims.NO_PROVISIONER:
        raise _Refused(NOTHING_TO_BIND)
    if not topology_allows(storage_class.get("allowedTopologies") or (), objects.labels(node)):
        raise _Refused(NOTHING_TO_BIND)
    if not _has_space(volumes, claim, storage_class, node):
        raise _Refused(NO_SPACE)


def _has_space(volumes: PodVolumes, claim: Obj, storage_class: Obj, node: Obj) -> bool:
    """Whether the driver, if it tells of its capacity at all, has enough where the node reaches it."""
    client = volumes.client
    driver = client.find("csidrivers", "", storage_class["provisioner"])
    if driver is None or not objects.spec(driver).get("storageCapacity"):
        return True
    return any(
        capacity["storageClassName"] == objects.name(storage_class)
        and (most := most_of(capacity)) is not None
        and most >= claims.requested(claim)
        and capacity.get("nodeTopology") is not None
        and from_label_selector(capacity["nodeTopology"])(objects.labels(node))
        for capacity in client.list("csistoragecapacities")
    )


def most_of(capacity: Obj) -> int | None:
    """Bytes of the largest volume a CSIStorageCapacity promises."""
    text = capacity.get("maximumVolumeSize", capacity.get("capacity"))
    return None if text is None else quantity.value(text)

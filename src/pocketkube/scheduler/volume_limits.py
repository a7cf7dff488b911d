"""The filter by how many volumes a node takes: each CSI driver says it in the CSINode (allocatable.count).

Models pkg/scheduler/framework/plugins/nodevolumelimits. A volume counts once on a node, however many pods there use it;
one that is still attached counts too. Left out: in-tree volumes of migrated plugins, and the alpha feature
VolumeLimitScaling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState
from pocketkube.scheduler.volumes import Counted

_TOO_MANY = Refusal(("node(s) exceed max volume count",))


def limits(cycle: Cycle, state: NodeState) -> Refusal | None:
    volumes = cycle.volumes
    if volumes is None or not volumes.claims:
        return None
    client = volumes.client
    most = limits_of(client.find("csinodes", "", state.name))
    if not most:
        return None
    there = {at for pod in state.storing.values() for at in _of_pod(client, pod)}
    coming = {at for claim in volumes.claims if (at := counted(client, claim)) is not None} - there
    if not coming:
        return None
    now = Counter(driver for driver, _ in there | volumes.attached.get(state.name, set()))
    for driver, count in Counter(driver for driver, _ in coming).items():
        if driver in most and now[driver] + count > most[driver]:
            return _TOO_MANY
    return None


def limits_of(csi_node: Obj | None) -> dict[str, int]:
    """Volumes a node takes, by driver; a driver that sets no limit is not in it."""
    drivers = objects.spec(csi_node or {}).get("drivers") or ()
    found = {driver["name"]: objects.dig(driver, "allocatable", "count") for driver in drivers}
    return {name: count for name, count in found.items() if count is not None}


def counted(client: Client, claim: Obj) -> Counted | None:
    """What a claim counts as: its volume, or the volume its class's provisioner will make. None: not a CSI volume."""
    volume = client.find("persistentvolumes", "", objects.spec(claim).get("volumeName") or "")
    if volume is not None:
        source = objects.spec(volume).get("csi")
        return (source["driver"], source["volumeHandle"]) if source else None
    storage_class = client.find("storageclasses", "", claims.class_of(claim))
    if storage_class is None:
        return None
    return storage_class["provisioner"], f"of claim {objects.namespace(claim)}/{objects.name(claim)}"


def _of_pod(client: Client, pod: Obj) -> Iterator[Counted]:
    for volume in objects.spec(pod)["volumes"]:
        name = claims.claim_name(pod, volume)
        claim = client.find("persistentvolumeclaims", objects.namespace(pod), name) if name is not None else None
        if claim is None or ("ephemeral" in volume and claims.not_made_for(pod, claim)):
            continue
        if (at := counted(client, claim)) is not None:
            yield at

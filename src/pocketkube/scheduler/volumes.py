"""The volumes of the pod that is to be placed: its claims, and what already speaks against it whatever the node.

Models the PreFilter steps of pkg/scheduler/framework/plugins/{volumerestrictions,volumebinding,volumezone} in the order
of the default profile. Left out: in-tree volumes that upstream translates to CSI drivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.objects import Key, Obj
from pocketkube.scheduler.nodes import DISKS

UNBOUND: Final = "pod has unbound immediate PersistentVolumeClaims"


Counted = tuple[str, str]
"""(driver, what tells its volumes apart), as limits count volumes."""


class Unresolvable(Exception):
    """No node can help: what is said instead of reasons node by node."""


@dataclass(frozen=True)
class Plan:
    """What has to happen so that the pod's claims can be used on a node. Both empty: they can be."""

    promises: tuple[tuple[Obj, Obj], ...] = ()
    """(claim, volume that will be bound to it)."""
    provisions: tuple[Obj, ...] = ()
    """Claims for which a volume will be made."""

    def __bool__(self) -> bool:
        return bool(self.promises or self.provisions)


@dataclass
class PodVolumes:
    """`claims` in the order of the pod's volumes: `bound` ones and `delayed` ones, which wait for a node."""

    client: Client
    pod: Obj
    bound: list[Obj]
    delayed: list[Obj]
    single: frozenset[Key]
    """Its ReadWriteOncePod claims: no other pod may use them at the same time."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """By name of the node: written by the filter."""

    @property
    def claims(self) -> list[Obj]:
        return [*self.bound, *self.delayed]

    @cached_property
    def disks(self) -> list[Obj]:
        return [volume for volume in objects.spec(self.pod).get("volumes") or () if not DISKS.isdisjoint(volume)]

    @cached_property
    def offers(self) -> Mapping[str, list[Obj]]:
        """By class of the delayed claims: the volumes that could serve them, those of others left out."""
        wanted = {claims.class_of(claim): list[Obj]() for claim in self.delayed}
        mine = {objects.key(claim) for claim in self.delayed}
        for volume in self.client.list("persistentvolumes") if wanted else ():
            ref = objects.spec(volume).get("claimRef")
            if ref is None or (ref.get("namespace", ""), ref.get("name", "")) in mine:
                wanted.get(claims.class_of(volume), []).append(volume)
        return wanted

    @cached_property
    def attached(self) -> Mapping[str, set[Counted]]:
        """By node: the volumes that are attached there."""
        found: dict[str, set[Counted]] = {}
        for attachment in self.client.list("volumeattachments"):
            spec = objects.spec(attachment)
            name = objects.dig(spec, "source", "persistentVolumeName") or ""
            source = objects.spec(self.client.find("persistentvolumes", "", name) or {}).get("csi")
            if source:
                found.setdefault(spec["nodeName"], set()).add((spec["attacher"], source["volumeHandle"]))
        return found

    def volume_of(self, claim: Obj) -> Obj | None:
        return self.client.find("persistentvolumes", "", objects.spec(claim).get("volumeName") or "")


def claim_keys(pod: Obj) -> set[Key]:
    """Of the claims a pod uses."""
    return {(objects.namespace(pod), name) for name in claims.used_by(pod)}


def look(client: Client, pod: Obj) -> PodVolumes | None:
    """The pod's volumes; None when it has none that count. Raises Unresolvable."""
    storing = [
        volume for volume in objects.spec(pod).get("volumes") or () if claims.claim_name(pod, volume) is not None
    ]
    if not storing:
        volumes = PodVolumes(client, pod, [], [], frozenset())
        return volumes if volumes.disks else None
    named = [_claim(client, pod, volume) for volume in storing if "ephemeral" not in volume]
    single = frozenset(
        objects.key(c) for c in named if "ReadWriteOncePod" in (objects.spec(c).get("accessModes") or ())
    )
    bound: list[Obj] = []
    delayed: list[Obj] = []
    for claim in [_usable(client, pod, volume) for volume in storing]:
        if claims.is_bound(claim):
            bound.append(claim)
        elif not objects.spec(claim).get("volumeName") and claims.is_delayed(_class(client, claim)):
            delayed.append(claim)
        else:
            raise Unresolvable(UNBOUND)
    volumes = PodVolumes(client, pod, bound, delayed, single)
    for claim in named:
        if claims.is_bound(claim) and volumes.volume_of(claim) is None:
            raise Unresolvable(f'persistentvolume "{objects.spec(claim)["volumeName"]}" not found')
    return volumes


def _claim(client: Client, pod: Obj, volume: Obj) -> Obj:
    name = claims.claim_name(pod, volume) or ""
    claim = client.find("persistentvolumeclaims", objects.namespace(pod), name)
    if claim is not None:
        return claim
    if "ephemeral" in volume:
        raise Unresolvable(f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"')
    raise Unresolvable(f'persistentvolumeclaim "{name}" not found')


def _usable(client: Client, pod: Obj, volume: Obj) -> Obj:
    claim = _claim(client, pod, volume)
    name = objects.name(claim)
    if objects.status(claim).get("phase") == "Lost":
        lost = objects.spec(claim).get("volumeName", "")
        raise Unresolvable(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"')
    if objects.is_terminating(claim):
        raise Unresolvable(f'persistentvolumeclaim "{name}" is being deleted')
    if "ephemeral" in volume and (foreign := claims.not_made_for(pod, claim)) is not None:
        raise Unresolvable(foreign)
    return claim


def _class(client: Client, claim: Obj) -> Obj | None:
    return client.find("storageclasses", "", claims.class_of(claim))

"""The volumes of the pod that is to be placed: its claims, and what already speaks against it whatever the node.

Models the PreFilter steps of pkg/scheduler/framework/plugins/{volumerestrictions,volumebinding,volumezone} in the order
of the default profile. Left out: in-tree volumes that upstream translates to CSI drivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.objects import Key, Obj
from pocketkube.scheduler.nodes import DISKS, NodeState

UNBOUND: Final = "pod has unbound immediate PersistentVolumeClaims"


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
    contended: bool
    """A ReadWriteOncePod claim of it is in use by another pod."""
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

    def volume_of(self, claim: Obj) -> Obj | None:
        return self.client.find("persistentvolumes", "", objects.spec(claim).get("volumeName") or "")


def claim_names(pod: Obj) -> Iterator[tuple[str, bool]]:
    """Names of the claims a pod uses; True: made for it alone (an ephemeral volume)."""
    for volume in objects.spec(pod).get("volumes") or ():
        if source := volume.get("persistentVolumeClaim"):
            yield source.get("claimName", ""), False
        elif volume.get("ephemeral") is not None:
            yield f"{objects.name(pod)}-{volume['name']}", True


def claim_keys(pod: Obj) -> set[Key]:
    return {(objects.namespace(pod), name) for name, _ in claim_names(pod)}


def look(client: Client, pod: Obj, nodes: Iterable[NodeState]) -> PodVolumes | None:
    """The pod's volumes; None when it has none that count. Raises Unresolvable."""
    names = list(claim_names(pod))
    if not names:
        volumes = PodVolumes(client, pod, [], [], contended=False)
        return volumes if volumes.disks else None
    found = [_claim(client, pod, name, ephemeral=False) for name, ephemeral in names if not ephemeral]
    single = {objects.key(c) for c in found if "ReadWriteOncePod" in (objects.spec(c).get("accessModes") or ())}
    contended = bool(single) and any(
        (objects.namespace(other), name) in single
        for state in nodes
        for other in state.storing.values()
        for name, ephemeral in claim_names(other)
        if not ephemeral
    )
    bound: list[Obj] = []
    delayed: list[Obj] = []
    every = [_usable(client, pod, name, ephemeral=ephemeral) for name, ephemeral in names]
    for claim in every:
        if claims.is_bound(claim):
            bound.append(claim)
        elif not objects.spec(claim).get("volumeName") and claims.is_delayed(_class(client, claim)):
            delayed.append(claim)
        else:
            raise Unresolvable(UNBOUND)
    volumes = PodVolumes(client, pod, bound, delayed, contended=contended)
    for claim in found:
        if claims.is_bound(claim) and volumes.volume_of(claim) is None:
            raise Unresolvable(f'persistentvolume "{objects.spec(claim)["volumeName"]}" not found')
    return volumes


def _claim(client: Client, pod: Obj, name: str, *, ephemeral: bool) -> Obj:
    claim = client.find("persistentvolumeclaims", objects.namespace(pod), name)
    if claim is not None:
        return claim
    if ephemeral:
        raise Unresolvable(f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"')
    raise Unresolvable(f'persistentvolumeclaim "{name}" not found')


def _usable(client: Client, pod: Obj, name: str, *, ephemeral: bool) -> Obj:
    claim = _claim(client, pod, name, ephemeral=ephemeral)
    if objects.status(claim).get("phase") == "Lost":
        volume = objects.spec(claim).get("volumeName", "")
        raise Unresolvable(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"')
    if objects.is_terminating(claim):
        raise Unresolvable(f'persistentvolumeclaim "{name}" is being deleted')
    if ephemeral and not is_owned(claim, pod):
        at, of = "/".join(objects.key(claim)), "/".join(objects.key(pod))
        raise Unresolvable(f"PVC {at} was not created for pod {of} (pod is not owner)")
    return claim


def is_owned(claim: Obj, pod: Obj) -> bool:
    """Whether the claim was made for an ephemeral volume of this pod."""
    ref = objects.controller_ref(claim)
    return ref is not None and ref.get("uid") == objects.uid(pod)


def _class(client: Client, claim: Obj) -> Obj | None:
    return client.find("storageclasses", "", claims.class_of(claim))

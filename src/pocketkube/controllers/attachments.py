"""What has to be attached where: the CSI volumes of the pods of each node.

Models pkg/controller/volume/attachdetach/{cache,util}: the desired state of the world.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

_MANAGED: Final = "volumes.kubernetes.io/controller-managed-attach-detach"
_SHARED: Final = frozenset({"ReadWriteMany", "ReadOnlyMany"})


@dataclass(frozen=True)
class Attachable:
    """A CSI volume and a node."""

    driver: str
    handle: str
    node: str

    @classmethod
    def of(cls, volume: Obj, node: str) -> Attachable | None:
        """Of a PersistentVolume; None: it is not of a CSI driver."""
        source = objects.spec(volume).get("csi")
        return cls(source["driver"], source["volumeHandle"], node) if source else None

    @classmethod
    def parse(cls, reported: str, node: str) -> Attachable | None:
        """As a node's status names it; None: not a CSI volume."""
        driver, separator, handle = reported.removeprefix(_PREFIX).partition("^")
        return cls(driver, handle, node) if separator and reported.startswith(_PREFIX) else None

    @cached_property
    def reported(self) -> str:
        return claims.attached_name(self.driver, self.handle)

    @cached_property
    def attachment(self) -> str:
        return claims.attachment_name(self.driver, self.handle, self.node)


_PREFIX: Final = claims.attached_name("", "").removesuffix("^")


@dataclass
class Wanted:
    """`shared`: its access modes allow it on several nodes."""

    name: str
    """Of the PersistentVolume."""
    shared: bool
    pods: list[Obj] = field(default_factory=list)


class Wishes:
    """What pods want, by node; told by events which nodes to look at."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._pods: defaultdict[str, dict[str, Obj]] = defaultdict(dict)
        """Pods with claims, by node and uid."""
        self._unready: defaultdict[Key, set[str]] = defaultdict(set)
        """Nodes whose pods wait for the claim to be bound."""
        self._settled: dict[str, list[tuple[Attachable, str, bool]]] = {}
        """What pods want, by uid, once all their claims are bound: that does not change any more."""

    def of_pod(self, event: Event) -> Iterable[Key]:
        pod, node = event.object, objects.spec(event.object).get("nodeName")
        if not node or not claims.used_by(pod):
            return
        gone = event.type == DELETED or claims.is_done(pod)
        known = objects.uid(pod) in self._pods[node]
        if gone:
            self._pods[node].pop(objects.uid(pod), None)
            self._settled.pop(objects.uid(pod), None)
        else:
            self._pods[node][objects.uid(pod)] = pod
        if known is gone:
            yield "", node

    def of_claim(self, event: Event) -> Iterable[Key]:
        return [("", node) for node in self._unready.pop(objects.key(event.object), ())]

    def of_volume(self, event: Event) -> Iterable[Key]:
        ref = objects.spec(event.object).get("claimRef") or {}
        at = (ref.get("namespace", ""), ref.get("name", ""))
        return [("", node) for node in self._unready.pop(at, ())]

    def of_driver(self, event: Event) -> Iterable[Key]:
        return [("", node) for node in self._pods]

    def of_node(self, node: str) -> dict[Attachable, Wanted]:
        found: dict[Attachable, Wanted] = {}
        for pod in self._pods.get(node, {}).values():
            for attachable, name, shared in self._of(pod, node):
                if self._is_to_be_attached(attachable.driver):
                    found.setdefault(attachable, Wanted(name, shared)).pods.append(pod)
        return found

    def users(self, volume: Attachable) -> list[Obj]:
        """The pods that want a volume on its node."""
        wish = self.of_node(volume.node).get(volume)
        return wish.pods if wish is not None else []

    def _of(self, pod: Obj, node: str) -> list[tuple[Attachable, str, bool]]:
        """The CSI volumes behind a pod's bound claims: each with its name and whether it is shared."""
        if (settled := self._settled.get(objects.uid(pod))) is not None:
            return settled
        found: dict[str, tuple[Attachable, str, bool]] = {}
        all_bound = True
        for source in objects.spec(pod)["volumes"]:
            name = claims.claim_name(pod, source)
            if name is None:
                continue
            at = (objects.namespace(pod), name)
            claim = self.client.find("persistentvolumeclaims", *at)
            foreign = claim is not None and "ephemeral" in source and claims.not_made_for(pod, claim) is not None
            volume = self._behind(claim) if claim is not None and not foreign else None
            if volume is None:
                self._unready[at].add(node)
                all_bound = False
            elif (attachable := Attachable.of(volume, node)) is not None:
                modes = objects.spec(volume).get("accessModes") or ()
                shared = not modes or not _SHARED.isdisjoint(modes)
                found[attachable.reported] = attachable, objects.name(volume), shared
        if all_bound:
            self._settled[objects.uid(pod)] = list(found.values())
        return list(found.values())

    def _behind(self, claim: Obj) -> Obj | None:
        if objects.status(claim).get("phase") != "Bound":
            return None
        volume = self.client.find("persistentvolumes", "", objects.spec(claim).get("volumeName") or "")
        if volume is None or not claims.is_owned(volume, claim):
            return None
        return volume

    def _is_to_be_attached(self, driver: str) -> bool:
        """A driver that says nothing, or that has no CSIDriver, is asked."""
        found = self.client.find("csidrivers", "", driver)
        return objects.spec(found or {}).get("attachRequired", True) is not False


def is_managed(node: Obj) -> bool:
    """Whether its kubelet leaves attaching to this controller."""
    return _MANAGED in objects.annotations(node)


def multi_attach_text(pod: Obj, users: list[Obj]) -> str:
    """Why a volume cannot come to the pod's node: who has it elsewhere, as far as the pod's namespace may know."""
    if not users:
        return "Volume is already exclusively attached to one node and can't be attached to another"
    mine = [objects.name(user) for user in users if objects.namespace(user) == objects.namespace(pod)]
    others = len(users) - len(mine)
    strangers = f"{others} pod(s) in different namespaces"
    if not mine:
        return f"Volume is already used by {strangers}"
    return f"Volume is already used by pod(s) {', '.join(mine)}" + (f" and {strangers}" if others else "")

"""What the scheduler keeps in mind of each pod and each node, so that it need not be worked out for every decision.

Models PodInfo and NodeInfo of pkg/scheduler/framework/types.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.podresources import Amounts, HostPort, allocatable, host_ports, ports_conflict, requests
from pocketkube.scheduler.terms import Term, terms_of

DISKS = frozenset({"awsElasticBlockStore", "gcePersistentDisk", "iscsi", "rbd"})
"""Volume sources that name one disk, which may not be used twice on a node."""
_STORING = DISKS | {"persistentVolumeClaim", "ephemeral"}
Group = tuple[str, frozenset[tuple[str, str]]]
"""Namespace and labels."""
DEFAULTS = {"cpu": 100, "memory": 200 * 1024 * 1024}
"""What a container that asks for nothing is taken to use where nodes are compared."""


class PodInfo:
    """A pod and what is read out of its spec, worked out once."""

    def __init__(self, pod: Obj) -> None:
        self.pod = pod
        self.uid = objects.uid(pod)
        self.namespace = objects.namespace(pod)
        self.labels = objects.labels(pod)
        self.spec = objects.spec(pod)
        self.priority: int = self.spec.get("priority") or 0
        self.requests = requests(self.spec)
        self.ports = host_ports(self.spec)
        affinity = self.spec.get("affinity") or {}
        self.group: Group = (self.namespace, frozenset(self.labels.items()))
        self.affine = bool(affinity.get("podAffinity") or affinity.get("podAntiAffinity"))

    @cached_property
    def seen(self) -> Amounts:
        """As `requests`, for containers that ask for nothing too: what scores go by."""
        return requests(self.spec, DEFAULTS)

    @cached_property
    def affinity(self) -> tuple[Term, ...]:
        """Required terms."""
        return terms_of(self.pod, "podAffinity", required=True) if self.affine else ()

    @cached_property
    def anti_affinity(self) -> tuple[Term, ...]:
        return terms_of(self.pod, "podAntiAffinity", required=True) if self.affine else ()

    @cached_property
    def preferred(self) -> tuple[Term, ...]:
        """Preferred terms of both kinds; those of anti-affinity weigh less than nothing."""
        if not self.affine:
            return ()
        return (
            *terms_of(self.pod, "podAffinity", required=False),
            *terms_of(self.pod, "podAntiAffinity", required=False),
        )

    @property
    def is_storing(self) -> bool:
        """Whether it has claims or disks; most have only volumes of their own."""
        return not all(_STORING.isdisjoint(volume) for volume in self.spec.get("volumes") or ())

    def renew(self, pod: Obj) -> bool:
        """Take over a newer version of the pod; False when that needs to be looked at anew."""
        same = objects.labels(pod) == self.labels and objects.spec(pod) == self.spec
        if same:
            self.pod = pod
        return same


@dataclass
class Likes:
    """Pods of one namespace with the same labels: how many, and how many of them are not going."""

    namespace: str
    labels: dict[str, str]
    total: int = 0
    staying: int = 0


class NodeState:
    """One node with the pods on it."""

    def __init__(self, node: Obj) -> None:
        self.node = node
        self.pods: dict[str, PodInfo] = {}
        """By uid."""
        self.requested: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        """What scores go by, see `PodInfo.seen`."""
        self.ports: Counter[HostPort] = Counter()
        self.affine: dict[str, PodInfo] = {}
        """The pods with affinity or anti-affinity to pods, by uid."""
        self.storing: dict[str, Obj] = {}
        """The pods with volumes that others have to reckon with, by uid."""
        self._groups: dict[Group, Likes] = {}
        self._going: set[str] = set()
        """Uids of the pods that are terminating."""

    @property
    def node(self) -> Obj:
        return self._node

    @node.setter
    def node(self, node: Obj) -> None:
        self._node = node
        self.name = objects.name(node)
        self.labels = objects.labels(node)
        status = objects.status(node)
        self.allocatable = allocatable(status)
        self.images = {name: i.get("sizeBytes", 0) for i in status.get("images") or () for name in i.get("names") or ()}
        """Bytes by name."""

    def copy(self) -> NodeState:
        """One to try things on."""
        other = NodeState(self.node)
        other.pods = self.pods.copy()
        other.requested, other.seen, other.ports = self.requested.copy(), self.seen.copy(), self.ports.copy()
        other.affine, other.storing = self.affine.copy(), self.storing.copy()
        other._groups = {at: Likes(g.namespace, g.labels, g.total, g.staying) for at, g in self._groups.items()}
        other._going = self._going.copy()
        return other

    def add(self, pod: Obj) -> None:
        """A pod that came, or another version of one."""
        uid = objects.uid(pod)
        info = self.pods.get(uid)
        if info is None or not info.renew(pod):
            self.remove(uid)
            self.put(PodInfo(pod))
        elif objects.is_terminating(pod) and uid not in self._going:
            self._going.add(uid)
            self._groups[info.group].staying -= 1
        if uid in self.storing:
            self.storing[uid] = pod

    def put(self, info: PodInfo) -> None:
        """A pod that is not there yet."""
        self.pods[info.uid] = info
        if info.affine:
            self.affine[info.uid] = info
        if info.is_storing:
            self.storing[info.uid] = info.pod
        group = self._groups.setdefault(info.group, Likes(info.namespace, info.labels))
        group.total += 1
        if objects.is_terminating(info.pod):
            self._going.add(info.uid)
        else:
            group.staying += 1
        self._count(info, 1)

    def remove(self, uid: str) -> None:
        info = self.pods.pop(uid, None)
        if info is None:
            return
        self.affine.pop(uid, None)
        self.storing.pop(uid, None)
        at = info.group
        group = self._groups[at]
        group.total -= 1
        if uid in self._going:
            self._going.discard(uid)
        else:
            group.staying -= 1
        if not group.total:
            del self._groups[at]
        self._count(info, -1)

    def _count(self, info: PodInfo, sign: int) -> None:
        for name, amount in info.requests.items():
            self.requested[name] += sign * amount
        for name, amount in info.seen.items():
            self.seen[name] += sign * amount
        for port in info.ports:
            self.ports[port] += sign

    def groups(self) -> Iterable[Likes]:
        """The pods, those alike together: one look at each kind is enough."""
        return self._groups.values()

    def exclusive(self) -> Iterator[PodInfo]:
        """The pods with required anti-affinity."""
        return (info for info in self.affine.values() if info.anti_affinity)

    def conflicts(self, wanted: Iterable[HostPort]) -> bool:
        return ports_conflict(wanted, (port for port, count in self.ports.items() if count))

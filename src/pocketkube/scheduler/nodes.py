"""What the scheduler keeps in mind of each node: its pods, what they request, their ports.

Models pkg/scheduler/framework/types.go NodeInfo and component-helpers/resource PodRequests. Amounts are cpu in
millicores, memory and ephemeral-storage in bytes, everything else in whole units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

from pocketkube import objects, quantity
from pocketkube.objects import Obj

Amounts = Mapping[str, int]
HostPort = tuple[str, str, int]
"""(host address, protocol, port)."""
ANY = "0.0.0.0"
DISKS = frozenset({"awsElasticBlockStore", "gcePersistentDisk", "iscsi", "rbd"})
"""Volume sources that name one disk, which may not be used twice on a node."""
_STORING = DISKS | {"persistentVolumeClaim", "ephemeral"}


def requests(pod: Obj) -> Amounts:
    """What a pod asks for: the sum of its containers, or its largest init step when that is more, and the overhead.

    Init containers that restart (sidecars) run on, so they count beside everything that comes after them.
    """
    spec = objects.spec(pod)
    total: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        total.update(_amounts(container))
    sidecars: Counter[str] = Counter()
    peak: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars.update(_amounts(container))
            peak |= sidecars
        else:
            peak |= sidecars + _amounts(container)
    total = (total + sidecars) | peak
    declared = ((spec.get("resources") or {}).get("requests")) or {}
    for name, amount in declared.items():  # requests of the pod as a whole go before those of its containers
        total[name] = amount_of(name, amount)
    for name, amount in (spec.get("overhead") or {}).items():
        total[name] += amount_of(name, amount)
    return total


def _amounts(container: Obj) -> Counter[str]:
    asked = (container.get("resources") or {}).get("requests") or {}
    return Counter({name: amount_of(name, amount) for name, amount in asked.items()})


@lru_cache(maxsize=4096)
def amount_of(name: str, text: str | int | float) -> int:
    return quantity.milli(text) if name == "cpu" else quantity.value(text)


def host_ports(pod: Obj) -> list[HostPort]:
    spec = objects.spec(pod)
    containers = [
        *(spec.get("containers") or ()),
        *(c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"),
    ]
    return [
        (port.get("hostIP") or ANY, port.get("protocol") or "TCP", port["hostPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def is_storing(pod: Obj) -> bool:
    """Whether a pod has claims or disks; most have only volumes of their own."""
    return not all(_STORING.isdisjoint(volume) for volume in objects.spec(pod).get("volumes") or ())


class NodeState:
    """One node with the pods on it."""

    def __init__(self, node: Obj) -> None:
        self.node = node
        self.pods: dict[str, Obj] = {}
        """By uid."""
        self.requested: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        """As `requested`, with 100m cpu and 200MB for containers that ask for nothing: what scores go by."""
        self.ports: Counter[HostPort] = Counter()
        self.owners: Counter[str] = Counter()
        """Pods by uid of their controller."""
        self.exclusive: dict[str, Obj] = {}
        """The pods with required anti-affinity, by uid."""
        self.storing: dict[str, Obj] = {}
        """The pods with volumes that others have to reckon with, by uid."""

    @property
    def name(self) -> str:
        return objects.name(self.node)

    @property
    def allocatable(self) -> Amounts:
        state = objects.status(self.node)
        given = state.get("allocatable") or state.get("capacity") or {}
        return {name: amount_of(name, amount) for name, amount in given.items()}

    def add(self, pod: Obj) -> None:
        self.remove(objects.uid(pod))
        self.pods[objects.uid(pod)] = pod
        if objects.dig(pod, "spec", "affinity", "podAntiAffinity"):
            self.exclusive[objects.uid(pod)] = pod
        if is_storing(pod):
            self.storing[objects.uid(pod)] = pod
        self._count(pod, 1)

    def remove(self, uid: str) -> None:
        self.exclusive.pop(uid, None)
        self.storing.pop(uid, None)
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)

    def _count(self, pod: Obj, sign: int) -> None:
        for name, amount in requests(pod).items():
            self.requested[name] += sign * amount
        for name, amount in nonzero_requests(pod).items():
            self.seen[name] += sign * amount
        for port in host_ports(pod):
            self.ports[port] += sign
        ref = objects.controller_ref(pod)
        if ref is not None:
            self.owners[ref["uid"]] += sign

    def conflicts(self, wanted: Iterable[HostPort]) -> bool:
        taken = [port for port, count in self.ports.items() if count]
        return any(
            protocol == other_protocol and number == other_number and (ip == other_ip or ANY in (ip, other_ip))
            for ip, protocol, number in wanted
            for other_ip, other_protocol, other_number in taken
        )


DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024


def nonzero_requests(pod: Obj) -> Amounts:
    """cpu and memory with upstream's defaults for containers that ask for nothing."""
    spec = objects.spec(pod)
    total: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        asked = _amounts(container)
        total["cpu"] += asked.get("cpu", DEFAULT_CPU)
        total["memory"] += asked.get("memory", DEFAULT_MEMORY)
    return total

"""Whether a node takes a pod that was put on it without asking the scheduler.

Models pkg/kubelet/lifecycle/predicate.go as far as host ports go: a pod that wants one somebody has fails and stays
failed. Left out: resources, node affinity, taints, operating system.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import NotFound
from pocketkube.objects import Obj

HostPort = tuple[str, str, int]
"""(host address, protocol, port)."""
_ANY = ("", "0.0.0.0", "::")


_NO_PORTS = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"


def admit(client: Client, pod: Obj, others: Iterable[Obj]) -> bool:
    """Whether the node can take the pod beside these; one it cannot take is written down as failed."""
    wanted = list(_host_ports(pod))
    taken = [port for other in others for port in _host_ports(other)] if wanted else []
    if not any(_conflict(one, two) for one in wanted for two in taken):
        return True
    client.record(pod, "Warning", "NodePorts", _NO_PORTS)
    change = {"phase": "Failed", "reason": "NodePorts", "message": f"Pod was rejected: {_NO_PORTS}"}
    with suppress(NotFound):
        client.patch("pods", objects.key(pod), lambda copy: copy["status"].update(change), subresource="status")
    return False


def _host_ports(pod: Obj) -> Iterator[HostPort]:
    spec = objects.spec(pod)
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*sidecars, *(spec.get("containers") or ())]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP", ""), port.get("protocol", "TCP"), port["hostPort"]


def _conflict(one: HostPort, two: HostPort) -> bool:
    """The same port of the same protocol, at one address or at any."""
    return one[1:] == two[1:] and (one[0] == two[0] or one[0] in _ANY or two[0] in _ANY)

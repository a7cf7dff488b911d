"""Host ports: ports of a node that lead to a pod on it.

Models the CNI's portmap plugin as kind has it: a hostPort of one hostIP answers at that address only, without one at
every address of the node; 127.0.0.1 works from the node itself. What comes from the node's loopback or from a pod of
the same node is masqueraded, everything else keeps its source. Services' ports win, processes of the node lose.
Left out: SCTP, and ::1, which the plugin does not map either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pocketkube.network.addresses import is_ipv6, is_loopback, literal
from pocketkube.network.route import Route, Sender
from pocketkube.objects import Obj


@dataclass(frozen=True, slots=True)
class Mapping:
    """(hostIP, hostPort, protocol) of a node -> a port of a pod with these addresses."""

    host_ip: str
    host_port: int
    protocol: str
    addresses: tuple[str, ...]
    port: int

    def answers_at(self, address: str) -> bool:
        """Whether the node's address, or its loopback, is one it is mapped at."""
        if self.host_ip in ("0.0.0.0", "::"):
            return is_ipv6(self.host_ip) == is_ipv6(address)
        return not self.host_ip or literal(self.host_ip) == address


class Portmap:
    """The host ports of all nodes."""

    def __init__(self) -> None:
        self._mapped: dict[tuple[str, int, str], list[Mapping]] = {}
        """(node, port, protocol) -> who has it, the first one first."""

    def add(self, node: str, addresses: tuple[str, ...], containers: Iterable[Obj]) -> None:
        """Map the host ports of a pod's containers."""
        for container in containers:
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    continue
                protocol = port.get("protocol", "TCP")
                found = Mapping(port.get("hostIP", ""), port["hostPort"], protocol, addresses, port["containerPort"])
                self._mapped.setdefault((node, found.host_port, protocol), []).append(found)

    def remove(self, addresses: tuple[str, ...]) -> None:
        """The pod with these addresses is gone."""
        for key, found in list(self._mapped.items()):
            kept = [mapping for mapping in found if mapping.addresses != addresses]
            if kept:
                self._mapped[key] = kept
            else:
                del self._mapped[key]

    def route(self, sender: Sender, node: str | None, address: str, port: int, protocol: str) -> Route | None:
        """Where a flow to `address` (of `node`, or its loopback) goes; None when no pod has the port."""
        if node is None:
            return None
        for mapping in self._mapped.get((node, port, protocol), ()):
            to = next((own for own in mapping.addresses if is_ipv6(own) == is_ipv6(address)), None)
            if to is not None and mapping.answers_at(address):
                near = is_loopback(address) or (sender.node == node and not sender.is_node)
                return Route(to, mapping.port, near, node)
        return None

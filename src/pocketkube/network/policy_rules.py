"""NetworkPolicies turned into something that answers at once: rules of ports and peers, with their selectors parsed.

Models what the API says of a NetworkPolicySpec. A rule that names ports matches only packets that have one, so an echo
request passes by rules without ports alone, as with kindnet. Everything here is a value; `policy_engine` keeps them up
to date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pocketkube import objects
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.selectors import LabelSelector, from_label_selector
from pocketkube.selectors.labels import Labels

NamespaceLabels = Callable[[str], Labels]


@dataclass(frozen=True, slots=True)
class Pod:
    """What policies look at in a pod that has an address of its own."""

    key: Key
    labels: Labels
    addresses: tuple[str, ...]
    ports: frozenset[tuple[str, int, str]]
    """(name, number, protocol) of the named ports of its containers."""

    @staticmethod
    def read(pod: Obj, given: tuple[str, ...] = ()) -> Pod | None:
        """`given`: addresses its status may not tell yet. None: it is the node (hostNetwork), has no address, or has
        finished and lost it."""
        status, spec = objects.status(pod), objects.spec(pod)
        addresses = given or tuple(entry["ip"] for entry in status.get("podIPs") or ())
        if not addresses or spec.get("hostNetwork") or is_terminal(pod):
            return None
        ports = frozenset(
            (port["name"], port["containerPort"], port.get("protocol", "TCP"))
            for container in spec.get("containers", ())
            for port in container.get("ports") or ()
            if port.get("name")
        )
        return Pod(objects.key(pod), objects.labels(pod), addresses, ports)


@dataclass(frozen=True, slots=True)
class PortRange:
    """`name` when the port is named; without either, every port of the protocol (`first` 0, `last` 65535)."""

    protocol: str
    first: int
    last: int
    name: str = ""

    def matches(self, port: int, protocol: str, destination: Pod | None) -> bool:
        if protocol != self.protocol:
            return False
        if self.name:
            return destination is not None and (self.name, port, protocol) in destination.ports
        return self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class Selected:
    """A peer chosen by labels. `namespace` is the only one it may be in, unless namespaces are selected."""

    namespace: str
    namespaces: LabelSelector | None
    pods: LabelSelector | None

    def matches(self, address: str, pod: Pod | None, labels_of: NamespaceLabels) -> bool:
        if pod is None:
            return False  # what is no pod is matched by ipBlock alone
        if self.pods is not None and not self.pods(pod.labels):
            return False
        if self.namespaces is None:
            return pod.key[0] == self.namespace
        return self.namespaces(labels_of(pod.key[0]))


@dataclass(frozen=True, slots=True)
class Block:
    """A peer chosen by address, pod or not."""

    whole: IPv4Network | IPv6Network
    excepted: tuple[IPv4Network | IPv6Network, ...]

    def matches(self, address: str, pod: Pod | None, labels_of: NamespaceLabels) -> bool:
        parsed = _parsed(address)
        return parsed in self.whole and not any(parsed in part for part in self.excepted)


@dataclass(frozen=True, slots=True)
class Rule:
    """Traffic on one of the ports with one of the peers; None: with any."""

    ports: tuple[PortRange, ...] | None
    peers: tuple[Selected | Block, ...] | None

    def allows(
        self,
        address: str,
        peer: Pod | None,
        port: int,
        protocol: str,
        destination: Pod | None,
        labels_of: NamespaceLabels,
    ) -> bool:
        """`address` and `peer` are the other end; `destination` is the pod the port belongs to."""
        if self.ports is not None and not any(p.matches(port, protocol, destination) for p in self.ports):
            return False
        return self.peers is None or any(p.matches(address, peer, labels_of) for p in self.peers)


@dataclass(frozen=True, slots=True)
class Compiled:
    """One NetworkPolicy. A direction it does not isolate is None; one it closes has no rules."""

    pods: LabelSelector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


def compile_policy(policy: Obj) -> Compiled:
    """A stored NetworkPolicy: defaults are filled in and it is valid."""
    spec, namespace = objects.spec(policy), objects.namespace(policy)
    types = spec.get("policyTypes") or ()
    return Compiled(
        from_label_selector(spec.get("podSelector") or {}),
        _rules(spec.get("ingress"), "from", namespace) if "Ingress" in types else None,
        _rules(spec.get("egress"), "to", namespace) if "Egress" in types else None,
    )


def _rules(rules: list[Obj] | None, peers: str, namespace: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            tuple(map(_port, rule["ports"])) if rule.get("ports") else None,
            tuple(_peer(peer, namespace) for peer in rule[peers]) if rule.get(peers) else None,
        )
        for rule in rules or ()
    )


def _port(port: Obj) -> PortRange:
    protocol, number = port.get("protocol", "TCP"), port.get("port")
    if number is None:
        return PortRange(protocol, 0, 65535)
    if isinstance(number, str):
        return PortRange(protocol, 0, 0, number)
    return PortRange(protocol, number, port.get("endPort") or number)


def _peer(peer: Obj, namespace: str) -> Selected | Block:
    block = peer.get("ipBlock")
    if block is not None:
        excepted = tuple(ip_network(text, strict=False) for text in block.get("except") or ())
        return Block(ip_network(block["cidr"], strict=False), excepted)
    namespaces, pods = (
        None if peer.get(name) is None else from_label_selector(peer[name])
        for name in ("namespaceSelector", "podSelector")
    )
    return Selected(namespace, namespaces, pods)


@lru_cache(maxsize=8192)
def _parsed(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address)

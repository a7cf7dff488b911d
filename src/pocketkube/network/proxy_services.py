"""What kube-proxy reads from a Service: the addresses and ports it answers at, and the rules for each.

Models pkg/proxy/serviceport.go. Left out: SCTP, whose frontends nothing in the fabric can ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pocketkube import objects
from pocketkube.network.proxy_endpoints import Endpoint, canonical, family
from pocketkube.objects import Obj

NOT_OURS = frozenset(("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"))
"""Labels of Services and slices that kube-proxy does not even watch."""
AFFINITY_SECONDS = 10800

Frontend = tuple[str, int, str]
"""(address, port, protocol); a node port has NODE_PORT of its family in place of an address."""
NODE_PORT = {"IPv4": "any IPv4 node", "IPv6": "any IPv6 node"}
CLUSTER, EXTERNAL, NODE, BALANCER = "cluster", "external", "node port", "load balancer"
"""What an address of a Service is."""


@dataclass(slots=True)
class ServicePort:
    """One port of a Service, and what was found out about its endpoints since they last changed."""

    service: Obj
    port: Obj
    endpoints: dict[str, list[Endpoint]] = field(default_factory=dict)
    """By family."""
    usable: dict[tuple[str, str | None, bool], list[Endpoint]] = field(default_factory=dict)
    """By (family, node, for policy Local)."""

    @property
    def internal_local(self) -> bool:
        return objects.spec(self.service).get("internalTrafficPolicy") == "Local"

    @property
    def external_local(self) -> bool:
        return objects.spec(self.service).get("externalTrafficPolicy") == "Local"

    @property
    def affinity(self) -> float | None:
        """Seconds for which a client stays with its endpoint; None without affinity."""
        spec = objects.spec(self.service)
        if spec.get("sessionAffinity") != "ClientIP":
            return None
        seconds = objects.dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
        return float(seconds)

    def admits(self, source: str) -> bool:
        """Whether loadBalancerSourceRanges let a client use the load balancer's address; ranges count by family."""
        ranges = objects.spec(self.service).get("loadBalancerSourceRanges") or ()
        networks = [network for network in map(_network, ranges) if network is not None]
        networks = [network for network in networks if (network.version == 6) == (":" in source)]
        return not networks or any(ip_address(source) in network for network in networks)

    def forget(self) -> None:
        """Its endpoints have changed."""
        self.endpoints.clear()
        self.usable.clear()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def proxied_ports(service: Obj) -> Iterable[Obj]:
    """The ports that are proxied at all: not those of headless and ExternalName Services, nor what labels exclude."""
    spec = objects.spec(service)
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return ()
    if not NOT_OURS.isdisjoint(objects.labels(service)):
        return ()
    return spec.get("ports") or ()


def frontends(service: Obj, port: Obj) -> Iterator[tuple[Frontend, str]]:
    """((address, port, protocol), what the address is) of one Service port."""
    spec, number, protocol = objects.spec(service), port["port"], port.get("protocol", "TCP")
    addresses = spec.get("clusterIPs") or [spec["clusterIP"]]
    families = spec.get("ipFamilies") or [family(address) for address in addresses]
    for address in addresses:
        yield (canonical(address), number, protocol), CLUSTER
    for address in spec.get("externalIPs") or ():
        if family(address) in families:
            yield (canonical(address), number, protocol), EXTERNAL
    for ingress in objects.dig(service, "status", "loadBalancer", "ingress", default=None) or ():
        address = ingress.get("ip", "")
        if address and ingress.get("ipMode", "VIP") == "VIP" and family(address) in families:
            yield (canonical(address), number, protocol), BALANCER
    if port.get("nodePort"):
        for name in families:
            yield (NODE_PORT[name], port["nodePort"], protocol), NODE

"""What the NetworkPolicies of a cluster say about one connection, and which of them say it.

Models the API's own words (networking.k8s.io/v1): policies that select a Pod isolate it in the directions they name;
what any rule of any of them lets through passes. Reading only: whether the network enforces them, traffic must show.
Left out: addresses that are no Pod's, other than by ipBlock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from kindlab.api import Api, ApiError, Obj
from kindlab.rights import FORBIDDEN, namespace, visible
from kindlab.trace.labels import matches


@dataclass(frozen=True)
class Refusal:
    """The direction that is closed ("Ingress": into the server, "Egress": out of the client), the Pod it is closed
    for, and the policies that close it."""

    direction: str
    pod: str
    namespace: str
    policies: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.policies)
        one = len(self.policies) == 1
        who = f"NetworkPolic{'y' if one else 'ies'} {names} select{'s' if one else ''} {self.pod}"
        which = "its" if one else "their"
        if self.direction == "Ingress":
            return f"{who}, and none of {which} ingress rules lets this client in"
        return f"{who}, and none of {which} egress rules lets it out to this Pod and port"


class Policies:
    """The policies and namespace labels of the cluster, read once; of `spaces` for who may not see all."""

    def __init__(self, api: Api, *spaces: str) -> None:
        try:
            self.all = visible(api, "NetworkPolicy", *spaces)
        except ApiError:  # a cluster that does not serve them
            self.all = []
        self._spaces = {n["metadata"]["name"]: n["metadata"].get("labels") or {} for n in _namespaces(api, spaces)}

    def refuses(self, client: Obj, server: Obj, port: int, protocol: str = "TCP") -> Refusal | None:
        """Whether `client` (a Pod) may not reach `port` of the Pod `server`; the client's side is looked at first."""
        return self._closed("Egress", client, server, server, port, protocol) or self._closed(
            "Ingress", server, client, server, port, protocol
        )

    def refuses_dns(self, client: Obj, dns: Obj, port: int) -> Refusal | None:
        """Whether the client may not ask that DNS Pod, by UDP."""
        return self.refuses(client, dns, port, "UDP")

    def selecting(self, pod: Obj, direction: str) -> list[Obj]:
        """The policies that isolate a Pod in a direction."""
        return [
            p
            for p in self.all
            if p["metadata"]["namespace"] == pod["metadata"]["namespace"]
            and direction in _types(p["spec"])
            and matches(p["spec"].get("podSelector") or {}, pod["metadata"].get("labels") or {})
        ]

    def _closed(
        self, direction: str, isolated: Obj, peer: Obj, server: Obj, port: int, protocol: str
    ) -> Refusal | None:
        found = self.selecting(isolated, direction)
        if not found or isolated["metadata"].get("uid") == peer["metadata"].get("uid"):
            return None
        key, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
        for policy in found:
            for rule in policy["spec"].get(key) or ():
                space = policy["metadata"]["namespace"]
                if self._peer(rule.get(peers), peer, space) and _port(rule.get("ports"), server, port, protocol):
                    return None
        meta = isolated["metadata"]
        names = tuple(sorted(p["metadata"]["name"] for p in found))
        return Refusal(direction, meta["name"], meta["namespace"], names)

    def _peer(self, peers: list[Obj] | None, pod: Obj, namespace: str) -> bool:
        return not peers or any(self._fits(peer, pod, namespace) for peer in peers)

    def _fits(self, peer: Obj, pod: Obj, namespace: str) -> bool:
        block = peer.get("ipBlock")
        if block:
            return any(_inside(block, ip["ip"]) for ip in pod["status"].get("podIPs") or ())
        if pod["spec"].get("hostNetwork"):
            return False
        own, spaces, pods = pod["metadata"], peer.get("namespaceSelector"), peer.get("podSelector")
        if spaces is None:
            if own["namespace"] != namespace:
                return False
        elif not matches(spaces, self._spaces.get(own["namespace"], {})):
            return False
        return pods is None or matches(pods, own.get("labels") or {})


def _namespaces(api: Api, spaces: Iterable[str]) -> list[Obj]:
    try:
        return api.list("Namespace")
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
    return [found for name in dict.fromkeys(spaces) if (found := namespace(api, name)) is not None]


def _types(spec: Obj) -> Iterable[str]:
    given: list[str] | None = spec.get("policyTypes")
    return given or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _inside(block: Obj, address: str) -> bool:
    ip = ip_address(address)
    return ip in ip_network(block["cidr"], strict=False) and not any(
        ip in ip_network(cut, strict=False) for cut in block.get("except") or ()
    )


def _port(ports: list[Obj] | None, server: Obj, number: int, protocol: str) -> bool:
    return not ports or any(_port_fits(p, server, number, protocol) for p in ports)


def _port_fits(wanted: Obj, server: Obj, number: int, protocol: str) -> bool:
    if wanted.get("protocol", "TCP") != protocol:
        return False
    port: Any = wanted.get("port")
    if port is None:
        return True
    if isinstance(port, str):
        return any(
            p.get("name") == port and p["containerPort"] == number and p.get("protocol", "TCP") == protocol
            for c in server["spec"].get("containers") or ()
            for p in c.get("ports") or ()
        )
    return bool(port <= number <= wanted.get("endPort", port))

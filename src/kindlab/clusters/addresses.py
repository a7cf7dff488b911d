"""The addresses a cluster somewhere else shows in its objects: load balancers, nodes and their ports."""

from __future__ import annotations

from kindlab.api import Api, Obj
from kindlab.hosts import in_url


def of_service(api: Api, service: Obj) -> list[str]:
    """What a cluster somewhere else shows of a Service: its load balancer's addresses, then a node's with the node
    ports."""
    spec = service["spec"]
    ports = [p for p in spec.get("ports") or () if p.get("protocol", "TCP") == "TCP"]
    urls = [_url(host, p["port"], p) for host in _balanced(service) for p in ports]
    node_ports = [p for p in ports if p.get("nodePort")]
    nodes = _node_addresses(api) if node_ports and not urls else []
    return urls or [_url(host, p["nodePort"], p) for host in nodes[:1] for p in node_ports]


def _node_addresses(api: Api) -> list[str]:
    every = [a for n in api.list("Node") for a in n["status"].get("addresses") or ()]
    outside = [a["address"] for a in every if a["type"] == "ExternalIP"]
    return outside + [a["address"] for a in every if a["type"] == "InternalIP"]


def _url(host: str, number: int, port: Obj) -> str:
    secured = port["port"] == 443 or port.get("name") == "https" or port.get("appProtocol") == "https"
    default = 443 if secured else 80
    return f"http{'s' if secured else ''}://{in_url(host)}" + ("" if number == default else f":{number}")


def of_ingress(ingress: Obj) -> dict[str, str]:
    """Scheme -> base URL at the address the controller has written into the Ingress; empty when it has not."""
    found = _balanced(ingress)
    if not found:
        return {}
    host = in_url(found[0])
    return {"http": f"http://{host}", "https": f"https://{host}"}


def _balanced(obj: Obj) -> list[str]:
    """The host names and addresses of status.loadBalancer, which Services and Ingresses have alike."""
    status = (obj.get("status") or {}).get("loadBalancer") or {}
    return [at for i in status.get("ingress") or () if (at := i.get("hostname") or i.get("ip", ""))]

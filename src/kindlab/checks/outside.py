"""Ways in from outside the cluster to a program: ports of the nodes, external addresses, rules that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from kindlab import ingresses
from kindlab.api import ApiError, Obj
from kindlab.checks.live import LiveLab, Pods
from kindlab.checks.probe import Probe
from kindlab.hosts import in_url

ROUTE = "HTTPRoute.gateway.networking.k8s.io"


def selects(service: Obj, labels: Mapping[str, str]) -> bool:
    """Whether Pods with these labels belong to the Service; one without a selector has none."""
    wanted = service["spec"].get("selector") or {}
    return bool(wanted) and wanted.items() <= labels.items()


def services_for(lab: LiveLab, labels: Mapping[str, str]) -> dict[str, Obj]:
    """The Services of the namespace that select Pods with these labels, by name."""
    return {s["metadata"]["name"]: s for s in lab.list("Service") if selects(s, labels)}


def ways_in(lab: LiveLab, pods: Pods, outside: Probe, *, routed: bool = True) -> list[str]:
    """Each way to these Pods of one program, in words; without those by Ingresses and routes unless `routed`.
    `outside` is asked to try the ports of the nodes, so that the words say what came of it."""
    services = services_for(lab, pods[0]["metadata"].get("labels") or {})
    ways = [way for service in services.values() for way in _by_service(lab, service, outside)]
    ways += [f"host port {port}" for pod in pods for port in host_ports(pod)]
    if routed:
        ways += [f"{route}, which leads to Service {to}" for route, to in routes(lab) if to in services]
    return ways


def _by_service(lab: LiveLab, service: Obj, outside: Probe) -> Iterator[str]:
    name, spec = service["metadata"]["name"], service["spec"]
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            node = next(a["address"] for n in lab.api.list("Node") for a in n["status"]["addresses"])
            url = f"http://{in_url(node)}:{port['nodePort']}/hostname"
            yield f"Service {name} opens port {port['nodePort']} of every node ({url}: {outside.get(url)})"
    if spec.get("type") == "LoadBalancer":  # also one that opens no port of the nodes
        yield f"Service {name} asks for a load balancer outside the cluster"
    for address in spec.get("externalIPs") or ():
        yield f"Service {name} has the external address {address}"


def host_ports(pod: Obj) -> Iterator[int | str]:
    """The ports of its node that lead to a Pod."""
    if pod["spec"].get("hostNetwork"):
        yield "of the node itself (hostNetwork)"
    for container in pod["spec"]["containers"]:
        yield from (p["hostPort"] for p in container.get("ports") or () if p.get("hostPort"))


def hosts(lab: LiveLab) -> set[str]:
    """The host names that the namespace's Ingresses and HTTPRoutes are for; rules for any host have none."""
    found = {rule.get("host") for i in lab.list("Ingress") for rule in i["spec"].get("rules") or ()}
    with suppress(ApiError):
        found |= {host for route in lab.list(ROUTE) for host in route["spec"].get("hostnames") or ()}
    return {host for host in found if host}


def routes(lab: LiveLab) -> Iterator[tuple[str, str]]:
    """(a rule of the namespace in words, the Service it leads to), of Ingresses and HTTPRoutes."""
    for ingress in lab.list("Ingress"):
        name = f"Ingress {ingress['metadata']['name']}"
        for route in sorted(ingresses.routes(ingress), key=lambda route: bool(route.path)):
            if service := route.backend.get("service"):
                yield (
                    f"path {route.path} of {name}" if route.path else f"the default backend of {name}",
                    service["name"],
                )
    with suppress(ApiError):  # a cluster without the Gateway API
        for one in lab.list(ROUTE):
            for rule in one["spec"].get("rules") or ():
                for backend in rule.get("backendRefs") or ():
                    yield f"HTTPRoute {one['metadata']['name']}", backend["name"]

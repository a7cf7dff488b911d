"""Which ways lead into the cluster to a program."""

from __future__ import annotations

from typing import Any, cast

from kindlab.api import ApiError, Obj
from kindlab.checks.live import Pods
from kindlab.checks.outside import ROUTE, hosts, services_for, ways_in

NODE = {"status": {"addresses": [{"address": "fd00::1"}]}}
POD = {"metadata": {"name": "web-1", "labels": {"app": "web", "more": "x"}}, "spec": {"containers": [{}]}}


def service(name: str, selector: dict[str, str] | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"selector": selector or {"app": "web"}, **spec}}


class Lab:
    """The objects of a namespace, and one node; it is its own API."""

    def __init__(self, **objects: list[Obj]) -> None:
        self.objects = {"Node": [NODE], **objects}
        self.api = self

    def list(self, kind: str) -> list[Obj]:
        if kind == ROUTE and "HTTPRoute" not in self.objects:
            raise ApiError(404, "NotFound", "no such kind")
        return self.objects.get(kind.partition(".")[0], [])


class Outside:
    def get(self, url: str) -> str:
        return f"asked {url}"


def ways(pod: Obj = POD, *, routed: bool = True, **objects: list[Obj]) -> list[str]:
    lab, outside = cast(Any, Lab(**objects)), cast(Any, Outside())
    return ways_in(lab, Pods([pod]), outside, routed=routed)


def test_a_service_for_the_inside_is_no_way_in() -> None:
    assert ways(Service=[service("web", ports=[{"port": 80}])]) == []


def test_ports_of_the_nodes_and_external_addresses() -> None:
    found = ways(Service=[service("web", ports=[{"port": 80, "nodePort": 30080}], externalIPs=["192.0.2.1"])])
    url = "http://[fd00::1]:30080/hostname"
    assert found == [
        f"Service web opens port 30080 of every node ({url}: asked {url})",
        "Service web has the external address 192.0.2.1",
    ]
    assert ways(Service=[service("web", {"app": "other"}, ports=[{"port": 80, "nodePort": 30080}])]) == []


def test_a_load_balancer_also_without_ports_of_the_nodes() -> None:
    found = ways(Service=[service("web", type="LoadBalancer", allocateLoadBalancerNodePorts=False)])
    assert found == ["Service web asks for a load balancer outside the cluster"]


def test_hosts_of_the_rules() -> None:
    ingress = {"spec": {"rules": [{"host": "a.example"}, {"http": {}}]}}
    route = {"spec": {"hostnames": ["b.example", "*.c.example"]}}
    assert hosts(cast(Any, Lab(Ingress=[ingress, {"spec": {}}]))) == {"a.example"}
    assert hosts(cast(Any, Lab(HTTPRoute=[route, {"spec": {}}]))) == {"b.example", "*.c.example"}


def test_ports_of_a_pods_own_node() -> None:
    spec = {
        "hostNetwork": True,
        "containers": [{"ports": [{"containerPort": 1, "hostPort": 81}, {"containerPort": 2}]}],
    }
    assert ways({**POD, "spec": spec}) == ["host port of the node itself (hostNetwork)", "host port 81"]


def test_rules_that_lead_there() -> None:
    def backend(name: str) -> Obj:
        return {"service": {"name": name}}

    paths = [{"path": "/a", "backend": backend("web")}, {"backend": backend("other")}, {"backend": {"resource": {}}}]
    ingress = {
        "metadata": {"name": "in"},
        "spec": {"defaultBackend": backend("web"), "rules": [{"host": "x"}, {"http": {"paths": paths}}]},
    }
    route = {"metadata": {"name": "r"}, "spec": {"rules": [{"backendRefs": [{"name": "web"}]}]}}
    objects = {"Service": [service("web")], "Ingress": [ingress]}
    by_ingress = [f"{way} of Ingress in, which leads to Service web" for way in ("the default backend", "path /a")]
    assert ways(**objects) == by_ingress
    assert ways(**objects, HTTPRoute=[route]) == [*by_ingress, "HTTPRoute r, which leads to Service web"]
    assert ways(**objects, routed=False) == []


def test_services_by_labels() -> None:
    services = [service("web"), service("both", {"app": "web", "more": "y"}), {"metadata": {"name": "n"}, "spec": {}}]
    assert list(services_for(cast(Any, Lab(Service=services)), {"app": "web", "more": "x"})) == ["web"]

"""`kindlab why` for Gateways and HTTPRoutes: each way the path can be broken ends at its own hop."""

from __future__ import annotations

from typing import Any

import pytest
from tests.course.command import Run
from tests.course.test_trace import broken, deployment, names, put, service, why
from tests.course.test_trace_ingress import pair, secret

from kindlab import urls
from kindlab.api import Api, Obj
from kindlab.checks.live import LiveLab

CLEAR = {"port": 80, "protocol": "HTTP"}
SAFE = {"name": "edge", "sectionName": "https"}
API = "gateway.networking.k8s.io/v1"


@pytest.fixture(autouse=True)
def controller(live: LiveLab) -> None:
    """The controller of a cluster that has only just started is ready."""
    LiveLab(live.api, "traefik").settled("traefik")


def gateway(*listeners: Obj, **spec: Any) -> Obj:
    shown = list(listeners) or [{"name": "http", "port": 80, "protocol": "HTTP"}]
    whole = {"gatewayClassName": "traefik", "listeners": shown, **spec}
    return {"apiVersion": API, "kind": "Gateway", "metadata": {"name": "edge"}, "spec": whole}


def route(live: LiveLab, *rules: Obj, **spec: Any) -> Obj:
    """HTTPRoute `shop` for a host of its own, so that tests of one cluster do not meet."""
    spec.setdefault("hostnames", [host(live)])
    spec.setdefault("parentRefs", [{"name": "edge"}])
    whole = {"rules": list(rules) or [rule()], **spec}
    return {"apiVersion": API, "kind": "HTTPRoute", "metadata": {"name": "shop"}, "spec": whole}


def host(live: LiveLab) -> str:
    return f"shop.{live.namespace}.example"


def rule(path: str = "/", to: str = "web", port: int = 80, **more: Any) -> Obj:
    match = {"path": {"type": "PathPrefix", "value": path}, **more.pop("match", {})}
    return {"matches": [match], "backendRefs": [{"name": to, "port": port}], **more}


def judged(live: LiveLab, generation: int = 1) -> None:
    """Wait until the controller has said what it makes of the route."""

    def holds(found: Any) -> bool:
        conditions = [c for r in found for p in (r.get("status") or {}).get("parents") or () for c in p["conditions"]]
        return bool(conditions) and all(c["observedGeneration"] == generation for c in conditions)

    assert live.eventually("HTTPRoute", holds)


def test_a_healthy_route_has_no_broken_hop(live: LiveLab, kindlab: Run) -> None:
    canary = rule("/", match={"headers": [{"name": "x-canary", "value": "yes"}]})
    put(live, service(), deployment(), gateway(), route(live, rule(), rule("/deep"), canary))
    judged(live)
    path = why(live, "httproute/shop")
    assert path.broken is None, path.broken
    assert names(path) == [
        "HTTPRoute",
        "Gateway",
        "GatewayClass",
        "Listener",
        "Accepted",
        "References",
        *(f"{host(live)}/: {hop}" for hop in ("Service", "Selector", "Ready Pods", "EndpointSlices", "Answer")),
        f"{host(live)}/deep: Answer",
        f"{host(live)}/ x-canary: yes: Answer",
    ]
    assert all("8 of 8 requests: HTTP 200" in path.hops[at].evidence for at in (10, 11, 12))
    done = kindlab("why", "httproute/shop", "-n", live.namespace)
    assert done.returncode == 0, done.stdout
    assert "Every hop is in order." in done.stdout
    whole = why(live, "gateway/edge")
    assert whole.broken is None, whole.broken
    assert whole.hops[-1].evidence == "listener http: 1"


def test_a_url_takes_the_route_that_serves_it(live: LiveLab) -> None:
    put(live, service(), deployment(), gateway(), route(live, rule(), rule("/deep")))
    judged(live)
    path = why(live, f"http://{host(live)}/deep/hostname")
    assert path.broken is None, path.broken
    rule_hop = next(hop for hop in path.hops if hop.name == "Rule")
    assert rule_hop.evidence == f"{host(live)}/deep/hostname takes {host(live)}/deep"
    hop, evidence = broken(why(live, f"http://shpo.{live.namespace}.example/"))
    assert hop == "Rule"
    assert evidence.startswith("no Ingress and no HTTPRoute has a rule for")
    assert f"did you mean {host(live)}?" in evidence


def test_each_of_several_backends_is_named(live: LiveLab) -> None:
    both = {"backendRefs": [{"name": name, "port": 80} for name in ("web", "gone")]}
    put(live, service(), service("gone"), deployment(), gateway(), route(live, both))
    judged(live)
    hop, _ = broken(why(live, "httproute/shop"))
    assert hop == f"{host(live)}/ -> gone: Selector"


def test_names_that_are_not_there(live: LiveLab) -> None:
    put(live, route(live))
    assert broken(why(live, "httproute/shpo")) == (
        "HTTPRoute",
        f"there is no HTTPRoute shpo in namespace {live.namespace}; did you mean shop?",
    )
    assert broken(why(live, "httproute/shop")) == (
        "Gateway",
        f"there is no Gateway edge in namespace {live.namespace}; there are: none",
    )


def test_a_class_that_is_not_there(live: LiveLab) -> None:
    put(live, gateway(gatewayClassName="istio"), route(live))
    assert broken(why(live, "gateway/edge")) == (
        "GatewayClass",
        "there is no GatewayClass istio; there are: traefik",
    )


@pytest.mark.parametrize(
    ("listener", "says"),
    [
        ({"port": 8081, "protocol": "HTTP"}, "PortUnavailable: Cannot find entryPoint for Gateway"),
        (
            {"port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "shop-tls"}]}},
            "InvalidCertificateRef",
        ),
        (
            {"port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "x", "namespace": "other"}]}},
            "RefNotPermitted",
        ),
    ],
)
def test_a_listener_that_is_not_served(live: LiveLab, listener: Obj, says: str) -> None:
    put(live, service(), gateway({"name": "l", **listener}), route(live))
    judged(live)
    for target in ("gateway/edge", "httproute/shop"):
        hop, evidence = broken(why(live, target))
        assert hop == "Listener"
        assert says in evidence


def test_a_gateway_without_routes(live: LiveLab) -> None:
    put(live, gateway())
    assert live.eventually("Gateway", lambda found: all(g["status"].get("listeners") for g in found))
    hop, evidence = broken(why(live, "gateway/edge"))
    assert hop == "Routes"
    assert "every request is answered with 404" in evidence


@pytest.mark.parametrize(
    ("parent", "listener", "says"),
    [
        ({"sectionName": "other"}, {}, "no listener of the Gateway has the sectionName"),
        ({}, {"hostname": "else.example"}, "none of the route's hostnames"),
        ({}, {"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}}, ""),
    ],
)
def test_a_route_the_gateway_does_not_take(live: LiveLab, parent: Obj, listener: Obj, says: str) -> None:
    put(live, service(), gateway({"name": "http", "port": 80, "protocol": "HTTP", **listener}))
    put(live, route(live, parentRefs=[{"name": "edge", **parent}]))
    judged(live)
    hop, evidence = broken(why(live, "httproute/shop"))
    assert hop == ("Accepted" if says else "Listener")
    assert says in evidence


def test_a_backend_of_another_namespace_without_a_grant(live: LiveLab) -> None:
    far = {"backendRefs": [{"name": "kubernetes", "namespace": "default", "port": 443}]}
    put(live, gateway(), route(live, far))
    judged(live)
    path = why(live, "httproute/shop")
    hop, evidence = broken(path)
    assert hop == "References"
    assert "missing ReferenceGrant" in evidence
    assert path.broken is not None
    assert "kubectl get referencegrants" in path.broken.next


def test_a_service_that_is_not_there(live: LiveLab) -> None:
    put(live, gateway(), route(live))
    judged(live)
    hop, evidence = broken(why(live, "httproute/shop"))
    assert hop == "References"
    assert "BackendNotFound" in evidence


def test_a_rule_of_nobody(live: LiveLab) -> None:
    put(live, gateway(), route(live, {"matches": [{"path": {"value": "/"}}]}))
    judged(live)
    hop, evidence = broken(why(live, "httproute/shop"))
    assert hop.endswith("Backend")
    assert "names no backend" in evidence


def test_a_service_without_ready_pods(live: LiveLab) -> None:
    put(live, service(), gateway(), route(live))
    judged(live)
    hop, _ = broken(why(live, "httproute/shop"))
    assert hop == f"{host(live)}/: Selector"


def test_a_certificate_for_another_name(live: LiveLab) -> None:
    tls = {"certificateRefs": [{"name": "shop-tls"}]}
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "hostname": host(live), "tls": tls}
    put(live, service(), deployment(), secret(*pair("other.example")), gateway(listener), route(live))
    judged(live)
    hop, evidence = broken(why(live, "httproute/shop"))
    assert hop == "TLS"
    assert "is for other.example, not for" in evidence


class Doors:
    """A cluster whose controller is open on this machine."""

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        return {"http": "http://127.0.0.1:8080", "https": "https://127.0.0.1:8443"}


def test_its_urls_are_those_of_its_listeners(live: LiveLab) -> None:
    tls = {"certificateRefs": [{"name": "shop-tls"}]}
    put(live, gateway({"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}, {"name": "http", **CLEAR}))
    both = route(live, rule("/a"), rule("/b"), hostnames=["shop.localhost"])
    put(live, both, {**both, "metadata": {"name": "safe"}} | {"spec": both["spec"] | {"parentRefs": [SAFE]}})
    clear = urls.for_target(Doors(), live.api, live.namespace, "httproute/shop")  # type: ignore[arg-type]
    assert (clear.urls, clear.notes) == (["http://shop.localhost:8080/a", "http://shop.localhost:8080/b"], [])
    safe = urls.for_target(Doors(), live.api, live.namespace, "httproute/safe")  # type: ignore[arg-type]
    assert safe.urls == ["https://shop.localhost:8443/a", "https://shop.localhost:8443/b"]


def test_a_cluster_that_is_closed_says_so(live: LiveLab, kindlab: Run) -> None:
    put(live, gateway(), route(live))
    done = kindlab("url", "httproute/shop", "-n", live.namespace)
    said = " ".join((done.stdout + done.stderr).split())
    assert "No port of this machine leads to the controller of HTTPRoute shop." in said
    assert f"kindlab why httproute/shop -n {live.namespace}" in said

"""[sig-network] conformance of Services: traffic follows endpoints, types change, affinity, protocols of one port."""

from __future__ import annotations

import pytest
from tests.parity.network.support import (
    START,
    Place,
    at,
    curl,
    deployment,
    internal_ip,
    pod,
    port,
    service,
    spread,
    together,
    workers,
)

from kindlab.api import Obj

CLIENT = "execpod"
HTTP = port(80, 9376, name="http")
TIMES = 15
"""How many answers in a row must come from the same Pod, or not, as upstream counts."""


def answering(net: Place, name: str, replicas: int = 2, *, http: bool = False) -> Obj:
    """A Deployment of Pods that say their host name, over HTTP or over TCP and UDP."""
    how = () if http else ("--http=false", "--tcp", "--udp")
    return deployment(name, replicas=replicas, command=["/agnhost", "serve-hostname", *how])


def reachable(net: Place, made: Obj) -> None:
    """A Service answers by name, at its address, and at its node ports on two nodes; an ExternalName resolves."""
    name, spec = made["metadata"]["name"], made["spec"]
    if spec["type"] == "ExternalName":
        net.sh_until(CLIENT, f"nslookup {name}.{net.namespace}.svc.cluster.local")
        return
    nodes = [internal_ip(node, spec["clusterIP"]) for node in workers(net.api)[:2]]
    work = []
    for listed in spec["ports"]:
        places = [(name, listed["port"]), (spec["clusterIP"], listed["port"])]
        places += [(node, listed["nodePort"]) for node in nodes if listed.get("nodePort")]
        work += [(host, number, listed["protocol"]) for host, number in places]
    together(*(lambda w=w: net.asks(CLIENT, *w) for w in work))  # type: ignore[misc]


def netexec(name: str, number: int, named: str = "") -> Obj:
    ports = [{"containerPort": number, **({"name": named} if named else {})}]
    return pod(name, "netexec", f"--http-port={number}", labels={"app": "web"}, ports=ports)


def test_a_basic_endpoint_from_pods(net: Place) -> None:
    """[sig-network] Services should serve a basic endpoint from pods [Conformance]"""
    (made,) = net.put(service("endpoint-test2", port(80), selector={"app": "web"}))
    net.endpoints("endpoint-test2", 0)
    net.start(netexec("pod1", 80), pod(CLIENT))
    net.endpoints("endpoint-test2", pods=["pod1"])
    reachable(net, made)
    net.start(netexec("pod2", 80))
    net.endpoints("endpoint-test2", pods=["pod1", "pod2"])
    reachable(net, made)
    net.api.delete("Pod", "pod1", net.namespace)
    net.endpoints("endpoint-test2", pods=["pod2"])
    reachable(net, made)
    net.api.delete("Pod", "pod2", net.namespace)
    net.endpoints("endpoint-test2", 0)


def test_multiport_endpoints_from_pods(net: Place) -> None:
    """[sig-network] Services should serve multiport endpoints from pods [Conformance]"""
    name = "multi-endpoint-test"
    ports = port(80, "svc1", name="portname1"), port(81, "svc2", name="portname2")
    (made,) = net.put(service(name, *ports, selector={"app": "web"}))
    net.endpoints(name, 0)
    one, two = ("portname1", "pod1", 100), ("portname2", "pod2", 101)
    net.start(netexec("pod1", 100, "svc1"), pod(CLIENT))
    net.endpoint_ports(name, {one})
    net.start(netexec("pod2", 101, "svc2"))
    net.endpoint_ports(name, {one, two})
    reachable(net, made)
    net.api.delete("Pod", "pod1", net.namespace)
    net.endpoint_ports(name, {two})
    net.api.delete("Pod", "pod2", net.namespace)
    net.endpoints(name, 0)


def test_a_functioning_nodeport_service(net: Place) -> None:
    """[sig-network] Services should be able to create a functioning NodePort service [Conformance]"""
    made, *_ = net.start(service("nodeport-test", HTTP, type="NodePort"), answering(net, "nodeport-test"), pod(CLIENT))
    reachable(net, made)


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_from_externalname(net: Place, kind: str) -> None:
    """[sig-network] Services should be able to change the type from ExternalName to ClusterIP [Conformance]
    [sig-network] Services should be able to change the type from ExternalName to NodePort [Conformance]"""
    name = "externalname-service"
    external = service(name, type="ExternalName", externalName="foo.example.com")
    del external["spec"]["ports"]
    (made,) = net.put(external)
    assert not made["spec"].get("clusterIP")
    changed = net.update("Service", name, type=kind, externalName=None, ports=[HTTP])
    assert changed["spec"]["clusterIP"]
    net.start(answering(net, name), pod(CLIENT))
    reachable(net, changed)


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_to_externalname(net: Place, kind: str) -> None:
    """[sig-network] Services should be able to change the type from ClusterIP to ExternalName [Conformance]
    [sig-network] Services should be able to change the type from NodePort to ExternalName [Conformance]"""
    name = "changing-service"
    net.start(
        service(name, type=kind),
        service("externalsvc"),
        answering(net, "externalsvc", http=True),
        pod(CLIENT),
    )
    target = f"externalsvc.{net.namespace}.svc.cluster.local"
    # everything but the type and the name is sent again as it was, clusterIP and nodePort included
    changed = net.update("Service", name, type="ExternalName", externalName=target)
    assert not changed["spec"].get("clusterIP")
    assert not [p for p in changed["spec"].get("ports") or () if p.get("nodePort")]
    reachable(net, changed)
    said = net.sh_until(CLIENT, curl(f"http://{name}:80/"))  # the alias leads to the other Service
    assert said.out.strip() in {p["metadata"]["name"] for p in net.list("Pod", "app=externalsvc")}


def who(net: Place, host: str, number: int) -> list[str]:
    """The Pods that answered a few requests, one after another, each on a connection of its own."""
    url = curl(f"http://{at(host, number)}/")
    return net.sh(CLIENT, f"for i in $(seq 0 {TIMES}); do echo; {url} ; done").lines


def expect_affinity(net: Place, host: str, number: int, holds: bool) -> None:
    """Wait until the last answers all come from one Pod, or do not. 16 answers of three Pods are all the same by
    chance once in 14 million."""
    answers: list[str] = []
    for _ in range(10):
        answers += who(net, host, number)
        last = answers[-TIMES:]
        if len(last) == TIMES and (len(set(last)) == 1) == holds:
            return
    raise AssertionError(f"affinity should {'' if holds else 'not '}hold; seen: {spread(answers)}")


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_session_affinity(net: Place, kind: str) -> None:
    """[sig-network] Services should have session affinity work for service with type clusterIP [LinuxOnly]
    [Conformance]
    [sig-network] Services should have session affinity work for NodePort service [LinuxOnly] [Conformance]"""
    made, host, number = affine(net, kind)
    reachable(net, made)
    expect_affinity(net, host, number, True)


def affine(net: Place, kind: str) -> tuple[Obj, str, int]:
    name = f"affinity-{kind.lower()}"
    made, *_ = net.start(
        service(name, type=kind, sessionAffinity="ClientIP"), answering(net, name, 3, http=True), pod(CLIENT)
    )
    net.endpoints(name, 3)
    ip = made["spec"]["clusterIP"]
    if kind == "NodePort":
        return made, internal_ip(workers(net.api)[0], ip), made["spec"]["ports"][0]["nodePort"]
    return made, ip, 80


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_session_affinity_is_switched(net: Place, kind: str) -> None:
    """[sig-network] Services should be able to switch session affinity for service with type clusterIP [LinuxOnly]
    [Conformance]
    [sig-network] Services should be able to switch session affinity for NodePort service [LinuxOnly] [Conformance]"""
    made, host, number = affine(net, kind)
    reachable(net, made)
    # sessionAffinityConfig is sent again as it was
    net.update("Service", made["metadata"]["name"], sessionAffinity="None")
    expect_affinity(net, host, number, False)
    net.update("Service", made["metadata"]["name"], sessionAffinity="ClientIP")
    expect_affinity(net, host, number, True)


def test_one_port_and_two_protocols(net: Place) -> None:
    """[sig-network] Services should serve endpoints on same port and different protocols [Conformance]"""
    name = "multiprotocol-test"
    tcp, udp = port(80, 80, name="tcp-port"), port(80, 80, name="udp-port", protocol="UDP")
    ports = [{"name": p["name"], "containerPort": 80, "protocol": p["protocol"]} for p in (tcp, udp)]
    server = pod("pod1", "netexec", "--http-port=80", "--udp-port=80", labels={"app": "multiport"}, ports=ports)
    made, *_ = net.start(service(name, tcp, udp, selector={"app": "multiport"}), server, pod(CLIENT))
    net.endpoint_ports(name, {("tcp-port", "pod1", 80), ("udp-port", "pod1", 80)})
    ip = made["spec"]["clusterIP"]
    together(lambda: net.asks(CLIENT, ip, 80), lambda: net.asks(CLIENT, ip, 80, "UDP"))
    only_tcp = net.update("Service", name, ports=[tcp])
    assert int(only_tcp["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    together(lambda: net.asks(CLIENT, ip, 80), lambda: net.refuses(CLIENT, ip, 80, "UDP"))
    net.update("Service", name, ports=[udp])
    together(lambda: net.asks(CLIENT, ip, 80, "UDP"), lambda: net.refuses(CLIENT, ip, 80))


def test_nodeport_of_two_protocols_by_update(net: Place) -> None:
    """[sig-network] Services should be able to update service type to NodePort listening on same port number but
    different protocols"""
    name = "nodeport-update-service"
    net.start(service(name, port(80)), answering(net, name), pod(CLIENT))
    tcp, udp = port(80, 9376, name="tcp-port"), port(80, 9376, name="udp-port", protocol="UDP")
    reachable(net, net.update("Service", name, type="NodePort", ports=[tcp]))
    both = net.update("Service", name, type="NodePort", ports=[tcp, udp])
    assert all(p["nodePort"] for p in both["spec"]["ports"])
    assert len(both["spec"]["ports"]) == 2
    reachable(net, both)


def test_an_external_ip_of_no_node(net: Place) -> None:
    """[sig-network] Services should be possible to connect to a service via ExternalIP when the external IP is not
    assigned to a node"""
    name, external = "externalip-test", "203.0.113.250"
    made, *_ = net.start(service(name, HTTP, externalIPs=[external]), answering(net, name), pod(CLIENT))
    reachable(net, made)
    net.asks(CLIENT, external, 80)


def test_services_on_another_range(net: Place) -> None:
    """[sig-network] Service CIDRs should create Services and serve on different Service CIDRs"""
    name = "test-svc-cidr-" + net.namespace.rpartition("-")[2]
    cidr = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": name},
        "spec": {"cidrs": ["203.0.113.0/25"]},
    }
    net.put(cidr)
    try:
        ready = {"type": "Ready", "status": "True"}.items()
        net.wait("ServiceCIDR", name, lambda o: any(ready <= c.items() for c in o["status"].get("conditions") or ()))
        made, *_ = net.start(
            service("cidr1-test", HTTP, type="NodePort", clusterIP="203.0.113.10"),
            answering(net, "cidr1-test"),
            pod(CLIENT),
        )
        reachable(net, made)
        net.api.delete("Service", "cidr1-test", net.namespace)
        net.gone("IPAddress", name="203.0.113.10", timeout=120)
    finally:
        net.api.delete("ServiceCIDR", name)
    net.gone("ServiceCIDR", name=name, timeout=START)

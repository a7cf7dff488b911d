"""[sig-network] conformance of endpoints: what the controllers write for Services, what mirroring does, how soon, and
that hand-made slices carry traffic."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from threading import Event, Lock, Thread
from time import monotonic

from tests.parity.network.support import (
    NGINX,
    SERVICE_NAME,
    Place,
    at,
    curl,
    deployment,
    pod,
    port,
    service,
    watch,
)

from kindlab.api import Obj

EMPTY = {"does-not-match-anything": "endpoints-and-endpoint-slices-should-still-be-created"}


def test_endpoints_of_a_service_that_matches_no_pods(net: Place) -> None:
    """[sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches
    no pods [Conformance]"""
    net.put(service("example-empty-selector", port(80, name="example"), selector=EMPTY))
    net.wait("Endpoints", "example-empty-selector", lambda o: True)
    net.api.delete("Service", "example-empty-selector", net.namespace)
    net.gone("Endpoints", name="example-empty-selector")


def test_slices_of_a_service_that_matches_no_pods(net: Place) -> None:
    """[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no
    pods [Conformance]"""
    net.put(service("example-empty-selector", port(80, name="example"), selector=EMPTY))
    labels = f"{SERVICE_NAME}=example-empty-selector"
    net.until("EndpointSlice", lambda found: found, labels=labels)
    piece = net.slices("example-empty-selector")[0]
    assert piece["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert not piece.get("endpoints")
    net.api.delete("Service", "example-empty-selector", net.namespace)
    net.gone("EndpointSlice", labels=labels, timeout=90)


def two_pods(net: Place) -> tuple[dict[str, Obj], list[Obj]]:
    """Pods whose ports of one name have different numbers, and Services that want them by number and by name."""
    named, other = {"name": "example-name", "containerPort": 3000}, {"name": "other-port", "containerPort": 3002}
    one = pod("pod1", image=NGINX, labels={"pod1": "on", "shared12": "on"}, ports=[named])
    ports = [{**named, "containerPort": 3001}, other]
    two = pod("pod2", image=NGINX, labels={"pod2": "on", "shared12": "on"}, ports=ports)
    by_number = service(
        "example-int-port",
        port(80, 3000, name="example"),
        selector={"pod1": "on"},
        publishNotReadyAddresses=True,
    )
    by_name = service(
        "example-named-port",
        port(80, "example-name", name="http"),
        selector={"shared12": "on"},
        publishNotReadyAddresses=True,
    )
    *_, by_number, by_name = net.put(one, two, by_number, by_name)
    pods = {name: net.wait("Pod", name, lambda o: o["status"].get("podIPs"), timeout=180) for name in ("pod1", "pod2")}
    return pods, [by_number, by_name]


def reference(owner: Obj) -> Obj:
    meta = owner["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def expect_slices(net: Place, made: Obj, expected: dict[str, tuple[Obj, int]]) -> None:
    """Address -> (Pod, port number) is what the slices of a Service say."""
    name, named = made["metadata"]["name"], made["spec"]["ports"][0]["name"]

    def told(found: list[Obj]) -> dict[str, tuple[Obj, int]]:
        return {
            address: (endpoint["targetRef"], p["port"])
            for piece in found
            for endpoint in piece.get("endpoints") or ()
            for address in endpoint["addresses"]
            for p in piece["ports"]
            if (p["name"], p["protocol"]) == (named, "TCP")
        }

    wanted = {address: (reference(owner), number) for address, (owner, number) in expected.items()}
    net.until("EndpointSlice", lambda found: told(found) == wanted, labels=f"{SERVICE_NAME}={name}", timeout=120)


def expect_endpoints(net: Place, made: Obj, expected: dict[str, tuple[Obj, int]]) -> None:
    """The same of Endpoints."""
    named = made["spec"]["ports"][0]["name"]

    def told(found: Obj) -> dict[str, tuple[Obj, int]]:
        return {
            address["ip"]: (address["targetRef"], p["port"])
            for subset in found.get("subsets") or ()
            for address in subset.get("addresses") or ()
            for p in subset["ports"]
            if (p["name"], p["protocol"]) == (named, "TCP")
        }

    wanted = {address: (reference(owner), number) for address, (owner, number) in expected.items()}
    net.wait("Endpoints", made["metadata"]["name"], lambda found: told(found) == wanted, timeout=120)


def test_slices_for_pods_matching_a_service(net: Place) -> None:
    """[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service
    [Conformance]"""
    pods, (by_number, by_name) = two_pods(net)
    one, two = pods["pod1"]["status"]["podIP"], pods["pod2"]["status"]["podIP"]
    both = {one: (pods["pod1"], 3000), two: (pods["pod2"], 3001)}
    expect_slices(net, by_number, {one: (pods["pod1"], 3000)})
    expect_slices(net, by_name, both)
    assert len(net.slices("example-named-port")) == 2  # one for each set of ports
    gone = {piece["metadata"]["uid"] for piece in net.slices("example-named-port")}
    for piece in net.slices("example-named-port"):
        net.api.delete("EndpointSlice", piece["metadata"]["name"], net.namespace)
    expect_slices(net, by_name, both)
    assert not gone & {piece["metadata"]["uid"] for piece in net.slices("example-named-port")}


def test_endpoints_for_pods_matching_a_service(net: Place) -> None:
    """[sig-network] EndpointsController should create Endpoints for Pods matching a Service [Conformance]"""
    pods, (by_number, by_name) = two_pods(net)
    one, two = pods["pod1"]["status"]["podIP"], pods["pod2"]["status"]["podIP"]
    both = {one: (pods["pod1"], 3000), two: (pods["pod2"], 3001)}
    expect_endpoints(net, by_number, {one: (pods["pod1"], 3000)})
    expect_endpoints(net, by_name, both)
    uid = net.require("Endpoints", "example-named-port")["metadata"]["uid"]
    net.api.delete("Endpoints", "example-named-port", net.namespace)
    net.wait("Endpoints", "example-named-port", lambda found: found["metadata"]["uid"] != uid)
    expect_endpoints(net, by_name, both)


def test_a_custom_endpoints_is_mirrored(net: Place) -> None:
    """[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete
    [Conformance]"""
    name, labels = "example-custom-endpoints", f"{SERVICE_NAME}=example-custom-endpoints"
    net.put(service(name, port(80, name="example"), selector={}))
    subset = {"ports": [{"port": 80}], "addresses": [{"ip": "10.1.2.3"}]}
    custom = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name}, "subsets": [subset]}

    def mirrored(address: str) -> None:
        def same(found: list[Obj]) -> bool:
            return [
                ([p["port"] for p in piece["ports"]], [e["addresses"] for e in piece["endpoints"]]) for piece in found
            ] == [([80], [[address]])]

        net.until("EndpointSlice", same, labels=labels, timeout=12)

    net.put(custom)
    mirrored("10.1.2.3")
    subset["addresses"] = [{"ip": "10.2.3.4"}]
    net.request("PUT", net.path("Endpoints", name), custom)  # without a resourceVersion, as upstream does
    mirrored("10.2.3.4")
    net.api.delete("Endpoints", name, net.namespace)
    net.gone("EndpointSlice", labels=labels, timeout=12)


def by_hand(net: Place, address: str, name: str, number: int) -> Obj:
    """A slice nobody but the test manages."""
    labels = {
        SERVICE_NAME: "example-custom-endpoints",
        "endpointslice.kubernetes.io/managed-by": f"e2e-test{net.namespace}",
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"generateName": "e2e-custom-slice", "labels": labels},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": name, "port": number, "protocol": "TCP"}],
    }


def container(number: int) -> Obj:
    found: Obj = pod("x", "netexec", f"--http-port={number}", "--udp-port=-1")["spec"]["containers"][0]
    return {**found, "name": f"container-handle-{number}-request", "ports": [{"containerPort": number}]}


TWO_PORTS = [port(80, name="port80"), port(81, name="port81")]


def test_multiple_ports_in_multiple_slices(net: Place) -> None:
    """[sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices
    [Conformance]"""
    made, server, _ = net.start(
        service("example-custom-endpoints", *TWO_PORTS, selector={}),
        pod("pod-handle-http-request", containers=[container(8090), container(9090)]),
        pod("pause-pod-0"),
    )
    ip = server["status"]["podIP"]
    net.put(by_hand(net, ip, "port80", 8090), by_hand(net, ip, "port81", 9090))
    for number in (80, 81):
        said = net.sh_until("pause-pod-0", curl(f"http://{at(made['spec']['clusterIP'], number)}/hostname"))
        assert said.out.strip() == "pod-handle-http-request"


def test_multiple_addresses_in_multiple_slices(net: Place) -> None:
    """[sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple
    EndpointSlices [Conformance]"""
    names = ["pod1-handle-http-request", "pod2-handle-http-request"]
    made, one, two, _ = net.start(
        service("example-custom-endpoints", *TWO_PORTS, selector={}),
        *(pod(name, containers=[container(8090)]) for name in names),
        pod("pause-pod-0"),
    )
    net.put(by_hand(net, one["status"]["podIP"], "port80", 8090), by_hand(net, two["status"]["podIP"], "port81", 8090))
    for number, name in zip((80, 81), names, strict=True):
        said = net.sh_until("pause-pod-0", curl(f"http://{at(made['spec']['clusterIP'], number)}/hostname"))
        assert said.out.strip() == name


def test_endpoints_latency_is_not_very_high(net: Place) -> None:
    """[sig-network] Service endpoints latency should not be very high [Conformance]

    200 Services, 15 at a time: median below 20 s, 99th percentile below 50 s, at most 5 % lost.
    """
    total, parallel = 200, 15
    net.start(deployment("svc-latency-rc", replicas=1, labels={"name": "svc-latency-rc"}))
    arrived: dict[str, float] = {}
    lock, every = Lock(), Event()
    path = net.path("EndpointSlice")
    start = net.request("GET", path)["metadata"]["resourceVersion"]

    def follow() -> None:
        for event in watch(net.api, path, resourceVersion=start, timeout=120):
            if event["type"] in ("ADDED", "MODIFIED") and event["object"].get("endpoints"):
                with lock:
                    arrived.setdefault(event["object"]["metadata"]["labels"][SERVICE_NAME], monotonic())
                    if len(arrived) >= total:
                        every.set()
                        return

    watcher = Thread(target=follow, daemon=True)
    watcher.start()
    template = service("", port(80), selector={"name": "svc-latency-rc"}, type="ClusterIP", sessionAffinity="None")
    template["metadata"] = {"generateName": "latency-svc-"}

    def make(_: int) -> tuple[str, float]:
        began = monotonic()
        return net.api.create(template, net.namespace)["metadata"]["name"], began

    with ThreadPoolExecutor(parallel) as pool:
        began = dict(pool.map(make, range(total)))
    every.wait(60)
    took = [arrived[name] - since for name, since in began.items() if name in arrived]
    assert len(took) >= 0.95 * total
    percentiles = quantiles(took, n=100)
    assert percentiles[49] < 20
    assert percentiles[98] < 50
    watcher.join(5)

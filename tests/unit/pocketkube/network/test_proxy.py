from collections import Counter
from typing import Any

import pytest

from pocketkube.network.fabric import Fabric
from pocketkube.network.proxy import Proxy
from pocketkube.network.route import Dropped, Route, Sender

from .conftest import World, at

POD = Sender("10.244.1.9", "worker")
NODE = Sender("172.18.0.3", "worker", is_node=True)
OUTSIDE = Sender("172.18.0.1", None)
HTTP = {"name": "http", "port": 80}


@pytest.fixture
def proxy(world: World) -> Proxy:
    return Proxy(world.client)


def ask(proxy: Proxy, address: str = "10.96.0.7", port: int = 80, sender: Sender = POD, **fields: Any) -> Route | None:
    return proxy.route(sender, address, port, fields.get("protocol", "TCP"), node=fields.get("node"))


def spread(proxy: Proxy, **fields: Any) -> set[tuple[str, int]]:
    routes = [ask(proxy, **fields) for _ in range(80)]
    return {(r.address, r.port) for r in routes if r is not None}


def test_balances_at_random_over_ready_endpoints_of_all_slices(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", HTTP)
    ports = [{"name": "http", "port": 8080}]
    world.slice("web", at("10.244.1.2"), at("10.244.1.3", ready=False), ports=ports)
    world.slice("web", at("10.244.2.2", ready=True), at("10.244.1.2"), ports=ports, name="web-2")
    seen = Counter(r.address for r in (ask(proxy) for _ in range(2000)) if r is not None)
    assert set(seen) == {"10.244.1.2", "10.244.2.2"}
    assert min(seen.values()) > 800
    assert ask(proxy, port=81) is None
    assert ask(proxy, protocol="UDP") is None


def test_what_exists_before_the_proxy_is_known_to_it(world: World) -> None:
    world.service("web", "10.96.0.7", HTTP)
    world.slice("web", at("10.244.1.2"), ports=[{"name": "http", "port": 8080}])
    assert ask(Proxy(world.client)) == Route("10.244.1.2", 8080)


def test_ports_are_matched_by_name_and_may_differ_between_slices(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", HTTP, {"name": "metrics", "port": 9090})
    world.slice("web", at("10.244.1.2"), ports=[{"name": "http", "port": 8080}, {"name": "other", "port": 9999}])
    world.slice("web", at("10.244.1.3"), ports=[{"name": "http", "port": 8085}], name="web-2")
    assert spread(proxy) == {("10.244.1.2", 8080), ("10.244.1.3", 8085)}
    with pytest.raises(ConnectionRefusedError):
        ask(proxy, port=9090)


def test_nothing_ready_is_refused_until_something_is(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", HTTP)
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    ports = [{"name": "http", "port": 8080}]
    world.slice("web", at("10.244.1.2", ready=False), ports=ports)
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    world.slice("web", at("10.244.1.2", ready=True), ports=ports)
    assert ask(proxy) == Route("10.244.1.2", 8080)
    world.delete("endpointslices", "lab", "web-1")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    world.delete("services", "lab", "web")
    assert ask(proxy) is None


def test_a_slice_that_changes_hands_serves_its_new_service_only(world: World, proxy: Proxy) -> None:
    world.service("a", "10.96.0.7", {"port": 80})
    world.service("b", "10.96.0.8", {"port": 80})
    world.slice("a", at("10.244.1.2"), ports=[{"port": 80}], name="s")
    world.slice("b", at("10.244.1.2"), ports=[{"port": 80}], name="s")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    assert ask(proxy, "10.96.0.8") == Route("10.244.1.2", 80)


def test_serving_terminating_endpoints_serve_only_when_no_other_is_left(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80})
    leaving = at("10.244.1.2", ready=False, serving=True, terminating=True)
    gone = at("10.244.1.4", ready=False, serving=False, terminating=True)
    world.slice("web", leaving, gone, at("10.244.1.3"), ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.1.3", 80)}
    world.slice("web", leaving, gone, ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.1.2", 80)}


def test_client_ip_affinity_lasts_for_its_timeout(world: World, proxy: Proxy) -> None:
    sticky = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}
    world.service("web", "10.96.0.7", {"port": 80}, **sticky)
    addresses = [f"10.244.1.{i}" for i in range(2, 12)]
    world.slice("web", *map(at, addresses), ports=[{"port": 80}])
    for client in ("10.244.1.50", "10.244.1.51"):
        assert len(spread(proxy, sender=Sender(client, "worker"))) == 1
    (mine, _), *_ = spread(proxy)
    world.slice("web", *(at(a) for a in addresses if a != mine), ports=[{"port": 80}])
    assert mine not in {a for a, _ in spread(proxy)}
    sticky["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 0}}
    world.service("web", "10.96.0.7", {"port": 80}, **sticky)
    ask(proxy)
    assert len(spread(proxy)) > 1


def test_node_ports_answer_on_node_addresses_only_and_hide_the_client(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80, "nodePort": 30080}, type="NodePort")
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, "172.18.0.4", 30080, OUTSIDE, node="worker2") == Route("10.244.1.2", 8080, masquerade=True)
    assert ask(proxy, "10.244.1.5", 30080) is None
    assert ask(proxy, "172.18.0.4", 80, node="worker2") is None
    assert ask(proxy, sender=OUTSIDE) is None


def test_external_policy_local_keeps_the_client_and_drops_without_a_local_endpoint(world: World, proxy: Proxy) -> None:
    port = {"port": 80, "nodePort": 30080}
    world.service("web", "10.96.0.7", port, type="NodePort", externalTrafficPolicy="Local")
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, "172.18.0.3", 30080, OUTSIDE, node="worker") == Route("10.244.1.2", 8080)
    with pytest.raises(Dropped):
        ask(proxy, "172.18.0.4", 30080, OUTSIDE, node="worker2")
    here = Sender("10.244.2.9", "worker2")  # traffic of the node's own pods is not outside traffic
    assert ask(proxy, "172.18.0.4", 30080, here, node="worker2") == Route("10.244.1.2", 8080)


def test_internal_policy_local(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80}, internalTrafficPolicy="Local")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    world.slice("web", at("10.244.2.2", nodeName="worker2"), ports=[{"port": 80}])
    with pytest.raises(Dropped):
        ask(proxy)
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 80}], name="web-2")
    assert spread(proxy) == {("10.244.1.2", 80)}


def test_hairpin_and_node_senders_are_masqueraded(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80})
    world.slice("web", at("10.244.1.9"), ports=[{"port": 80}])
    assert ask(proxy) == Route("10.244.1.9", 80, masquerade=True)
    assert ask(proxy, sender=NODE) == Route("10.244.1.9", 80, masquerade=True)
    assert ask(proxy, sender=Sender("10.244.1.8", "worker")) == Route("10.244.1.9", 80)


def test_external_and_load_balancer_addresses(world: World, proxy: Proxy) -> None:
    service = world.service("web", "10.96.0.7", {"port": 80}, type="LoadBalancer", externalIPs=["192.0.2.7"])
    world.slice("web", at("10.244.1.2"), ports=[{"port": 8080}])
    world.apply("services", {**service, "status": {"loadBalancer": {"ingress": [{"ip": "172.18.0.200"}]}}})
    for address in ("192.0.2.7", "172.18.0.200"):
        assert ask(proxy, address) == Route("10.244.1.2", 8080, masquerade=True)


def test_headless_and_external_name_services_have_no_address(world: World, proxy: Proxy) -> None:
    world.service("hl", "None", {"port": 80})
    world.service("ext", "", {"port": 80}, type="ExternalName", externalName="example.com")
    assert ask(proxy, "None") is None
    assert ask(proxy, "") is None


def test_udp_and_tcp_of_one_port_are_two_frontends(world: World, proxy: Proxy) -> None:
    world.service("dns", "10.96.0.10", {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53})
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 5353}]
    world.slice("dns", at("10.244.1.2"), ports=ports)
    assert ask(proxy, "10.96.0.10", 53, protocol="UDP") == Route("10.244.1.2", 53)
    assert ask(proxy, "10.96.0.10", 53) == Route("10.244.1.2", 5353)


def test_zone_hints_keep_traffic_in_the_zone_when_all_endpoints_have_them(world: World, proxy: Proxy) -> None:
    world.apply("nodes", {"metadata": {"name": "worker", "labels": {"topology.kubernetes.io/zone": "a"}}})
    world.service("web", "10.96.0.7", {"port": 80})
    near = at("10.244.1.2", hints={"forZones": [{"name": "a"}]})
    far = at("10.244.2.2", hints={"forZones": [{"name": "b"}]})
    world.slice("web", near, far, ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.1.2", 80)}
    world.slice("web", near, at("10.244.2.2"), ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.1.2", 80), ("10.244.2.2", 80)}


async def test_through_the_fabric_a_hand_made_slice_carries_traffic(world: World, proxy: Proxy) -> None:
    fabric = Fabric(world.clock, proxy=proxy)
    fabric.attach("172.18.0.3", "worker")
    client = fabric.attach("10.244.1.2", "client", node="worker")
    server = fabric.attach("10.244.1.3", "server", node="worker")
    listener = server.listen(8080)
    world.service("web", "10.96.0.7", {"port": 80, "nodePort": 30080}, type="NodePort")
    world.slice("web", at("10.244.1.3"), ports=[{"port": 8080}])
    stream = await client.connect("10.96.0.7", 80)
    accepted = await listener.accept()
    assert accepted.remote == ("10.244.1.2", stream.local[1])
    world.delete("endpointslices", "lab", "web-1")
    await stream.write(b"still here")
    assert await accepted.read() == b"still here"
    with pytest.raises(ConnectionRefusedError):
        await client.connect("10.96.0.7", 80)
    with pytest.raises(TimeoutError):
        await client.connect("10.96.0.7", 8080, timeout=1)
    world.slice("web", at("10.244.1.3"), ports=[{"port": 8080}])
    for network, address in ((fabric.outside, "172.18.0.3"), (fabric.node("worker"), "127.0.0.1")):
        await network.connect(address, 30080)
        assert (await listener.accept()).remote[0] == "10.244.1.1"

import random
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
    assert ask(proxy, "172.18.0.4", 30080, OUTSIDE, node="worker2") == Route("10.244.1.2", 8080, True, "worker2")
    assert ask(proxy, "10.244.1.5", 30080) is None
    assert ask(proxy, "172.18.0.4", 80, node="worker2") is None
    assert ask(proxy, sender=OUTSIDE) is None


def test_external_policy_local_keeps_the_client_and_drops_without_a_local_endpoint(world: World, proxy: Proxy) -> None:
    port = {"port": 80, "nodePort": 30080}
    world.service("web", "10.96.0.7", port, type="NodePort", externalTrafficPolicy="Local")
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, "172.18.0.3", 30080, OUTSIDE, node="worker") == Route("10.244.1.2", 8080, via="worker")
    with pytest.raises(Dropped):
        ask(proxy, "172.18.0.4", 30080, OUTSIDE, node="worker2")
    here = Sender("10.244.2.9", "worker2")  # traffic of the node's own pods is not outside traffic
    assert ask(proxy, "172.18.0.4", 30080, here, node="worker2") == Route("10.244.1.2", 8080, via="worker2")


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
        assert ask(proxy, address) == Route("10.244.1.2", 8080, True, "worker")


def test_headless_and_external_name_services_have_no_address(world: World, proxy: Proxy) -> None:
    world.service("hl", "None", {"port": 80})
    world.service("ext", "", {"port": 80}, type="ExternalName", externalName="example.com")
    assert ask(proxy, "None") is None
    assert ask(proxy, "") is None


@pytest.mark.parametrize("label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"])
def test_labels_take_a_service_and_its_slices_from_the_proxy(world: World, proxy: Proxy, label: str) -> None:
    service = world.service("web", "10.96.0.7", {"port": 80})
    piece = world.slice("web", at("10.244.1.2"), ports=[{"port": 80}])
    assert ask(proxy) == Route("10.244.1.2", 80)
    world.apply("services", {**service, "metadata": {**service["metadata"], "labels": {label: ""}}})
    assert ask(proxy) is None
    world.apply("services", service)
    assert ask(proxy) == Route("10.244.1.2", 80)
    labels = {**piece["metadata"]["labels"], label: ""}
    world.apply("endpointslices", {**piece, "metadata": {**piece["metadata"], "labels": labels}})
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)


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


# -- statistics: a fair proxy fails one run in a million, an unfair one nearly every run


def chi_square_bound(degrees: int, z: float = 4.753) -> float:
    """What chi-square with that many degrees exceeds with probability 1e-6 (Wilson and Hilferty's approximation)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + z * spread**0.5) ** 3)


def chi_square(proxy: Proxy, endpoints: int, requests: int, **fields: Any) -> float:
    seen = Counter(r.address for r in (ask(proxy, **fields) for _ in range(requests)) if r is not None)
    assert len(seen) <= endpoints
    expected = requests / endpoints
    return sum((count - expected) ** 2 / expected for count in seen.values()) + (endpoints - len(seen)) * expected


@pytest.mark.parametrize("endpoints", [2, 3, 10, 100])
def test_balancing_is_fair_within_chi_square_at_one_in_a_million(world: World, proxy: Proxy, endpoints: int) -> None:
    world.service("web", "10.96.0.7", {"port": 80})
    world.slice("web", *(at(f"10.244.1.{i + 1}") for i in range(endpoints)), ports=[{"port": 80}])
    assert chi_square(proxy, endpoints, 100 * endpoints) < chi_square_bound(endpoints - 1)


def test_the_chi_square_bound_catches_a_proxy_that_is_a_little_unfair(world: World) -> None:
    class Unfair(random.Random):
        def choice(self, seq: Any) -> Any:
            return seq[0] if self.random() < 0.1 else super().choice(seq)

    proxy = Proxy(world.client, Unfair())
    world.service("web", "10.96.0.7", {"port": 80})
    world.slice("web", *(at(f"10.244.1.{i + 1}") for i in range(10)), ports=[{"port": 80}])
    assert chi_square(proxy, 10, 2000) > chi_square_bound(9)


def test_affinity_is_kept_by_every_client_every_time(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80}, sessionAffinity="ClientIP")
    world.slice("web", *(at(f"10.244.2.{i + 1}") for i in range(10)), ports=[{"port": 80}])
    clients = [Sender(f"10.244.1.{i}", "worker") for i in range(1, 101)]
    first = [ask(proxy, sender=client) for client in clients]
    assert len({r.address for r in first if r is not None}) > 1
    for _ in range(20):
        assert [ask(proxy, sender=client) for client in clients] == first


# -- affinity in time


def test_affinity_ends_with_its_timeout_and_is_renewed_by_every_use(world: World) -> None:
    now = 0.0
    world.clock.monotonic = lambda: now  # type: ignore[method-assign]
    config = {"clientIP": {"timeoutSeconds": 100}}
    proxy = Proxy(world.client, Alternating())
    world.service("web", "10.96.0.7", {"port": 80}, sessionAffinity="ClientIP", sessionAffinityConfig=config)
    world.slice("web", at("10.244.1.2"), at("10.244.1.3"), ports=[{"port": 80}])
    first = ask(proxy)
    for now in (99.0, 198.0, 297.0):  # noqa: B007
        assert ask(proxy) == first
    now = 397.0
    assert ask(proxy) != first


class Alternating(random.Random):
    """Never chooses the same twice running."""

    turn = 0

    def choice(self, seq: Any) -> Any:
        self.turn += 1
        return seq[self.turn % len(seq)]


# -- load balancers


def balancer(world: World, *ips: str, mode: str = "VIP", **spec: Any) -> None:
    service = world.service("web", "10.96.0.7", {"port": 80}, type="LoadBalancer", **spec)
    ingress = [{"ip": ip, "ipMode": mode} for ip in ips]
    world.apply("services", {**service, "status": {"loadBalancer": {"ingress": ingress}}})


VIP = "172.18.255.200"


def test_source_ranges_count_at_the_load_balancers_address_only(world: World, proxy: Proxy) -> None:
    balancer(world, VIP, loadBalancerSourceRanges=["10.244.1.9/32", "fd00::/8"])
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, VIP) is not None
    for sender in (OUTSIDE, Sender("10.244.1.8", "worker"), NODE):
        with pytest.raises(Dropped):
            ask(proxy, VIP, sender=sender)
    assert ask(proxy, sender=Sender("10.244.1.8", "worker")) == Route("10.244.1.2", 8080)


def test_ranges_of_the_other_family_only_restrict_nothing(world: World, proxy: Proxy) -> None:
    balancer(world, VIP, loadBalancerSourceRanges=["fd00::/8"])
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, VIP, sender=OUTSIDE) is not None


def test_ip_mode_proxy_is_not_short_cut(world: World, proxy: Proxy) -> None:
    balancer(world, VIP, mode="Proxy")
    world.slice("web", at("10.244.1.2"), ports=[{"port": 8080}])
    assert ask(proxy, VIP) is None


def test_from_outside_a_load_balancer_enters_at_the_first_worker(world: World, proxy: Proxy) -> None:
    world.apply("nodes", {"metadata": {"name": "a", "labels": {"node-role.kubernetes.io/control-plane": ""}}})
    world.apply("nodes", {"metadata": {"name": "worker2"}})
    balancer(world, VIP)
    world.slice("web", at("10.244.1.2", nodeName="worker"), ports=[{"port": 8080}])
    assert ask(proxy, VIP, sender=OUTSIDE) == Route("10.244.1.2", 8080, True, "worker2")


def test_from_outside_a_local_load_balancer_keeps_the_client_and_finds_the_endpoints(
    world: World, proxy: Proxy
) -> None:
    balancer(world, VIP, externalTrafficPolicy="Local")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy, VIP, sender=OUTSIDE)
    here, there = at("10.244.1.2", nodeName="worker"), at("10.244.2.2", nodeName="worker2")
    world.slice("web", here, there, ports=[{"port": 8080}])
    assert spread(proxy, address=VIP, sender=OUTSIDE) == {("10.244.1.2", 8080), ("10.244.2.2", 8080)}
    assert getattr(ask(proxy, VIP, sender=OUTSIDE), "masquerade", None) is False


def test_an_address_two_services_claim_goes_to_the_second_when_the_first_lets_go(world: World, proxy: Proxy) -> None:
    for name, ip, endpoint in (("a", "10.96.0.7", "10.244.1.2"), ("b", "10.96.0.8", "10.244.1.3")):
        world.service(name, ip, {"port": 80}, externalIPs=["192.0.2.7"])
        world.slice(name, at(endpoint), ports=[{"port": 80}])
    assert spread(proxy, address="192.0.2.7") == {("10.244.1.2", 80)}
    world.service("a", "10.96.0.7", {"port": 80}, externalIPs=["192.0.2.7"], sessionAffinity="None")
    assert spread(proxy, address="192.0.2.7") == {("10.244.1.2", 80)}
    world.service("a", "10.96.0.7", {"port": 80})
    assert spread(proxy, address="192.0.2.7") == {("10.244.1.3", 80)}
    assert spread(proxy) == {("10.244.1.2", 80)}


# -- both families


def test_an_ipv6_address_leads_to_ipv6_endpoints(world: World, proxy: Proxy) -> None:
    ips, families = ["10.96.0.7", "fd00:10:96::7"], ["IPv4", "IPv6"]
    port = {"port": 80, "nodePort": 30080}
    world.service("web", ips[0], port, clusterIPs=ips, ipFamilies=families, type="NodePort")
    world.slice("web", at("10.244.1.2"), ports=[{"port": 8080}])
    with pytest.raises(ConnectionRefusedError):
        ask(proxy, ips[1], sender=Sender("fd00:10:244:1::9", "worker"))
    world.slice("web", at("fd00:10:244:1:0::2"), ports=[{"port": 8080}], name="web-6", addressType="IPv6")
    assert spread(proxy) == {("10.244.1.2", 8080)}
    for asked, number, node in ((ips[1], 80, None), ("fc00::3", 30080, "worker")):
        sender = Sender("fd00:10:244:1::9", "worker")
        assert spread(proxy, address=asked, port=number, node=node, sender=sender) == {("fd00:10:244:1::2", 8080)}


def test_a_slice_of_names_is_inert(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80})
    world.slice("web", at("example.com"), ports=[{"port": 80}], addressType="FQDN")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)


# -- what may go on


def test_a_flow_goes_on_while_its_endpoint_serves(world: World, proxy: Proxy) -> None:
    world.service("dns", "10.96.0.7", {"port": 53, "protocol": "UDP", "nodePort": 30053}, type="NodePort")
    ports = [{"port": 53, "protocol": "UDP"}]

    def keeps(address: str = "10.96.0.7", port: int = 53, *, at_node: bool = False) -> bool:
        return proxy.keeps(address, port, "UDP", ("10.244.1.2", 53), at_node=at_node)

    world.slice("dns", at("10.244.1.2"), at("10.244.1.3"), ports=ports)
    assert keeps()
    assert keeps("172.18.0.3", 30053, at_node=True)
    world.slice("dns", at("10.244.1.2", ready=False, serving=True, terminating=True), at("10.244.1.3"), ports=ports)
    assert keeps()
    world.slice("dns", at("10.244.1.2", ready=False, serving=False), at("10.244.1.3"), ports=ports)
    assert not keeps()
    world.slice("dns", at("10.244.1.3"), ports=ports)
    assert not keeps()
    world.delete("services", "lab", "dns")
    assert not keeps("172.18.0.3", 30053, at_node=True)


def test_local_endpoints_are_counted_once_for_each_ready_address(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"name": "a", "port": 80}, {"name": "b", "port": 81})
    here, not_ready = at("10.244.1.2", nodeName="worker"), at("10.244.1.3", nodeName="worker", ready=False)
    world.slice("web", here, not_ready, at("10.244.2.2", nodeName="x"), ports=[{"name": n, "port": 8} for n in "ab"])
    assert proxy.local_endpoints(("lab", "web"), "worker") == 1
    assert proxy.local_endpoints(("lab", "web"), "elsewhere") == 0


def test_a_nodes_zone_counts_when_it_changes(world: World, proxy: Proxy) -> None:
    world.service("web", "10.96.0.7", {"port": 80})
    near, far = (at(f"10.244.1.{n}", hints={"forZones": [{"name": z}]}) for n, z in ((2, "a"), (3, "b")))
    world.slice("web", near, far, ports=[{"port": 80}])
    assert len(spread(proxy)) == 2
    for zone, address in (("a", "10.244.1.2"), ("b", "10.244.1.3")):
        world.apply("nodes", {"metadata": {"name": "worker", "labels": {"topology.kubernetes.io/zone": zone}}})
        assert spread(proxy) == {(address, 80)}


def test_node_hints_win_over_zone_hints_where_the_node_has_one(world: World, proxy: Proxy) -> None:
    world.apply("nodes", {"metadata": {"name": "worker", "labels": {"topology.kubernetes.io/zone": "a"}}})
    world.service("web", "10.96.0.7", {"port": 80})

    def hinted(address: str, node: str, zone: str) -> Any:
        return at(address, hints={"forNodes": [{"name": node}], "forZones": [{"name": zone}]})

    here, beside, far = (
        hinted("10.244.1.2", "worker", "a"),
        hinted("10.244.2.2", "x", "a"),
        hinted("10.244.3.2", "y", "b"),
    )
    world.slice("web", here, beside, far, ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.1.2", 80)}
    world.slice("web", beside, far, ports=[{"port": 80}])
    assert spread(proxy) == {("10.244.2.2", 80)}


async def test_datagrams_go_elsewhere_once_their_endpoint_no_longer_serves(world: World, proxy: Proxy) -> None:
    fabric = Fabric(world.clock, proxy=proxy)
    client = fabric.attach("10.244.1.2", "client", node="worker")
    first, second = (fabric.attach(f"10.244.1.{n}", f"server{n}", node="worker").bind_udp(53) for n in (3, 4))
    world.service("dns", "10.96.0.10", {"port": 53, "protocol": "UDP"})
    ports = [{"port": 53, "protocol": "UDP"}]
    world.slice("dns", at("10.244.1.3"), ports=ports)
    asking = client.bind_udp()
    asking.connect(("10.96.0.10", 53))
    asking.send(b"one")
    assert (await first.recvfrom())[0] == b"one"
    world.slice("dns", at("10.244.1.3"), at("10.244.1.4"), ports=ports)
    for _ in range(20):  # the flow stays where it is
        asking.send(b"two")
        assert (await first.recvfrom())[0] == b"two"
    world.slice("dns", at("10.244.1.3", ready=False, serving=False), at("10.244.1.4"), ports=ports)
    asking.send(b"three")
    _, sender = await second.recvfrom()
    second.sendto(b"answer", sender)
    assert await asking.recvfrom() == (b"answer", ("10.96.0.10", 53))
    world.slice("dns", ports=ports)
    asking.send(b"four")
    with pytest.raises(ConnectionRefusedError):
        await asking.recvfrom()


async def test_from_outside_a_load_balancers_endpoint_sees_the_node_it_came_by(world: World, proxy: Proxy) -> None:
    fabric = Fabric(world.clock, proxy=proxy)
    for name, address in (("worker", "172.18.0.3"), ("worker2", "172.18.0.4")):
        fabric.attach(address, name)
        world.apply("nodes", {"metadata": {"name": name}})
    listener = fabric.attach("10.244.2.2", "server", node="worker2").listen(8080)
    balancer(world, VIP)
    world.slice("web", at("10.244.2.2", nodeName="worker2"), ports=[{"port": 8080}])
    await fabric.outside.connect(VIP, 80)
    assert (await listener.accept()).remote[0] == "172.18.0.3"
    balancer(world, VIP, externalTrafficPolicy="Local")
    await fabric.outside.connect(VIP, 80)
    assert (await listener.accept()).remote[0] == "172.18.0.1"

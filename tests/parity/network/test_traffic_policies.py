"""Which endpoints take a Service's traffic, who they see, and when that changes: test/e2e/network/service.go and more.

Needs two workers. What depends on a cloud's load balancer is not here.
"""

from __future__ import annotations

import json

import pytest
from tests.parity.network.support import Place, Ran, at, curl, internal_ip, pod, port, service, workers

from kindlab.api import Obj

SERVER = ("netexec", "--http-port=8080", "--udp-port=8081")
READY = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def nodes(shared: Place) -> list[Obj]:
    found = workers(shared.api)
    if len(found) < 2:
        pytest.skip("needs two workers")
    return found[:2]


@pytest.fixture
def duo(net: Place, nodes: list[Obj]) -> Place:
    """Pods `client0` and `client1`, `host0` and `host1` (on the node's own network), on two nodes."""
    names = [node["metadata"]["name"] for node in nodes]
    clients = [pod(f"client{i}", nodeName=name) for i, name in enumerate(names)]
    hosts = [pod(f"host{i}", nodeName=name, hostNetwork=True) for i, name in enumerate(names)]
    net.start(*clients, *hosts)
    return net


def server(name: str, node: Obj, app: str = "web", **spec: object) -> Obj:
    return pod(name, *SERVER, labels={"app": app}, nodeName=node["metadata"]["name"], readinessProbe=READY, **spec)


def many(place: Place, client: str, url: str, count: int = 20) -> set[str]:
    """The different answers to that many requests, each on a connection of its own."""
    ran = place.sh(client, f"for i in $(seq {count}); do {curl(url)} || echo failed; echo; done")
    return set(ran.lines)


def get(place: Place, client: str, url: str, seconds: int = 3) -> Ran:
    """One request; curl's exit code says how it failed: 7 refused, 28 timed out."""
    return place.run(client, "curl", "-g", "-q", "-s", "--connect-timeout", str(seconds), "--max-time", "10", url)


def node_port(place: Place, name: str, index: int = 0) -> int:
    return int(place.require("Service", name)["spec"]["ports"][index]["nodePort"])


def url(place: Place, name: str, path: str = "hostname") -> str:
    return f"http://{at(place.require('Service', name)['spec']['clusterIP'], 80)}/{path}"


def client_ip(ran: Ran) -> str:
    """Without the port; of an IPv4 address mapped into IPv6 the IPv4 part."""
    return ran.out.strip().rpartition(":")[0].strip("[]").removeprefix("::ffff:")


def until_answer(place: Place, client: str, address: str) -> None:
    place.sh_until(client, curl(address))


# -- internal traffic


def test_internal_policy_local_stays_on_the_node_and_drops_without_an_endpoint(duo: Place, nodes: list[Obj]) -> None:
    duo.start(service("web", port(80, 8080), internalTrafficPolicy="Local"), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    until_answer(duo, "client0", url(duo, "web"))
    assert many(duo, "client0", url(duo, "web"), 5) == {"near"}
    assert get(duo, "client1", url(duo, "web")).code == 28
    duo.start(server("far", nodes[1]))
    duo.endpoints("web", pods=["near", "far"])
    until_answer(duo, "client1", url(duo, "web"))
    assert many(duo, "client0", url(duo, "web"), 8) == {"near"}
    assert many(duo, "client1", url(duo, "web"), 8) == {"far"}
    assert many(duo, "host1", url(duo, "web"), 8) == {"far"}


def test_a_pod_keeps_its_address_when_it_asks_a_cluster_ip(duo: Place, nodes: list[Obj]) -> None:
    duo.start(service("web", port(80, 8080)), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    for name in ("client0", "client1"):
        until_answer(duo, name, url(duo, "web"))
        own = duo.require("Pod", name)["status"]["podIP"]
        assert client_ip(get(duo, name, url(duo, "web", "clientip"))) == own


def test_no_endpoints_is_refused_at_the_cluster_ip_and_at_the_node_port(duo: Place, nodes: list[Obj]) -> None:
    duo.put(service("web", port(80, 8080), type="NodePort"))
    number = node_port(duo, "web")
    for address in (url(duo, "web"), *(f"http://{at(internal_ip(node), number)}/" for node in nodes)):
        duo.sh_until("client0", f"{curl(address)}; [ $? = 7 ] && echo refused")


def test_an_external_local_service_without_any_endpoint_is_refused_too(duo: Place, nodes: list[Obj]) -> None:
    duo.put(service("web", port(80, 8080), type="NodePort", externalTrafficPolicy="Local"))
    address = f"http://{at(internal_ip(nodes[1]), node_port(duo, 'web'))}/"
    duo.sh_until("host0", f"{curl(address)}; [ $? = 7 ] && echo refused")


# -- traffic from outside: one node asks the other


def test_node_ports_answer_on_every_node_and_hide_the_client(duo: Place, nodes: list[Obj]) -> None:
    duo.start(service("web", port(80, 8080), type="NodePort"), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    number = node_port(duo, "web")
    for asked in nodes:
        address = f"http://{at(internal_ip(asked), number)}/hostname"
        until_answer(duo, "host1", address)
        assert many(duo, "host1", address, 4) == {"near"}
    seen = client_ip(get(duo, "host1", f"http://{at(internal_ip(nodes[0]), number)}/clientip"))
    assert seen != internal_ip(nodes[1])  # the node that was asked speaks to the Pod, with its address in the pod range


def test_a_node_port_shows_the_client_to_a_program_in_the_network_of_the_node_asked(
    duo: Place, nodes: list[Obj]
) -> None:
    listen = ("netexec", "--http-port=18094", "--udp-port=-1")
    name = nodes[0]["metadata"]["name"]
    near = pod("near", *listen, labels={"app": "web"}, nodeName=name, hostNetwork=True)
    duo.start(service("web", port(80, 18094), type="NodePort"), near)
    duo.endpoints("web", pods=["near"])
    number = node_port(duo, "web")
    here, there = (f"http://{at(internal_ip(node), number)}/clientip" for node in nodes)
    until_answer(duo, "host1", here)
    assert client_ip(get(duo, "host1", here)) == internal_ip(
        nodes[1]
    )  # nothing leaves the node: nothing is masqueraded
    until_answer(duo, "host0", there)
    assert client_ip(get(duo, "host0", there)) == internal_ip(nodes[1])  # here it does: node 1 speaks for the client


def test_external_policy_local_keeps_the_client_and_drops_where_there_is_no_endpoint(
    duo: Place, nodes: list[Obj]
) -> None:
    duo.start(service("web", port(80, 8080), type="NodePort", externalTrafficPolicy="Local"), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    number = node_port(duo, "web")
    near, far = (f"http://{at(internal_ip(node), number)}/clientip" for node in nodes)
    until_answer(duo, "host1", near)
    assert client_ip(get(duo, "host1", near)) == internal_ip(nodes[1])
    assert get(duo, "host0", far).code == 28
    assert get(duo, "host1", far).ok  # what starts on the node itself is not outside traffic
    assert get(duo, "client1", far).ok


def test_health_check_node_ports_say_which_nodes_have_endpoints(duo: Place, nodes: list[Obj]) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "example.com/nobody"}
    made, _ = duo.start(service("web", port(80, 8080), **spec), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    number = made["spec"]["healthCheckNodePort"]
    near, far = (f"http://{at(internal_ip(node), number)}/healthz" for node in nodes)
    duo.sh_until("host0", f"{curl(near)} | grep -q '\"localEndpoints\": 1' && echo there")
    body = json.loads(get(duo, "host0", near).out)
    assert body["service"] == {"namespace": duo.namespace, "name": "web"}
    code = duo.run("host0", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", far).out
    assert code == "503"
    assert json.loads(get(duo, "host0", far).out)["localEndpoints"] == 0
    duo.update("Service", "web", externalTrafficPolicy="Cluster", healthCheckNodePort=None)
    duo.sh_until("host0", f"{curl(near)} >/dev/null; [ $? = 7 ] && echo closed")


def test_kube_proxy_answers_for_itself_on_every_node(duo: Place, nodes: list[Obj]) -> None:
    assert duo.run("host0", "curl", "-s", "http://127.0.0.1:10249/proxyMode").out in ("iptables", "nftables", "ipvs")
    for path in ("healthz", "livez"):
        assert json.loads(duo.run("host0", "curl", "-s", f"http://127.0.0.1:10256/{path}").out)["lastUpdated"]


# -- who takes traffic


def test_endpoints_that_still_serve_while_terminating_are_used_when_no_other_is_left(
    duo: Place, nodes: list[Obj]
) -> None:
    slow = {"terminationGracePeriodSeconds": 60}
    args = [*SERVER, "--delay-shutdown=50"]
    body = pod(
        "leaving", *args, labels={"app": "web"}, nodeName=nodes[0]["metadata"]["name"], readinessProbe=READY, **slow
    )
    duo.start(service("web", port(80, 8080)), body)
    duo.endpoints("web", pods=["leaving"])
    until_answer(duo, "client1", url(duo, "web"))
    duo.api.delete("Pod", "leaving", duo.namespace)
    duo.endpoints("web", 0)
    assert many(duo, "client1", url(duo, "web"), 5) == {"leaving"}
    duo.start(server("staying", nodes[0]))
    duo.endpoints("web", pods=["staying"])
    duo.sh_until("client1", f'[ "$({curl(url(duo, "web"))})" = staying ] && echo moved')
    assert many(duo, "client1", url(duo, "web"), 10) == {"staying"}


def test_a_connection_goes_on_while_its_pod_terminates(duo: Place, nodes: list[Obj]) -> None:
    args = [*SERVER, "--delay-shutdown=30"]
    body = pod(
        "leaving",
        *args,
        labels={"app": "web"},
        nodeName=nodes[0]["metadata"]["name"],
        readinessProbe=READY,
        terminationGracePeriodSeconds=40,
    )
    duo.start(service("web", port(80, 8080)), body)
    duo.endpoints("web", pods=["leaving"])
    until_answer(duo, "client0", url(duo, "web"))
    host = duo.require("Service", "web")["spec"]["clusterIP"]
    ask = f"printf 'GET /hostname HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n'"
    asking = f"({ask}; until [ -f /tmp/again ]; do sleep 1; done; {ask}; sleep 2) | nc -w 20 {host} 80 > /tmp/answers"
    duo.start(pod("talker", command=["sh", "-c", f"{asking}; sleep 3600"], nodeName=nodes[0]["metadata"]["name"]))
    duo.sh_until("talker", "grep leaving /tmp/answers")
    duo.start(server("staying", nodes[1]))
    duo.api.delete("Pod", "leaving", duo.namespace)
    duo.endpoints("web", pods=["staying"])
    duo.sh_until("client1", f'[ "$({curl(url(duo, "web"))})" = staying ] && echo moved')
    duo.sh_until("talker", "touch /tmp/again; [ $(grep -c leaving /tmp/answers) = 2 ] && echo twice")


def test_not_ready_pods_take_traffic_when_they_are_to_be_published(duo: Place, nodes: list[Obj]) -> None:
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    waiting = pod(
        "waiting", *SERVER, labels={"app": "web"}, nodeName=nodes[0]["metadata"]["name"], readinessProbe=never
    )
    duo.put(waiting, service("web", port(80, 8080)))
    duo.put(service("early", port(80, 8080), selector={"app": "web"}, publishNotReadyAddresses=True))
    duo.endpoints("early", pods=["waiting"])
    duo.sh_until("client0", f'[ "$({curl(url(duo, "early"))})" = waiting ] && echo there')
    assert get(duo, "client0", url(duo, "web")).code == 7


def test_a_type_change_opens_and_closes_the_node_port(duo: Place, nodes: list[Obj]) -> None:
    duo.start(service("web", port(80, 8080)), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    duo.update("Service", "web", type="NodePort")
    address = f"http://{at(internal_ip(nodes[1]), node_port(duo, 'web'))}/hostname"
    until_answer(duo, "client0", address)
    duo.update("Service", "web", type="ClusterIP")
    assert "nodePort" not in duo.require("Service", "web")["spec"]["ports"][0]
    duo.sh_until("client0", f"{curl(address)}; [ $? = 7 ] && echo closed")
    assert get(duo, "client0", url(duo, "web")).out == "near"


def test_affinity_keeps_a_client_with_its_pod_and_ends_with_its_timeout(duo: Place, nodes: list[Obj]) -> None:
    sticky = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}
    duo.start(service("web", port(80, 8080), **sticky), *(server(f"web-{n}", nodes[n % 2]) for n in range(4)))
    duo.endpoints("web", 4)
    until_answer(duo, "client0", url(duo, "web"))
    assert len(many(duo, "client0", url(duo, "web"), 20)) == 1
    script = f"for i in 1 2 3 4; do {curl(url(duo, 'web'))}; echo; sleep 3; done"
    assert len(set(duo.sh("client0", script).lines)) == 1  # 9 seconds: every use renews it
    duo.update("Service", "web", sessionAffinity="None", sessionAffinityConfig=None)
    # of 4 Pods chosen at random, 60 requests meet fewer than 2 once in 4^59 runs
    duo.sh_until(
        "client0",
        f"[ $(for i in $(seq 60); do {curl(url(duo, 'web'))}; echo; done | sort -u | wc -l) -gt 1 ] && echo many",
    )


# -- hand-made slices


def hand_slice(address: str, number: int, **endpoint: object) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "hand-1", "labels": {"kubernetes.io/service-name": "hand"}},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "ports": [{"name": "", "port": number, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], **endpoint}],
    }


def test_a_hand_made_slice_leads_to_a_pod_that_no_selector_names(duo: Place, nodes: list[Obj]) -> None:
    _, made = duo.start(service("hand", port(80), selector={}), server("alone", nodes[1], app="other"))
    duo.put(hand_slice(made["status"]["podIP"], 8080))
    until_answer(duo, "client0", url(duo, "hand"))
    assert many(duo, "client0", url(duo, "hand"), 4) == {"alone"}


def test_a_hand_made_slice_leads_to_a_listener_on_a_node(duo: Place, nodes: list[Obj]) -> None:
    node = nodes[1]["metadata"]["name"]
    listener = pod("listener", "netexec", "--http-port=18093", "--udp-port=-1", nodeName=node, hostNetwork=True)
    duo.start(service("hand", port(80), selector={}), listener)
    duo.put(hand_slice(internal_ip(nodes[1]), 18093))
    until_answer(duo, "client0", url(duo, "hand"))
    assert many(duo, "client0", url(duo, "hand"), 4) == {node}


def test_a_hand_made_endpoint_that_is_not_ready_takes_nothing(duo: Place, nodes: list[Obj]) -> None:
    _, made = duo.start(service("hand", port(80), selector={}), server("alone", nodes[1], app="other"))
    duo.put(hand_slice(made["status"]["podIP"], 8080, conditions={"ready": False}))
    duo.sh_until("client0", f"{curl(url(duo, 'hand'))}; [ $? = 7 ] && echo refused")
    duo.api.patch("EndpointSlice", "hand-1", duo.namespace, {"endpoints": [{"addresses": [made["status"]["podIP"]]}]})
    until_answer(duo, "client0", url(duo, "hand"))


def test_a_slice_of_names_carries_nothing(duo: Place) -> None:
    duo.put(service("hand", port(80), selector={}))
    duo.put({**hand_slice("example.com", 80), "addressType": "FQDN"})
    duo.sh_until("client0", f"{curl(url(duo, 'hand'))}; [ $? = 7 ] && echo refused")


# -- near endpoints


@pytest.mark.parametrize("asked", ["PreferSameZone", "PreferClose", "PreferSameNode"])
def test_traffic_distribution_keeps_traffic_near(duo: Place, nodes: list[Obj], asked: str) -> None:
    zones = [node["metadata"]["labels"].get("topology.kubernetes.io/zone") for node in nodes]
    if asked != "PreferSameNode" and (None in zones or zones[0] == zones[1]):
        pytest.skip("needs nodes in two zones")
    duo.start(
        service("web", port(80, 8080), trafficDistribution=asked), server("web-0", nodes[0]), server("web-1", nodes[1])
    )
    duo.endpoints("web", 2)
    for index in (0, 1):
        duo.sh_until(f"client{index}", f'[ "$({curl(url(duo, "web"))})" = web-{index} ] && echo near')
        assert many(duo, f"client{index}", url(duo, "web"), 15) == {f"web-{index}"}
    duo.api.delete("Pod", "web-0", duo.namespace)
    duo.endpoints("web", pods=["web-1"])
    duo.sh_until("client0", f'[ "$({curl(url(duo, "web"))})" = web-1 ] && echo far')


# -- UDP


def test_datagrams_leave_an_endpoint_that_is_gone(duo: Place, nodes: list[Obj]) -> None:
    """test/e2e/network/conntrack.go: one socket that goes on sending is not stuck with the Pod it met first."""
    duo.start(service("web", port(80, 8081, protocol="UDP")), server("first", nodes[0]))
    duo.endpoints("web", pods=["first"])
    host = duo.require("Service", "web")["spec"]["clusterIP"]
    ask = f"echo hostname | nc -u -w 2 -p 23456 {host} 80"  # the source port stays the same: one flow
    duo.sh_until("client1", f'[ "$({ask})" = first ] && echo met')
    duo.start(server("second", nodes[1]))
    duo.endpoints("web", pods=["first", "second"])
    duo.api.delete("Pod", "first", duo.namespace)
    duo.endpoints("web", pods=["second"])
    duo.sh_until("client1", f'[ "$({ask})" = second ] && echo moved')


def test_udp_node_ports(duo: Place, nodes: list[Obj]) -> None:
    duo.start(service("web", port(80, 8081, protocol="UDP"), type="NodePort"), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    for node in nodes:
        ask = f"echo hostname | nc -u -w 2 {internal_ip(node)} {node_port(duo, 'web')}"
        duo.sh_until("client1", f'[ "$({ask})" = near ] && echo there')


# -- other addresses


def test_an_external_ip_leads_to_the_service_from_pods_and_nodes(duo: Place, nodes: list[Obj]) -> None:
    address = "203.0.113.250"
    if ":" in internal_ip(nodes[0]):
        pytest.skip("the address is an IPv4 one")
    duo.start(service("web", port(80, 8080), externalIPs=[address]), server("near", nodes[0]))
    duo.endpoints("web", pods=["near"])
    for client in ("client0", "client1", "host1"):
        duo.sh_until(client, f'[ "$({curl(f"http://{address}/hostname")})" = near ] && echo there')


def test_the_topology_annotation_gives_each_zone_its_share(duo: Place, nodes: list[Obj]) -> None:
    zones = [node["metadata"]["labels"].get("topology.kubernetes.io/zone") for node in nodes]
    if None in zones or zones[0] == zones[1] or len(workers(duo.api)) != 2:
        pytest.skip("needs two workers in two zones")
    made = service("web", port(80, 8080))
    made["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    duo.start(made, *(server(f"web-{n}", nodes[n % 2]) for n in range(4)))

    def hinted(found: list[Obj]) -> bool:
        given = [e["hints"]["forZones"][0]["name"] for s in found for e in s.get("endpoints") or () if e.get("hints")]
        return sorted(given) == sorted(2 * zones)

    duo.until("EndpointSlice", hinted, labels="kubernetes.io/service-name=web")
    duo.sh_until(
        "client0", f"for i in $(seq 12); do {curl(url(duo, 'web'))}; echo; done | grep -q 'web-[13]' || echo near"
    )
    assert many(duo, "client0", url(duo, "web"), 15) == {"web-0", "web-2"}
    assert many(duo, "client1", url(duo, "web"), 15) == {"web-1", "web-3"}

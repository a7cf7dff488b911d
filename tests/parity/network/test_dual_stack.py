"""IPv4 and IPv6 side by side: nodes, Pods, Services, slices, traffic and names of both families.

The facts are those of Kubernetes' test/e2e/network/dual_stack.go, and what traffic does besides. Where the embedded
cluster is tested, the module makes a dual-stack one of its own; any other cluster must be dual-stack, or the tests are
skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.support import Place, deployment, pod, port, service

from kindlab import workspace
from kindlab.api import Api, Obj
from kindlab.clusters.pocket import Pocket

V4, V6 = "IPv4", "IPv6"
SERVER = ("netexec", "--http-port=9376", "--udp-port=9377")


def family(address: str) -> str:
    return V6 if ip_address(address).version == 6 else V4


def families(addresses: list[str]) -> list[str]:
    return [family(address) for address in addresses]


def literal(address: str) -> str:
    """As it is written in a URL."""
    return f"[{address}]" if family(address) == V6 else address


def pod_ips(found: Obj) -> list[str]:
    return [entry["ip"] for entry in found["status"]["podIPs"]]


@pytest.fixture(scope="module")
def dual(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A dual-stack cluster."""
    if request.config.getoption("--cluster") == "pocket":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KINDLAB_HOME", str(tmp_path_factory.mktemp("dual-home")))
            own = Pocket("dual", ip_family="dual", http_port=0, https_port=0)
            try:
                yield own.up(lambda text: None).api()
            finally:
                own.down(lambda text: None)
        return
    api: Api = request.getfixturevalue("api")
    ranges = [node["spec"].get("podCIDRs") or [] for node in api.list("Node")]
    if not all(len(found) == 2 for found in ranges):
        pytest.skip("the cluster is single-stack: its nodes have Pod ranges of one family only")
    yield api


@pytest.fixture(scope="module")
def place(dual: Api) -> Iterator[Place]:
    """A namespace with a Pod `client` to ask from, and two Pods app=web on port 9376."""
    name = f"net-dual-stack-{token_hex(2)}"
    workspace.make_namespace(dual, name)
    found = Place(dual, name)
    found.start(pod("client"), deployment("web", *SERVER))
    yield found
    dual.delete("Namespace", name)


@pytest.fixture
def primary(place: Place) -> str:
    """The family of what asks for none."""
    return family(place.api.get("Service", "kubernetes", "default")["spec"]["clusterIP"])


def make(place: Place, name: str, **spec: Any) -> Obj:
    """A Service of the web Pods, with slices for each of its families."""
    (made,) = place.put(service(name, port(80, 9376, name="http"), selector={"app": "web"}, **spec))
    wanted = set(made["spec"]["ipFamilies"])
    pods = {found["metadata"]["name"] for found in place.list("Pod", "app=web")}

    def reached(slices: list[Obj]) -> bool:
        ready = {
            (found["addressType"], endpoint["targetRef"]["name"])
            for found in slices
            for endpoint in found.get("endpoints") or ()
            if endpoint["conditions"]["ready"]
        }
        return ready == {(kind, name) for kind in wanted for name in pods}

    place.until("EndpointSlice", reached, labels=f"kubernetes.io/service-name={name}")
    return made


def ask(place: Place, address: str, path: str = "/hostname", number: int = 80) -> str:
    """What an address answers the Pod `client`, once the proxies know it."""
    url = f"http://{literal(address)}:{number}{path}"
    return place.sh_until("client", f"curl -q -g -s --max-time 3 '{url}'").out.strip()


# -- nodes and Pods


def test_nodes_have_addresses_and_pod_ranges_of_both_families(place: Place) -> None:
    for node in place.api.list("Node"):
        internal = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        assert sorted(families(internal)) == [V4, V6]
        assert sorted(families([cidr.partition("/")[0] for cidr in node["spec"]["podCIDRs"]])) == [V4, V6]
        assert node["spec"]["podCIDR"] == node["spec"]["podCIDRs"][0]


def test_a_pod_has_an_address_of_each_family_and_so_has_its_host(place: Place, primary: str) -> None:
    for found in (place.require("Pod", "client"), *place.list("Pod", "app=web")):
        status = found["status"]
        assert sorted(families(pod_ips(found))) == [V4, V6]
        assert (status["podIP"], family(status["podIP"])) == (pod_ips(found)[0], primary)
        hosts = [entry["ip"] for entry in status["hostIPs"]]
        assert sorted(families(hosts)) == [V4, V6]
        assert status["hostIP"] == hosts[0]


def test_a_container_is_told_all_addresses(place: Place) -> None:
    names = ("podIP", "podIPs", "hostIP", "hostIPs")
    env = [{"name": n.upper(), "valueFrom": {"fieldRef": {"fieldPath": f"status.{n}"}}} for n in names]
    (told,) = place.start(pod("told", env=env))
    seen = place.sh("told", "; ".join(f"echo ${n.upper()}" for n in names)).lines
    status = told["status"]
    hosts = ",".join(entry["ip"] for entry in status["hostIPs"])
    assert seen == [status["podIP"], ",".join(pod_ips(told)), status["hostIP"], hosts]
    hosts_file = place.sh("told", "cat /etc/hosts").out
    assert all(f"{address}\ttold\n" in hosts_file for address in pod_ips(told))


def test_pods_are_reached_at_both_addresses(place: Place) -> None:
    for found in place.list("Pod", "app=web"):
        assert {ask(place, address, number=9376) for address in pod_ips(found)} == {found["metadata"]["name"]}


def test_localhost_is_there_in_both_families(place: Place) -> None:
    web = place.list("Pod", "app=web")[0]["metadata"]["name"]
    for host in ("127.0.0.1", "[::1]", "localhost"):
        assert place.sh(web, f"curl -q -g -s --max-time 3 http://{host}:9376/hostname").out == web


def test_the_other_end_sees_the_address_of_the_family_that_was_used(place: Place) -> None:
    own = {family(address): address for address in pod_ips(place.require("Pod", "client"))}
    web = place.list("Pod", "app=web")[0]
    for address in pod_ips(web):
        seen = ask(place, address, "/clientip", 9376)
        assert seen.rpartition(":")[0].strip("[]") == own[family(address)]


# -- Services


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),
        ({"ipFamilies": [V4]}, [V4]),
        ({"ipFamilies": [V6]}, [V6]),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": [V4, V6]}, [V4, V6]),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": [V6, V4]}, [V6, V4]),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": [V6]}, [V6, V4]),
    ],
    ids=["default", "4", "6", "4,6", "6,4", "prefer-6"],
)
def test_a_service_gets_what_it_asks_for_and_carries_traffic(
    place: Place, primary: str, asked: Obj, expected: list[str] | None
) -> None:
    name = f"s-{token_hex(3)}"
    spec = make(place, name, **asked)["spec"]
    assert spec["ipFamilies"] == (expected or [primary])
    assert families(spec["clusterIPs"]) == spec["ipFamilies"]
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    assert spec["ipFamilyPolicy"] == asked.get("ipFamilyPolicy", "SingleStack")
    assert sorted(s["addressType"] for s in place.slices(name)) == sorted(spec["ipFamilies"])
    for found in place.slices(name):
        addresses = [address for endpoint in found["endpoints"] for address in endpoint["addresses"]]
        assert set(families(addresses)) == {found["addressType"]}
    for address in spec["clusterIPs"]:
        assert ask(place, address).startswith("web-")


def test_a_second_family_comes_and_goes(place: Place, primary: str) -> None:
    name = f"s-{token_hex(3)}"
    first = make(place, name)["spec"]["clusterIP"]
    both = place.update("Service", name, ipFamilyPolicy="PreferDualStack")["spec"]
    assert both["clusterIPs"][0] == first
    assert sorted(families(both["clusterIPs"])) == [V4, V6]
    assert ask(place, both["clusterIPs"][1]).startswith("web-")
    one = place.update("Service", name, ipFamilyPolicy="SingleStack")["spec"]
    assert (one["clusterIPs"], one["ipFamilies"]) == ([first], [primary])
    labels = f"kubernetes.io/service-name={name}"
    place.until("EndpointSlice", lambda slices: [s["addressType"] for s in slices] == [primary], labels=labels)
    script = f"curl -q -g -s --max-time 1 http://{literal(both['clusterIPs'][1])}/ > /dev/null || echo refused"
    place.sh_until("client", script)
    assert ask(place, first).startswith("web-")


def test_a_headless_service_without_selector_has_both_families(place: Place) -> None:
    name = f"s-{token_hex(3)}"
    (made,) = place.put(service(name, selector={}, clusterIP="None"))
    assert made["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert sorted(made["spec"]["ipFamilies"]) == [V4, V6]


def test_node_ports_are_open_at_both_addresses_of_a_node(place: Place) -> None:
    made = make(place, f"s-{token_hex(3)}", type="NodePort", ipFamilyPolicy="RequireDualStack")
    node = place.api.list("Node")[-1]
    for found in node["status"]["addresses"]:
        if found["type"] == "InternalIP":
            assert ask(place, found["address"], number=made["spec"]["ports"][0]["nodePort"]).startswith("web-")


def test_datagrams_travel_in_both_families(place: Place) -> None:
    name = f"s-{token_hex(3)}"
    udp = port(80, 9377, name="udp", protocol="UDP")
    (made,) = place.put(service(name, udp, selector={"app": "web"}, ipFamilyPolicy="RequireDualStack"))
    for address in made["spec"]["clusterIPs"]:
        assert place.sh_until("client", f"echo hostname | nc -u -w 1 {address} 80").out.startswith("web-")


# -- names


def dig(place: Place, name: str, qtype: str) -> list[str]:
    return place.sh("client", f"dig +short {name} {qtype}").lines


def test_a_name_has_records_of_its_services_families_only(place: Place) -> None:
    for asked in ([V4], [V6], [V4, V6]):
        policy = "RequireDualStack" if len(asked) == 2 else "SingleStack"
        name = f"s-{token_hex(3)}"
        made = make(place, name, ipFamilies=asked, ipFamilyPolicy=policy)
        full = f"{name}.{place.namespace}.svc.cluster.local"
        by_family = {family(address): address for address in made["spec"]["clusterIPs"]}
        place.sh_until("client", f"dig +short {full} {'A' if V4 in asked else 'AAAA'}")
        for qtype, kind in (("A", V4), ("AAAA", V6)):
            assert dig(place, full, qtype) == ([by_family[kind]] if kind in asked else [])
            status = place.sh("client", f"dig +noall +comments {full} {qtype} | grep -o 'status: [A-Z]*'").out.strip()
            assert status == "status: NOERROR"  # no data, but the name is there


def test_a_headless_name_leads_to_both_addresses_of_every_pod(place: Place) -> None:
    name = f"s-{token_hex(3)}"
    make(place, name, clusterIP="None", ipFamilyPolicy="RequireDualStack")
    full = f"{name}.{place.namespace}.svc.cluster.local"
    wanted = [address for found in place.list("Pod", "app=web") for address in pod_ips(found)]
    for qtype, kind in (("A", V4), ("AAAA", V6)):
        expected = sorted(address for address in wanted if family(address) == kind)
        script = f"test $(dig +short {full} {qtype} | wc -l) = {len(expected)} && echo yes"
        place.sh_until("client", script)
        assert sorted(dig(place, full, qtype)) == expected
    labels = {line.split()[-1].partition(".")[0] for line in dig(place, f"_http._tcp.{full}", "SRV")}
    assert labels == {address.replace(".", "-").replace(":", "-") for address in wanted}


def test_addresses_of_both_families_have_reverse_names(place: Place) -> None:
    name = f"s-{token_hex(3)}"
    made = make(place, name, ipFamilyPolicy="RequireDualStack")
    for address in made["spec"]["clusterIPs"]:
        found = place.sh_until("client", f"dig +short -x {address}").lines
        assert found == [f"{name}.{place.namespace}.svc.cluster.local."]


def test_a_pods_address_of_either_family_is_a_name(place: Place) -> None:
    for address in pod_ips(place.require("Pod", "client")):
        label = address.replace(".", "-").replace(":", "-")
        qtype = "A" if family(address) == V4 else "AAAA"
        assert dig(place, f"{label}.{place.namespace}.pod.cluster.local", qtype) == [address]


def test_curl_asks_by_name_in_the_family_it_is_told(place: Place) -> None:
    name = f"s-{token_hex(3)}"
    made = make(place, name, ipFamilyPolicy="RequireDualStack")
    for option, kind in (("-4", V4), ("-6", V6)):
        script = f"curl -q {option} -s -o /dev/null --max-time 3 -w '%{{remote_ip}}' http://{name}/"
        used = place.sh_until("client", script).out.strip()
        assert used in made["spec"]["clusterIPs"]
        assert family(used) == kind

"""What NetworkPolicies let through, as any plugin that implements them has it: one test for each behaviour that
Kubernetes' own tests ask for, against the API and between real pods."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from tests.parity.network import policy_support
from tests.parity.network.policy_support import TCP, Net
from tests.parity.network.support import seen, watch

from kindlab.api import Api, ApiError, Obj

UDP = (80, "udp")
INGRESS, EGRESS, BOTH = ["Ingress"], ["Egress"], ["Ingress", "Egress"]


@pytest.fixture(scope="module")
def running(api: Api) -> Iterator[Net]:
    yield from policy_support.running(api)


@pytest.fixture
def net(running: Net) -> Iterator[Net]:
    yield running
    running.reset()


def pods(**labels: str) -> Obj:
    return {"matchLabels": labels}


def where(key: str, operator: str, *values: str) -> Obj:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


def port(number: int | str, protocol: str = "TCP", **more: int) -> Obj:
    return {"protocol": protocol, "port": number, **more}


def into_x(source: str, target: str) -> bool:
    return target[0] == "x"


def host_range(address: str) -> str:
    return str(ip_network(address))


def wide_range(address: str) -> str:
    """A range with the address and many others in it."""
    return str(ip_network(f"{address}/4", strict=False))


# -- who is isolated


def test_pods_without_policies_reach_each_other(net: Net) -> None:
    net.expect(lambda s, t: True, on=[TCP, UDP])


def test_default_deny_ingress(net: Net) -> None:
    net.policy("deny", policyTypes=INGRESS)
    net.expect(lambda s, t: t[0] != "x", on=[TCP, UDP])


def test_default_deny_egress_of_one_pod(net: Net) -> None:
    net.policy("deny", pods(pod="a"), policyTypes=EGRESS)
    net.expect(lambda s, t: s != "x/a")


def test_default_deny_egress_of_a_namespace(net: Net) -> None:
    net.policy("deny", policyTypes=EGRESS)
    net.expect(lambda s, t: s[0] != "x", on=[TCP, UDP])


def test_default_deny_all(net: Net) -> None:
    net.policy("deny", policyTypes=BOTH)
    net.expect(lambda s, t: "x" not in (s[0], t[0]))


def test_allow_all_ingress(net: Net) -> None:
    net.policy("allow", ingress=[{}])
    net.expect(lambda s, t: True)


def test_policy_types_default_to_ingress_and_to_egress_when_there_are_rules(net: Net) -> None:
    net.policy("in", pods(pod="a"))
    net.policy("out", pods(pod="b"), egress=[{"to": [{"podSelector": pods(pod="c")}]}])
    net.expect(lambda s, t: t not in ("x/a", "x/b") and (s != "x/b" or t == "x/c"))


def test_empty_lists_of_peers_and_ports_allow_everybody_and_everything(net: Net) -> None:
    net.policy("allow", policyTypes=BOTH, ingress=[{"from": [], "ports": []}], egress=[{"to": [], "ports": []}])
    net.expect(lambda s, t: True)


def test_ready_pods_stay_ready_since_their_node_may_probe_them(net: Net, api: Api) -> None:
    net.policy("deny", policyTypes=BOTH)
    namespace = net.namespaces["x"]
    probe = {"httpGet": {"port": 8080, "path": "/healthz"}, "periodSeconds": 1, "timeoutSeconds": 1}
    container = {
        "name": "c",
        "image": policy_support.AGNHOST,
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": probe,
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probed"}, "spec": spec}, namespace)
    try:
        found = api.follow("Pod", namespace, fields="metadata.name=probed", timeout=60)
        assert any(policy_support._is_ready(p) for live in found for p in live.values())
    finally:
        api.delete("Pod", "probed", namespace, grace=0)


# -- peers


def test_from_pods_of_the_same_namespace(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"podSelector": pods(pod="b")}]}])
    net.expect(lambda s, t: t != "x/a" or s == "x/b")


def test_an_empty_pod_selector_means_everybody_of_the_namespace(net: Net) -> None:
    net.policy("allow", ingress=[{"from": [{"podSelector": {}}]}])
    net.expect(lambda s, t: t[0] != "x" or s[0] == "x")


def test_from_all_namespaces(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"namespaceSelector": {}}]}])
    net.policy("deny", policyTypes=INGRESS)
    net.expect(lambda s, t: t[0] != "x" or t == "x/a")


def test_from_another_namespace_only(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"namespaceSelector": pods(ns="y")}]}])
    net.expect(lambda s, t: t != "x/a" or s[0] == "y")


def test_from_a_namespace_by_the_label_every_namespace_has(net: Net) -> None:
    name = {"kubernetes.io/metadata.name": net.namespaces["y"]}
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"namespaceSelector": {"matchLabels": name}}]}])
    net.expect(lambda s, t: t != "x/a" or s[0] == "y")


def test_match_expressions_on_pods(net: Net) -> None:
    peers = [{"podSelector": where("pod", "In", "b", "z")}]
    net.policy("allow", where("pod", "NotIn", "b", "c"), ingress=[{"from": peers}])
    net.expect(lambda s, t: t != "x/a" or s == "x/b")


def test_match_expressions_on_namespaces(net: Net) -> None:
    net.label_namespace("z", extra="here")
    peers = [{"namespaceSelector": where("extra", "Exists")}, {"namespaceSelector": where("ns", "In", "y")}]
    net.policy("allow", pods(pod="a"), ingress=[{"from": peers}])
    net.expect(lambda s, t: t != "x/a" or s[0] in "yz")


def test_not_in_matches_what_has_no_such_label(net: Net) -> None:
    peers = [{"namespaceSelector": where("extra", "NotIn", "here"), "podSelector": where("extra", "DoesNotExist")}]
    net.label("y/b", extra="here")
    net.policy("allow", pods(pod="a"), ingress=[{"from": peers}])
    net.expect(lambda s, t: t != "x/a" or s != "y/b")


def test_pod_selector_or_namespace_selector(net: Net) -> None:
    peers = [{"namespaceSelector": where("ns", "NotIn", "x")}, {"podSelector": pods(pod="b")}]
    net.policy("allow", pods(pod="a"), ingress=[{"from": peers}])
    net.expect(lambda s, t: t != "x/a" or s != "x/c")


def test_pod_selector_and_namespace_selector(net: Net) -> None:
    peers = [{"namespaceSelector": where("ns", "NotIn", "x"), "podSelector": pods(pod="b")}]
    net.policy("allow", pods(pod="a"), ingress=[{"from": peers}])
    net.expect(lambda s, t: t != "x/a" or s == "y/b", on=[TCP, UDP])


def test_any_of_several_pod_selectors(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"podSelector": pods(pod=p)} for p in "bc"]}])
    net.expect(lambda s, t: t != "x/a" or s in ("x/b", "x/c"))


def test_to_a_pod_of_another_namespace(net: Net) -> None:
    peers = [{"namespaceSelector": pods(ns="y"), "podSelector": pods(pod="a")}]
    net.policy("allow", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": peers}])
    net.expect(lambda s, t: s != "x/a" or t == "y/a")


def test_both_sides_have_to_agree(net: Net) -> None:
    to = [{"namespaceSelector": pods(ns="y"), "podSelector": pods(pod="a")}]
    net.policy("out", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": to}])
    come = [{"namespaceSelector": pods(ns="x"), "podSelector": pods(pod="a")}]
    net.policy("in", namespace="y", ingress=[{"from": come}])
    net.expect(lambda s, t: t == "y/a" if s == "x/a" else t[0] != "y")


def test_ingress_and_egress_together(net: Net) -> None:
    rules = {"ingress": [{"from": [{"podSelector": pods(pod="b")}]}], "egress": [{"ports": [port(80)]}]}
    net.policy("both", pods(pod="a"), policyTypes=BOTH, **rules)
    net.expect(
        lambda s, t: t != "x/a" or s == "x/b",
        lambda s, t: s != "x/a" and (t != "x/a" or s == "x/b"),
        on=[TCP, (81, "tcp")],
    )


def test_ingress_and_egress_are_independent(net: Net) -> None:
    net.policy("out", pods(pod="a"), policyTypes=EGRESS, egress=[{}])
    net.policy("in", pods(pod="a"), policyTypes=INGRESS)
    net.expect(lambda s, t: t != "x/a")


# -- addresses


def test_to_a_range(net: Net) -> None:
    block = {"cidr": host_range(net.addresses["y/b"])}
    net.policy("allow", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": [{"ipBlock": block}]}])
    net.expect(lambda s, t: s != "x/a" or t == "y/b")


def test_to_a_range_except_some_of_it(net: Net) -> None:
    address = net.addresses["x/b"]
    block = {"cidr": wide_range(address), "except": [host_range(address)]}
    net.policy("allow", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": [{"ipBlock": block}]}])
    net.expect(lambda s, t: (s, t) != ("x/a", "x/b"))


def test_what_one_rule_excepts_another_may_allow(net: Net) -> None:
    address = net.addresses["x/b"]
    blocks = [{"cidr": wide_range(address), "except": [host_range(address)]}, {"cidr": host_range(address)}]
    for number, block in enumerate(blocks):
        net.policy(f"allow-{number}", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": [{"ipBlock": block}]}])
    net.expect(lambda s, t: True)


def test_from_a_range(net: Net) -> None:
    block = {"cidr": host_range(net.addresses["y/b"])}
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"ipBlock": block}]}])
    net.expect(lambda s, t: t != "x/a" or s == "y/b")


def test_selectors_never_mean_what_is_no_pod_but_ranges_do(net: Net, api: Api) -> None:
    slices = api.list("EndpointSlice", "default", labels="kubernetes.io/service-name=kubernetes")
    address, number = slices[0]["endpoints"][0]["addresses"][0], slices[0]["ports"][0]["port"]
    pod = api.get("Pod", "a", net.namespaces["x"])
    assert pod is not None
    if pod["status"]["hostIP"] == address:
        pytest.skip("the API server runs on the pod's own node, which a pod may always reach")
    net.policy("out", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": [{"namespaceSelector": {}}]}])
    assert not net.reaches("x/a", address, number, wanted=False)
    net.policy("range", pods(pod="a"), policyTypes=EGRESS, egress=[{"to": [{"ipBlock": {"cidr": f"{address}/32"}}]}])
    assert net.reaches("x/a", address, number)


# -- ports


def test_a_numeric_port(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"namespaceSelector": pods(ns="y")}], "ports": [port(81)]}])
    net.expect(
        lambda s, t: t != "x/a",
        lambda s, t: t != "x/a" or s[0] == "y",
        lambda s, t: t != "x/a",
        on=[TCP, (81, "tcp"), (81, "udp")],
    )


def test_a_port_of_udp(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"ports": [port(81, "UDP")]}])
    net.expect(
        lambda s, t: True, lambda s, t: t != "x/a", lambda s, t: t != "x/a", on=[(81, "udp"), (80, "udp"), (81, "tcp")]
    )


def test_a_named_port_to_come_in(net: Net) -> None:
    net.policy("allow", ingress=[{"ports": [{"port": "http-81"}]}])
    net.expect(lambda s, t: not into_x(s, t), lambda s, t: True, on=[TCP, (81, "tcp")])


def test_a_named_port_from_one_namespace(net: Net) -> None:
    rule = {"from": [{"namespaceSelector": pods(ns="y")}], "ports": [port("echo-80", "UDP")]}
    net.policy("allow", pods(pod="a"), ingress=[rule])
    net.expect(lambda s, t: t != "x/a" or s[0] == "y", lambda s, t: t != "x/a", on=[UDP, TCP])


def test_a_named_port_to_go_out(net: Net) -> None:
    net.policy("allow", policyTypes=EGRESS, egress=[{"ports": [{"port": "http-80"}]}])
    net.expect(lambda s, t: True, lambda s, t: s[0] != "x", on=[TCP, (81, "tcp")])


def test_several_ports(net: Net) -> None:
    net.policy("allow", ingress=[{"ports": [port(80), port("http-82")]}])
    net.expect(lambda s, t: True, lambda s, t: not into_x(s, t), lambda s, t: True, on=[TCP, (81, "tcp"), (82, "tcp")])


def test_a_range_of_ports(net: Net) -> None:
    net.policy("allow", ingress=[{"ports": [port(81, endPort=82)]}])
    net.expect(lambda s, t: not into_x(s, t), lambda s, t: True, lambda s, t: True, on=[TCP, (81, "tcp"), (82, "tcp")])


def test_all_ports_of_a_protocol(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"ports": [{"protocol": "TCP"}]}])
    net.expect(lambda s, t: True, lambda s, t: t != "x/a", on=[TCP, UDP])


def test_sctp_is_not_taken_for_tcp(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"ports": [port(81, "SCTP")]}])
    net.expect(lambda s, t: t != "x/a", on=[(81, "tcp")])


def test_a_policy_speaks_of_the_port_of_the_pod_not_of_the_service(net: Net, api: Api) -> None:
    namespace = net.namespaces["x"]
    spec = {"selector": {"pod": "a"}, "ports": [{"port": 8000, "targetPort": 80}]}
    made = api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec}, namespace)
    try:
        address = made["spec"]["clusterIP"]
        assert net.reaches("y/a", address, 8000)
        net.policy("service-port", pods(pod="a"), ingress=[{"ports": [port(8000)]}])
        net.policy("out", namespace="y", policyTypes=EGRESS, egress=[{"ports": [port(80)]}])
        assert not net.reaches("y/a", address, 8000, wanted=False)
        net.policy("service-port", pods(pod="a"), ingress=[{"ports": [port(80)]}])
        assert net.reaches("y/a", address, 8000)
        net.policy("out", namespace="y", policyTypes=EGRESS, egress=[{"to": [{"ipBlock": {"cidr": f"{address}/32"}}]}])
        assert not net.reaches("y/a", address, 8000, wanted=False)
    finally:
        api.delete("Service", "a", namespace)


def test_dns_has_to_be_allowed(net: Net) -> None:
    def resolves(wanted: bool) -> bool:
        name = "kubernetes.default.svc.cluster.local"
        for _ in range(10):
            code, out, _ = net.run("x/a", "dig", "+short", "+tries=1", "+time=1", name)
            if (code == 0 and bool(out)) == wanted:
                return wanted
        return not wanted

    assert resolves(True)
    net.policy("deny", policyTypes=BOTH)
    assert not resolves(False)
    dns = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    net.policy("dns", policyTypes=EGRESS, egress=[{"to": [dns], "ports": [port(53, "UDP"), port(53)]}])
    assert resolves(True)
    net.expect(lambda s, t: "x" not in (s[0], t[0]))


# -- several policies


def test_policies_add_up(net: Net) -> None:
    for number in (81, 82):
        rule = {"from": [{"namespaceSelector": pods(ns="y")}], "ports": [port(number)]}
        net.policy(f"allow-{number}", pods(pod="a"), ingress=[rule])
    net.expect(
        lambda s, t: t != "x/a",
        lambda s, t: t != "x/a" or s[0] == "y",
        lambda s, t: t != "x/a" or s[0] == "y",
        on=[TCP, (81, "tcp"), (82, "tcp")],
    )


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_policy_that_allows_all_wins(net: Net, direction: str) -> None:
    kinds = [direction.capitalize()]
    net.policy("only-80", policyTypes=kinds, **{direction: [{"ports": [port(80)]}]})
    net.expect(lambda s, t: (t if direction == "ingress" else s)[0] != "x", on=[(81, "tcp")])
    net.policy("all", policyTypes=kinds, **{direction: [{}]})
    net.expect(lambda s, t: True, on=[(81, "tcp")])


# -- changes


def test_a_policy_that_changes(net: Net) -> None:
    net.policy("mutable", ingress=[{}])
    net.expect(lambda s, t: True)
    net.policy("mutable", ingress=[])
    net.expect(lambda s, t: t[0] != "x")


def test_a_policy_that_is_deleted(net: Net) -> None:
    net.policy("deny", policyTypes=BOTH)
    net.expect(lambda s, t: "x" not in (s[0], t[0]))
    net.delete("deny")
    net.expect(lambda s, t: True)


def test_a_namespace_whose_labels_change(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"namespaceSelector": pods(extra="new")}]}])
    net.expect(lambda s, t: t != "x/a")
    net.label_namespace("y", extra="new")
    net.expect(lambda s, t: t != "x/a" or s[0] == "y")


def test_a_client_whose_labels_change(net: Net) -> None:
    net.policy("allow", pods(pod="a"), ingress=[{"from": [{"podSelector": pods(pod="b", extra="new")}]}])
    net.expect(lambda s, t: t != "x/a")
    net.label("x/b", extra="new")
    net.expect(lambda s, t: t != "x/a" or s == "x/b")


def test_a_server_whose_labels_change(net: Net) -> None:
    net.policy("deny", pods(extra="isolated"), policyTypes=INGRESS)
    net.expect(lambda s, t: True)
    net.label("x/a", extra="isolated")
    net.expect(lambda s, t: t != "x/a")
    net.label("x/a", extra=None)
    net.expect(lambda s, t: True)


# -- the API


def test_a_policy_that_means_nothing_is_refused(net: Net) -> None:
    with pytest.raises(ApiError, match="must specify a peer"):
        net.policy("wrong", ingress=[{"from": [{}]}])
    with pytest.raises(ApiError, match="must be a strict subset"):
        net.policy("wrong", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}])
    with pytest.raises(ApiError, match="may not be specified when `port` is not specified"):
        net.policy("wrong", ingress=[{"ports": [{"endPort": 90}]}])


def test_create_read_watch_change_and_delete(net: Net, api: Api) -> None:
    resources = api.request("GET", "/apis/networking.k8s.io/v1")["resources"]
    kind = next(r for r in resources if r["name"] == "networkpolicies")
    assert kind["kind"] == "NetworkPolicy"
    assert kind["shortNames"] == ["netpol"]
    namespace, mark = net.namespaces["x"], f"mark={net.namespaces['x']}"
    rule = {"from": [{"namespaceSelector": pods(a="b"), "podSelector": pods(c="d")}]}
    meta = {"generateName": "example-", "labels": {"mark": namespace}}
    obj = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta}
    made = [api.create({**obj, "spec": {"podSelector": {}, "ingress": [rule]}}, namespace) for _ in range(3)]
    one = made[-1]["metadata"]
    assert one["generation"] == 1
    path = api.path("NetworkPolicy", namespace)
    listed = api.request("GET", path, query={"labelSelector": mark})
    assert len(listed["items"]) == 3
    assert len(api.list("NetworkPolicy", labels=mark)) == 3  # of all namespaces
    api.patch("NetworkPolicy", one["name"], namespace, {"metadata": {"annotations": {"patched": "true"}}})
    changed = api.patch("NetworkPolicy", one["name"], namespace, {"spec": {"policyTypes": BOTH}})
    assert changed["metadata"]["generation"] == 2
    events = watch(api, path, timeout=20, resourceVersion=listed["metadata"]["resourceVersion"], labelSelector=mark)
    last = seen(events, "MODIFIED", lambda found: found["spec"]["policyTypes"] == BOTH)
    assert last["metadata"]["annotations"] == {"patched": "true"}
    api.delete("NetworkPolicy", one["name"], namespace)
    assert len(api.list("NetworkPolicy", namespace, labels=mark)) == 2
    api.request("DELETE", path, query={"labelSelector": mark})
    assert api.list("NetworkPolicy", namespace, labels=mark) == []

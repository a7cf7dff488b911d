"""Where pods may go and where not. After upstream's e2e tests (test/e2e/scheduling/predicates.go)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from kubernetes.utils.quantity import parse_quantity
from tests.parity.network.support import START, Place, internal_ip
from tests.parity.scheduling.support import (
    FAKE,
    Nodes,
    among,
    expression,
    is_running,
    node_of,
    on,
    pausing,
    replicaset,
    run,
    why_pending,
)

from kindlab.api import Api, Obj

KEY = "example.com/e2e-predicate"


def milli(text: str) -> int:
    return int(parse_quantity(text) * 1000)


def used_cpu(api: Api, node: str) -> int:
    """Millicores that the pods on a node ask for."""
    pods = [pod for pod in api.list("Pod") if pod["spec"].get("nodeName") == node]
    alive = [pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")]
    containers = [c for pod in alive for c in pod["spec"]["containers"]]
    return sum(milli(c.get("resources", {}).get("requests", {}).get("cpu", "0")) for c in containers)


def test_cpu_is_given_once(api: Api, here: Place, nodes: Nodes) -> None:
    free = {}
    for name in nodes.names:
        node = api.get("Node", name)
        assert node is not None
        free[name] = milli(node["status"]["allocatable"]["cpu"]) - used_cpu(api, name)
    fillers = [
        pausing(f"filler-{i}", asks={"cpu": f"{left * 7 // 10}m"}, affinity=on(name))
        for i, (name, left) in enumerate(free.items())
    ]
    run(here, *fillers)
    here.put(pausing("additional", asks={"cpu": f"{max(free.values()) // 2}m"}))
    assert f"{len(nodes.names)} Insufficient cpu" in why_pending(here, "additional")
    api.delete("Pod", "filler-0", here.namespace, grace=0)
    here.wait("Pod", "additional", is_running, timeout=START)


def test_sidecars_init_containers_and_overhead_of_steps_count(here: Place, nodes: Nodes) -> None:
    node = nodes.names[0]
    nodes.advertise(node, 10)

    def asking(amount: int, **fields: Any) -> Obj:
        amounts = {FAKE: str(amount)}
        image = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
        resources = {"requests": amounts, "limits": amounts}
        command = ["sh", "-c", "sleep 100000"] if fields.get("restartPolicy") else ["true"]
        return {"name": "init", "image": image, "command": command, "resources": resources, **fields}

    big = pausing(
        "big", asks={FAKE: "1"}, affinity=on(node), initContainers=[asking(8)]
    )  # 8 while it starts, and after
    run(here, big)
    here.put(pausing("little", asks={FAKE: "3"}, affinity=on(node)))
    assert f"1 Insufficient {FAKE}" in why_pending(here, "little")
    here.api.delete("Pod", "big", here.namespace, grace=0)
    here.wait("Pod", "little", is_running, timeout=START)
    sidecar = asking(4, restartPolicy="Always")
    here.put(pausing("beside", asks={FAKE: "4"}, affinity=on(node), initContainers=[sidecar]))  # 8 of the 7 left
    assert f"1 Insufficient {FAKE}" in why_pending(here, "beside")


def test_a_node_selector_that_matches_nothing(here: Place, nodes: Nodes) -> None:
    here.put(pausing("restricted", nodeSelector={"label": "nonempty"}))
    assert "node(s) didn't match Pod's node affinity/selector" in why_pending(here, "restricted")


def test_a_node_selector_that_matches(here: Place, nodes: Nodes) -> None:
    nodes.label(nodes.names[-1], KEY, "42")
    (pod,) = run(here, pausing("with-labels", nodeSelector={KEY: "42"}))
    assert pod["spec"]["nodeName"] == nodes.names[-1]


def test_node_affinity_that_matches_nothing(here: Place, nodes: Nodes) -> None:
    terms = among(expression("foo", "In", "bar", "value2"))
    required = terms["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    required.append({"matchExpressions": [expression("diffkey", "In", "wrong", "value2")]})
    here.put(pausing("restricted", affinity=terms))
    assert "node(s) didn't match Pod's node affinity/selector" in why_pending(here, "restricted")


@pytest.mark.parametrize(
    "asked", [expression(KEY, "In", "42"), expression(KEY, "Gt", "41"), expression(KEY, "Exists")], ids=str
)
def test_node_affinity_that_matches(here: Place, nodes: Nodes, asked: Obj) -> None:
    nodes.label(nodes.names[-1], KEY, "42")
    (pod,) = run(here, pausing("with-labels", affinity=among(asked)))
    assert pod["spec"]["nodeName"] == nodes.names[-1]


def test_taints_and_who_tolerates_them(here: Place, nodes: Nodes) -> None:
    node = nodes.names[0]
    nodes.label(node, KEY, "label-value")
    taint = nodes.taint(node, "example.com/e2e-taint", "NoSchedule", "testing-taint-value")
    tolerations = [{**taint, "operator": "Equal"}]
    spot = {KEY: "label-value"}
    (pod,) = run(here, pausing("tolerations", nodeSelector=spot, tolerations=tolerations))
    assert pod["spec"]["nodeName"] == node
    here.put(pausing("still-no-tolerations", nodeSelector=spot))
    assert "node(s) had untolerated taint(s)" in why_pending(here, "still-no-tolerations")
    nodes.untaint(node, taint)
    here.wait("Pod", "still-no-tolerations", is_running, timeout=START)


def host_port(number: int, ip: str = "", protocol: str = "TCP") -> list[Obj]:
    found: Obj = {"containerPort": 8080, "hostPort": number, "protocol": protocol}
    return [{**found, "hostIP": ip} if ip else found]


def test_one_host_port_for_several_addresses_and_protocols(api: Api, here: Place, nodes: Nodes) -> None:
    node = api.get("Node", nodes.names[0])
    assert node is not None
    address = internal_ip(node)
    spot = on(nodes.names[0])
    run(
        here,
        pausing("pod1", ports=host_port(54321, "127.0.0.1"), affinity=spot),
        pausing("pod2", ports=host_port(54321, address), affinity=spot),
        pausing("pod3", ports=host_port(54321, address, "UDP"), affinity=spot),
    )


def test_a_host_port_of_any_address_is_taken_for_all(api: Api, here: Place, nodes: Nodes) -> None:
    node = api.get("Node", nodes.names[0])
    assert node is not None
    spot = on(nodes.names[0])
    run(here, pausing("pod4", ports=host_port(54322), affinity=spot))
    here.put(pausing("pod5", ports=host_port(54322, internal_ip(node)), affinity=spot))
    assert "1 node(s) didn't have free ports for the requested pod ports" in why_pending(here, "pod5")


def spread(key: str, label: str, **fields: Any) -> Obj:
    selector = {"matchExpressions": [expression(label, "Exists")]}
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        **fields,
    }


@pytest.fixture
def two(nodes: Nodes) -> list[str]:
    """Two nodes that differ in the label KEY."""
    if len(nodes.names) < 2:
        pytest.skip("the cluster has one node only")
    for name in nodes.names[:2]:
        nodes.label(name, KEY, name)
    return nodes.names[:2]


def test_four_pods_are_spread_over_two_nodes(here: Place, two: list[str]) -> None:
    affinity = among(expression(KEY, "In", *two))
    here.put(replicaset("web", 4, affinity=affinity, topologySpreadConstraints=[spread(KEY, "name")]))
    here.wait("ReplicaSet", "web", lambda rs: rs["status"].get("availableReplicas") == 4, timeout=START)
    assert Counter(pod["spec"]["nodeName"] for pod in here.list("Pod")) == {two[0]: 2, two[1]: 2}


def test_where_tainted_nodes_count_for_spreading(here: Place, nodes: Nodes, two: list[str]) -> None:
    """nodeTaintsPolicy: a node the pod cannot go to holds it up, unless it does not count."""
    labels, affinity = {"app": "web"}, among(expression(KEY, "In", *two))
    nodes.taint(two[1], "example.com/e2e-spread", "NoSchedule")
    run(here, pausing("first", labels=labels, affinity=affinity))
    here.put(
        pausing("held-up", labels=labels, affinity=affinity, topologySpreadConstraints=[spread(KEY, "app")]),
    )
    assert "1 node(s) didn't match pod topology spread constraints" in why_pending(here, "held-up")
    constraint = spread(KEY, "app", nodeTaintsPolicy="Honor")
    run(here, pausing("not", labels=labels, affinity=affinity, topologySpreadConstraints=[constraint]))
    assert node_of(here, "not") == two[0]


def test_spreading_over_as_many_domains_as_there_should_be(here: Place, two: list[str]) -> None:
    labels, affinity = {"app": "web"}, among(expression(KEY, "In", *two))
    constraint = spread(KEY, "app", minDomains=3)
    web = {"labels": labels, "affinity": affinity, "topologySpreadConstraints": [constraint]}
    run(here, pausing("web-1", **web), pausing("web-2", **web))
    here.put(pausing("web-3", **web))  # it belongs in a third domain
    assert "2 node(s) didn't match pod topology spread constraints" in why_pending(here, "web-3")


def test_gates_keep_pods_from_being_scheduled(here: Place) -> None:
    gates = [{"name": "example.com/foo"}, {"name": "example.com/bar"}]
    here.put(replicaset("gated", 3, schedulingGates=gates))

    def held(count: int) -> Any:
        def all_held(pods: list[Obj]) -> list[str]:
            gated = [p for p in pods if len(p["spec"].get("schedulingGates") or ()) == count]
            told = [
                p["metadata"]["name"]
                for p in gated
                for c in p["status"].get("conditions") or ()
                if (c["type"], c["status"], c.get("reason")) == ("PodScheduled", "False", "SchedulingGated")
            ]
            return told if len(told) == 3 else []

        return all_held

    names = here.until("Pod", held(2))
    for name in names:
        here.merge("Pod", name, {"spec": {"schedulingGates": [{"$patch": "delete", **gates[0]}]}})
    assert sorted(here.until("Pod", held(1))) == sorted(names)
    for name in names:
        here.merge("Pod", name, {"spec": {"schedulingGates": [{"$patch": "delete", **gates[1]}]}})
    for name in names:
        here.wait("Pod", name, is_running, timeout=START)


def test_a_gated_pod_may_be_told_where_to_go(here: Place, nodes: Nodes) -> None:
    here.put(pausing("gated", schedulingGates=[{"name": "example.com/foo"}]))
    nodes.label(nodes.names[-1], KEY, "here")
    here.update("Pod", "gated", nodeSelector={KEY: "here"})
    here.update("Pod", "gated", schedulingGates=None)
    live = here.wait("Pod", "gated", is_running, timeout=START)
    assert live["spec"]["nodeName"] == nodes.names[-1]


def test_a_pod_put_on_a_node_that_cannot_take_it_fails(here: Place, nodes: Nodes) -> None:
    here.put(pausing("misplaced", nodeName=nodes.names[0], nodeSelector={"disk": "ssd"}))
    live = here.wait("Pod", "misplaced", lambda pod: pod["status"].get("phase") == "Failed")
    assert live["status"]["reason"] == "NodeAffinity"
    here.put(pausing("greedy", nodeName=nodes.names[0], asks={"cpu": "5000"}))
    live = here.wait("Pod", "greedy", lambda pod: pod["status"].get("phase") == "Failed")
    assert live["status"]["reason"] == "OutOfcpu"
    assert live["status"]["message"].startswith("Pod was rejected: Node didn't have enough resource: cpu, requested: ")

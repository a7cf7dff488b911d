"""Where pods go, and what is said when they go nowhere: golden pods-06-scheduling with more nodes."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.unit.pocketkube.controllers.world import World, pod_spec, running
from tests.unit.pocketkube.scheduler.placing import NOBODY, USELESS, node_of, said, scheduling

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.priorityclasses import system_class

HOSTNAME = "kubernetes.io/hostname"


@pytest.fixture
def bare() -> World:
    """Three nodes of 4 cores, of which one is a tainted control plane; nothing runs yet."""
    world = World()
    world.node("control", cpu="4", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])
    world.node("worker-a", zone="a", cpu="4")
    world.node("worker-b", zone="b", cpu="4")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    return world


def requesting(**requests: str) -> Obj:
    spec = pod_spec()
    spec["containers"][0]["resources"] = {"requests": requests}
    return spec


def node_affinity(*expressions: Obj) -> Obj:
    terms = [{"matchExpressions": list(expressions)}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def pod_affinity(kind: str, app: str, key: str = HOSTNAME) -> Obj:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


async def test_a_pod_gets_a_node_a_condition_and_an_event(bare: World) -> None:
    async with scheduling(bare):
        bare.pod("p")
        await bare.until(lambda: bare.events("p", reason="Scheduled") != [])
    node = node_of(bare, "p")
    assert node in ("worker-a", "worker-b")
    assert objects.condition_status(bare.get("pods", "p"), "PodScheduled") == "True"
    (event,) = (e for e in bare.list("events") if e["involvedObject"]["name"] == "p")
    assert event["message"] == f"Successfully assigned test/p to {node}"
    assert (event["type"], event["action"], event["reportingComponent"]) == ("Normal", "Binding", "default-scheduler")
    assert event["source"] == {}
    assert event["eventTime"]
    assert event["firstTimestamp"] is None


async def test_a_binding_that_is_refused_is_tried_again(bare: World) -> None:
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/binding"]}
    policy: Obj = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "false"}]}
    bare.create("validatingadmissionpolicies", {"metadata": {"name": "none"}, "spec": policy})
    binding = {"policyName": "none", "validationActions": ["Deny"]}
    bare.create("validatingadmissionpolicybindings", {"metadata": {"name": "none"}, "spec": binding})
    async with scheduling(bare):
        bare.pod("p")
        await bare.until(lambda: objects.condition_status(bare.get("pods", "p"), "PodScheduled") == "False")
        condition = objects.condition(bare.get("pods", "p"), "PodScheduled") or {}
        assert condition["reason"] == "SchedulerError"
        assert condition["message"].startswith('running Bind plugin "DefaultBinder": pods "p" is forbidden: Validating')
        bare.client.delete("validatingadmissionpolicybindings", ("", "none"))
        await bare.until(lambda: node_of(bare, "p") != "")


@pytest.mark.parametrize(
    ("spec", "reasons", "preemption"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            "1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector",
            f"3 {USELESS}",
        ),
        (
            {"affinity": node_affinity({"key": "disk", "operator": "In", "values": ["ssd"]})},
            "1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node affinity/selector",
            f"3 {USELESS}",
        ),
        (requesting(cpu="100"), "1 node(s) had untolerated taint(s), 2 Insufficient cpu", f"3 {USELESS}"),
        (
            requesting(memory="900Gi", cpu="50"),
            "1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory",
            f"3 {USELESS}",
        ),
        (
            {"affinity": pod_affinity("podAffinity", "ghost")},
            "1 node(s) had untolerated taint(s), 2 node(s) didn't match pod affinity rules",
            f"3 {USELESS}",
        ),
    ],
)
async def test_what_is_said_when_no_node_fits(bare: World, spec: Obj, reasons: str, preemption: str) -> None:
    async with scheduling(bare):
        bare.pod("p", **spec)
        await bare.until(lambda: said(bare, "p") != "")
        expected = (
            f"0/3 nodes are available: {reasons}. no new claims to deallocate, "
            f"preemption: 0/3 nodes are available: {preemption}."
        )
        assert said(bare, "p") == expected
        assert bare.events("p", reason="FailedScheduling") == [expected]
        condition = objects.condition(bare.get("pods", "p"), "PodScheduled")
        assert condition is not None
        assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
        assert condition["observedGeneration"] == 1


async def test_the_recorded_texts_on_one_node() -> None:
    world = World()
    world.node("node-1", cpu="2")
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": "ghost"}}
    async with scheduling(world):
        world.pod("sel", nodeSelector={"disk": "ssd"})
        world.pod("pvc", volumes=[volume])
        world.pod("never", nodeSelector={"disk": "ssd"})
        await world.until(lambda: said(world, "sel") != "" and said(world, "pvc") != "")
    assert said(world, "sel") == (
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, "
        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )
    assert said(world, "pvc") == '0/1 nodes are available: persistentvolumeclaim "ghost" not found. not found'


async def test_full_nodes_say_that_nobody_can_be_preempted_and_room_is_taken_at_once(bare: World) -> None:
    async with scheduling(bare):
        bare.pod("big-1", **requesting(cpu="3"))
        bare.pod("big-2", **requesting(cpu="3"))
        await bare.until(lambda: {node_of(bare, "big-1"), node_of(bare, "big-2")} == {"worker-a", "worker-b"})
        bare.pod("big-3", **requesting(cpu="3"))
        await bare.until(lambda: said(bare, "big-3") != "")
        assert said(bare, "big-3") == (
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to "
            f"deallocate, preemption: 0/3 nodes are available: 1 {USELESS}, 2 {NOBODY}."
        )
        room = node_of(bare, "big-1")
        bare.delete("pods", "big-1", grace=0)
        await bare.until(lambda: node_of(bare, "big-3") == room)


async def test_cordon_label_and_new_node_are_noticed(bare: World) -> None:
    async with scheduling(bare):
        for name in ("worker-a", "worker-b"):
            bare.patch("nodes", name, lambda copy: copy["spec"].update(unschedulable=True))
        bare.pod("p")
        await bare.until(lambda: said(bare, "p") != "")
        assert "2 node(s) were unschedulable" in said(bare, "p")
        bare.patch("nodes", "worker-b", lambda copy: copy["spec"].pop("unschedulable") and None)
        await bare.until(lambda: node_of(bare, "p") == "worker-b")

        bare.pod("ssd", nodeSelector={"disk": "ssd"})
        await bare.until(lambda: said(bare, "ssd") != "")
        bare.patch("nodes", "worker-b", lambda copy: copy["metadata"]["labels"].update(disk="ssd"))
        await bare.until(lambda: node_of(bare, "ssd") == "worker-b")

        bare.pod("late", nodeSelector={HOSTNAME: "late"})
        await bare.until(lambda: said(bare, "late") != "")
        bare.node("late")
        await bare.until(lambda: node_of(bare, "late") == "late")


async def test_no_nodes() -> None:
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    async with scheduling(world):
        world.pod("p")
        await world.until(lambda: said(world, "p") == "no nodes available to schedule pods")
        world.node("n")
        await world.until(lambda: node_of(world, "p") == "n")


async def test_gates_hold_a_pod_and_another_scheduler_is_not_ours(bare: World) -> None:
    async with scheduling(bare):
        bare.pod("gated", schedulingGates=[{"name": "example.com/hold"}])
        bare.pod("theirs", schedulerName="nobody")
        bare.pod("plain")
        await bare.until(lambda: node_of(bare, "plain") != "")
        await bare.settle()
        assert node_of(bare, "gated") == node_of(bare, "theirs") == ""
        assert objects.condition(bare.get("pods", "theirs"), "PodScheduled") is None
        bare.patch("pods", "gated", lambda copy: copy["spec"].update(schedulingGates=[]))
        await bare.until(lambda: node_of(bare, "gated") != "")


async def test_tolerations_open_a_tainted_node(bare: World) -> None:
    async with scheduling(bare):
        tolerations = [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]
        bare.pod("p", nodeSelector={HOSTNAME: "control"}, tolerations=tolerations)
        await bare.until(lambda: node_of(bare, "p") == "control")


async def test_host_ports_are_taken_once_for_each_node(bare: World) -> None:
    spec = pod_spec()
    spec["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}]
    async with scheduling(bare):
        for number in range(3):
            bare.pod(f"p-{number}", **objects.copy(spec))
        await bare.until(lambda: said(bare, "p-2") != "")
        assert {node_of(bare, "p-0"), node_of(bare, "p-1")} == {"worker-a", "worker-b"}
        assert "2 node(s) didn't have free ports for the requested pod ports" in said(bare, "p-2")


async def test_a_node_holds_only_so_many_pods() -> None:
    world = World()
    world.node("n", pods=2)
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    async with scheduling(world):
        for number in range(3):
            world.pod(f"p-{number}")
        await world.until(lambda: said(world, "p-2") != "")
        assert "1 Too many pods" in said(world, "p-2")


async def test_replicas_are_spread_over_the_nodes(bare: World) -> None:
    async with running(bare, ["deployment-controller", "replicaset-controller"]):
        bare.deployment(replicas=6)
        await bare.until(bare.rolled_out)
        assert Counter(node_of(bare, objects.name(pod)) for pod in bare.list("pods")) == {"worker-a": 3, "worker-b": 3}


async def test_affinity_and_anti_affinity(bare: World) -> None:
    async with scheduling(bare):
        bare.pod("cache", {"app": "cache"})
        await bare.until(lambda: node_of(bare, "cache") != "")
        bare.pod("near", {"app": "near"}, affinity=pod_affinity("podAffinity", "cache"))
        bare.pod("far", {"app": "far"}, affinity=pod_affinity("podAntiAffinity", "cache"))
        await bare.until(lambda: node_of(bare, "near") != "" and node_of(bare, "far") != "")
        assert node_of(bare, "near") == node_of(bare, "cache") != node_of(bare, "far")
        bare.pod("cache-2", {"app": "cache"}, nodeSelector={HOSTNAME: node_of(bare, "far")})
        await bare.until(lambda: said(bare, "cache-2") != "")
        assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in said(bare, "cache-2")
        bare.pod("first", {"app": "group"}, affinity=pod_affinity("podAffinity", "group"))
        await bare.until(lambda: node_of(bare, "first") != "")


async def test_a_pod_waits_for_the_company_it_wants(bare: World) -> None:
    async with scheduling(bare):
        bare.pod("near", affinity=pod_affinity("podAffinity", "cache"))
        await bare.until(lambda: said(bare, "near") != "")
        bare.pod("cache", {"app": "cache"})
        await bare.until(lambda: node_of(bare, "near") != "")
        assert node_of(bare, "near") == node_of(bare, "cache")


async def test_spread_constraints(bare: World) -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "s"}},
    }
    async with scheduling(bare):
        bare.pod("s-0", {"app": "s"}, nodeSelector={HOSTNAME: "worker-a"})
        await bare.until(lambda: node_of(bare, "s-0") == "worker-a")
        bare.pod("s-1", {"app": "s"}, topologySpreadConstraints=[constraint])
        await bare.until(lambda: node_of(bare, "s-1") == "worker-b")
        bare.patch("nodes", "worker-b", lambda copy: copy["spec"].update(unschedulable=True))
        bare.pod("s-2", {"app": "s"}, topologySpreadConstraints=[constraint])
        await bare.until(lambda: node_of(bare, "s-2") == "worker-a")
        bare.pod("s-3", {"app": "s"}, topologySpreadConstraints=[constraint])
        await bare.until(lambda: said(bare, "s-3") != "")
        assert "1 node(s) didn't match pod topology spread constraints" in said(bare, "s-3")


async def test_higher_priority_goes_first(bare: World) -> None:
    bare.pod("low", **requesting(cpu="3"), nodeSelector={HOSTNAME: "worker-a"})
    meta = {"name": "high", "namespace": "kube-system"}
    bare.client.create("priorityclasses", system_class("system-node-critical"))
    bare.client.create("namespaces", {"metadata": {"name": "kube-system"}})
    bare.client.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "kube-system"}})
    spec = {**requesting(cpu="3"), "nodeSelector": {HOSTNAME: "worker-a"}, "priorityClassName": "system-node-critical"}
    bare.client.create("pods", {"metadata": meta, "spec": spec})
    async with scheduling(bare):
        await bare.until(lambda: said(bare, "low") != "")
        assert bare.client.get("pods", "kube-system", "high")["spec"]["nodeName"] == "worker-a"


async def test_the_same_text_about_the_same_version_of_a_pod_counts_up_one_event(bare: World) -> None:
    """As recorded (csi-09): the condition that is written makes another version, so there are two events at most."""
    async with scheduling(bare):
        bare.pod("p", nodeSelector={"disk": "ssd"})
        await bare.until(lambda: said(bare, "p") != "")
        for value in "xyz":
            bare.patch("nodes", "worker-a", lambda copy, v=value: copy["metadata"]["labels"].update(other=v))
            await bare.settle()
        first, second = sorted(
            (e for e in bare.list("events") if e["reason"] == "FailedScheduling"), key=lambda e: e["eventTime"]
        )
        assert "series" not in first
        assert second["series"]["count"] == 3
        assert first["message"] == second["message"]


async def test_who_has_waited_longest_is_next(bare: World) -> None:
    bare.patch("nodes", "worker-b", lambda copy: copy["spec"].update(unschedulable=True))
    async with scheduling(bare):
        bare.pod("first", **requesting(cpu="3"))
        await bare.until(lambda: node_of(bare, "first") != "")
        for name in ("second", "third", "fourth"):
            bare.pod(name, **requesting(cpu="3"))
            await bare.until(lambda name=name: said(bare, name) != "")
        for gone, lucky in (("first", "second"), ("second", "third"), ("third", "fourth")):
            bare.delete("pods", gone, grace=0)
            await bare.until(lambda lucky=lucky: node_of(bare, lucky) == "worker-a")


async def test_the_node_a_pod_waits_for_is_tried_first(bare: World) -> None:
    """nominatedNodeName may be written by others, too."""
    async with scheduling(bare):
        bare.pod("p", schedulingGates=[{"name": "example.com/hold"}])
        bare.patch("pods", "p", lambda copy: copy["status"].update(nominatedNodeName="worker-b"), subresource="status")
        bare.pod("other", nodeSelector={HOSTNAME: "worker-b"})
        await bare.until(lambda: node_of(bare, "other") == "worker-b")
        bare.patch("pods", "p", lambda copy: copy["spec"].update(schedulingGates=[]))
        await bare.until(lambda: node_of(bare, "p") == "worker-b")
        assert "nominatedNodeName" not in bare.get("pods", "p")["status"]

"""A node fails the pods it cannot take: host ports that somebody has, resources, affinity, taints."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.resources.base import DeleteOptions


def wants(number: int, host_ip: str = "", protocol: str = "TCP") -> dict[str, Any]:
    return {"ports": [{"containerPort": 80, "hostPort": number, "hostIP": host_ip, "protocol": protocol}]}


async def test_the_second_pod_with_a_host_port_fails_and_may_be_deleted(node: Any) -> None:
    node.create("first", wants(7777, "127.0.0.1"))
    await node.ready("first")
    node.create("second", wants(7777))
    await node.until(lambda: objects.status(node.pod("second")).get("phase") == "Failed")
    status = node.pod("second")["status"]
    text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert (status["reason"], status["message"]) == ("NodePorts", f"Pod was rejected: {text}")
    assert ("Warning", "NodePorts", text) in node.events("second")
    assert "podIP" not in status
    node.client.delete("pods", ("default", "second"))
    await node.gone("second")


async def test_another_address_protocol_or_time_is_no_conflict(node: Any) -> None:
    node.create("one", wants(7777, "127.0.0.1"))
    node.create("two", wants(7777, "172.18.0.3"))
    node.create("three", wants(7777, "172.18.0.3", "UDP"))
    for name in ("one", "two", "three"):
        await node.ready(name)
    node.client.delete("pods", ("default", "one"))
    await node.gone("one")
    node.create("four", wants(7777, "127.0.0.1"))
    await node.ready("four")


def asking(**requests: str) -> dict[str, Any]:
    return {"resources": {"requests": requests}}


@pytest.mark.parametrize(
    ("container", "pod", "reason", "message"),
    [
        (asking(cpu="900"), {}, "OutOfcpu", "Node didn't have enough resource: cpu, requested: 900000, used: "),
        (
            asking(memory="900Ti"),
            {},
            "OutOfmemory",
            f"Node didn't have enough resource: memory, requested: {900 << 40}, used: ",
        ),
        (
            {},
            {"nodeSelector": {"disk": "ssd"}},
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ),
        (
            {},
            {"os": {"name": "windows"}},
            "PodOSNotSupported",
            "Failed to admit pod as the OS field doesn't match node",
        ),
    ],
)
async def test_what_the_node_cannot_take(
    node: Any, container: dict[str, Any], pod: dict[str, Any], reason: str, message: str
) -> None:
    node.create("p", container, **pod)
    await node.until(lambda: objects.status(node.pod("p")).get("phase") == "Failed")
    status = node.pod("p")["status"]
    assert status["reason"] == reason
    assert status["message"].startswith(f"Pod was rejected: {message}")


async def test_who_does_not_tolerate_what_evicts_is_not_taken(node: Any) -> None:
    taint = {"key": "example.com/away", "effect": "NoExecute"}
    node.client.patch("nodes", ("", node.kubelet.node_name), lambda copy: copy["spec"].update(taints=[taint]))
    node.create("p")
    await node.until(lambda: objects.status(node.pod("p")).get("reason") == "TaintToleration")
    text = "Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    assert node.pod("p")["status"]["message"] == text
    node.create("q", tolerations=[{"operator": "Exists"}])
    await node.ready("q")


async def test_resources_that_the_node_does_not_know_are_not_its_business(node: Any) -> None:
    amounts = {"example.com/cluster-wide": "1"}
    node.create("p", {"resources": {"requests": amounts, "limits": amounts}})
    await node.ready("p")


async def test_a_place_is_free_when_the_pod_that_had_it_is_gone(node: Any) -> None:
    cpu = node.client.get("nodes", "", node.kubelet.node_name)["status"]["allocatable"]["cpu"]
    for name in ("one", "two", "three"):
        node.create(name, asking(cpu=cpu))
        await node.ready(name)
        node.client.delete("pods", ("default", name), DeleteOptions(grace_period_seconds=0))

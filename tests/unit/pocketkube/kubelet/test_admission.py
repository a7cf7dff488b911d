"""A node fails the pod that wants a host port somebody has."""

from __future__ import annotations

from typing import Any

from pocketkube import objects


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

"""A node with both families: what it and its pods say of their addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.kubelet.world import NODE, Node

from pocketkube.clock import Clock
from pocketkube.store import Store

IPS = ("172.18.0.2", "fc00:f853:ccd:e793::2")


@pytest.fixture
async def dual(tmp_path: Path) -> AsyncIterator[Node]:
    """Its IPv4 range has room for two pods."""
    node = Node(tmp_path, Store(None), Clock(), ips=IPS, ranges=("10.244.1.0/29", "fd00:10:244:1::/64"))
    await node.start()
    yield node
    await node.stop()


def ips(found: Any) -> list[str]:
    return [entry["ip"] for entry in found]


async def test_the_node_says_both(dual: Node) -> None:
    node = dual.client.get("nodes", "", NODE)
    assert [a["address"] for a in node["status"]["addresses"]] == [*IPS, NODE]
    assert node["spec"]["podCIDRs"] == ["10.244.1.0/29", "fd00:10:244:1::/64"]
    assert node["spec"]["podCIDR"] == "10.244.1.0/29"


async def test_a_pod_has_both_and_gives_both_back(dual: Node) -> None:
    dual.create("web")
    await dual.ready("web")
    status = dual.client.get("pods", "default", "web")["status"]
    assert ips(status["podIPs"]) == ["10.244.1.2", "fd00:10:244:1::2"]
    assert (status["podIP"], status["hostIP"], ips(status["hostIPs"])) == ("10.244.1.2", IPS[0], list(IPS))
    host = dual.fabric.host("10.244.1.2")
    assert host is not None
    assert host is dual.fabric.host("fd00:10:244:1::2")
    dual.client.delete("pods", ("default", "web"))
    await dual.gone("web")
    assert dual.fabric.host("fd00:10:244:1::2") is None
    assert not any(map(len, dual.kubelet.addresses))


async def test_what_is_told_to_containers(dual: Node) -> None:
    env = [{"name": n, "valueFrom": {"fieldRef": {"fieldPath": f"status.{n}"}}} for n in ("podIPs", "hostIPs")]
    dual.create("web", {"env": env})
    await dual.ready("web")
    told = (await dual.exec("web", "/bin/env"))[1]
    assert "podIPs=10.244.1.2,fd00:10:244:1::2\n" in told
    assert f"hostIPs={','.join(IPS)}\n" in told
    hosts = (await dual.exec("web", "/bin/cat", "/etc/hosts"))[1]
    assert hosts.endswith("10.244.1.2\tweb\nfd00:10:244:1::2\tweb\n")


async def test_a_host_network_pod_has_the_nodes(dual: Node) -> None:
    dual.create("web", hostNetwork=True)
    await dual.ready("web")
    assert ips(dual.client.get("pods", "default", "web")["status"]["podIPs"]) == list(IPS)


async def test_an_address_of_one_family_alone_is_not_kept(dual: Node) -> None:
    """Where one range is full nothing of the other is taken."""
    four, six = dual.kubelet.addresses
    for number in range(5):
        dual.create(f"web{number}")
        await dual.ready(f"web{number}")
    dual.create("late")
    await dual.until(
        lambda: any("no IP addresses available in range set" in e["message"] for e in dual.client.list("events"))
    )
    assert (len(four), len(six)) == (5, 5)

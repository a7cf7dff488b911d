"""Who enforces policies hears of a pod's addresses before anything of the pod runs."""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.network.policy import AllowAll
from pocketkube.objects import Obj


class Recorder(AllowAll):
    def __init__(self, node: Any) -> None:
        self._node = node
        self.told: list[tuple[str, tuple[str, ...], list[str]]] = []
        """(pod, addresses, reasons of the events so far)."""

    def attached(self, pod: Obj, addresses: tuple[str, ...]) -> None:
        name = objects.name(pod)
        self.told.append((name, addresses, [reason for _, reason, _ in self._node.events(name)]))


async def test_a_pods_addresses_are_told_before_its_first_container_starts(node: Any) -> None:
    policy = node.fabric.policy = Recorder(node)
    node.create("web", {"ports": [{"containerPort": 8080}]})
    status = objects.status(await node.ready("web"))
    assert policy.told == [("web", tuple(entry["ip"] for entry in status["podIPs"]), [])]
    assert "Started" in [reason for _, reason, _ in node.events("web")]


async def test_a_pod_on_the_nodes_network_has_no_address_of_its_own(node: Any) -> None:
    policy = node.fabric.policy = Recorder(node)
    node.create("agent", hostNetwork=True)
    await node.ready("agent")
    assert policy.told == []

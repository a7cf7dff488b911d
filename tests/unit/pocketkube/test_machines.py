"""Nodes whose machines are switched off and on: a whole cluster, its time four times as fast."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.cluster import Cluster, Config
from pocketkube.errors import Unknown
from pocketkube.machines import SWITCHES
from pocketkube.objects import Obj
from pocketkube.resources.base import DeleteOptions

WORKER = "pocket-worker"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
LOGS = 'Get "https://172.18.0.3:10250/containerLogs/default/lost/c": dial tcp 172.18.0.3:10250: i/o timeout'
KINDS = ("nodes", "pods", "events", "endpointslices", "leases")


def config(folder: Path) -> Config:
    return Config(
        folder,
        workers=2,
        host_ports=False,
        no_addons=("traefik", "csi-hostpath", "metrics-server"),
        speed=4,
        node_monitor_grace_period=8,
        node_monitor_period=1,
    )


class Live:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = Client(cluster.registry, "test")

    async def until(self, holds: Callable[[], Any]) -> None:
        changed = asyncio.Event()
        stops = [self.client.subscribe(kind, lambda _: changed.set()) for kind in KINDS]
        try:
            async with asyncio.timeout(60):
                while not holds():
                    changed.clear()
                    await changed.wait()
        finally:
            for stop in stops:
                stop()

    def switch(self, node: str, state: str) -> None:
        found = self.client.find("configmaps", *SWITCHES)
        if found is None:
            meta = {"namespace": SWITCHES[0], "name": SWITCHES[1]}
            self.client.create("configmaps", {"metadata": meta, "data": {node: state}})
        else:
            self.client.patch("configmaps", SWITCHES, lambda copy: copy["data"].update({node: state}))

    async def pod(self, name: str, node: str = WORKER) -> Obj:
        """One that listens on port 80, ready."""
        container = {
            "name": "c",
            "image": IMAGE,
            "args": ["netexec", "--http-port=80"],
            "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
        meta = {"namespace": "default", "name": name, "labels": {"app": "web"}}
        self.client.create(
            "pods",
            {
                "metadata": meta,
                "spec": {
                    "nodeName": node,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                    "volumes": [{"name": "v", "emptyDir": {}}],
                },
            },
        )
        await self.until(lambda: self.ready(name))
        return self.get(name)

    def get(self, name: str) -> Obj:
        return self.client.get("pods", "default", name)

    def ready(self, name: str) -> bool:
        return objects.condition_status(self.get(name), "Ready") == "True"

    def node_ready(self, name: str = WORKER) -> str:
        node = self.client.find("nodes", "", name)
        return objects.condition_status(node, "Ready") if node is not None else "gone"

    def taints(self, name: str = WORKER) -> set[str]:
        found = objects.spec(self.client.get("nodes", "", name)).get("taints") or ()
        return {f"{taint['key'].partition('/')[2]}:{taint['effect']}" for taint in found}

    def said(self, name: str, reason: str) -> list[str]:
        events = self.client.list("events", "default")
        return [e["message"] for e in events if (e["involvedObject"]["name"], e["reason"]) == (name, reason)]

    def endpoints(self) -> set[str]:
        """The pods of Service web that are ready endpoints."""
        slices = self.client.list("endpointslices", "default", {"kubernetes.io/service-name": "web"})
        found = (endpoint for piece in slices for endpoint in piece.get("endpoints") or ())
        return {e["targetRef"]["name"] for e in found if e["conditions"]["ready"]}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with Cluster(config(tmp_path)) as cluster:
        yield Live(cluster)


async def test_a_node_that_is_switched_off_and_on(live: Live) -> None:
    for name, node in (("lost", WORKER), ("left", "pocket-worker2")):
        await live.pod(name, node)
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    live.client.create("services", {"metadata": {"namespace": "default", "name": "web"}, "spec": service})
    await live.until(lambda: live.endpoints() == {"lost", "left"})
    before = live.get("lost")

    live.switch(WORKER, "off")
    await asyncio.sleep(0)
    outside = live.cluster.fabric.outside
    for address in (before["status"]["podIP"], before["status"]["hostIP"]):
        with pytest.raises(TimeoutError):
            await outside.connect(address, 80, timeout=1)
    with pytest.raises(Unknown) as refused:
        live.cluster.runtime.require_running("default", "lost", "c")
    assert refused.value.message.startswith("error dialing backend: dial tcp 172.18.0.3:10250: ")
    with pytest.raises(Unknown, match=re.escape(LOGS)):
        async for _ in live.cluster.runtime.log_lines("default", "lost", "c"):
            pass
    if live.node_ready() == "True":  # nothing was said yet
        assert live.get("lost") == before
        assert live.endpoints() == {"lost", "left"}

    await live.until(lambda: live.node_ready() == "Unknown" and live.endpoints() == {"left"})
    await live.until(lambda: live.taints() == {"unreachable:NoSchedule", "unreachable:NoExecute"})
    assert live.said(WORKER, "NodeNotReady") == [f"Node {WORKER} status is now: NodeNotReady"]
    statuses = live.get("lost")["status"]["containerStatuses"]
    assert statuses == before["status"]["containerStatuses"]  # nobody was there to see them die
    assert live.node_ready("pocket-worker2") == live.node_ready("pocket-control-plane") == "True"

    live.switch(WORKER, "on")
    await live.until(lambda: live.node_ready() == "True" and live.taints() == set())
    await live.until(lambda: live.endpoints() == {"lost", "left"})
    container = live.get("lost")["status"]["containerStatuses"][0]
    assert container["restartCount"] == 1
    assert (container["lastState"]["terminated"]["exitCode"], container["lastState"]["terminated"]["reason"]) == (
        255,
        "Unknown",
    )
    assert live.said(WORKER, "Rebooted")
    assert len(live.said(WORKER, "NodeReady")) == 2
    await outside.connect(live.get("lost")["status"]["podIP"], 80, timeout=1)


async def test_pods_deleted_meanwhile_are_gone_when_the_node_is_back(live: Live, tmp_path: Path) -> None:
    waits, forced, stays = [await live.pod(name) for name in ("waits", "forced", "stays")]
    folders = {
        objects.name(pod): tmp_path / "nodes" / WORKER / "pods" / objects.uid(pod) for pod in (waits, forced, stays)
    }
    live.switch(WORKER, "off")
    await live.until(lambda: live.node_ready() == "Unknown")
    live.client.delete("pods", ("default", "waits"))
    live.client.delete("pods", ("default", "forced"), DeleteOptions(grace_period_seconds=0))
    assert objects.is_terminating(live.get("waits"))
    assert live.client.find("pods", "default", "forced") is None
    assert all(folder.is_dir() for folder in folders.values())
    live.switch(WORKER, "on")
    await live.until(lambda: live.client.find("pods", "default", "waits") is None and live.ready("stays"))
    assert not folders["forced"].exists()
    assert folders["stays"].is_dir()


async def test_a_short_cut_is_a_reboot(live: Live) -> None:
    await live.pod("p")
    live.switch(WORKER, "off")
    live.switch(WORKER, "on")
    await live.until(lambda: live.said(WORKER, "Rebooted"))
    await live.until(lambda: live.get("p")["status"]["containerStatuses"][0]["restartCount"] == 1 and live.ready("p"))


async def test_the_machine_of_the_api_server_stays_on(live: Live) -> None:
    live.switch("pocket-control-plane", "off")
    await live.pod("p", "pocket-control-plane")
    assert live.node_ready("pocket-control-plane") == "True"


async def test_a_node_deleted_while_it_is_off_comes_back_with_its_power(live: Live) -> None:
    live.switch(WORKER, "off")
    live.client.delete("nodes", ("", WORKER))
    await live.until(lambda: live.said(WORKER, "RemovingNode"))
    await live.cluster.registry.clock.sleep(4)
    assert live.node_ready() == "gone"
    live.switch(WORKER, "on")
    await live.until(lambda: live.node_ready() == "True" and live.taints() == set())


async def test_a_machine_that_is_off_stays_off_when_the_cluster_starts_again(tmp_path: Path) -> None:
    async with Cluster(config(tmp_path)) as cluster:
        first = Live(cluster)
        await first.pod("p")
        first.switch(WORKER, "off")
    async with Cluster(config(tmp_path)) as cluster:
        again = Live(cluster)
        await again.until(lambda: again.node_ready() == "Unknown")
        assert again.node_ready("pocket-worker2") == "True"
        again.client.delete("configmaps", SWITCHES)
        await again.until(lambda: again.node_ready() == "True" and again.ready("p"))


async def test_who_was_connected_is_not_told(live: Live) -> None:
    address = (await live.pod("lost"))["status"]["podIP"]
    connection = await live.cluster.fabric.outside.connect(address, 80)
    live.switch(WORKER, "off")
    await live.until(lambda: live.node_ready() == "Unknown")
    await connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.state == "ESTABLISHED"


def stateful_set(live: Live) -> None:
    """One Pod, that goes from a dead node a second after that is known."""
    silent = [{"key": f"node.kubernetes.io/{why}", "effect": "NoExecute"} for why in ("not-ready", "unreachable")]
    tolerations = [{**one, "operator": "Exists", "tolerationSeconds": 1} for one in silent]
    container = {"name": "c", "image": IMAGE, "args": ["pause"]}
    spec = {"containers": [container], "tolerations": tolerations, "terminationGracePeriodSeconds": 1}
    template = {"metadata": {"labels": {"app": "set"}}, "spec": spec}
    body = {"serviceName": "set", "selector": {"matchLabels": {"app": "set"}}, "template": template}
    live.client.create("statefulsets", {"metadata": {"namespace": "default", "name": "set"}, "spec": body})


def another(live: Live, before: Obj) -> bool:
    """Whether a Pod of that name is ready that is not this one."""
    found = live.client.find("pods", *objects.key(before))
    return found is not None and objects.uid(found) != objects.uid(before) and live.ready(objects.name(found))


async def test_of_a_stateful_set_there_are_no_two_pods_of_one_name(live: Live) -> None:
    stateful_set(live)
    await live.until(lambda: live.client.find("pods", "default", "set-0") and live.ready("set-0"))
    before = live.get("set-0")
    node = objects.spec(before)["nodeName"]
    live.switch(node, "off")
    await live.until(lambda: objects.is_terminating(live.get("set-0")))
    await live.cluster.registry.clock.sleep(2)
    assert [objects.uid(pod) for pod in live.client.list("pods", "default")] == [objects.uid(before)]
    live.switch(node, "on")
    await live.until(lambda: another(live, before))


async def test_a_node_out_of_service_gives_up_its_pods(live: Live) -> None:
    stateful_set(live)
    await live.until(lambda: live.client.find("pods", "default", "set-0") and live.ready("set-0"))
    before = live.get("set-0")
    node = objects.spec(before)["nodeName"]
    live.switch(node, "off")
    await live.until(lambda: live.node_ready(node) == "Unknown")
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    live.client.patch("nodes", ("", node), lambda copy: copy["spec"].setdefault("taints", []).append(taint))
    await live.until(lambda: another(live, before))
    assert objects.spec(live.get("set-0"))["nodeName"] != node


async def test_switched_off_and_on_ten_times(live: Live) -> None:
    """While pods start, run, and are stopped."""
    pods = [await live.pod(name) for name in ("a", "b", "c")]
    for _ in range(10):
        live.switch(WORKER, "off")
        await asyncio.sleep(0)
        live.switch(WORKER, "on")
        await live.cluster.registry.clock.sleep(0.05)
    names = [objects.name(pod) for pod in pods]
    await live.until(
        lambda: live.node_ready() == "True" and live.taints() == set() and all(live.ready(name) for name in names)
    )
    addresses = {live.get(name)["status"]["podIP"] for name in names}
    assert len(addresses) == len(names)
    for address in addresses:
        await live.cluster.fabric.outside.connect(address, 80, timeout=1)


async def test_what_is_open_to_a_container_ends_with_its_machine(live: Live) -> None:
    """exec, logs -f and a forwarded connection, which are the API server's."""
    await live.pod("lost")
    runtime = live.cluster.runtime
    forwarded = await runtime.port_forwarder("default", "lost").connect(80)

    async def follow() -> None:
        async for _ in runtime.log_lines("default", "lost", "c", follow=True):
            pass

    waiting = [
        asyncio.ensure_future(work)
        for work in (
            runtime.exec("default", "lost", "c", ["sleep", "100000"], fds={}),
            follow(),
            forwarded.read(),
        )
    ]
    await live.cluster.registry.clock.sleep(0.1)
    assert not any(task.done() for task in waiting)
    live.switch(WORKER, "off")
    async with asyncio.timeout(30):
        killed, _, reset = await asyncio.gather(*waiting, return_exceptions=True)
    assert killed == 137
    assert isinstance(reset, ConnectionResetError)
    with pytest.raises(Unknown):
        runtime.port_forwarder("default", "lost")

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pocketkube.network import http
from pocketkube.network.fabric import Fabric
from pocketkube.network.proxy import Proxy
from pocketkube.network.proxy_health import ProxyHealth

from .conftest import World, at


@pytest.fixture
async def fabric(world: World) -> AsyncIterator[Fabric]:
    """Two nodes, kube-proxy's servers on each."""
    proxy = Proxy(world.client)
    fabric = Fabric(world.clock, proxy=proxy)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for name, address in (("worker", "172.18.0.3"), ("worker2", "172.18.0.4")):
            network = fabric.attach(address, name)
            world.apply("nodes", {"metadata": {"name": name}})
            tasks.append(group.create_task(ProxyHealth(world.client, proxy, network, name).run()))
        await asyncio.sleep(0)
        yield fabric
        for task in tasks:
            task.cancel()


async def get(fabric: Fabric, port: int, path: str, address: str = "172.18.0.3") -> http.Response:
    return await http.request(lambda: fabric.outside.connect(address, port), "GET", path, [("Host", address)])


def publish(world: World, **fields: Any) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000, **fields}
    world.service("web", "10.96.0.7", {"port": 80}, **spec)


async def synced() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_health_check_node_port_says_how_many_endpoints_are_on_the_node(world: World, fabric: Fabric) -> None:
    publish(world)
    local = [at(f"10.244.1.{n}", nodeName="worker") for n in (2, 3)]
    world.slice("web", *local, at("10.244.1.4", nodeName="worker", ready=False), ports=[{"port": 8080}])
    await synced()
    here, there = await get(fabric, 31000, "/healthz"), await get(fabric, 31000, "/", "172.18.0.4")
    assert (here.status, there.status) == (200, 503)
    service = {"namespace": "lab", "name": "web"}
    assert json.loads(here.text) == {"service": service, "localEndpoints": 2, "serviceProxyHealthy": True}
    assert json.loads(there.text)["localEndpoints"] == 0
    assert here.header("X-Load-Balancing-Endpoint-Weight") == "2"
    assert here.header("Content-Type") == "application/json"
    assert here.header("X-Content-Type-Options") == "nosniff"


async def test_the_port_moves_and_closes_with_the_service(world: World, fabric: Fabric) -> None:
    publish(world)
    await synced()
    assert (await get(fabric, 31000, "/healthz")).status == 503
    publish(world, healthCheckNodePort=31001)
    await synced()
    assert (await get(fabric, 31001, "/healthz")).status == 503
    publish(world, externalTrafficPolicy="Cluster", healthCheckNodePort=0)
    await synced()
    for port in (31000, 31001):
        with pytest.raises(ConnectionRefusedError):
            await get(fabric, port, "/healthz")


async def test_a_port_that_is_taken_on_the_node_is_told(world: World, fabric: Fabric) -> None:
    with fabric.node("worker").listen(31000):
        publish(world)
        await synced()
    (event,) = world.recorded
    assert event[:2] == ("Warning", "FailedToStartServiceHealthcheck")
    assert event[2].startswith('node worker failed to start healthcheck "lab/web" on port 31000: ')


async def test_kube_proxys_own_health(world: World, fabric: Fabric) -> None:
    found = await get(fabric, 10256, "/healthz")
    body = json.loads(found.text)
    assert (found.status, body["healthy"], body["nodeEligible"]) == (200, True, True)
    assert list(body["status"]) == ["IPv4"]
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}
    world.apply("nodes", {"metadata": {"name": "worker"}, "spec": {"taints": [taint]}})
    assert (await get(fabric, 10256, "/healthz")).status == 503
    alive = await get(fabric, 10256, "/livez")
    assert alive.status == 200
    assert "nodeEligible" not in json.loads(alive.text)
    assert (await get(fabric, 10256, "/other")).status == 404


async def test_the_mode_is_told_on_the_nodes_loopback_only(world: World, fabric: Fabric) -> None:
    node = fabric.node("worker")
    found = await http.request(lambda: node.connect("127.0.0.1", 10249), "GET", "/proxyMode", [("Host", "localhost")])
    assert (found.status, found.text) == (200, "iptables")
    with pytest.raises(ConnectionRefusedError):
        await get(fabric, 10249, "/proxyMode")

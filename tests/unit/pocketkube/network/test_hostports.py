import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.hostports import HostPorts
from pocketkube.network.proxy import Proxy

from .conftest import World, at


@pytest.fixture
def fabric(world: World) -> Fabric:
    fabric = Fabric(world.clock, proxy=Proxy(world.client))
    for name, address, labels in (
        ("a-control-plane", "172.18.0.2", {"node-role.kubernetes.io/control-plane": ""}),
        ("b-worker", "172.18.0.3", {}),
    ):
        fabric.attach(address, name)
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        world.apply("nodes", {"metadata": {"name": name, "labels": labels}, "status": status})
    return fabric


@pytest.fixture
def server(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.1.2", "server", node="b-worker")


@pytest.fixture
async def ports(world: World, fabric: Fabric) -> AsyncIterator[HostPorts]:
    ports = HostPorts(world.client, fabric)
    running = asyncio.create_task(ports.run())
    yield ports
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def opened(ports: HostPorts, name: str, count: int = 1) -> list[str]:
    async with asyncio.timeout(10):
        while len(urls := ports.urls("lab", name)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return urls


def publish(world: World, port: int, **spec: object) -> None:
    world.service("web", "10.96.0.7", {"port": 80, "nodePort": port}, type="NodePort", **spec)
    world.slice("web", at("10.244.1.2", nodeName="b-worker"), ports=[{"port": 8080}])


async def test_bytes_reach_the_pod_and_come_back(world: World, server: PodNetwork, ports: HostPorts) -> None:
    port = free_port()
    publish(world, port)
    assert await opened(ports, "web") == [f"http://127.0.0.1:{port}"]
    listener = server.listen(8080)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"ping")
    writer.write_eof()
    inside = await listener.accept()
    assert await inside.read() == b"ping"
    assert await inside.read() == b""
    await inside.write(b"pong")
    inside.close()
    assert await reader.read() == b"pong"
    writer.close()
    await writer.wait_closed()
    assert inside.remote[0] == "10.244.1.1"  # policy Cluster: the node speaks to the pod


async def test_policy_local_lets_the_pod_see_the_client(world: World, server: PodNetwork, ports: HostPorts) -> None:
    port = free_port()
    publish(world, port, externalTrafficPolicy="Local")
    await opened(ports, "web")
    listener = server.listen(8080)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await listener.accept()).remote[0] == "172.18.0.1"
    writer.close()
    await writer.wait_closed()


async def test_nothing_behind_the_service_resets_the_connection(
    world: World, server: PodNetwork, ports: HostPorts
) -> None:
    port = free_port()
    publish(world, port)
    await opened(ports, "web")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.transport.abort()


async def test_a_busy_port_is_reported_and_tried_again(world: World, ports: HostPorts) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        publish(world, port)
        async with asyncio.timeout(10):
            while not world.recorded:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert world.recorded[0][:2] == ("Warning", "HostPortUnavailable")
        assert f"Port {port} of this machine" in world.recorded[0][2]
        assert ports.urls("lab", "web") == []
    publish(world, port, externalTrafficPolicy="Cluster")
    assert await opened(ports, "web") == [f"http://127.0.0.1:{port}"]


async def test_the_port_closes_with_the_service(world: World, ports: HostPorts) -> None:
    port = free_port()
    publish(world, port)
    await opened(ports, "web")
    world.delete("services", "lab", "web")
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                break
            writer.transport.abort()
            await asyncio.sleep(0)
    assert ports.urls("lab", "web") == []

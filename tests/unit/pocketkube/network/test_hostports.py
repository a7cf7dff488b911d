import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.ports import free_port

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


async def opened(ports: HostPorts, name: str, count: int = 1) -> list[str]:
    async with asyncio.timeout(10):
        while len(urls := published(ports, name)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return urls


def published(ports: HostPorts, name: str) -> list[str]:
    return [entry["url"] for entry in ports.published().get(f"lab/{name}", ())]


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
        assert published(ports, "web") == []
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
    assert published(ports, "web") == []


def load_balancer(world: World, port: int, **fields: object) -> None:
    ingress = [{"ip": "172.18.255.200", "ipMode": "VIP"}]
    found = world.service("web", "10.96.0.7", {"port": port, **fields}, type="LoadBalancer")
    world.apply("services", {**found, "status": {"loadBalancer": {"ingress": ingress}}})
    world.slice("web", at("10.244.1.2", nodeName="b-worker"), ports=[{"port": 8080}])


async def test_a_load_balancer_port_has_its_own_number_here_when_it_is_free(
    world: World, server: PodNetwork, ports: HostPorts
) -> None:
    port = free_port()
    load_balancer(world, port, name="web")
    assert await opened(ports, "web") == [f"http://127.0.0.1:{port}"]
    assert "nodePort" not in ports.published()["lab/web"][0]


async def test_a_load_balancer_port_below_1024_gets_one_from_the_system_and_leads_to_the_address(
    world: World, server: PodNetwork, ports: HostPorts
) -> None:
    load_balancer(world, 443)
    (url,) = await opened(ports, "web")
    (entry,) = ports.published()["lab/web"]
    assert entry["port"] == 443
    assert entry["hostPort"] > 1023
    assert url == f"https://127.0.0.1:{entry['hostPort']}"
    listener = server.listen(8080)
    _, writer = await asyncio.open_connection("127.0.0.1", entry["hostPort"])
    assert (await listener.accept()).local == ("10.244.1.2", 8080)
    writer.close()
    await writer.wait_closed()


async def test_ports_are_written_down_and_had_again_after_a_restart(
    world: World, fabric: Fabric, server: PodNetwork, tmp_path: Path
) -> None:
    load_balancer(world, 80, nodePort=free_port())
    chosen = []
    for _ in range(2):
        ports = HostPorts(world.client, fabric, tmp_path)
        running = asyncio.create_task(ports.run())
        await opened(ports, "web", 2)
        held = json.loads((tmp_path / "host-ports.json").read_text())
        assert held == ports.published()
        assert [entry.get("nodePort", 0) > 0 for entry in held["lab/web"]] == [False, True]
        chosen.append(held["lab/web"][0]["hostPort"])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert chosen[0] == chosen[1]


async def test_udp_comes_back_to_who_asked(world: World, server: PodNetwork, ports: HostPorts) -> None:
    port = free_port()
    world.service("web", "10.96.0.7", {"port": 53, "nodePort": port, "protocol": "UDP"}, type="NodePort")
    world.slice("web", at("10.244.1.2", nodeName="b-worker"), ports=[{"port": 5353, "protocol": "UDP"}])
    assert await opened(ports, "web") == [f"udp://127.0.0.1:{port}"]
    inside = server.bind_udp(5353)
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for asking in (one, two):
            asking.setblocking(False)
            asking.bind(("127.0.0.1", 0))
        for asking, text in ((one, b"one"), (two, b"two"), (one, b"one more")):
            await loop.sock_sendto(asking, text, ("127.0.0.1", port))
            async with asyncio.timeout(10):
                data, sender = await inside.recvfrom()
                inside.sendto(data.upper(), sender)
                assert await loop.sock_recvfrom(asking, 100) == (text.upper(), ("127.0.0.1", port))


async def test_a_static_mapping_leads_to_the_workers_node_port(
    world: World, fabric: Fabric, server: PodNetwork, tmp_path: Path
) -> None:
    port = free_port()
    ports = HostPorts(world.client, fabric, tmp_path, [("http", port, 30080), ("https", 0, 30443)])
    await ports.start()
    assert json.loads((tmp_path / "host-ports.json").read_text()) == {
        "static": [{"port": 30080, "protocol": "TCP", "hostPort": port, "url": f"http://127.0.0.1:{port}"}]
    }
    running = asyncio.create_task(ports.run())
    world.service("ingress", "10.96.0.7", {"port": 80, "nodePort": 30080}, type="NodePort")
    world.slice("ingress", at("10.244.1.2", nodeName="b-worker"), ports=[{"port": 8080}])
    listener = server.listen(8080)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await listener.accept()).local == ("10.244.1.2", 8080)
    writer.close()
    await writer.wait_closed()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_static_mapping_whose_port_is_taken_says_so_and_is_tried_again(
    world: World, fabric: Fabric, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = HostPorts(world.client, fabric, tmp_path, [("http", port, 30080)])
        await ports.start()
    (entry,) = json.loads((tmp_path / "host-ports.json").read_text())["static"]
    assert entry["problem"] == "another program uses it"
    assert "url" not in entry
    assert f"Port {port} of this machine cannot be opened (another program uses it)" in caplog.text
    running = asyncio.create_task(ports.run())
    async with asyncio.timeout(10):
        while "url" not in ports.published()["static"][0]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_node_port_of_an_ipv6_service_enters_at_the_workers_ipv6_address(world: World) -> None:
    cidrs = "10.244.0.0/16,fd00:10:244::/56"
    fabric = Fabric(world.clock, proxy=Proxy(world.client), pod_cidr=cidrs)
    addresses = ("172.18.0.3", "fc00:f853:ccd:e793::3")
    fabric.attach(addresses[0], "b-worker", also=addresses[1:])
    internal = [{"type": "InternalIP", "address": address} for address in addresses]
    world.apply("nodes", {"metadata": {"name": "b-worker"}, "status": {"addresses": internal}})
    listener = fabric.attach("fd00:10:244:1::2", "server", node="b-worker").listen(8080, "::")
    port = free_port()
    families = {"clusterIPs": ["fd00:10:96::7"], "ipFamilies": ["IPv6"], "type": "NodePort"}
    world.service("web", "fd00:10:96::7", {"port": 80, "nodePort": port}, **families)
    world.slice("web", at("fd00:10:244:1::2"), ports=[{"port": 8080}], addressType="IPv6")
    ports = HostPorts(world.client, fabric)
    running = asyncio.create_task(ports.run())
    await opened(ports, "web")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        assert (await listener.accept()).local == ("fd00:10:244:1::2", 8080)
    writer.close()
    await writer.wait_closed()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_attack_services_that_want_every_port_of_this_machine(
    world: World, ports: HostPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pocketkube.network.hostports.MOST", 0)
    publish(world, free_port())
    async with asyncio.timeout(10):
        while not world.recorded:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert "0 ports are open already" in world.recorded[0][2]
    assert published(ports, "web") == []


async def test_attack_a_flood_of_connections_leaves_sockets_to_others(
    world: World, server: PodNetwork, ports: HostPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    publish(world, port)
    await opened(ports, "web")
    monkeypatch.setattr("pocketkube.network.hostsockets.MOST", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.transport.abort()

"""Host ports: where they answer, for whom, and which source the pod sees."""

from __future__ import annotations

import pytest

from pocketkube.clock import Clock
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.stream import Stream

NODE, OTHER = "172.18.0.3", "172.18.0.4"
POD = "10.244.1.2"


@pytest.fixture
def fabric() -> Fabric:
    fabric = Fabric(Clock(speed=1000))
    fabric.attach(NODE, "worker")
    fabric.attach(OTHER, "worker2")
    return fabric


def pod(fabric: Fabric, address: str, host_ip: str = "", protocol: str = "TCP", node: str = "worker") -> PodNetwork:
    """A pod with host port 54323 that leads to 8080."""
    net = fabric.attach(address, address, node=node)
    port = {"containerPort": 8080, "hostPort": 54323, "hostIP": host_ip, "protocol": protocol}
    fabric.portmap.add(node, (address,), [{"ports": [port]}])
    return net


async def reach(server: PodNetwork, client: PodNetwork, address: str) -> Stream:
    """The server's side of a connection to the host port."""
    listener = server.listen(8080)
    ours = await client.connect(address, 54323, timeout=1)
    theirs = await listener.accept()
    ours.close()
    return theirs


@pytest.mark.parametrize(
    ("who", "asks", "sees"),
    [
        ("outside", NODE, "172.18.0.1"),
        ("worker2", NODE, OTHER),
        ("worker", NODE, NODE),
        ("worker", "127.0.0.1", "10.244.1.1"),
        ("near", NODE, "10.244.1.1"),
        ("far", NODE, OTHER),
    ],
)
async def test_the_pod_sees_who_asked_unless_that_is_too_near(fabric: Fabric, who: str, asks: str, sees: str) -> None:
    server = pod(fabric, POD)
    near, far = fabric.attach("10.244.1.9", "near", node="worker"), fabric.attach("10.244.2.9", "far", node="worker2")
    named = {"outside": fabric.outside, "near": near, "far": far}
    client = named[who] if who in named else fabric.node(who)
    assert (await reach(server, client, asks)).remote[0] == sees


async def test_two_pods_share_a_port_at_different_addresses_and_protocols(fabric: Fabric) -> None:
    one, two = pod(fabric, "10.244.1.2", "127.0.0.1"), pod(fabric, "10.244.1.3", NODE)
    three = pod(fabric, "10.244.1.4", NODE, "UDP")
    for server in (one, two):
        server.listen(8080)
    host = fabric.node("worker")
    assert (await host.connect("127.0.0.1", 54323)).remote == ("127.0.0.1", 54323)
    await reach_udp(three, host, NODE)
    with pytest.raises(OSError, match="Address already in use"):
        one.listen(8080)
    ours = await host.connect(NODE, 54323)
    assert ours.remote == (NODE, 54323)


async def reach_udp(server: PodNetwork, client: PodNetwork, address: str) -> None:
    """A question and its answer, which comes from where it was asked."""
    with server.bind_udp(8080) as there, client.bind_udp() as here:
        here.connect((address, 54323))
        here.send(b"hostname")
        data, sender = await there.recvfrom()
        there.sendto(data + b"!", sender)
        assert await here.recvfrom() == (b"hostname!", (address, 54323))


@pytest.mark.parametrize("address", [NODE, "127.0.0.1"])
async def test_datagrams_are_answered_from_the_address_that_was_asked(fabric: Fabric, address: str) -> None:
    await reach_udp(pod(fabric, POD, protocol="UDP"), fabric.node("worker"), address)


async def test_it_is_a_port_of_that_node_and_address_only(fabric: Fabric) -> None:
    pod(fabric, POD, NODE).listen(8080)
    with pytest.raises(ConnectionRefusedError):
        await fabric.outside.connect(OTHER, 54323)
    with pytest.raises(ConnectionRefusedError):
        await fabric.node("worker").connect("127.0.0.1", 54323)
    with pytest.raises(ConnectionRefusedError):
        await fabric.outside.connect(NODE, 8080)


async def test_it_goes_with_the_pod(fabric: Fabric) -> None:
    pod(fabric, POD).listen(8080)
    await fabric.outside.connect(NODE, 54323)
    fabric.detach(POD)
    with pytest.raises(ConnectionRefusedError):
        await fabric.outside.connect(NODE, 54323)

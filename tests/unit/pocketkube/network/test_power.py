"""Machines that lose their power: what is sent there is lost, and nobody is told."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.clock import Clock
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.stream import RETRANSMITTED

NODES = {"a": "172.18.0.3", "b": "172.18.0.4"}


@pytest.fixture
def fabric() -> Fabric:
    made = Fabric(Clock(200))
    for name, address in NODES.items():
        made.attach(address, name)
    return made


@pytest.fixture
def there(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.1.2", "there", node="a")


@pytest.fixture
def here(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.2.2", "here", node="b")


@pytest.mark.parametrize("address", ["10.244.1.2", "172.18.0.3"])
async def test_new_connections_time_out(fabric: Fabric, there: PodNetwork, here: PodNetwork, address: str) -> None:
    there.listen(80)
    fabric.unplug("a")
    with pytest.raises(TimeoutError):
        await here.connect(address, 80, timeout=10)
    assert not await here.ping(address, timeout=4)


async def test_open_connections_hang_and_are_not_reset(fabric: Fabric, there: PodNetwork, here: PodNetwork) -> None:
    listener = there.listen(80)
    mine = await here.connect("10.244.1.2", 80)
    theirs = await listener.accept()
    await theirs.write(b"hello")
    fabric.unplug("a")
    assert theirs.closed
    assert await mine.read() == b"hello"  # it had arrived
    await mine.write(b"is there anybody?")
    assert mine.state == "ESTABLISHED"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await mine.read()


async def test_who_dialled_from_there_is_not_heard_of_again(
    fabric: Fabric, there: PodNetwork, here: PodNetwork
) -> None:
    listener = here.listen(80)
    await there.connect("10.244.2.2", 80)
    theirs = await listener.accept()
    fabric.unplug("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await theirs.read()
    assert not theirs.closed


async def test_what_is_sent_is_given_up_after_a_quarter_of_an_hour(
    fabric: Fabric, there: PodNetwork, here: PodNetwork
) -> None:
    fabric.clock.speed = 2000
    listener = there.listen(80)
    mine = await here.connect("10.244.1.2", 80)
    await listener.accept()
    fabric.unplug("a")
    start = fabric.clock.monotonic()
    await mine.write(b"is there anybody?")
    with pytest.raises(ConnectionResetError, match="Connection timed out"):
        await mine.read()
    assert fabric.clock.monotonic() - start >= RETRANSMITTED - 1
    with pytest.raises(ConnectionResetError, match="Connection timed out"):
        await mine.write(b"or there?")


async def test_a_machine_that_is_back_refuses_what_was_connected(
    fabric: Fabric, there: PodNetwork, here: PodNetwork
) -> None:
    """Idle or not, whoever dialled."""
    listeners = there.listen(80), here.listen(80)
    dialled = [await here.connect("10.244.1.2", 80) for _ in range(2)]
    await there.connect("10.244.2.2", 80)
    survivors = [*dialled, await listeners[1].accept()]
    fabric.unplug("a")
    await dialled[0].write(b"is there anybody?")
    reading = [asyncio.ensure_future(stream.read()) for stream in survivors]
    await asyncio.sleep(0)
    assert not any(task.done() for task in reading)
    fabric.attach(NODES["a"], "a")
    for task in reading:
        with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
            await task
    for stream in survivors:
        stream.close()


async def test_a_connection_within_the_machine_is_gone_with_it(fabric: Fabric, there: PodNetwork) -> None:
    """As a port-forward's, which somebody elsewhere waits for."""
    listener = there.listen(80)
    mine = await there.connect("127.0.0.1", 80)
    theirs = await listener.accept()
    reading = [asyncio.ensure_future(stream.read()) for stream in (mine, theirs)]
    await asyncio.sleep(0)
    fabric.unplug("a")
    for task in reading:
        with pytest.raises(ConnectionResetError):
            await task


async def test_datagrams_are_lost(fabric: Fabric, there: PodNetwork, here: PodNetwork) -> None:
    there.bind_udp(53)
    socket = here.bind_udp()
    socket.connect(("10.244.1.2", 53))
    socket.send(b"one")
    fabric.unplug("a")
    socket.send(b"two")
    socket.send(b"three")  # nothing refused the second


async def test_with_power_again_the_node_is_as_new(fabric: Fabric, there: PodNetwork, here: PodNetwork) -> None:
    fabric.unplug("a")
    fabric.detach("10.244.1.2")  # what a kubelet does that is ended: nothing is there any more
    node = fabric.attach(NODES["a"], "a")
    node.listen(10250)
    await here.connect(NODES["a"], 10250, timeout=1)
    with pytest.raises(OSError, match="No route to host"):
        await here.connect("10.244.1.2", 80)
    fabric.attach("10.244.1.2", "again", node="a").listen(80)
    await here.connect("10.244.1.2", 80, timeout=1)


async def test_other_nodes_are_left_alone(fabric: Fabric, there: PodNetwork, here: PodNetwork) -> None:
    listener = here.listen(80)
    mine = await here.connect("10.244.2.2", 80)
    fabric.unplug("a")
    theirs = await listener.accept()
    await mine.write(b"still here")
    assert await theirs.read() == b"still here"

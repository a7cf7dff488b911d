"""The fabric with both families: addresses, sockets of one family and of both, translation, what is not reachable."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.clock import Clock
from pocketkube.network.addresses import literal
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.route import Route, Sender

SERVICE = "fd00:10:96::1"


class OneService:
    """[fd00:10:96::1]:80 stands for `target`, as does node port 30080 on every node."""

    def __init__(self) -> None:
        self.target: Route | None = None
        self.asked: list[Sender] = []

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        self.asked.append(sender)
        return self.target if (address, port) == (SERVICE, 80) or (node is not None and port == 30080) else None

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        return self.target is not None


@pytest.fixture
def proxy() -> OneService:
    return OneService()


@pytest.fixture
def fabric(proxy: OneService) -> Fabric:
    fabric = Fabric(Clock(speed=1000), proxy=proxy, pod_cidr="10.244.0.0/16,fd00:10:244::/56")
    fabric.attach("172.18.0.3", "worker", also=("fc00:f853:ccd:e793::3",))
    fabric.attach("172.18.0.4", "worker2", also=("fc00:f853:ccd:e793::4",))
    return fabric


@pytest.fixture
def a(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.1.2", "a", node="worker", also=("fd00:10:244:1::2",))


@pytest.fixture
def b(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.2.2", "b", node="worker2", also=("fd00:10:244:2::2",))


@pytest.fixture
def old(fabric: Fabric) -> PodNetwork:
    """A pod with IPv4 only."""
    return fabric.attach("10.244.1.9", "old", node="worker")


async def test_a_pod_is_reached_at_both_addresses_from_the_same_family(a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80, "::")
    for address, source in (("10.244.2.2", "10.244.1.2"), ("fd00:10:244:2::2", "fd00:10:244:1::2")):
        client = await a.connect(address, 80)
        server = await listener.accept()
        assert (client.local[0], server.remote[0]) == (source, source)
        assert client.remote == server.local == (address, 80)


async def test_any_spelling_of_an_address_will_do(a: PodNetwork, b: PodNetwork) -> None:
    b.listen(80, "::")
    stream = await a.connect("FD00:10:244:2:0:0:0:2", 80)
    assert stream.remote == ("fd00:10:244:2::2", 80)
    mapped = await a.connect("::ffff:10.244.2.2", 80)
    assert mapped.remote == ("10.244.2.2", 80)


async def test_sockets_take_what_they_are_bound_to(a: PodNetwork, b: PodNetwork) -> None:
    b.listen(1, "0.0.0.0")
    b.listen(2, "::")
    b.listen(3, "fd00:10:244:2::2")
    b.listen(4, "::", v6only=True)
    reached = {}
    for port in (1, 2, 3, 4):
        for family, address in ((4, "10.244.2.2"), (6, "fd00:10:244:2::2")):
            try:
                await a.connect(address, port)
            except ConnectionRefusedError:
                reached[port, family] = False
            else:
                reached[port, family] = True
    assert reached == {(1, 4): True, (1, 6): False, (2, 4): True, (2, 6): True} | {
        (3, 4): False, (3, 6): True, (4, 4): False, (4, 6): True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (("::", False), ("0.0.0.0", False), True),
        (("0.0.0.0", False), ("::", False), True),
        (("::", True), ("0.0.0.0", False), False),
        (("0.0.0.0", False), ("::", True), False),
        (("0.0.0.0", False), ("fd00:10:244:1::2", False), False),
        (("::", False), ("10.244.1.2", False), True),
        (("10.244.1.2", False), ("127.0.0.1", False), False),
        (("::1", False), ("127.0.0.1", False), False),
        (("::1", False), ("::", True), True),
    ],
)
def test_which_sockets_clash(a: PodNetwork, first: tuple[str, bool], second: tuple[str, bool], clash: bool) -> None:
    a.listen(80, first[0], v6only=first[1])
    if clash:
        with pytest.raises(OSError, match="Address already in use"):
            a.listen(80, second[0], v6only=second[1])
    else:
        a.listen(80, second[0], v6only=second[1])


async def test_the_loopback_of_ipv6_is_there_in_every_pod(a: PodNetwork, old: PodNetwork) -> None:
    for pod in (a, old):
        listener = pod.listen(80, "::1")
        stream = await pod.connect("::1", 80)
        assert (stream.local[0], (await listener.accept()).remote[0]) == ("::1", "::1")
        with pytest.raises(ConnectionRefusedError):
            await pod.connect("127.0.0.1", 80)
        with pytest.raises(ConnectionRefusedError):
            await pod.connect(pod.address, 80)


async def test_a_pod_without_ipv6_has_no_way_there(old: PodNetwork, b: PodNetwork) -> None:
    b.listen(80, "::")
    for address in ("fd00:10:244:2::2", "2001:db8::1", SERVICE):
        with pytest.raises(OSError, match="Network is unreachable") as caught:
            await old.connect(address, 80)
        assert caught.value.errno == errno.ENETUNREACH
        with pytest.raises(OSError, match="Network is unreachable"):
            await old.ping(address, timeout=1)
        with old.bind_udp(0, "::") as socket, pytest.raises(OSError, match="Network is unreachable"):
            socket.sendto(b"x", (address, 80))
    with pytest.raises(OSError, match="Cannot assign requested address"):
        old.listen(80, "fd00:10:244:1::9")


async def test_unused_addresses(a: PodNetwork) -> None:
    with pytest.raises(OSError, match="No route to host"):
        await a.connect("fd00:10:244:2::99", 80)
    with pytest.raises(TimeoutError):
        await a.connect("2001:db8::1", 80, timeout=1)
    assert not await a.ping("2001:db8::1", timeout=1)


async def test_datagrams_and_their_answers(a: PodNetwork, b: PodNetwork) -> None:
    server = b.bind_udp(53, "::")
    for address, own in (("fd00:10:244:2::2", "fd00:10:244:1::2"), ("10.244.2.2", "10.244.1.2")):
        client = a.bind_udp(0, "::")
        client.sendto(b"ping", (address, 53))
        data, sender = await server.recvfrom()
        assert (data, sender) == (b"ping", (own, client.port))
        server.sendto(b"pong", sender)
        assert await client.recvfrom() == (b"pong", (address, 53))


def test_a_socket_of_ipv4_cannot_send_to_ipv6(a: PodNetwork) -> None:
    with a.bind_udp() as socket, pytest.raises(OSError, match="not supported by protocol") as caught:
        socket.sendto(b"x", ("fd00:10:244:2::2", 53))
    assert caught.value.errno == errno.EAFNOSUPPORT


async def test_a_service_hears_the_sender_of_its_family(proxy: OneService, a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(8080, "::")
    proxy.target = Route("fd00:10:244:2::2", 8080)
    stream = await a.connect(SERVICE, 80)
    server = await listener.accept()
    assert proxy.asked[-1] == Sender("fd00:10:244:1::2", "worker")
    assert (stream.remote, server.remote[0]) == ((SERVICE, 80), "fd00:10:244:1::2")


async def test_what_is_masqueraded_is_seen_as_the_node_in_the_same_family(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork
) -> None:
    listener = b.listen(8080, "::")
    proxy.target = Route("fd00:10:244:2::2", 8080, masquerade=True)
    await a.connect("fc00:f853:ccd:e793::3", 30080)
    assert (await listener.accept()).remote[0] == "fc00:f853:ccd:e793::3"
    await fabric.outside.connect("fc00:f853:ccd:e793::4", 30080)  # translated on the endpoint's own node
    assert (await listener.accept()).remote[0] == "fd00:10:244:2::1"
    await fabric.node("worker2").connect("fd00:10:244:2::2", 8080)
    assert (await listener.accept()).remote[0] == "fd00:10:244:2::1"
    node = fabric.node("worker2").listen(7000, "::")
    await a.connect("fc00:f853:ccd:e793::4", 7000)
    assert (await node.accept()).remote[0] == "fc00:f853:ccd:e793::3"  # the CNI hides pods from nodes


async def test_node_ports_are_not_served_on_the_loopback_of_ipv6(
    fabric: Fabric, proxy: OneService, b: PodNetwork
) -> None:
    b.listen(8080, "::")
    proxy.target = Route("10.244.2.2", 8080, masquerade=True)
    await fabric.node("worker").connect("127.0.0.1", 30080)
    with pytest.raises(ConnectionRefusedError):
        await fabric.node("worker").connect("::1", 30080)


async def test_translated_datagrams(proxy: OneService, a: PodNetwork, b: PodNetwork) -> None:
    server = b.bind_udp(53, "::")
    proxy.target = Route("fd00:10:244:2::2", 53, masquerade=True)
    with a.bind_udp(0, "::") as client:
        client.connect((SERVICE, 80))
        client.send(b"ping")
        data, sender = await server.recvfrom()
        assert (data, sender[0]) == (b"ping", "fc00:f853:ccd:e793::3")
        server.sendto(b"pong", sender)
        assert await client.recvfrom() == (b"pong", (SERVICE, 80))


async def test_both_addresses_go_with_the_pod(fabric: Fabric, a: PodNetwork, b: PodNetwork) -> None:
    b.listen(80, "::")
    stream = await a.connect("fd00:10:244:2::2", 80)
    fabric.detach("10.244.2.2")
    with pytest.raises(ConnectionResetError):
        await stream.read()
    assert fabric.host("fd00:10:244:2::2") is None
    fabric.attach("10.244.2.2", "c", node="worker2", also=("fd00:10:244:2::2",))


def test_an_address_that_is_held_is_not_given_twice(fabric: Fabric, a: PodNetwork) -> None:
    with pytest.raises(OSError, match="Address already in use: fd00:10:244:1::2"):
        fabric.attach("10.244.1.77", "x", node="worker", also=("fd00:10:244:1::2",))
    assert fabric.host("10.244.1.77") is None


async def test_what_a_socket_of_both_families_accepted_is_shown_mapped(a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80, "::")
    streams = [await a.connect("10.244.2.2", 80), await a.connect("fd00:10:244:2::2", 80)]
    accepted = [await listener.accept(), await listener.accept()]
    assert len(streams) == len(accepted)
    shown = {s.local[0] for s in b.sockets() if s.state == "ESTABLISHED"}
    assert shown == {"::ffff:10.244.2.2", "fd00:10:244:2::2"}


@given(st.ip_addresses())
def test_a_literal_is_the_canonical_text(address: object) -> None:
    text = str(address)
    if text in ("0.0.0.0", "::"):
        return
    mapped = getattr(address, "ipv4_mapped", None)
    assert literal(text) == str(mapped or address)
    exploded = str(getattr(address, "exploded", text))
    assert literal(exploded.upper()) == literal(text)

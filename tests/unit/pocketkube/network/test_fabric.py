import asyncio
import errno

import pytest

from pocketkube.clock import Clock
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.policy import AllowAll
from pocketkube.network.route import Dropped, Route, Sender


class OneService:
    """10.96.0.1:80 stands for `target`; a fake proxy for what the fabric does with its answers."""

    def __init__(self) -> None:
        self.target: Route | Exception | None = None

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        if (address, port) != ("10.96.0.1", 80):
            return None
        if isinstance(self.target, Exception):
            raise self.target
        return self.target

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        return self.target is not None


@pytest.fixture
def proxy() -> OneService:
    return OneService()


@pytest.fixture
def fabric(proxy: OneService) -> Fabric:
    fabric = Fabric(Clock(speed=1000), proxy=proxy)
    fabric.attach("172.18.0.3", "worker")
    fabric.attach("172.18.0.4", "worker2")
    return fabric


@pytest.fixture
def a(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.1.2", "a", node="worker")


@pytest.fixture
def b(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.2.2", "b", node="worker2")


async def test_bytes_travel_both_ways_and_half_close_keeps_the_answer(a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80)
    client = await a.connect("10.244.2.2", 80)
    server = await listener.accept()
    await client.write(b"ping")
    client.write_eof()
    assert await server.read() == b"ping"
    assert await server.read() == b""
    await server.write(b"pong")
    server.close()
    assert await client.read() == b"pong"
    assert await client.read() == b""
    assert server.remote == client.local
    assert client.local[0] == "10.244.1.2"
    assert 32768 <= client.local[1] <= 60999
    assert (client.remote, server.local) == (("10.244.2.2", 80), ("10.244.2.2", 80))


async def test_containers_of_a_pod_share_ports_and_localhost(fabric: Fabric, a: PodNetwork, b: PodNetwork) -> None:
    first, second = a.share(), a.share()
    first.listen(8080)
    with pytest.raises(OSError, match="Address already in use") as caught:
        second.listen(8080)
    assert caught.value.errno == errno.EADDRINUSE
    stream = await second.connect("127.0.0.1", 8080)
    assert stream.remote == ("127.0.0.1", 8080)
    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        await b.connect("127.0.0.1", 8080)


async def test_a_listener_on_loopback_is_not_reachable_from_outside(a: PodNetwork, b: PodNetwork) -> None:
    b.listen(80, "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        await a.connect("10.244.2.2", 80)
    assert (await b.connect("localhost", 80)).remote == ("127.0.0.1", 80)


async def test_nothing_listening_is_refused(a: PodNetwork, b: PodNetwork) -> None:
    with pytest.raises(ConnectionRefusedError) as caught:
        await a.connect("10.244.2.2", 81)
    assert caught.value.errno == errno.ECONNREFUSED


async def test_an_unused_pod_address_has_no_route(a: PodNetwork) -> None:
    with pytest.raises(OSError, match="No route to host") as caught:
        await a.connect("10.244.2.99", 80)
    assert caught.value.errno == errno.EHOSTUNREACH


@pytest.mark.parametrize("address", ["10.96.7.7", "192.0.2.1"])
async def test_an_address_nobody_has_times_out(fabric: Fabric, a: PodNetwork, address: str) -> None:
    before = fabric.clock.monotonic()
    with pytest.raises(TimeoutError) as caught:
        await a.connect(address, 80, timeout=5)
    assert caught.value.errno == errno.ETIMEDOUT
    assert fabric.clock.monotonic() - before >= 5
    with pytest.raises(TimeoutError, match="Connection timed out"):
        await a.connect(address, 80)
    assert fabric.clock.monotonic() - before >= 135


async def test_a_pod_that_comes_up_meanwhile_is_reached_by_a_later_syn(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork
) -> None:
    proxy.target = Dropped()
    connecting = asyncio.ensure_future(a.connect("10.96.0.1", 80))
    await asyncio.sleep(0)
    b.listen(8080)
    proxy.target = Route("10.244.2.2", 8080)
    assert (await connecting).remote == ("10.96.0.1", 80)


async def test_detaching_resets_connections_and_closes_listeners(fabric: Fabric, a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80)
    client = await a.connect("10.244.2.2", 80)
    server = await listener.accept()
    fabric.detach("10.244.2.2")
    with pytest.raises(ConnectionResetError):
        await client.read()
    with pytest.raises(ConnectionResetError):
        await server.write(b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        await listener.accept()
    with pytest.raises(OSError, match="No route to host"):
        await a.connect("10.244.2.2", 80)
    fabric.attach("10.244.2.2", "next", node="worker2")


async def test_closing_a_containers_view_closes_only_what_it_opened(a: PodNetwork, b: PodNetwork) -> None:
    one, two = b.share(), b.share()
    listener = one.listen(80)
    two.listen(81)
    client = await a.connect("10.244.2.2", 80)
    await listener.accept()
    one.close()
    assert await client.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await a.connect("10.244.2.2", 80)
    assert (await a.connect("10.244.2.2", 81)).state == "ESTABLISHED"


async def test_a_service_keeps_the_pods_address_and_hides_the_endpoints(
    proxy: OneService, a: PodNetwork, b: PodNetwork
) -> None:
    listener = b.listen(8080)
    proxy.target = Route("10.244.2.2", 8080)
    client = await a.connect("10.96.0.1", 80)
    server = await listener.accept()
    assert client.remote == ("10.96.0.1", 80)
    assert server.remote == client.local
    assert server.local == ("10.244.2.2", 8080)
    proxy.target = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    with pytest.raises(ConnectionRefusedError):
        await a.connect("10.96.0.1", 80)
    assert client.state == "ESTABLISHED"  # established connections survive


@pytest.mark.parametrize(
    ("source", "masquerade", "seen"),
    [
        ("10.244.2.3", False, "10.244.2.3"),
        ("10.244.2.3", True, "10.244.2.1"),  # endpoint on the translating node: its address on the pod bridge
        ("10.244.1.2", True, "172.18.0.3"),  # endpoint on another node: the translating node's address
        ("172.18.0.4", True, "10.244.2.1"),
        ("172.18.0.3", False, "172.18.0.3"),
    ],
)
async def test_the_source_address_a_server_sees(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork, source: str, masquerade: bool, seen: str
) -> None:
    neighbour = fabric.attach("10.244.2.3", "c", node="worker2")
    networks = {n.address: n for n in (a, neighbour, fabric.node("worker"), fabric.node("worker2"))}
    listener = b.listen(8080)
    proxy.target = Route("10.244.2.2", 8080, masquerade)
    await networks[source].connect("10.96.0.1", 80)
    assert (await listener.accept()).remote[0] == seen


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("172.18.0.3", "172.18.0.3"),
        ("172.18.0.4", "172.18.0.4"),
        ("10.244.1.2", "172.18.0.3"),  # hidden by its own node on the way out of the pod network
        ("10.244.2.2", "10.244.2.2"),
    ],
)
async def test_what_stays_on_the_node_that_translates_is_not_masqueraded(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork, source: str, seen: str
) -> None:
    """Masquerading happens on the way out; what the node delivers to a program of its own never goes out."""
    worker, worker2 = fabric.node("worker"), fabric.node("worker2")
    listener = worker2.listen(8080)
    proxy.target = Route("172.18.0.4", 8080, masquerade=True, via="worker2")
    networks = {n.address: n for n in (a, b, worker, worker2)}
    await networks[source].connect("10.96.0.1", 80)
    assert (await listener.accept()).remote[0] == seen


async def test_a_node_reaches_its_pods_from_the_bridge(fabric: Fabric, b: PodNetwork) -> None:
    listener = b.listen(8080)
    await fabric.node("worker2").connect("10.244.2.2", 8080)
    assert (await listener.accept()).remote[0] == "10.244.2.1"


async def test_a_full_backlog_makes_the_client_wait(a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80, backlog=1)
    await a.connect("10.244.2.2", 80)
    second = asyncio.ensure_future(a.connect("10.244.2.2", 80))
    await asyncio.sleep(0)
    assert not second.done()
    await listener.accept()
    assert (await second).state == "ESTABLISHED"


async def test_the_policy_drops(a: PodNetwork, b: PodNetwork) -> None:
    class Closed(AllowAll):
        def ingress(self, source: str, destination: str, port: int, protocol: str) -> bool:
            return (source, destination, port, protocol) != ("10.244.1.2", "10.244.2.2", 80, "TCP")

    a.fabric.policy = Closed()
    b.listen(80)
    b.listen(81)
    with pytest.raises(TimeoutError):
        await a.connect("10.244.2.2", 80, timeout=3)
    await a.connect("10.244.2.2", 81)


async def test_udp_through_a_service_answers_from_the_service_address(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork
) -> None:
    server = b.bind_udp(8081)
    proxy.target = Route("10.244.2.2", 8081)
    client = a.bind_udp()
    client.sendto(b"hi", ("10.96.0.1", 80))
    data, sender = await server.recvfrom()
    assert (data, sender) == (b"hi", ("10.244.1.2", client.port))
    server.sendto(b"ho", sender)
    assert await client.recvfrom() == (b"ho", ("10.96.0.1", 80))
    proxy.target = Route("10.244.2.3", 8081)
    client.sendto(b"again", ("10.96.0.1", 80))  # the same flow keeps its endpoint
    assert (await server.recvfrom())[0] == b"again"


async def test_udp_answers_find_their_way_through_masquerading(
    fabric: Fabric, proxy: OneService, a: PodNetwork, b: PodNetwork
) -> None:
    server = b.bind_udp(8081)
    proxy.target = Route("10.244.2.2", 8081, masquerade=True)
    clients = [a.bind_udp(40000), fabric.attach("10.244.1.3", "c", node="worker").bind_udp(40000)]
    for number, client in enumerate(clients):
        client.sendto(b"%d" % number, ("10.96.0.1", 80))
        data, sender = await server.recvfrom()
        assert sender[0] == "172.18.0.3"
        server.sendto(data, sender)
    for number, client in enumerate(clients):
        assert await client.recvfrom() == (b"%d" % number, ("10.96.0.1", 80))
        client.close()
    assert fabric.flows == {}


async def test_a_connected_datagram_socket_learns_of_a_closed_port(a: PodNetwork, b: PodNetwork) -> None:
    client = a.bind_udp()
    client.connect(("10.244.2.2", 53))
    client.send(b"?")
    with pytest.raises(ConnectionRefusedError):
        await client.recvfrom()


async def test_ping_answers_from_pods_only(fabric: Fabric, a: PodNetwork, b: PodNetwork) -> None:
    assert await a.ping("10.244.2.2", timeout=1)
    assert await a.ping("172.18.0.4", timeout=1)
    assert not await a.ping("10.96.0.1", timeout=1)
    with pytest.raises(OSError, match="No route to host"):
        await a.ping("10.244.2.77", timeout=5)


async def test_sockets_are_listed_with_their_states(a: PodNetwork, b: PodNetwork) -> None:
    listener = b.listen(80)
    client = await a.connect("10.244.2.2", 80)
    server = await listener.accept()
    client.write_eof()
    b.bind_udp(53)
    assert {(s.protocol, s.state, s.local) for s in b.sockets()} == {
        ("tcp", "LISTEN", ("0.0.0.0", 80)),
        ("tcp", "CLOSE_WAIT", ("10.244.2.2", 80)),
        ("udp", "UNCONN", ("0.0.0.0", 53)),
    }
    server.close()
    client.close()
    assert [s.state for s in (*a.sockets(), *b.sockets())] == ["LISTEN", "UNCONN"]


async def test_a_pods_answer_to_another_node_comes_from_the_pod(fabric: Fabric, b: PodNetwork) -> None:
    with b.bind_udp(8081) as server, fabric.node("worker").bind_udp() as client:
        client.connect(("10.244.2.2", 8081))
        client.send(b"hostName")
        data, asker = await server.recvfrom()
        assert asker[0] == "172.18.0.3"
        server.sendto(data, asker)
        assert await client.recvfrom() == (b"hostName", ("10.244.2.2", 8081))

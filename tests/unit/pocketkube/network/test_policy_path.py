"""Where on its way a packet is looked at, and with which addresses: Services, node ports, probes, answers, echo."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.clock import Clock
from pocketkube.network.fabric import OUTSIDE, Fabric, PodNetwork
from pocketkube.network.policy import AllowAll
from pocketkube.network.route import Route, Sender

Asked = tuple[str, str, str, int, str]
WORKER, WORKER2, WORKER3 = "172.18.0.3", "172.18.0.4", "172.18.0.5"


class Recorder(AllowAll):
    """Notes what it is asked; refuses what is in `refused`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused: set[str] = set()

    def egress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        self.asked.append(("egress", source, destination, port, protocol))
        return "egress" not in self.refused

    def ingress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        self.asked.append(("ingress", source, destination, port, protocol))
        return "ingress" not in self.refused


class Proxy:
    """10.96.0.1:80 and node port 30080 stand for `target`; outside traffic and a pod's own are masqueraded."""

    target = ("10.244.2.2", 8080)

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        external = node is not None and port == 30080
        if (address, port) != ("10.96.0.1", 80) and not external:
            return None
        return Route(*self.target, external or sender.address == self.target[0])

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        return True


@pytest.fixture
def policy() -> Recorder:
    return Recorder()


@pytest.fixture
def fabric(policy: Recorder) -> Fabric:
    fabric = Fabric(Clock(speed=1000), proxy=Proxy(), policy=policy)
    for address, name in ((WORKER, "worker"), (WORKER2, "worker2"), (WORKER3, "worker3")):
        fabric.attach(address, name)
    return fabric


@pytest.fixture
def near(fabric: Fabric) -> PodNetwork:
    """A neighbour of the server."""
    return fabric.attach("10.244.2.9", "near", node="worker2")


@pytest.fixture
def far(fabric: Fabric) -> PodNetwork:
    return fabric.attach("10.244.1.2", "far", node="worker")


@pytest.fixture
def server(fabric: Fabric) -> PodNetwork:
    net = fabric.attach("10.244.2.2", "server", node="worker2")
    net.listen(8080)
    return net


async def test_a_service_is_judged_by_its_endpoint(policy: Recorder, far: PodNetwork, server: PodNetwork) -> None:
    await far.connect("10.96.0.1", 80)
    assert policy.asked == [
        ("egress", "10.244.1.2", "10.244.2.2", 8080, "TCP"),
        ("ingress", "10.244.1.2", "10.244.2.2", 8080, "TCP"),
    ]


@pytest.mark.parametrize("direction", ["egress", "ingress"])
async def test_what_either_side_refuses_times_out(
    policy: Recorder, far: PodNetwork, server: PodNetwork, direction: str
) -> None:
    policy.refused.add(direction)
    with pytest.raises(TimeoutError):
        await far.connect("10.96.0.1", 80, timeout=2)
    with pytest.raises(TimeoutError):  # even where nobody listens
        await far.connect("10.244.2.2", 81, timeout=2)


async def test_a_dropped_syn_is_sent_again(policy: Recorder, far: PodNetwork, server: PodNetwork) -> None:
    policy.refused.add("ingress")
    dialling = asyncio.ensure_future(far.connect("10.244.2.2", 8080, timeout=10))
    await asyncio.sleep(0)
    policy.refused.clear()
    assert (await dialling).state == "ESTABLISHED"


async def test_an_established_connection_lives_on(policy: Recorder, far: PodNetwork, server: PodNetwork) -> None:
    listener = server.listen(81)
    here = await far.connect("10.244.2.2", 81)
    there = await listener.accept()
    policy.refused |= {"ingress", "egress"}
    await here.write(b"still")
    assert await there.read(5) == b"still"


async def test_from_outside_at_the_node_of_the_endpoint_the_client_is_seen(
    fabric: Fabric, policy: Recorder, server: PodNetwork
) -> None:
    await fabric.outside.connect(WORKER2, 30080)
    assert policy.asked == [("ingress", OUTSIDE, "10.244.2.2", 8080, "TCP")]


async def test_from_outside_at_another_node_that_node_is_seen(
    fabric: Fabric, policy: Recorder, server: PodNetwork
) -> None:
    await fabric.outside.connect(WORKER, 30080)
    assert policy.asked == [("ingress", WORKER, "10.244.2.2", 8080, "TCP")]


async def test_a_node_port_elsewhere_is_an_address_to_the_pod_that_asks(
    policy: Recorder, far: PodNetwork, near: PodNetwork, server: PodNetwork
) -> None:
    await far.connect(WORKER3, 30080)
    assert policy.asked == [
        ("egress", "10.244.1.2", WORKER3, 30080, "TCP"),
        ("ingress", WORKER3, "10.244.2.2", 8080, "TCP"),
    ]
    policy.asked.clear()
    await far.connect(WORKER2, 30080)  # translated where the endpoint is; the pod's own node has hidden it by then
    assert policy.asked == [
        ("egress", "10.244.1.2", WORKER2, 30080, "TCP"),
        ("ingress", WORKER, "10.244.2.2", 8080, "TCP"),
    ]
    policy.asked.clear()
    await near.connect(WORKER, 30080)  # out and back: the node between them is what arrives
    assert policy.asked == [
        ("egress", "10.244.2.9", WORKER, 30080, "TCP"),
        ("ingress", WORKER, "10.244.2.2", 8080, "TCP"),
    ]
    policy.asked.clear()
    await near.connect(WORKER2, 30080)  # translated before it leaves
    assert policy.asked == [
        ("egress", "10.244.2.9", "10.244.2.2", 8080, "TCP"),
        ("ingress", "10.244.2.9", "10.244.2.2", 8080, "TCP"),
    ]


async def test_nodes_reach_their_own_pods_whatever_the_policy_says(
    fabric: Fabric, policy: Recorder, server: PodNetwork
) -> None:
    policy.refused.add("ingress")
    await fabric.node("worker2").connect("10.244.2.2", 8080)
    await fabric.node("worker2").connect("127.0.0.1", 30080)
    with pytest.raises(TimeoutError):
        await fabric.node("worker").connect("10.244.2.2", 8080, timeout=2)
    assert set(policy.asked) == {("ingress", WORKER, "10.244.2.2", 8080, "TCP")}


async def test_pods_reach_their_own_node_whatever_the_policy_says(
    fabric: Fabric, policy: Recorder, far: PodNetwork
) -> None:
    policy.refused.add("egress")
    fabric.node("worker").listen(10250)
    fabric.node("worker2").listen(10250)
    await far.connect(WORKER, 10250)
    with pytest.raises(TimeoutError):
        await far.connect(WORKER2, 10250, timeout=2)


async def test_nobody_is_kept_from_itself(policy: Recorder, server: PodNetwork) -> None:
    policy.refused |= {"ingress", "egress"}
    for address, port in (("10.244.2.2", 8080), ("127.0.0.1", 8080), ("10.96.0.1", 80)):
        await server.connect(address, port)
    assert policy.asked == []


async def test_udp_answers_pass_where_the_server_may_not_send(
    policy: Recorder, far: PodNetwork, server: PodNetwork
) -> None:
    socket, client = server.bind_udp(8080), far.bind_udp()
    client.sendto(b"hi", ("10.96.0.1", 80))
    _, sender = await socket.recvfrom()
    policy.refused |= {"ingress", "egress"}
    socket.sendto(b"ho", sender)
    assert await client.recvfrom() == (b"ho", ("10.96.0.1", 80))
    client.sendto(b"again", ("10.96.0.1", 80))  # established: both have spoken
    assert (await socket.recvfrom())[0] == b"again"
    with far.bind_udp() as another:
        another.sendto(b"new", ("10.96.0.1", 80))
    with server.bind_udp() as unasked:
        unasked.sendto(b"new", sender)
    client.sendto(b"last", ("10.96.0.1", 80))
    assert (await socket.recvfrom())[0] == b"last"  # nothing of the new flows came before it


async def test_an_unanswered_udp_flow_is_asked_about_with_every_datagram(
    policy: Recorder, far: PodNetwork, server: PodNetwork
) -> None:
    socket, client = server.bind_udp(8080), far.bind_udp()
    client.sendto(b"1", ("10.96.0.1", 80))
    policy.refused.add("ingress")
    client.sendto(b"2", ("10.96.0.1", 80))
    policy.refused.clear()
    client.sendto(b"3", ("10.96.0.1", 80))
    assert [(await socket.recvfrom())[0] for _ in range(2)] == [b"1", b"3"]


async def test_a_masqueraded_udp_answer_passes(fabric: Fabric, policy: Recorder, server: PodNetwork) -> None:
    socket, client = server.bind_udp(8080), fabric.outside.bind_udp()
    client.sendto(b"hi", (WORKER, 30080))
    _, sender = await socket.recvfrom()
    policy.refused |= {"ingress", "egress"}
    socket.sendto(b"ho", sender)
    assert (await client.recvfrom())[0] == b"ho"
    client.sendto(b"again", (WORKER, 30080))
    assert (await socket.recvfrom())[0] == b"again"


async def test_echo_requests_are_asked_about(policy: Recorder, far: PodNetwork, server: PodNetwork) -> None:
    assert await far.ping("10.244.2.2", timeout=1)
    assert policy.asked == [
        ("egress", "10.244.1.2", "10.244.2.2", 0, "ICMP"),
        ("ingress", "10.244.1.2", "10.244.2.2", 0, "ICMP"),
    ]
    policy.refused.add("egress")
    assert not await far.ping("10.244.2.2", timeout=1)
    assert await far.ping("10.244.1.2", timeout=1)
    assert await far.ping("127.0.0.1", timeout=1)

import asyncio

import pytest
from dnslib import RCODE, RR, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.clock import Clock
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.resolver import NotFound, ResolvConf, TemporaryFailure


class Server:
    """Answers A questions from `known`, over UDP cut short when `cut`; notes what it was asked."""

    def __init__(self, net: PodNetwork, known: dict[str, str]) -> None:
        self.net = net
        self.known = known
        self.asked: list[str] = []
        self.rcode = RCODE.NXDOMAIN
        self.cut = False

    def answer(self, data: bytes, *, cut: bool) -> bytes:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".")
        self.asked.append(name)
        reply = query.reply()
        if cut:
            reply.header.tc = 1
        elif name in self.known:
            reply.add_answer(RR(name, rdata=A(self.known[name])))
        else:
            reply.header.rcode = self.rcode
        return bytes(reply.pack())

    async def udp(self) -> None:
        with self.net.bind_udp(53) as socket:
            while True:
                data, sender = await socket.recvfrom()
                socket.sendto(self.answer(data, cut=self.cut), sender)

    async def tcp(self) -> None:
        async for stream in self.net.listen(53):
            data = await stream.read()
            reply = self.answer(data[2:], cut=False)
            await stream.write(len(reply).to_bytes(2, "big") + reply)
            stream.close()


@pytest.fixture
def fabric() -> Fabric:
    fabric = Fabric(Clock(speed=50))
    fabric.attach("172.18.0.3", "worker")
    return fabric


@pytest.fixture
async def server(fabric: Fabric) -> Server:
    known = {"web.lab.svc.cluster.local": "10.96.0.7", "outside.example": "192.0.2.1", "a.b": "192.0.2.2"}
    server = Server(fabric.attach("10.244.1.53", "dns", node="worker"), known)
    loop = asyncio.get_running_loop()
    server.tasks = [loop.create_task(server.udp()), loop.create_task(server.tcp())]  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    return server


@pytest.fixture
def process(fabric: Fabric) -> Process:
    fs = FileSystem()
    fs.mkdir("/etc")
    conf = b"# made by hand\nsearch lab.svc.cluster.local cluster.local\nnameserver 10.244.1.53\noptions ndots:5\n"
    fs.write_bytes("/etc/resolv.conf", conf)
    fs.write_bytes("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n192.0.2.9 Alias.example alias # a comment\n")
    net = fabric.attach("10.244.1.2", "client", node="worker")
    namespace = PidNamespace(fs=fs, net=net, commands={}, clock=fabric.clock)
    return Process(namespace, 1, ["x"], env={}, cwd="/", fds={}, parent=None, uid=0, gid=0)


async def test_search_list_first_then_the_name_as_it_is(process: Process, server: Server) -> None:
    assert await resolver.lookup(process, "web") == ["10.96.0.7"]
    assert server.asked == ["web.lab.svc.cluster.local"]
    server.asked.clear()
    assert await resolver.lookup(process, "outside.example") == ["192.0.2.1"]
    suffixes = ["lab.svc.cluster.local", "cluster.local"]
    assert server.asked == [*(f"outside.example.{s}" for s in suffixes), "outside.example"]
    server.asked.clear()
    assert await resolver.lookup(process, "outside.example.") == ["192.0.2.1"]
    assert server.asked == ["outside.example"]


async def test_enough_dots_ask_for_the_name_first(process: Process, server: Server) -> None:
    process.fs.write_bytes("/etc/resolv.conf", b"search x\nnameserver 10.244.1.53\n")
    assert await resolver.lookup(process, "a.b") == ["192.0.2.2"]
    assert server.asked == ["a.b"]


async def test_addresses_hosts_and_localhost_need_no_server(process: Process) -> None:
    assert await resolver.lookup(process, "10.1.2.3") == ["10.1.2.3"]
    assert await resolver.lookup(process, "ALIAS") == ["192.0.2.9"]
    assert await resolver.lookup(process, "localhost") == ["::1", "127.0.0.1"]
    assert await resolver.first(process, "localhost") == "127.0.0.1"
    assert await resolver.lookup(process, "localhost", resolver.IPV4) == ["127.0.0.1"]
    assert process.net.fabric.clock.monotonic() < 5  # nobody waited for a server that is not there


async def test_unknown_names_are_told_from_failing_servers(process: Process, server: Server) -> None:
    with pytest.raises(NotFound, match="Name or service not known"):
        await resolver.lookup(process, "nope")
    with pytest.raises(NotFound):
        await resolver.lookup(process, "x" * 64)
    server.rcode = RCODE.SERVFAIL
    with pytest.raises(TemporaryFailure, match="Temporary failure in name resolution"):
        await resolver.lookup(process, "nope")


async def test_a_refusing_server_is_passed_over(process: Process, server: Server) -> None:
    process.fs.write_bytes("/etc/resolv.conf", b"nameserver 172.18.0.3\nnameserver 10.244.1.53\n")
    assert await resolver.lookup(process, "outside.example") == ["192.0.2.1"]


async def test_a_silent_server_costs_its_time_limit(process: Process, server: Server) -> None:
    process.fs.write_bytes("/etc/resolv.conf", b"nameserver 192.0.2.53\noptions timeout:2 attempts:1\n")
    before = process.clock.monotonic()
    with pytest.raises(TemporaryFailure):
        await resolver.lookup(process, "outside.example")
    assert process.clock.monotonic() - before >= 2


async def test_after_silence_only_the_name_as_it_is_is_tried(process: Process, fabric: Fabric) -> None:
    """glibc, res_search: a time-out ends the walk through the search list, a server's failure does not."""
    search = b"search a.example b.example c.example\noptions ndots:5 timeout:4 attempts:1\nnameserver 10.244.1.54\n"
    process.fs.write_bytes("/etc/resolv.conf", search)
    with fabric.attach("10.244.1.54", "silent", node="worker").bind_udp(53) as socket:
        with pytest.raises(TemporaryFailure):
            await resolver.lookup(process, "web.lab")
        asked = [str(DNSRecord.parse((await socket.recvfrom())[0]).q.qname) for _ in range(2)]
        assert asked == ["web.lab.a.example.", "web.lab."]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await socket.recvfrom()


async def test_a_failing_server_is_asked_for_every_candidate(process: Process, server: Server) -> None:
    server.rcode = RCODE.SERVFAIL
    with pytest.raises(TemporaryFailure):
        await resolver.lookup(process, "nope")
    asked = ["nope.lab.svc.cluster.local", "nope.cluster.local", "nope"]
    assert list(dict.fromkeys(server.asked)) == asked


async def test_an_answer_cut_short_is_asked_for_again_over_tcp(process: Process, server: Server) -> None:
    server.cut = True
    assert await resolver.lookup(process, "web") == ["10.96.0.7"]
    assert server.asked == ["web.lab.svc.cluster.local"] * 2


def test_resolv_conf_options_and_limits() -> None:
    text = "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n"
    conf = ResolvConf.parse(f"{text}search a. b\nsearch c\noptions ndots:99 timeout:1 edns0\n; no\n")
    assert (conf.servers, conf.search) == (["1.1.1.1", "2.2.2.2", "3.3.3.3"], ["c"])
    assert (conf.ndots, conf.timeout, conf.attempts) == (15, 1, 2)
    assert ResolvConf.parse("").servers == ["127.0.0.1"]


@given(st.text(alphabet="ab.", min_size=1), st.integers(0, 15))
def test_the_name_itself_is_always_among_the_candidates(name: str, ndots: int) -> None:
    candidates = list(ResolvConf(search=["s"], ndots=ndots).candidates(name))
    if name.endswith("."):
        assert candidates == [name[:-1]]
    else:
        assert sorted(candidates) == sorted([name, f"{name}.s"])
        assert (candidates[0] == name) == (name.count(".") >= ndots)

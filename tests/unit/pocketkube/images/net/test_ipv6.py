"""The tools in a Pod with both families, and what they say in one with IPv4 only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from tests.unit.pocketkube.network.conftest import at

from pocketkube.images.programs.agnhost.netexec import netexec
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Request, Response, serve_forever

from .conftest import Lab, Pod

IPS = ["10.96.0.70", "fd00:10:96::70"]


async def remote(request: Request) -> Response:
    return Response(200, [], host_port(*request.remote).encode())


@pytest.fixture
async def web(lab: Lab) -> AsyncIterator[Pod]:
    """A dual-stack Service `web` in front of one Pod that answers with the caller's address."""
    pod = lab.pod("web-0", dual=True)
    ports = [{"name": "http", "port": 80}]
    lab.world.service("web", IPS[0], ports[0], clusterIPs=IPS)
    lab.world.slice("web", at(pod.net.addresses[0]), ports=ports)
    lab.world.slice("web", at(pod.net.addresses[1]), ports=ports, name="web-6", addressType="IPv6")
    task = asyncio.create_task(serve_forever(pod.net.listen(80, "::"), remote))
    yield pod
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def both(lab: Lab) -> Pod:
    return lab.pod("both", dual=True)


@pytest.fixture
def old(lab: Lab) -> Pod:
    return lab.pod("old")


async def test_curl_takes_literals_and_the_family_it_is_told(both: Pod, web: Pod) -> None:
    own4, own6 = both.net.addresses
    for argv, own in (
        (("-4", "http://web/"), own4),
        (("-6", "http://web/"), f"[{own6}]"),
        (("-g", f"http://[{IPS[1]}]/"), f"[{own6}]"),
        (("-g", f"http://[{web.net.addresses[1]}]:80/"), f"[{own6}]"),
        (("http://web/",), own4),  # RFC 6724: unique local IPv6 comes after IPv4
    ):
        ran = await both.run("curl", "-s", *argv)
        assert (ran.code, ran.out.rpartition(":")[0]) == (0, own)
    ran = await both.run("curl", "-gsv", f"http://[{IPS[1]}]/")
    assert f"*   Trying [{IPS[1]}]:80...\n" in ran.err
    assert f"> Host: [{IPS[1]}]\r\n" in ran.err


async def test_a_pod_without_ipv6(old: Pod, web: Pod) -> None:
    assert (await old.run("curl", "-s", "http://web/")).code == 0
    assert (await old.run("curl", "-sS", "-6", "http://web/")).code == 7  # there is a name, and no way
    ran = await old.run("curl", "-gsv", f"http://[{IPS[1]}]/")
    assert f"connect to {IPS[1]} port 80 failed: Network is unreachable" in ran.err
    ran = await old.run("ping", "-c1", IPS[1])
    assert (ran.code, ran.err) == (1, "ping: sendto: Network is unreachable\n")
    assert (await old.run("ping6", "-c1", "::1")).code == 0
    assert (await old.run("getent", "ahosts", "web")).out.split()[0] == IPS[0]
    assert (await old.run("ip", "-6", "route")).out == ""


async def test_localhost_is_tried_in_both_families(old: Pod) -> None:
    task = asyncio.create_task(serve_forever(old.net.listen(8080, "127.0.0.1"), remote))
    ran = await old.run("curl", "-sv", "http://localhost:8080/")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ran.code == 0
    assert ran.err.index("Trying [::1]:8080...") < ran.err.index("Trying 127.0.0.1:8080...")


async def test_busybox_prefers_ipv4(both: Pod, web: Pod) -> None:
    assert (await both.run("wget", "-q", "-O", "-", "http://web/")).out.rpartition(":")[0] == both.net.addresses[0]
    ran = await both.run("wget", "-q", "-O", "-", f"http://[{IPS[1]}]/")
    assert ran.out.rpartition(":")[0] == f"[{both.net.addresses[1]}]"
    assert f"({IPS[0]}:80) open" in (await both.run("nc", "-zv", "web", "80")).err
    assert f"([{IPS[1]}]:80) open" in (await both.run("nc", "-6", "-zv", "web", "80")).err
    assert "PING both (10.244.1." in (await both.run("ping", "-c1", "both")).out
    assert "PING both (fd00:10:244:1::" in (await both.run("ping", "-6", "-c1", "both")).out


async def test_getent(both: Pod, web: Pod) -> None:
    assert (await both.run("getent", "hosts", "web")).out.split() == [IPS[1], "web"]
    shown = [line.split()[0] for line in (await both.run("getent", "ahosts", "web")).out.splitlines()]
    assert list(dict.fromkeys(shown)) == IPS
    assert (await both.run("getent", "ahostsv4", "web")).out.split()[0] == IPS[0]
    assert (await both.run("getent", "ahostsv6", "web")).out.split()[0] == IPS[1]


async def test_names_and_reverse_names(both: Pod, web: Pod) -> None:
    name = "web.lab.svc.cluster.local"
    assert (await both.run("dig", "+short", name, "AAAA")).out == f"{IPS[1]}\n"
    assert (await both.run("dig", "+short", "-x", IPS[1])).out == f"{name}.\n"
    assert (await both.run("dig", "-4", "+short", name)).out == f"{IPS[0]}\n"
    none = await both.run("dig", "-6", "+tries=1", name)  # the only name server has an IPv4 address
    assert none.code == 9
    assert ";; communications error to ::1#53: connection refused" in none.out
    out = (await both.run("nslookup", name)).out
    assert f"Name:\t{name}\nAddress: {IPS[1]}\n" in out
    assert f"Name:\t{name}\nAddress: {IPS[0]}\n" in out
    assert f"name = {name}." in (await both.run("nslookup", IPS[1])).out


async def test_what_a_pod_sees_of_itself(both: Pod, web: Pod) -> None:
    four, six = both.net.addresses
    out = (await both.run("ip", "addr")).out
    assert f"    inet {four}/24 brd 10.244.1.255 scope global eth0\n" in out
    assert f"    inet6 {six}/64 scope global \n" in out
    assert "inet " not in (await both.run("ip", "-6", "addr")).out
    assert "default via fd00:10:244:1::1 dev eth0" in (await both.run("ip", "-6", "route")).out
    assert (await both.run("ip", "route", "get", IPS[1])).out == f"{IPS[1]} via fd00:10:244:1::1 dev eth0  src {six} \n"
    assert f"          inet6 addr: {six}/64 Scope:Global\n" in (await both.run("ifconfig", "eth0")).out
    assert (await both.run("ip", "-br", "addr")).out.splitlines()[1].split()[2:] == [f"{four}/24", f"{six}/64"]


async def test_sockets_of_both_families(both: Pod, web: Pod) -> None:
    await both.net.connect(IPS[0], 80)
    await both.net.connect(IPS[1], 80)
    web.net.listen(81, "::", v6only=True)
    web.net.listen(81, "0.0.0.0")
    out = (await web.run("ss", "-tan")).out
    four, six = web.net.addresses
    assert f"[::ffff:{four}]:80" in out
    assert f"[{six}]:80" in out
    assert "*:80 " in out
    assert "[::]:81 " in out
    assert "0.0.0.0:81 " in out
    assert "0.0.0.0:81" not in (await web.run("ss", "-6", "-tan")).out
    assert f"::ffff:{four}:80" in (await web.run("netstat", "-tan")).out


async def test_netexec_shows_the_address_as_go_writes_it(lab: Lab, both: Pod) -> None:
    server = lab.pod("server", dual=True)
    process, *_ = server.start("netexec", main=lambda process: netexec(process, ["--http-port=8080"]))
    async with asyncio.timeout(10):
        while not any(s.local[1] == 8080 for s in server.net.sockets()):  # noqa: ASYNC110
            await asyncio.sleep(0)
    ran = await both.run("curl", "-gs", f"http://[{server.net.addresses[1]}]:8080/clientip")
    assert ran.out.startswith(f"[{both.net.addresses[1]}]:")
    process.signal(9)
    await process.wait()


@pytest.mark.parametrize("address", ["1:0:0:2::3", "fd00:10:244:0:1:2:3:4", "::1:0:0:0:1", "1:0:0:8f92:1::"])
async def test_addresses_are_shown_in_their_one_spelling(lab: Lab, both: Pod, address: str) -> None:
    shown = str(ip_address(address))
    lab.world.service("odd", shown, {"port": 80})
    name = "odd.lab.svc.cluster.local"
    assert (await both.run("dig", "+short", name, "AAAA")).out == f"{shown}\n"
    assert f"Address: {shown}\n" in (await both.run("nslookup", name)).out
    assert (await both.run("getent", "ahosts", "odd")).out.split()[0] == shown

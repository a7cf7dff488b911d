import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.pocketkube.network.conftest import at

from pocketkube.images.net.nslookup import busybox_1_28
from pocketkube.network.http import Request, Response, serve_forever

from .conftest import Lab, Pod

GOLDEN = Path(__file__).parents[4] / "golden" / "api"
NETWORK = {"curl", "wget", "nc", "telnet", "ping"}


async def netexec(request: Request) -> Response:
    body = {"/hostname": "srv"}.get(request.path, "NOW: 2026-01-01")
    status = 200
    if request.path == "/echo":
        status, body = int(request.query.get("code", "200")), request.query.get("msg", "")
    headers = [("Date", "today"), ("Content-Length", str(len(body))), ("Content-Type", "text/plain; charset=utf-8")]
    return Response(status, headers, body.encode())


@pytest.fixture
async def client(lab: Lab) -> Pod:
    lab.serve("web", "10.96.78.1", netexec)
    lab.world.service("empty", "10.96.78.2", {"port": 80})
    lab.world.service("unreach", "10.96.78.5", {"port": 80})
    lab.world.slice("unreach", at("10.244.1.251"), ports=[{"port": 80}])
    return lab.pod("client")


def plain(text: str) -> str:
    for pattern, shown in (
        (r"after \d+ m", "after <n> m"),
        (r"command terminated .*\n", ""),
        (r"NOW: .*", "NOW: <time>"),
        (r"Date: .*?(\r?)\n", r"Date: <time>\1\n"),
        (r"curl/[\d.]+", "curl/<version>"),
        (r"\(10\.244\.\d+\.\d+\)|\(<podIP\.\d>\)", "(<podIP>)"),
    ):
        text = re.sub(pattern, shown, text)
    return text


def network_command(step: dict[str, Any]) -> list[str] | None:
    """The command of a step that runs one network tool in a pod, shell or not."""
    args = step.get("args", [])
    argv = args[args.index("--") + 1 :] if args[:1] == ["exec"] else []
    if argv[:2] == ["sh", "-c"] and argv[2].endswith("</dev/null"):
        argv = argv[2].removesuffix("</dev/null").split()
    return argv if argv and argv[0] in NETWORK else None


async def test_recorded_requests(lab: Lab) -> None:
    """Every plain network command of traffic-01 up to its first change of the cluster."""
    golden = yaml.safe_load((GOLDEN / "traffic-01-clusterip.yaml").read_text())
    lab.world.apply("namespaces", {"metadata": {"name": golden["namespace"]}})
    pod = lab.pod("srv")
    serving = asyncio.create_task(serve_forever(pod.net.listen(8080), netexec))
    client = lab.pod("client")
    search = f"search {golden['namespace']}.svc.cluster.local svc.cluster.local cluster.local\n"
    client.fs.write_bytes("/etc/resolv.conf", f"{search}nameserver 10.96.0.10\noptions ndots:5\n".encode())
    ports = {"web": ("http", 8080), "wrongtarget": ("", 9999), "hl": ("", 80)}
    compared = 0
    for step in golden["steps"]:
        if step.get("method") == "PATCH":
            break
        if step.get("method") == "POST" and step["path"].endswith(("/services", "/endpointslices")):
            body = step["response"]["body"]
            body["metadata"].pop("resourceVersion")
            lab.world.apply(step["path"].rsplit("/", 1)[1], body)
            name = body["metadata"]["name"]
            if name in ports and body["kind"] == "Service":
                port = {"name": ports[name][0], "port": ports[name][1]}
                lab.world.slice(name, at(pod.net.address), ports=[port], namespace=golden["namespace"])
        argv = network_command(step)
        if argv is None or "https://" in " ".join(argv) or step["id"].startswith("own-") or "clientip" in step["id"]:
            continue
        ran = await client.run(*argv)
        expected = (plain(step["stdout"]), plain(step["stderr"]), step["exit"])
        assert (plain(ran.out), plain(ran.err), ran.code) == expected, step["id"]
        compared += 1
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert compared >= 40


async def test_wget_saves_files_and_refuses_to_overwrite(client: Pod) -> None:
    ran = await client.run("wget", "http://web/hostname")
    assert ran.code == 0
    assert client.fs.read_bytes("/hostname") == b"srv"
    assert ran.err.startswith("Connecting to web (10.96.78.1:80)\nsaving to 'hostname'\nhostname             100% |")
    assert ran.err.endswith("'hostname' saved\n")
    again = await client.run("wget", "-q", "http://web/hostname")
    assert (again.code, again.err) == (1, "wget: can't open 'hostname': File exists\n")


async def test_wget_time_limit_and_server_response(client: Pod) -> None:
    ran = await client.run("wget", "-q", "-T", "2", "-O", "-", "http://10.96.9.9/")
    assert (ran.code, ran.err) == (1, "wget: download timed out\n")
    ran = await client.run("wget", "-q", "-S", "-O", "-", "http://web/hostname")
    assert ran.err.splitlines()[0] == "  HTTP/1.1 200 OK"


async def test_nc_talks_to_a_listener_of_its_own(lab: Lab, client: Pod) -> None:
    server = lab.pod("listener")
    listening, heard, _ = server.start("nc", "-l", "-p", "9000", stdin=b"welcome\n")
    await asyncio.sleep(0)
    ran = await client.run("nc", server.net.address, "9000", stdin=b"hello\n")
    assert (ran.code, ran.out) == (0, "welcome\n")
    assert await listening.wait() == 0
    assert heard.data == b"hello\n"


async def test_nc_scans_ports(client: Pod) -> None:
    ran = await client.run("nc", "-z", "-v", "-w", "2", "web", "80")
    assert (ran.code, ran.err) == (0, "web (10.96.78.1:80) open\n")
    assert (await client.run("nc", "-z", "-w", "2", "empty", "80")).code == 1
    assert (await client.run("nc", "-z", "-w", "2", "web", "81")).code == 1


async def test_nc_speaks_udp(lab: Lab, client: Pod) -> None:
    server = lab.pod("udp")
    socket = server.net.bind_udp(9000)
    process, out, _ = client.start("nc", "-u", "-w", "2", server.net.address, "9000", stdin=b"hi")
    data, sender = await socket.recvfrom()
    assert data == b"hi"
    socket.sendto(b"there", sender)
    assert await process.wait() == 0
    assert out.data == b"there"
    refused = await client.run("nc", "-u", "-w", "2", server.net.address, "9001", stdin=b"hi")
    assert (refused.code, refused.err) == (1, "nc: read error: Connection refused\n")


async def test_ping_reaches_pods(lab: Lab, client: Pod) -> None:
    other = lab.pod("other")
    ran = await client.run("ping", "-c", "2", "-i", "0", other.net.address)
    assert ran.code == 0
    assert f"64 bytes from {other.net.address}: seq=1 ttl=64 time=" in ran.out
    assert "2 packets transmitted, 2 packets received, 0% packet loss\nround-trip min/avg/max = " in ran.out
    gone = await client.run("ping", "-c", "1", "-W", "1", "10.244.1.200")
    assert (gone.code, "100% packet loss" in gone.out) == (1, True)
    assert (await client.run("ping", "nope")).err == "ping: bad address 'nope'\n"


async def test_getent(client: Pod) -> None:
    assert (await client.run("getent", "hosts", "web")).out == "10.96.78.1      web\n"
    assert (await client.run("getent", "hosts", "nope")).code == 2
    client.fs.write_bytes("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    assert (await client.run("getent", "passwd", "0")).out == "root:x:0:0:root:/root:/bin/sh\n"
    assert (await client.run("getent", "passwd", "joe")).code == 2


async def test_sockets_are_listed(lab: Lab, client: Pod) -> None:
    client.net.listen(8080)
    client.net.bind_udp(53)
    await client.net.connect("10.96.78.1", 80)
    ran = await client.run("ss", "-ltn")
    assert ran.out.split() == [
        "State", "Recv-Q", "Send-Q", "Local", "Address:Port", "Peer", "Address:Port", "Process",
        "LISTEN", "0", "4096", "0.0.0.0:8080", "0.0.0.0:*",
    ]  # fmt: skip
    ran = await client.run("netstat", "-tuln")
    assert ran.out.splitlines()[0] == "Active Internet connections (only servers)"
    assert [line.split()[0] for line in ran.out.splitlines()[2:]] == ["tcp", "udp"]
    assert "ESTAB" in (await client.run("ss", "-tn")).out


async def test_interfaces(client: Pod) -> None:
    address = client.net.address
    assert f"inet {address}/24 brd 10.244.1.255 scope global eth0\n" in (await client.run("ip", "addr")).out
    assert (await client.run("ip", "route")).out.startswith("default via 10.244.1.1 dev eth0")
    assert f"inet addr:{address}  Bcast:10.244.1.255  Mask:255.255.255.0" in (await client.run("ifconfig", "eth0")).out
    assert (await client.run("ip", "addr", "add", "10.0.0.1/8", "dev", "eth0")).code == 2


async def test_the_old_nslookup_finds_names_as_programs_do(client: Pod) -> None:
    head = "Server:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local\n\n"
    for name in ("web", "web.lab", "web.lab.svc.cluster.local"):
        ran = await client.run("nslookup", name, main=busybox_1_28)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == f"{head}Name:      {name}\nAddress 1: 10.96.78.1 web.lab.svc.cluster.local\n"
    ran = await client.run("nslookup", "10.96.78.1", main=busybox_1_28)
    assert ran.out.endswith("Name:      10.96.78.1\nAddress 1: 10.96.78.1 web.lab.svc.cluster.local\n")
    ran = await client.run("nslookup", "nosuch", main=busybox_1_28)
    assert (ran.code, ran.out, ran.err) == (1, head, "nslookup: can't resolve 'nosuch'\n")


async def test_without_dns_every_tool_says_so(lab: Lab, client: Pod) -> None:
    lab.world.delete("endpointslices", "kube-system", "kube-dns-1")
    ran = await client.run("dig", "+tries=1", "+time=2", "web.lab.svc.cluster.local")
    assert ran.code == 9
    assert ran.out.startswith(";; communications error to 10.96.0.10#53: connection refused\n\n; <<>> DiG ")
    assert ran.out.endswith(";; global options: +cmd\n;; no servers could be reached\n")
    ran = await client.run("nslookup", "web")
    assert (ran.code, ran.out) == (1, ";; connection timed out; no servers could be reached\n\n")
    assert ran.err == "nslookup: write to '10.96.0.10': Connection refused\n"
    ran = await client.run("curl", "-sS", "http://web/")
    assert (ran.code, ran.err) == (6, "curl: (6) Could not resolve host: web\n")
    assert (await client.run("curl", "-s", "http://10.96.78.1/hostname")).out == "srv"


async def test_busybox_nslookup(client: Pod) -> None:
    head = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n"
    ran = await client.run("nslookup", "web.lab.svc.cluster.local")
    assert (ran.code, ran.out) == (0, f"{head}\nName:\tweb.lab.svc.cluster.local\nAddress: 10.96.78.1\n\n")
    ran = await client.run("nslookup", "web")
    assert ran.code == 1
    assert ran.out.count("** server can't find web.svc.cluster.local: NXDOMAIN\n\n") == 2
    assert (await client.run("nslookup", "web.lab")).out == head + "** server can't find web.lab: NXDOMAIN\n\n" * 2

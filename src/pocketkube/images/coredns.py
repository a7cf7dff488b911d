"""CoreDNS v1.14.2 as kubeadm deploys it: DNS on port 53, health and readiness, metrics, its log lines.

The answers are the cluster's Zone, lent to pods in kube-system only. The Corefile decides the ports and is checked as
CoreDNS checks it; `reload` is left out (a changed Corefile needs a restart), metrics are the request counters only.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from pocketkube.images.base import Image
from pocketkube.images.corefile import Corefile, CorefileError, parse
from pocketkube.network.http import Request, Response, serve_forever
from pocketkube.network.sockets import Datagram, Listener
from pocketkube.network.stream import Stream

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Process
    from pocketkube.network.dns import Zone

VERSION = "1.14.2"


async def main(process: Process) -> int:
    """`/coredns -conf FILE`."""
    arguments = process.argv[1:]
    path = process.path(arguments[arguments.index("-conf") + 1] if "-conf" in arguments[:-1] else "Corefile")
    try:
        text = process.fs.read_bytes(path).decode(errors="replace")
        corefile = parse(text, path)
    except OSError as error:
        await process.error(f"open {path}: {(error.strerror or '').lower()}")
        return 1
    except CorefileError as error:
        await process.print(f"maxprocs: Leaving GOMAXPROCS=2: CPU quota undefined\n{error}")
        return 1
    zone = process.namespace.services.get("dns") if "kubernetes" in corefile.directives else None
    return await _Server(process, corefile, zone).run(hashlib.sha512(text.encode()).hexdigest())


class _Server:
    def __init__(self, process: Process, corefile: Corefile, zone: Zone | None) -> None:
        self.process = process
        self.corefile = corefile
        self.zone = zone
        self.requests: Counter[str] = Counter()
        self.leaving = asyncio.Event()

    async def run(self, digest: str) -> int:
        process, corefile = self.process, self.corefile
        process.on_signal(signal.SIGTERM, lambda _: self.leaving.set())
        process.on_signal(signal.SIGINT, lambda _: self.leaving.set())
        try:
            tcp, udp = process.net.listen(corefile.port, "::"), process.net.bind_udp(corefile.port, "::")
            pages = [
                (process.net.listen(port, "::"), body)
                for name, default, body in (
                    ("health", 8080, self._health),
                    ("ready", 8181, self._ready),
                    ("prometheus", 9153, self._metrics),
                )
                if (port := corefile.address(name, default)) is not None
            ]
        except OSError as error:
            await process.error(f"Listen: listen tcp :{corefile.port}: bind: {(error.strerror or '').lower()}")
            return 1
        await process.print("maxprocs: Leaving GOMAXPROCS=2: CPU quota undefined")
        for zone in corefile.zones:
            await process.print(zone if ":" in zone else f"{zone}:53")
        await process.print(f"[INFO] plugin/reload: Running configuration SHA512 = {digest}")
        await process.print(f"CoreDNS-{VERSION}\nlinux/amd64, go1.26.1, pocket")
        async with asyncio.TaskGroup() as parts:
            tasks = [parts.create_task(self._serve_udp(udp)), parts.create_task(self._serve_tcp(tcp))]
            tasks += [parts.create_task(serve_forever(listener, body)) for listener, body in pages]
            await self.leaving.wait()
            await process.print("[INFO] SIGTERM: Shutting down servers then terminating")
            if corefile.lameduck:
                await process.print(f"[INFO] plugin/health: Going into lameduck mode for {corefile.lameduck:.0f}s")
                await process.clock.sleep(corefile.lameduck)
            for task in tasks:
                task.cancel()
        return 0

    def answer(self, query: bytes, *, over_tcp: bool) -> bytes:
        if self.zone is None:  # without the kubernetes plugin nothing answers: REFUSED
            return query[:2] + bytes([query[2] | 0x80, 5]) + query[4:6] + bytes(6) + query[12:] if query[12:] else b""
        response = self.zone.answer(query, over_tcp=over_tcp)
        if response:
            self.requests["tcp" if over_tcp else "udp"] += 1
        return response

    async def _serve_udp(self, socket: Datagram) -> None:
        with socket:
            while True:
                query, sender = await socket.recvfrom()
                response = self.answer(query, over_tcp=False)
                if response:
                    socket.sendto(response, sender)

    async def _serve_tcp(self, listener: Listener) -> None:
        with listener:
            async with asyncio.TaskGroup() as connections:
                async for stream in listener:
                    connections.create_task(self._converse(stream))

    async def _converse(self, stream: Stream) -> None:
        data = b""
        with suppress(ConnectionError):
            try:
                while more := await stream.read():
                    data += more
                    while len(data) >= 2 and len(data) >= 2 + (size := int.from_bytes(data[:2], "big")):
                        response = self.answer(data[2 : 2 + size], over_tcp=True)
                        data = data[2 + size :]
                        await stream.write(len(response).to_bytes(2, "big") + response)
            finally:
                stream.close()

    async def _health(self, request: Request) -> Response:
        return _text(200, "OK") if request.path == "/health" else _text(404, "404 page not found\n")

    async def _ready(self, request: Request) -> Response:
        if request.path != "/ready":
            return _text(404, "404 page not found\n")
        return _text(503, "kubernetes") if self.zone is None else _text(200, "OK")

    async def _metrics(self, request: Request) -> Response:
        if request.path != "/metrics":
            return _text(404, "404 page not found\n")
        lines = [
            "# HELP coredns_build_info A metric with a constant '1' value labeled by version, revision, and goversion.",
            "# TYPE coredns_build_info gauge",
            f'coredns_build_info{{goversion="go1.26.1",revision="pocket",version="{VERSION}"}} 1',
            "# HELP coredns_dns_requests_total Counter of DNS requests made per zone, protocol and family.",
            "# TYPE coredns_dns_requests_total counter",
            *(f'coredns_dns_requests_total{{family="1",proto="{p}"}} {n}' for p, n in sorted(self.requests.items())),
        ]
        return _text(200, "\n".join(lines) + "\n")


def _text(status: int, body: str) -> Response:
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], body.encode())


class IMAGE(Image):
    names = (f"registry.k8s.io/coredns/coredns:v{VERSION}",)
    size = 23_500_000
    entrypoint = ("/coredns",)
    user = 65532
    commands = {"/coredns": main}
    system = ("dns",)

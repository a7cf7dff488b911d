"""CoreDNS v1.14.2 as kubeadm deploys it: DNS on port 53, health and readiness, metrics, its log lines, `reload`.

The answers are the cluster's Zone, lent to pods in kube-system only, and `forward`'s for all other names, kept by
`cache`. The Corefile decides the ports, is checked as CoreDNS checks it, and is read again when it has changed; metrics
are a few counters only.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from pocketkube.images.base import Image
from pocketkube.images.corefile import Corefile, CorefileError, parse
from pocketkube.network.dns_message import converse
from pocketkube.network.http import Request, Response, serve_forever
from pocketkube.network.sockets import Datagram, Listener

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Process
    from pocketkube.network.dns import Zone
    from pocketkube.network.dns_message import Answer
    from pocketkube.network.outside import Resolve

VERSION = "1.14.2"
Page = Callable[[Request], Awaitable[Response]]


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
    return await _Server(process, path).run(corefile, text)


class _Server:
    def __init__(self, process: Process, path: str) -> None:
        self.process = process
        self.path = path
        self.zone: Zone | None = None
        self.outside: Resolve | None = None
        self.requests: Counter[str] = Counter()
        self.failed_reloads = 0
        self.leaving = asyncio.Event()
        self._serving: dict[tuple[str, int], tuple[list[Listener | Datagram], list[asyncio.Task[None]]]] = {}

    async def run(self, corefile: Corefile, text: str) -> int:
        process = self.process
        process.on_signal(signal.SIGTERM, lambda _: self.leaving.set())
        process.on_signal(signal.SIGINT, lambda _: self.leaving.set())
        async with asyncio.TaskGroup() as parts:
            try:
                self._use(corefile, parts)
            except OSError as error:
                await process.error(f"Listen: listen tcp :{corefile.port}: bind: {(error.strerror or '').lower()}")
                return 1
            await process.print("maxprocs: Leaving GOMAXPROCS=2: CPU quota undefined")
            for zone in corefile.zones:
                await process.print(zone if ":" in zone else f"{zone}:53")
            if "reload" in corefile.directives:
                await process.print(f"[INFO] plugin/reload: Running configuration SHA512 = {_digest(text)}")
            await process.print(f"CoreDNS-{VERSION}\nlinux/amd64, go1.26.1, pocket")
            reloading = parts.create_task(self._reload(corefile, text, parts))
            await self.leaving.wait()
            reloading.cancel()
            await process.print("[INFO] SIGTERM: Shutting down servers then terminating")
            if self.lameduck:
                await process.print(f"[INFO] plugin/health: Going into lameduck mode for {self.lameduck:.0f}s")
                await process.clock.sleep(self.lameduck)
            for _, tasks in self._serving.values():
                for task in tasks:
                    task.cancel()
        return 0

    def _use(self, corefile: Corefile, parts: asyncio.TaskGroup) -> None:
        """Serve by this Corefile: what stays goes on without a break. Raises OSError; then all is as it was."""
        wanted: dict[tuple[str, int], Page | None] = {("dns", corefile.port): None}
        for name, default, page in (
            ("health", 8080, self._health),
            ("ready", 8181, self._ready),
            ("prometheus", 9153, self._metrics),
        ):
            port = corefile.address(name, default)
            if port is not None:
                wanted[name, port] = page
        opened: dict[tuple[str, int], list[Listener | Datagram]] = {}
        try:
            for (name, port), served in wanted.items():
                if (name, port) not in self._serving:
                    sockets = opened[name, port] = [self.process.net.listen(port, "::")]
                    if served is None:
                        sockets.append(self.process.net.bind_udp(port, "::"))
        except OSError:
            for sockets in opened.values():
                for socket in sockets:
                    socket.close()
            raise
        for key in self._serving.keys() - wanted.keys():
            for task in self._serving.pop(key)[1]:
                task.cancel()
        for key, sockets in opened.items():
            works = [self._serve(socket, wanted[key]) for socket in sockets]
            self._serving[key] = sockets, [parts.create_task(work) for work in works]
        self.zone = self.process.namespace.services.get("dns") if "kubernetes" in corefile.directives else None
        self.outside = self._outside(corefile)
        self.lameduck = corefile.lameduck

    def _outside(self, corefile: Corefile) -> Resolve | None:
        """What `forward` answers, by way of the `cache`; None without it."""
        from pocketkube.network.outside import Cache, resolve

        if "forward" not in corefile.directives:
            return None
        if "cache" not in corefile.directives:
            return resolve
        given = next(iter(corefile.directives["cache"]), "")
        return Cache(resolve, self.process.clock.monotonic, int(given) if given.isdigit() else 3600)

    async def _reload(self, corefile: Corefile, text: str, parts: asyncio.TaskGroup) -> None:
        """`reload`: look at the file every now and then; one that is wrong is told once and the old one goes on."""
        while (seconds := corefile.reload) is not None:
            interval, jitter = seconds
            await self.process.clock.sleep(interval + random.uniform(-jitter / 2, jitter / 2))
            try:
                found = self.process.fs.read_bytes(self.path).decode(errors="replace")
            except OSError:
                continue
            if found == text:
                continue
            text = found
            await self.process.print("[INFO] Reloading")
            try:
                changed = parse(found, self.path)
                self._use(changed, parts)
            except (CorefileError, OSError) as error:
                why = f"listen tcp: bind: {(error.strerror or '').lower()}" if isinstance(error, OSError) else error
                self.failed_reloads += 1
                await self.process.print(f"[ERROR] Restart failed: {why}")
                await self.process.print(f"[ERROR] plugin/reload: Corefile changed but reload failed: {why}")
                continue
            corefile = changed
            if corefile.reload is not None:
                await self.process.print(f"[INFO] plugin/reload: Running configuration SHA512 = {_digest(text)}")
            await self.process.print("[INFO] Reloading complete")

    async def _serve(self, socket: Listener | Datagram, page: Page | None) -> None:
        if isinstance(socket, Datagram):
            await self._serve_udp(socket)
        elif page is None:
            await self._serve_tcp(socket)
        else:
            await serve_forever(socket, page)

    def answer(self, query: bytes, *, over_tcp: bool) -> bytes:
        if self.zone is not None:
            response = self.zone.answer(query, over_tcp=over_tcp, outside=self.outside or _nothing_next)
        elif self.outside is not None:
            from pocketkube.network.outside import respond

            response = respond(query, self.outside, over_tcp=over_tcp)
        else:  # no plugin answers: REFUSED
            return query[:2] + bytes([query[2] | 0x80, 5]) + query[4:6] + bytes(6) + query[12:] if query[12:] else b""
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
                    connections.create_task(converse(stream, partial(self.answer, over_tcp=True)))

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
        lines += [
            "# HELP coredns_reload_failed_total Counter of the number of failed reload attempts.",
            "# TYPE coredns_reload_failed_total counter",
            f"coredns_reload_failed_total {self.failed_reloads}",
        ]
        return _text(200, "\n".join(lines) + "\n")


def _digest(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


def _nothing_next(labels: list[str], qtype: int) -> Answer:
    """A name of no plugin's zone, and no `forward`: SERVFAIL."""
    from pocketkube.network.dns_message import Answer

    return Answer(2)


def _text(status: int, body: str) -> Response:
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], body.encode())


class IMAGE(Image):
    names = (f"registry.k8s.io/coredns/coredns:v{VERSION}",)
    size = 23_500_000
    memory = 14 << 20
    entrypoint = ("/coredns",)
    user = 65532
    commands = {"/coredns": main}
    system = ("dns",)

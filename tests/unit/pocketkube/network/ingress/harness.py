"""A reverse proxy on a fabric of its own, with endpoints that say what they got, and a client that speaks raw HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from pocketkube.clock import Clock
from pocketkube.network import http
from pocketkube.network.fabric import Fabric
from pocketkube.network.ingress.routes import Backend, Listener, Match, PathKind, Rule, Table
from pocketkube.network.ingress.server import Problem, ReverseProxy
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.stream import Stream

PROXY = "10.244.1.2"
CLIENT = "10.244.1.9"
WEB = Backend("shop", "web", 80)


def rule(
    path: str = "/",
    *,
    hosts: tuple[str, ...] = (),
    kind: PathKind = PathKind.PREFIX,
    backends: tuple[Backend, ...] = (WEB,),
    **fields: object,
) -> Rule:
    match = fields.pop("match", None) or Match(path, kind)
    return Rule("Ingress shop/web", match, backends, hosts, **fields)  # type: ignore[arg-type]


def table(*rules: Rule, port: int = 80, tls: bool = False, **fields: object) -> Table:
    return Table((Listener(port, tls, rules or (rule(),), **fields),))  # type: ignore[arg-type]


async def tell(request: http.Request) -> http.Response:
    """Answers with what it was asked."""
    said = {
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": len(request.body),
        "server": request.local[0],
    }
    return http.Response(200, [("Content-Type", "application/json")], json.dumps(said).encode())


class Site:
    """The proxy and its surroundings."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.fabric = Fabric(self.clock)
        for name, address in (("worker", "172.18.0.2"), ("worker2", "172.18.0.3")):
            self.fabric.attach(address, name)
        self.client = self.fabric.attach(CLIENT, "client", node="worker")
        self.endpoints: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self.log: list[str] = []
        self._logged = asyncio.Event()
        self.problems: list[Problem] = []
        self.net = self.fabric.attach(PROXY, "traefik", node="worker")
        self.proxy = ReverseProxy(self.net, self.find, clock=self.clock, access_log=self._note)
        self._tasks: asyncio.TaskGroup | None = None
        self._next = 10

    def find(self, backend: Backend) -> Sequence[tuple[str, int]]:
        return self.endpoints.get((backend.service, backend.port), [])

    def _note(self, line: str) -> None:
        self.log.append(line)
        self._logged.set()

    async def line(self) -> str:
        """The first line of the access log, when it is written."""
        while not self.log:
            self._logged.clear()
            await self._logged.wait()
        return self.log[0]

    def pod(self, service: str = "web", port: int = 80, target: int = 8080) -> PodNetwork:
        """A new endpoint of a service, without a program."""
        self._next += 1
        net = self.fabric.attach(f"10.244.2.{self._next}", f"{service}-{self._next}", node="worker2")
        self.endpoints.setdefault((service, port), []).append((net.address, target))
        return net

    def serve(self, service: str = "web", handler: http.Handler = tell, port: int = 80) -> PodNetwork:
        """A new endpoint that serves HTTP."""
        net = self.pod(service, port)
        self.start(http.serve_forever(net.listen(8080), handler))
        return net

    def raw(self, program: Callable[[Stream], Awaitable[None]], service: str = "web") -> PodNetwork:
        """A new endpoint whose `program(stream)` serves each connection."""
        net = self.pod(service)
        listener = net.listen(8080)

        async def serve(stream: Stream) -> None:
            with suppress(ConnectionError):
                await program(stream)
            stream.close()

        async def accept() -> None:
            async for stream in listener:
                self.start(serve(stream))

        self.start(accept())
        return net

    def start(self, program: object) -> asyncio.Task[object]:
        assert self._tasks is not None
        return self._tasks.create_task(program)  # type: ignore[arg-type]

    def update(self, new: Table) -> None:
        self.problems = self.proxy.update(new)

    async def connect(self, port: int = 80) -> Stream:
        return await self.client.connect(PROXY, port)

    async def get(
        self,
        path: str = "/",
        *,
        host: str = "shop.example.com",
        method: str = "GET",
        body: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        port: int = 80,
    ) -> http.Response:
        return await http.request(
            lambda: self.connect(port), method, path, [("Host", host), *headers], body, timeout=20
        )

    async def told(self, path: str = "/", **fields: object) -> dict[str, object]:
        """What the endpoint got. Header names in lower case; of several values the last."""
        response = await self.get(path, **fields)  # type: ignore[arg-type]
        assert response.status == 200, (response.status, response.text)
        said = json.loads(response.text)
        said["headers"] = {name.lower(): value for name, value in said["headers"]}
        return dict(said)

    async def talk(self, raw: bytes, port: int = 80) -> bytes:
        """Everything the proxy says to these bytes until it closes."""
        stream = await self.connect(port)
        await stream.write(raw)
        said = b""
        async with asyncio.timeout(20):
            while data := await stream.read():
                said += data
        stream.close()
        return said


@asynccontextmanager
async def site(*rules: Rule, clock: Clock | None = None, **fields: object) -> AsyncIterator[Site]:
    here = Site(clock)
    here.update(table(*rules, **fields))
    async with asyncio.TaskGroup() as tasks:
        here._tasks = tasks
        running = tasks.create_task(here.proxy.run())
        await asyncio.sleep(0)
        yield here
        running.cancel()
        for task in tuple(tasks._tasks):  # type: ignore[attr-defined]
            task.cancel()

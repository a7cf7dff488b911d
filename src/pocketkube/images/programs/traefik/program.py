"""`traefik`: listens on its entry points, follows the cluster it is lent, answers ping, stops gracefully.

Lent to Pods in the namespace `traefik` only, as RBAC allows the real one only with its ServiceAccount: elsewhere it
serves 404 and says why. Left out: the dashboard and API, metrics, tracing, ACME, every provider but Ingresses, the
Gateway API and files, `traefik healthcheck`.
"""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pocketkube.images.golang import Server, answer
from pocketkube.images.programs.traefik import files
from pocketkube.images.programs.traefik.flags import LEVELS, BadFlag, Static, parse
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response
from pocketkube.network.ingress.controller import Controller, Provider
from pocketkube.network.ingress.endpoints import Endpoints
from pocketkube.network.ingress.gateway import GatewayApi
from pocketkube.network.ingress.provider import IngressProvider
from pocketkube.network.ingress.routes import Listener, Table
from pocketkube.network.ingress.server import ReverseProxy
from pocketkube.network.ingress.settings import Settings
from pocketkube.objects import Key

if TYPE_CHECKING:
    from pocketkube.client import Client

VERSION: Final = "3.7.11"
BUILT: Final = "2026-08-21T07:00:00Z"
GRACE_SECONDS: Final = 10.0
_SHORT: Final = {"TRACE": "TRC", "DEBUG": "DBG", "INFO": "INF", "WARN": "WRN", "ERROR": "ERR", "FATAL": "FTL"}
_RANK: Final = {_SHORT[level]: rank for rank, level in enumerate(LEVELS) if level in _SHORT}


async def main(process: Process) -> int:
    """`traefik [--FLAG[=VALUE]]...`, `traefik version`."""
    words = process.argv[1:]
    if words[:1] == ["traefik"]:  # entrypoint.sh was given the whole command
        words = words[1:]
    if words[:1] == ["version"]:
        text = f"Version:      {VERSION}\nCodename:     langres\nGo version:   go1.26.1\nBuilt:        {BUILT}"
        await process.print(f"{text}\nOS/Arch:      linux/amd64")
        return 0
    try:
        static = parse(words)
    except BadFlag as error:
        await process.error(f"command traefik error: {error}")
        return 1
    return await _Traefik(process, static).run()


class _Traefik:
    def __init__(self, process: Process, static: Static) -> None:
        self.process = process
        self.static = static
        self.client: Client | None = process.namespace.services.get("ingress")
        self.leaving = asyncio.Event()
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> int:
        process, static = self.process, self.static
        process.on_signal(signal.SIGTERM, lambda _: self.leaving.set())
        process.on_signal(signal.SIGINT, lambda _: self.leaving.set())
        await self.log("INF", f"Traefik version {VERSION} built on {BUILT}", {"version": VERSION})
        for word in static.left_out:
            await self.log("WRN", f"pocketkube: {word} is without effect", {})
        middlewares, problems = files.read(process, static.directory, static.filename)
        for text in problems:
            await self.log("ERR", "Error while building configuration", {"error": text, "providerName": "file"})
        settings = Settings(tuple(static.entry_points), middlewares, static.ingress_class, static.published)
        endpoints = Endpoints(self.client) if self.client is not None else None
        proxy = ReverseProxy(
            process.net,
            endpoints or (lambda _: ()),
            clock=process.clock,
            access_log=self._lines.put_nowait if static.access_log else None,
        )
        try:
            empty = Table(tuple(Listener(entry.port, entry.tls) for entry in static.entry_points))
            for problem in proxy.update(empty):
                text = f"error while building entryPoint: error preparing server: error opening listener: {problem.why}"
                await process.error(f"command traefik error: {text}")
                return 1
            return await self._serve(proxy, settings)
        finally:
            if endpoints is not None:
                endpoints.close()

    async def _serve(self, proxy: ReverseProxy, settings: Settings) -> int:
        process, static = self.process, self.static
        await self.log("INF", "Starting provider aggregator *aggregator.ProviderAggregator", {})
        providers = await self._providers(settings)
        async with asyncio.TaskGroup() as parts:
            tasks = [parts.create_task(proxy.run()), parts.create_task(self._write())]
            if static.ping_port is not None:
                listener = process.net.listen(static.ping_port, "::")
                tasks.append(parts.create_task(Server(listener, self._ping).serve()))
            if self.client is not None and providers:
                controller = Controller(self.client, providers, proxy.update, self.log)
                following = parts.create_task(controller.run())
                tasks.append(following)
            await self.leaving.wait()
            await self.log("INF", "I have to go...", {})
            await self.log("INF", "Stopping server gracefully", {})
            if self.client is not None and providers:
                following.cancel()
            try:
                async with process.clock.timeout(GRACE_SECONDS):
                    await proxy.drain()
            except TimeoutError:
                pass  # what is still under way after that is cut off, as there
            await self.log("INF", "Server stopped", {})
            await self.log("INF", "Shutting down", {})
            for task in tasks:
                task.cancel()
        return 0

    async def _providers(self, settings: Settings) -> list[Provider]:
        found: list[Provider] = []
        if self.static.ingress:
            fields = {"providerName": "kubernetes"}
            await self.log("INF", "Starting provider *ingress.Provider", {})
            await self.log("INF", 'ingress label selector is: ""', fields)
            await self.log("INF", "Creating in-cluster Provider client", fields)
            if self.client is None:
                await self._forbidden("ingresses.networking.k8s.io", fields)
            else:
                found.append(IngressProvider(self.client, settings, self._updated))
        if self.static.gateway:
            fields = {"providerName": "kubernetesgateway"}
            await self.log("INF", "Starting provider *gateway.Provider", {})
            if self.client is None:
                await self._forbidden("gateways.gateway.networking.k8s.io", fields)
            else:
                ports = {entry.port: entry.tls for entry in self.static.entry_points}
                found.append(GatewayApi(self.client, ports, self.static.gateway_addresses))
        return found

    async def _forbidden(self, kind: str, fields: dict[str, str]) -> None:
        text = f"{kind} is forbidden: pocketkube lets only Pods in the namespace traefik follow them: run Traefik there"
        await self.log("ERR", "Cannot retrieve data", {"error": text, **fields})

    def _updated(self, ingress: Key) -> None:
        fields = {"ingress": ingress[1], "namespace": ingress[0]}
        self._lines.put_nowait(self._line("INF", "Updated ingress status", fields))

    async def _ping(self, request: Request) -> Response:
        if request.path != "/ping":
            return answer(self.process, request, b"404 page not found\n", 404)
        if self.leaving.is_set():
            return answer(self.process, request, b"Service Unavailable", 503)
        return answer(self.process, request, b"OK")

    async def log(self, level: str, text: str, fields: dict[str, str]) -> None:
        """A line as zerolog's console writer formats it, if the level is wanted."""
        if _RANK[level] >= LEVELS.index(self.static.level):
            await self.process.print(self._line(level, text, fields))

    def _line(self, level: str, text: str, fields: dict[str, str]) -> str:
        now = datetime.fromtimestamp(self.process.clock.time(), UTC)
        ordered = sorted(fields.items(), key=lambda item: (item[0] != "error", item[0]))
        return " ".join([f"{now:%Y-%m-%dT%H:%M:%SZ} {level}", text, *(f"{k}={_quoted(v)}" for k, v in ordered)])

    async def _write(self) -> None:
        """Lines from where nothing can be awaited."""
        while True:
            await self.process.print(await self._lines.get())


def _quoted(value: str) -> str:
    plain = value and all("!" <= letter <= "~" and letter not in '"\\' for letter in value)
    return value if plain else json.dumps(value, ensure_ascii=False)

"""NodePorts on this machine: for every TCP node port a real socket on 127.0.0.1, piped into the fabric.

Stands for kind's extraPortMappings: connections enter the cluster at one worker node's address, from outside, so the
traffic policies mean what they mean there. A port that is taken on this machine breaks nothing: the Service gets a
Warning event, and the port is tried again when the Service changes. Left out: UDP node ports.
"""

from __future__ import annotations

import asyncio
import errno
import logging

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.fabric import Fabric
from pocketkube.network.sockpipe import CHUNK, closing, join, reset
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


class HostPorts:
    """`run()` until cancelled; `urls` says what a browser on this machine can open."""

    def __init__(self, client: Client, fabric: Fabric) -> None:
        self._client = client
        self._fabric = fabric
        self._servers: dict[tuple[Key, int], asyncio.Server] = {}
        self._dirty: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        stop = self._client.subscribe("services", self._changed)
        self._dirty.update(dict.fromkeys(objects.key(service) for service in self._client.list("services")))
        try:
            while True:
                while self._dirty:
                    at = next(iter(self._dirty))
                    del self._dirty[at]
                    await self._reconcile(at)
                self._wake.clear()
                await self._wake.wait()
        finally:
            stop()
            for server in self._servers.values():
                server.close()
            self._servers.clear()
            connections = tuple(self._connections)
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    def urls(self, namespace: str, name: str) -> list[str]:
        """`http://127.0.0.1:30080` for every open port of a Service, in the Service's order."""
        service = self._client.find("services", namespace, name)
        at = (namespace, name)
        ports = _node_ports(service) if service is not None else []
        return [f"http://{HOST}:{port}" for port in ports if (at, port) in self._servers]

    def _changed(self, event: Event) -> None:
        self._dirty[objects.key(event.object)] = None
        self._wake.set()

    async def _reconcile(self, at: Key) -> None:
        service = self._client.find("services", *at)
        wanted = _node_ports(service) if service is not None else []
        for key in [key for key in self._servers if key[0] == at and key[1] not in wanted]:
            self._servers.pop(key).close()
        for port in wanted:
            if (at, port) not in self._servers and service is not None:
                await self._open(service, at, port)

    async def _open(self, service: Obj, at: Key, port: int) -> None:
        try:
            self._servers[at, port] = await asyncio.start_server(
                lambda reader, writer: self._accept(port, reader, writer), HOST, port, limit=CHUNK
            )
        except OSError as error:
            text = (
                f"Port {port} of this machine could not be opened ({_why(error)}): http://{HOST}:{port} does not lead "
                "to this Service. Stop the other program or give the Service another nodePort; inside the cluster it "
                "works."
            )
            log.warning("service %s/%s: %s", *at, text)
            self._client.record(service, "Warning", "HostPortUnavailable", text)

    def _accept(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pipe(port, reader, writer), name=f"host port {port}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())  # also when it was cancelled before its first step

    async def _pipe(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            try:
                stream = await self._fabric.outside.connect(self._entry(), port)
            except OSError as error:
                log.debug("host port %d: %s", port, error)
                reset(writer)
                return
            await join(stream, reader, writer)

    def _entry(self) -> str:
        """The address of the worker node traffic from this machine enters at; of any node when there is no worker."""
        nodes = sorted(self._client.list("nodes"), key=lambda n: (CONTROL_PLANE in objects.labels(n), objects.name(n)))
        for node in nodes:
            for address in objects.status(node).get("addresses") or ():
                if address["type"] == "InternalIP" and self._fabric.host(address["address"]) is not None:
                    return str(address["address"])
        raise OSError(errno.EHOSTUNREACH, "No route to host")


def _node_ports(service: Obj) -> list[int]:
    if objects.is_terminating(service):
        return []
    ports = objects.spec(service).get("ports") or ()
    return [p["nodePort"] for p in ports if p.get("nodePort") and p.get("protocol", "TCP") == "TCP"]


def _why(error: OSError) -> str:
    return "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)

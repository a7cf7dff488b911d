"""A serving API server without controllers and kubelets, and clients for it."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from pocketkube import bootstrap_policy
from pocketkube.apiserver.pki import Pki
from pocketkube.apiserver.server import ApiServer
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.errors import BadRequest, NotFound
from pocketkube.network.stream import Stream
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.store import Store

NAMESPACE = "test"
CONFIGMAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
PUBLIC = ("cluster-admin", "system:discovery", "system:basic-user", "system:public-info-viewer")
"""The roles and bindings there are: what everybody and what an admin may."""
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"


Serve = Callable[[Stream], Awaitable[None]]


class FakeNetwork:
    """Programs that listen: `listening[address, port]` gets the far end of every connection made to it."""

    def __init__(self) -> None:
        self.listening: dict[tuple[str, int], Serve] = {}
        self.dialled: list[tuple[str, int, bool]] = []
        self.connections: set[asyncio.Task[None]] = set()

    async def dial(
        self, address: str, port: int, *, secure: bool = False, trust: ssl.SSLContext | None = None, name: str = ""
    ) -> Stream:
        self.dialled.append((address, port, secure))
        if port == 9999:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")
        serve = self.listening.get((address, port))
        if serve is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        here, there = Stream.pair(("172.18.0.2", 40000), (address, port))
        task = asyncio.ensure_future(serve(there))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        return here


class FakeForwarder:
    """The door into the pod with this address."""

    sandbox = "f00"

    def __init__(self, network: FakeNetwork, address: str) -> None:
        self.network, self.address = network, address

    async def connect(self, port: int) -> Stream:
        try:
            return await self.network.dial(self.address, port)
        except OSError:
            raise OSError(f"nobody listens on {port}") from None

    def failed(self, stream: Any, error: OSError) -> str:
        return f"broken: {error.strerror}"


class FakeRuntime:
    """Containers that run a few commands of the tests' own, and have written three lines."""

    def __init__(self, network: FakeNetwork) -> None:
        self.network = network
        self.lines = [b"one\n", b"two\n", b"three\n"]
        self.asked: dict[str, Any] = {}
        self.sizes: list[tuple[int, int]] = []
        self.killed = asyncio.Event()
        self.more: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.unfollowed = asyncio.Event()

    def require_running(self, namespace: str, pod_name: str, container: str) -> None:
        if container == "down":
            raise NotFound('container not found ("down")')

    async def exec(
        self, namespace: str, pod_name: str, container: str, argv: list[str], *, fds: Any, tty: bool = False
    ) -> int:
        self.asked = {"pod": f"{namespace}/{pod_name}", "container": container, "argv": argv, "tty": tty}
        if argv[0] == "echo":
            await fds[1].write(" ".join(argv[1:]).encode() + b"\n")
            return 0
        if argv[0] == "head":
            await fds[1].write(await fds[0].read())
            return 0
        if argv[0] == "cat":
            while data := await fds[0].read():
                await fds[1].write(data)
            return 0
        if argv[0] == "fail":
            await fds[2].write(b"no\n")
            return int(argv[1])
        if argv[0] == "size":
            changed = asyncio.Event()
            fds[0].on_resize = lambda width, height: (self.sizes.append((width, height)), changed.set())
            if fds[0].size is None:
                await changed.wait()
            await fds[1].write(f"{fds[0].size}".encode())
            return 0
        if argv[0] == "sleep":
            try:
                await asyncio.Event().wait()
            finally:
                self.killed.set()
        raise BadRequest(f"no such command: {argv[0]}")

    def port_forwarder(self, namespace: str, pod_name: str) -> FakeForwarder:
        return FakeForwarder(self.network, "10.244.0.5")

    async def attach(self, namespace: str, pod_name: str, container: str, *, fds: Any, tty: bool = False) -> None:
        await fds[1].write(b"attached\n")

    async def log_lines(
        self, namespace: str, pod_name: str, container: str, *, previous: bool = False, **how: Any
    ) -> AsyncIterator[bytes]:
        self.asked = {"container": container, **how}
        if previous:
            raise BadRequest(f'previous terminated container "{container}" in pod "{pod_name}" not found')
        for line in self.lines[-how["tail"] :] if how["tail"] is not None else self.lines:
            yield line
        try:
            while how["follow"]:
                line = await self.more.get()
                if line is None:
                    return
                yield line
        finally:
            self.unfollowed.set()


class World:
    """`await world.get(path)` and the like answer (code, body); `world.http` is the session behind them."""

    def __init__(self, folder: Path, *, anonymous: bool = False) -> None:
        self.folder = folder
        self.pki = Pki(folder / "pki")
        zone = {
            "pod_cidr": "10.244.0.0/16",
            "service_cidr": "10.96.0.0/16",
            "dns_ip": "10.96.0.10",
            "cluster_domain": "cluster.local",
            "ca_crt": self.pki.ca_pem,
        }
        self.registry = Registry(Store(None), Clock(), zone)
        self.network = FakeNetwork()
        self.runtime = FakeRuntime(self.network)
        self.server = ApiServer(
            self.registry, pki=self.pki, runtime=self.runtime, dialer=self.network, anonymous=anonymous
        )
        self.kubeconfig = folder / "kubeconfig"
        self.http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def session(self, *, token: str | None = "", certificate: bool = False) -> aiohttp.ClientSession:
        """`token`: "" is the admin's, None sends none."""
        context = ssl.create_default_context(cadata=self.pki.ca_pem)
        if certificate:
            context.load_cert_chain(self.pki.folder / "admin.crt", self.pki.folder / "admin.key")
        headers = {} if token is None else {"Authorization": f"Bearer {token or self.pki.token}"}
        return aiohttp.ClientSession(
            self.url, headers=headers, connector=aiohttp.TCPConnector(ssl=context), auto_decompress=True
        )

    async def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **headers: str
    ) -> aiohttp.ClientResponse:
        text = body if isinstance(body, bytes | str | None) else json.dumps(body)
        data = io.BytesIO(text.encode()) if isinstance(text, str) else text
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            sent["Content-Type"] = content_type
        response = await self.http.request(method, path, data=data, headers=sent)
        await response.read()
        return response

    async def ask(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, Any]:
        response = await self.call(method, path, body, **how)
        text = await response.text()
        return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def get(self, path: str, **how: Any) -> tuple[int, Any]:
        return await self.ask("GET", path, **how)

    async def post(self, path: str, body: Any, **how: Any) -> tuple[int, Any]:
        return await self.ask("POST", path, body, **how)

    def configmap(self, name: str, data: dict[str, str] | None = None, **labels: str) -> Obj:
        meta: Obj = {"name": name, "namespace": NAMESPACE}
        if labels:
            meta["labels"] = labels
        return self.registry.create("configmaps", {"metadata": meta, "data": data or {"k": "v"}})

    def pod(self, name: str, *containers: str, node: str = "node-1") -> Obj:
        names = containers or ("c",)
        spec = {"containers": [{"name": c, "image": "busybox"} for c in names]}
        if node:
            spec["nodeName"] = node
        return self.registry.create("pods", {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})

    def service_account(self, name: str) -> Obj:
        return self.registry.create("serviceaccounts", {"metadata": {"name": name, "namespace": NAMESPACE}})


@asynccontextmanager
async def serving(folder: Path, *, anonymous: bool = False) -> AsyncIterator[World]:
    world = World(folder, anonymous=anonymous)
    for name in ("default", NAMESPACE):
        world.registry.create("namespaces", {"metadata": {"name": name}})
        world.registry.create("serviceaccounts", {"metadata": {"name": "default", "namespace": name}})
    bootstrap_policy.install(Client(world.registry, "test"), PUBLIC)
    port = await world.server.start()
    world.pki.write_kubeconfig(world.kubeconfig, name="pocket", server=f"https://127.0.0.1:{port}", namespace=NAMESPACE)
    world.http = world.session()
    try:
        yield world
    finally:
        await world.http.close()
        await world.server.stop()


def status(code: int, message: str, reason: str = "", **details: Any) -> Obj:
    """A Failure Status as upstream writes it."""
    found: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        found["reason"] = reason
    if details:
        found["details"] = details
    return {**found, "code": code}

"""A node to test with: a registry in memory, the real fabric, one kubelet, and a small image written for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.images import golang_tls
from pocketkube.images.base import Image
from pocketkube.images.programs.agnhost.certificate import CERTIFICATE, KEY
from pocketkube.kubelet.kubelet import Kubelet
from pocketkube.kubelet.process import Process
from pocketkube.kubelet.runtime import Runtime
from pocketkube.network import grpc, grpc_health, http, tls
from pocketkube.network.fabric import Fabric
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.store import Store

ZONE = {
    "pod_cidr": "10.244.0.0/16",
    "service_cidr": "10.96.0.0/16",
    "cluster_domain": "cluster.local",
    "dns_ip": "10.96.0.10",
}
NODE = "node-1"
REFERENCE = "docker.io/library/test:1"


async def wait(process: Process) -> int:
    """Runs until SIGTERM, then exits with 0; `wait stubborn` ignores it."""
    ended = asyncio.Event()
    if "stubborn" not in process.argv:
        process.on_signal(signal.SIGTERM, lambda _: ended.set())
    await process.print("waiting")
    await ended.wait()
    await process.print("bye", end="")
    return 0


async def leave(process: Process) -> int:
    """`exit CODE [TEXT...]`: prints the text and exits."""
    for text in process.argv[2:]:
        await process.print(text)
    return int(process.argv[1])


async def serve(process: Process) -> int:
    """`serve PORT [STATUS-FILE]`: answers with the number in the file (200 without one)."""

    async def answer(request: http.Request) -> http.Response:
        status = 200
        with contextlib.suppress(IndexError, OSError):
            status = int(process.fs.read_bytes(process.argv[2]))
        return http.Response(status, body=f"{request.path} {request.header('user-agent')}".encode())

    process.on_signal(signal.SIGTERM, lambda _: process.signal(signal.SIGKILL))
    await http.serve_forever(process.net.listen(int(process.argv[1])), answer)
    return 0


async def redirect(process: Process) -> int:
    """`redirect PORT [PLACE]`: /go, /go?PLACE and /loop lead on, /missing is missing; tells who asks for what."""

    async def answer(request: http.Request) -> http.Response:
        path, _, place = request.target.partition("?")
        await process.print(f"{request.method} {path} {request.header('user-agent')}")
        if path in ("/go", "/loop"):
            given = "".join(process.argv[2:]).replace("{ip}", process.net.address)
            return http.Response(302, [("Location", place or given or "/loop")], b"moved")
        return http.Response(404 if path == "/missing" else 200)

    await http.serve_forever(process.net.listen(int(process.argv[1])), answer)
    return 0


async def secure(process: Process) -> int:
    """`secure PORT`: HTTPS with a certificate of its own."""
    process.fs.write_bytes("/cert", CERTIFICATE)
    process.fs.write_bytes("/key", KEY)
    context = golang_tls.context(process, "/cert", "/key")

    async def one(stream: Any) -> None:
        with contextlib.suppress(OSError):
            await http.serve(await tls.server(stream, context), lambda _: asyncio.sleep(0, http.Response(200)))

    async with asyncio.TaskGroup() as group:
        async for stream in process.net.listen(int(process.argv[1])):
            group.create_task(one(stream))
    return 0


async def health(process: Process) -> int:
    """`health PORT SERVICE [unwell]`: the gRPC health protocol."""

    async def check(message: bytes) -> bytes:
        if grpc_health.decode_request(message) != process.argv[2]:
            raise grpc.GrpcError(grpc.NOT_FOUND, "unknown service")
        unwell = "unwell" in process.argv
        return grpc_health.encode_response(grpc_health.NOT_SERVING if unwell else grpc_health.SERVING)

    async with asyncio.TaskGroup() as group:
        async for stream in process.net.listen(int(process.argv[1])):
            group.create_task(grpc.serve(stream, {grpc_health.CHECK: check}))
    return 0


async def cat(process: Process) -> int:
    for path in process.argv[1:]:
        try:
            await process.stdout.write(process.fs.read_bytes(path))
        except OSError as error:
            await process.error(f"cat: can't open '{path}': {error.strerror}")
            return 1
    if len(process.argv) == 1:
        while data := await process.stdin.read(4096):
            await process.stdout.write(data)
    return 0


async def put(process: Process) -> int:
    """`put PATH TEXT`: appends a line to a file."""
    process.fs.append_bytes(process.argv[1], process.argv[2].encode() + b"\n")
    return 0


async def env(process: Process) -> int:
    for name, value in sorted(process.env.items()):
        await process.print(f"{name}={value}")
    return 0


async def once(process: Process) -> int:
    """`once PATH`: fails the first time, waits the second time; the file remembers."""
    first = not process.fs.exists(process.argv[1])
    process.fs.append_bytes(process.argv[1], b"run\n")
    return 1 if first else await wait(process)


class IMAGE(Image):
    names = (REFERENCE,)
    entrypoint = ("/bin/wait",)
    files: ClassVar = {"/etc/motd": b"hello\n", "/srv": None}
    commands: ClassVar = {
        "/bin/wait": wait,
        "/bin/exit": leave,
        "/bin/serve": serve,
        "/bin/redirect": redirect,
        "/bin/secure": secure,
        "/bin/health": health,
        "/bin/cat": cat,
        "/bin/put": put,
        "/bin/env": env,
        "/bin/once": once,
    }


class Tokens:
    def issue(self, account: Obj, **options: Any) -> tuple[str, float]:
        return f"token of {objects.name(account)}", 0.0


class Node:
    """One running kubelet and everything around it."""

    def __init__(
        self,
        state_dir: Path,
        store: Store,
        clock: Clock,
        *,
        ips: tuple[str, ...] = ("172.18.0.2",),
        ranges: tuple[str, ...] = ("10.244.1.0/24",),
    ) -> None:
        self.registry = Registry(store, clock, ZONE)
        self.client = Client(self.registry, "test")
        self.clock = clock
        for name in ("default", "kube-node-lease"):
            if self.client.find("namespaces", "", name) is None:
                self.client.create("namespaces", {"metadata": {"name": name}})
        if self.client.find("serviceaccounts", "default", "default") is None:
            self.client.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
            root = {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "CA"}}
            self.client.create("configmaps", root)
        self.fabric = Fabric(clock)
        self.kubelet = Kubelet(
            Client(self.registry, "kubelet", NODE),
            NODE,
            fabric=self.fabric,
            catalogue={REFERENCE: IMAGE},
            state_dir=state_dir,
            node_ips=ips,
            pod_cidrs=ranges,
            zone="zone-a",
            roles=(),
            services={"tokens": Tokens()},
        )
        self.runtime = Runtime(self.client, [self.kubelet])
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.kubelet.run())
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def create(self, name: str, *containers: Obj, **spec: Any) -> Obj:
        """A pod bound to the node. Containers get the test image, a name and short grace where they have none."""
        for number, container in enumerate([*containers, *spec.get("initContainers", ())]):
            container.setdefault("name", f"c{number}" if number else "c")
            container.setdefault("image", "test:1")
        pod: Obj = {
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "a"}},
            "spec": {
                "nodeName": NODE,
                "terminationGracePeriodSeconds": 1,
                "containers": list(containers or ({"name": "c", "image": "test:1"},)),
                **spec,
            },
        }
        return self.client.create("pods", pod)

    def pod(self, name: str) -> Obj:
        return self.client.get("pods", "default", name)

    def container(self, name: str, container: str = "c") -> Obj:
        """The status of a pod's container, {} before there is one."""
        status = objects.status(self.pod(name))
        listed = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        return objects.by_name(listed).get(container, {})

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """(type, reason, message) of a pod's events as they were first written."""
        found = [e for e in self.client.list("events", "default") if e["involvedObject"]["name"] == name]
        found.sort(key=lambda event: int(event["metadata"]["name"].rpartition(".")[2], 16))
        return [(e["type"], e["reason"], e["message"]) for e in found]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds for what is stored; looked at after every write."""
        changed = asyncio.Event()
        stops = [self.client.subscribe(kind, lambda _: changed.set()) for kind in ("pods", "events", "nodes", "leases")]
        try:
            async with asyncio.timeout(20):
                while not (held := condition()):
                    changed.clear()
                    await changed.wait()
            return held
        finally:
            for stop in stops:
                stop()

    async def ready(self, name: str) -> Obj:
        await self.until(lambda: objects.condition_status(self.pod(name), "Ready") == "True")
        return self.pod(name)

    async def gone(self, name: str) -> None:
        await self.until(lambda: self.client.find("pods", "default", name) is None)

    async def exec(self, name: str, *argv: str, container: str = "c", stdin: bytes = b"") -> tuple[int, str]:
        """(exit code, stdout and stderr)."""
        output = Output()
        fds: dict[int, Any] = {1: output, 2: output}
        if stdin:
            fds[0] = Input(stdin)
        code = await self.runtime.exec("default", name, container, list(argv), fds=fds)
        return code, output.data.decode()

    async def logged(self, name: str, line: str) -> None:
        """Wait until the container has written the line."""
        async with asyncio.timeout(20):
            async for found in self.runtime.log_lines("default", name, "c", follow=True):
                if found.decode() == line:
                    return
        raise AssertionError(f"{name} ended without writing {line!r}")

    async def logs(self, name: str, container: str = "c", **options: Any) -> list[str]:
        return [line.decode() async for line in self.runtime.log_lines("default", name, container, **options)]


class Output:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes, /) -> int:
        self.data += data
        return len(data)


class Input:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, most: int = -1, /) -> bytes:
        data, self._data = self._data, b""
        return data

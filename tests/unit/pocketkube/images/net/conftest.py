"""A small cluster network to try the tools in: two nodes, CoreDNS in a pod, and pods to run programs in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pytest
import yaml
from tests.unit.pocketkube.network.conftest import World, at

from pocketkube.images import coredns
from pocketkube.images.net import COMMANDS
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import Process
from pocketkube.network.dns import Zone
from pocketkube.network.fabric import Fabric, PodNetwork
from pocketkube.network.http import Handler, serve_forever
from pocketkube.network.proxy import Proxy
from pocketkube.objects import Obj

RESOLV_CONF = b"search lab.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"


class Output:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes, /) -> None:
        self.data += data


class Input:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, most: int = 65536, /) -> bytes:
        taken, self._data = self._data[:most], self._data[most:]
        return taken


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Pod:
    """A container to run programs in."""

    def __init__(self, net: PodNetwork, name: str, clock: Any) -> None:
        self.net = net
        self.fs = FileSystem()
        self.fs.mkdir("/etc")
        self.fs.write_bytes("/etc/resolv.conf", RESOLV_CONF)
        own = "".join(f"{address}\t{name}\n" for address in net.addresses)
        self.fs.write_bytes("/etc/hosts", f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{own}".encode())
        commands = {f"/bin/{key}": command for key, command in COMMANDS.items()}
        self.namespace = PidNamespace(fs=self.fs, net=net, commands=commands, clock=clock, hostname=name)

    def start(self, *argv: str, stdin: bytes = b"", main: Any = None) -> tuple[Process, Output, Output]:
        out, err = Output(), Output()
        command = main or COMMANDS[argv[0]]
        fds = {0: Input(stdin), 1: out, 2: err}
        return self.namespace.spawn(command, list(argv), env={}, fds=fds), out, err

    async def run(self, *argv: str, stdin: bytes = b"", main: Any = None) -> Ran:
        process, out, err = self.start(*argv, stdin=stdin, main=main)
        code = await process.wait()
        return Ran(code, out.data.decode(errors="replace"), err.data.decode(errors="replace"))


class Lab:
    def __init__(self) -> None:
        self.world = World()
        self.world.clock.speed = 50  # a DNS time-out of 5 s must not be reached by a machine that is only busy
        for name in ("lab", "default", "kube-system"):
            self.world.apply("namespaces", {"metadata": {"name": name}})
        self.fabric = Fabric(self.world.clock, proxy=Proxy(self.world.client))
        self.fabric.attach("172.18.0.3", "worker")
        self.zone = Zone(self.world.client, {"cluster_domain": "cluster.local", "dns_ip": "10.96.0.10"})
        ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
        self.world.service("kube-dns", "10.96.0.10", *ports, namespace="kube-system")
        self._serving: list[asyncio.Task[None]] = []
        self._last = 10

    def pod(self, name: str, *, dual: bool = False) -> Pod:
        self._last += 1
        also = (f"fd00:10:244:1::{self._last:x}",) if dual else ()
        net = self.fabric.attach(f"10.244.1.{self._last}", name, node="worker", also=also)
        return Pod(net, name, self.world.clock)

    async def start_dns(self) -> Pod:
        """CoreDNS with the shipped Corefile, behind 10.96.0.10."""
        pod = self.pod("coredns")
        text = resources.files("pocketkube").joinpath("data/addons/coredns.yaml").read_text()
        (config,) = (d for d in yaml.safe_load_all(text) if d["kind"] == "ConfigMap")
        pod.fs.mkdir("/etc/coredns")
        pod.fs.write_bytes("/etc/coredns/Corefile", config["data"]["Corefile"].encode())
        pod.namespace.services = {"dns": self.zone}
        pod.start("/coredns", "-conf", "/etc/coredns/Corefile", main=coredns.main)
        ports: list[Obj] = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
        self.world.slice("kube-dns", at(pod.net.address), ports=ports, namespace="kube-system")
        async with asyncio.timeout(10):
            while not any(True for _ in pod.net.sockets()):  # noqa: ASYNC110
                await asyncio.sleep(0)
        return pod

    def serve(self, name: str, address: str, handler: Handler, port: int = 80) -> Pod:
        """A Service in front of one pod that answers with `handler`."""
        pod = self.pod(f"{name}-0")
        self._serving.append(asyncio.create_task(serve_forever(pod.net.listen(8080), handler)))
        self.world.service(name, address, {"name": "http", "port": port})
        self.world.slice(name, at(pod.net.address), ports=[{"name": "http", "port": 8080}])
        return pod

    async def stop(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab = Lab()
    await lab.start_dns()
    yield lab
    await lab.stop()

"""A pod without a cluster: one container of a real image on a fabric of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pocketkube.clock import Clock
from pocketkube.images import catalogue
from pocketkube.images.shell.descriptors import Collector, Document
from pocketkube.kubelet.filesystem import root_of
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import DEFAULT_PATH, Process
from pocketkube.network import http
from pocketkube.network.fabric import Fabric

LIMIT = 20


@dataclass
class Ran:
    status: int
    out: str
    err: str

    def __iter__(self) -> Iterator[Any]:
        return iter((self.status, self.out, self.err))


class Running:
    """A process and what it wrote so far."""

    def __init__(self, process: Process, out: Collector, err: Collector) -> None:
        self.process = process
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        return bytes(self._out._data).decode("utf-8", "surrogateescape")

    @property
    def err(self) -> str:
        return bytes(self._err._data).decode("utf-8", "surrogateescape")

    async def ended(self) -> Ran:
        status = await asyncio.wait_for(self.process.wait(), LIMIT)
        return Ran(status, self.out, self.err)

    async def says(self, text: str) -> None:
        """Wait until it wrote a text."""
        async with asyncio.timeout(LIMIT):
            while text not in self.out + self.err:  # noqa: ASYNC110
                await asyncio.sleep(0)


class Pod:
    def __init__(self, fabric: Fabric, image: str, address: str, hostname: str) -> None:
        self.image = catalogue()[image]
        self.net = fabric.attach(address, hostname, node="node-1")
        self.fs = root_of(self.image)
        self.namespace = PidNamespace(
            fs=self.fs, net=self.net, commands=self.image.commands, clock=fabric.clock, hostname=hostname
        )
        self.fs.attach(self.namespace)

    def start(self, *argv: str, stdin: bytes = b"", **env: str) -> Running:
        """Start a program; the first one is process 1."""
        words = list(argv)
        out, err = Collector(), Collector()
        out.hold()
        err.hold()
        found = self.namespace.executable(words)
        process = self.namespace.spawn(
            found.main,
            found.argv,
            env={"PATH": DEFAULT_PATH, "HOME": "/root", **env},
            fds={0: Document(stdin), 1: out, 2: err},
            program=found.program,
        )
        return Running(process, out, err)

    async def run(self, *argv: str, stdin: bytes = b"", **env: str) -> Ran:
        return await self.start(*argv, stdin=stdin, **env).ended()

    async def sh(self, script: str, *, stdin: bytes = b"", **env: str) -> Ran:
        return await self.run("sh", "-c", script, stdin=stdin, **env)

    async def get(self, port: int, target: str, *, method: str = "GET", body: bytes = b"", **headers: str) -> Any:
        given = [("Host", "web"), *((name.replace("_", "-"), value) for name, value in headers.items())]
        return await http.request(lambda: self.net.connect("127.0.0.1", port), method, target, given, body, LIMIT)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(Clock(speed=20))


@pytest.fixture
def pod(fabric: Fabric) -> Callable[..., Pod]:
    numbers = itertools.count(2)

    def make(image: str = "docker.io/library/busybox:1.36", hostname: str = "pod") -> Pod:
        return Pod(fabric, image, f"10.244.1.{next(numbers)}", hostname)

    return make

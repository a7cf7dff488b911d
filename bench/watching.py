"""What many watchers cost: 100 of them, each told of 1,000 events, through the HTTPS API.

One process is all the clients: it reads 100 TLS connections and writes on eight. What that costs is in the times, too;
`server CPU` is the cluster's process alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench import client
from bench.cases import NAMESPACE, Figure, cluster, cpu_seconds, credentials
from kindlab import workspace

WATCHERS, EVENTS, PACE, WRITERS = 100, 1000, 100, 8
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_NUMBER = re.compile(rb'"n":"(\d+)"')


def watchers() -> Iterator[Figure]:
    """Events at a steady pace, then as fast as they go."""
    with cluster() as (status, _):
        workspace.make_namespace(status.api(), NAMESPACE)
        load = Load(*credentials(status))
        before = cpu_seconds(status)
        took, _ = uvloop.run(load.run("paced", PACE))
        spent = cpu_seconds(status) - before
        what = f"{WATCHERS} watchers, {PACE} events a second"
        for percent in (50, 99):
            target = "<= 100" if percent == 99 else ""
            yield Figure(f"{what}: delivered, p{percent}", took[len(took) * percent // 100] * 1000, "ms", target, 1)
        yield Figure(f"{what}: server CPU", spent / (EVENTS / PACE) * 100, "%", "", 0)
        before = cpu_seconds(status)
        _, seconds = uvloop.run(load.run("fast"))
        spent = cpu_seconds(status) - before
        what = f"{WATCHERS} watchers, {EVENTS:,} events at once"
        yield Figure(f"{what}: until all have all", seconds, "s", "")
        yield Figure(f"{what}: server CPU", spent, "s", "")


CASES: list[Callable[[], Iterator[Figure]]] = [watchers]


class Watcher(asyncio.Protocol):
    """One watch; `told` gets the number of each event that came."""

    def __init__(self, request: bytes, told: Callable[[int], None]) -> None:
        self.begun = asyncio.get_running_loop().create_future()
        self._request = request
        self._told = told
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.begun.done():
            head, separator, self._received = self._received.partition(b"\r\n\r\n")
            if not separator:
                self._received = head
                return
            assert head.startswith(b"HTTP/1.1 200 "), head
            self.begun.set_result(None)
        lines, _, self._received = self._received.rpartition(b"\n")
        for number in _NUMBER.findall(lines):
            self._told(int(number))


class Load:
    """Watchers of ConfigMaps, and writers that create them."""

    def __init__(self, server: str, ca: Path, token: str) -> None:
        self._url = urlsplit(server)
        self._trust = ssl.create_default_context(cafile=ca)
        self._token = token

    async def run(self, name: str, pace: float = 0) -> tuple[list[float], float]:
        """(seconds from when a write was sent to when a watcher had its event, sorted; seconds until all had all).
        `pace`: writes a second, or as fast as eight connections get them answered."""
        sent: list[float] = []
        took: list[float] = []
        done = asyncio.Event()

        def told(number: int) -> None:
            took.append(perf_counter() - sent[number])
            if len(took) == WATCHERS * EVENTS:
                done.set()

        watch = client.request("GET", f"{PATH}?watch=1&resourceVersion={await self._revision()}", self._token)
        watching = [await self._connect(lambda: Watcher(watch, told)) for _ in range(WATCHERS)]
        await asyncio.gather(*(protocol.begun for _, protocol in watching))
        began = perf_counter()
        async with asyncio.TaskGroup() as writing:
            for _ in range(WRITERS):
                writing.create_task(self._write(name, sent, began, pace))
        await done.wait()
        seconds = perf_counter() - began
        for transport, _ in watching:
            transport.abort()
        return sorted(took), seconds

    async def _write(self, name: str, sent: list[float], began: float, pace: float) -> None:
        reader, writer = await self._open()
        while len(sent) < EVENTS:
            number = len(sent)
            sent.append(0.0)
            if pace:
                await asyncio.sleep(began + number / pace - perf_counter())
            data = {"metadata": {"name": f"{name}-{number}"}, "data": {"n": str(number)}}
            sent[number] = perf_counter()
            await self._ask(reader, writer, client.request("POST", PATH, self._token, json.dumps(data).encode()))
        writer.transport.abort()

    async def _revision(self) -> str:
        reader, writer = await self._open()
        answer = json.loads(await self._ask(reader, writer, client.request("GET", f"{PATH}?limit=1", self._token)))
        writer.transport.abort()
        return str(answer["metadata"]["resourceVersion"])

    @staticmethod
    async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), head
        return await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._url.hostname, self._url.port, ssl=self._trust)

    async def _connect(self, factory: Callable[[], Watcher]) -> tuple[asyncio.Transport, Watcher]:
        host, port = self._url.hostname, self._url.port
        return await asyncio.get_running_loop().create_connection(factory, host, port, ssl=self._trust)

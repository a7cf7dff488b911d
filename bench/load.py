"""An HTTP load that costs little: kept connections, one request at a time on each, as fast as they go or at a pace.

Left out: everything but answers with a Content-Length; any other answer than 200 is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import perf_counter

import uvloop


@dataclass
class Measured:
    rate: float
    """Answers a second."""
    p99: float
    """Seconds, from when a request was due to its whole answer."""


def flat_out(address: tuple[str, int], request: bytes, *, seconds: float, connections: int = 16) -> Measured:
    """Every connection sends the next request as soon as it has the answer."""

    async def one(took: list[float], end: float) -> None:
        ask = await _connected(address, request)
        while (began := perf_counter()) < end:
            await ask()
            took.append(perf_counter() - began)

    return _measure(one, seconds, connections)


def at_pace(
    address: tuple[str, int], request: bytes, *, rate: float, seconds: float, connections: int = 16
) -> Measured:
    """`rate` requests a second over all connections, evenly spread; a late answer makes the next ones late as well."""

    async def one(took: list[float], end: float) -> None:
        ask = await _connected(address, request)
        due = perf_counter() + len(took) % connections / rate
        while due < end:
            await asyncio.sleep(due - perf_counter())
            await ask()
            took.append(perf_counter() - due)
            due += connections / rate

    return _measure(one, seconds, connections)


def _measure(
    one: Callable[[list[float], float], Coroutine[None, None, None]], seconds: float, connections: int
) -> Measured:
    async def run() -> Measured:
        took: list[float] = []
        began = perf_counter()
        async with asyncio.TaskGroup() as clients:
            for _ in range(connections):
                clients.create_task(one(took, began + seconds))
                await asyncio.sleep(0.002)  # connections that open at once would stay in step
        took.sort()
        return Measured(len(took) / (perf_counter() - began), took[int(len(took) * 0.99)])

    return uvloop.run(run())


async def _connected(address: tuple[str, int], request: bytes) -> Callable[[], Coroutine[None, None, None]]:
    reader, writer = await asyncio.open_connection(*address)

    async def ask() -> None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"expected 200, got {head!r}")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))

    return ask

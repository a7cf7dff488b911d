"""One forwarded connection: bytes between a client and a port of a pod, until the end.

Models the copying of containerd's PortForward, which gives a connection that has ended on one side half a second for
the other. Here that half-second begins anew with every byte, and the pod hears of a half-close at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from pocketkube.apiserver.streams.runtime import Duplex, PortForwarder

T = TypeVar("T")
LINGER: Final = 0.5
"""Seconds without a byte after which the second direction of a connection is given up once the first has ended."""


class Client(Protocol):
    """The client's side of one connection."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes, /) -> object: ...


class Carrier:
    """The connections into one pod. `speed`: cluster seconds per second."""

    def __init__(self, forwarder: PortForwarder, speed: float) -> None:
        self._forwarder = forwarder
        self._linger = LINGER / speed

    async def carry(self, port: int, client: Client) -> str | None:
        """One connection from its beginning to its end; the text for the client when something went wrong."""
        try:
            pod = await self._forwarder.connect(port)
        except OSError as error:
            return self._text(port, str(error))
        try:
            await self._both_ways(client, pod)
        except ConnectionError as error:
            return self._text(port, self._forwarder.failed(pod, error))
        finally:
            pod.close()
        return None

    def _text(self, port: int, why: str) -> str:
        return f"error forwarding port {port} to pod {self._forwarder.sandbox}, uid : {why}"

    async def _both_ways(self, client: Client, pod: Duplex) -> None:
        """Copy until both directions have ended, or one has and nothing moves in the other. Raises what the pod's
        side of the connection raises; the client's side just ends."""
        moved = 0

        async def copy(read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[object]]) -> None:
            nonlocal moved
            while data := await read():
                await write(data)
                moved += len(data)

        async def inward() -> None:
            try:
                await copy(lambda: _client(client.read()), pod.write)
            except _ClientGone:
                pod.close()  # nobody is left to read an answer
            else:
                pod.write_eof()

        async def outward() -> None:
            with suppress(_ClientGone):
                await copy(pod.read, lambda data: _client(client.write(data)))

        waiting = {asyncio.ensure_future(inward()), asyncio.ensure_future(outward())}
        try:
            done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            while rest:
                for task in done:
                    task.result()
                before = moved
                done, rest = await asyncio.wait(rest, timeout=self._linger)
                if not done and moved == before:
                    return
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


class _ClientGone(Exception):
    """The client has reset its stream, or its connection is gone."""


async def _client(call: Awaitable[T]) -> T:
    try:
        return await call
    except ConnectionError:
        raise _ClientGone from None

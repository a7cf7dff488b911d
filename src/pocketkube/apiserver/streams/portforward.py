"""pods/portforward: connections of the client's machine, carried into a pod.

Three ways in: SPDY/3.1 (kubectl before 1.31, k9s), the same SPDY inside a WebSocket (kubectl since 1.31), and channels
of a WebSocket (the Python client).
Models k8s.io/cri-streaming's portforward. Left out: the base64 channels, the idle time-out of four hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, web

from pocketkube import objects
from pocketkube.apiserver import admitting
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Query, Request, Target
from pocketkube.apiserver.streams import upgrade
from pocketkube.apiserver.streams.carrying import Carrier
from pocketkube.apiserver.streams.inbox import Inbox
from pocketkube.apiserver.streams.multiplex import Connection, Refused, Stream, Wire
from pocketkube.apiserver.streams.targets import find_pod, require_create, runtime_of
from pocketkube.errors import BadRequest, StatusError
from pocketkube.resources.base import Resource

PROTOCOL: Final = "portforward.k8s.io"
TUNNEL: Final = f"SPDY/3.1+{PROTOCOL}"
CHANNELS: Final = "v4.channel.k8s.io"
STREAMS_WITHIN: Final = 30.0
"""Seconds between a connection's first stream and its second."""
DRAIN: Final = 10.0
"""Seconds a pod has to read what a client has sent before it went away."""


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    require_create(api, request, target)
    ports = [int(one) for text in request.query.all("ports") for one in text.split(",") if one.isdecimal()]
    admitting.connect(api, request, kind, target, "PodPortForwardOptions", ports=ports)
    pod = find_pod(api, target)
    if not objects.spec(pod).get("nodeName"):
        raise BadRequest(f"pod {target.name} does not have a host assigned")
    asked = upgrade.wanted(request)
    try:
        forwarder = runtime_of(api).port_forwarder(target.namespace, target.name)
    except StatusError as error:
        if error.code == 503:
            raise
        return web.Response(status=error.code, text=error.message)  # the kubelet's answer, passed on as it is
    forward = Forward(Carrier(forwarder, api.clock.speed), lambda: api.stopping)
    if asked == upgrade.SPDY.lower():
        offers = upgrade.offered(request, upgrade.VERSION_HEADER)
        if PROTOCOL not in offers:
            return upgrade.refuse_protocols(offers, [PROTOCOL])
        wire = await upgrade.spdy(request, PROTOCOL)
        return await _until_stopped(api, wire.response, forward.spdy(wire))
    if asked != "websocket":
        raise BadRequest(f"unable to upgrade: {asked} is not supported, only websocket and {upgrade.SPDY}")
    if TUNNEL in upgrade.offered(request, "Sec-WebSocket-Protocol"):
        socket = await upgrade.websocket(request, (TUNNEL,))
        return await _until_stopped(api, socket, forward.spdy(upgrade.Tunnel(socket)))
    ports = _ports(request.query)
    socket = await upgrade.websocket(request, (CHANNELS,))
    return await _until_stopped(api, socket, forward.channels(socket, ports))


async def _until_stopped(api: Api, response: web.StreamResponse, session: Awaitable[None]) -> web.StreamResponse:
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    api.streams.add(task)
    try:
        await session
    finally:
        api.streams.discard(task)
    return response


def _ports(query: Query) -> list[int]:
    """`?ports=80&ports=81,82`. Raises BadRequest in the kubelet's words."""
    given = query.all("ports")
    if not given:
        raise BadRequest('query parameter "port" is required')
    ports = []
    for text in ",".join(given).split(","):
        if not (text.isascii() and text.isdigit() and int(text) < 65536):
            raise BadRequest(f'unable to parse "{text}" as a port: strconv.ParseUint: parsing "{text}": invalid syntax')
        if not int(text):
            raise BadRequest(f'port "{text}" must be > 0')
        ports.append(int(text))
    return ports


class Forward:
    """One client's connections into one pod. `stopping`: the server is."""

    def __init__(self, carrier: Carrier, stopping: Callable[[], bool]) -> None:
        self._carrier = carrier
        self._stopping = stopping

    async def spdy(self, wire: Wire) -> None:
        """Pairs of streams, a pair for each connection, until the client is gone."""
        pairs: dict[str, _Pair] = {}
        async with asyncio.TaskGroup() as group:

            def accept(stream: Stream) -> None:
                port, kind = _described(stream)
                id = stream.headers.get("requestid") or str(stream.id if kind == "error" else stream.id - 2)
                pair = pairs.get(id)
                if pair is None:
                    pair = pairs[id] = _Pair(id, port)
                    task = group.create_task(self._serve(pair), name=f"port-forward {port}")
                    task.add_done_callback(lambda _: pairs.pop(id, None))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                pair.add(kind, stream)

            tasks: set[asyncio.Task[None]] = set()
            await Connection(wire, accept).run()
            for task in tuple(tasks):
                task.cancel()

    async def _serve(self, pair: _Pair) -> None:
        try:
            async with asyncio.timeout(STREAMS_WITHIN):
                await pair.complete.wait()
        except TimeoutError:
            if pair.error is not None:
                with suppress(BrokenPipeError):
                    await pair.error.write(f"(request={pair.id}) timed out waiting for streams".encode())
            for stream in (pair.data, pair.error):
                if stream is not None:
                    await stream.reset()
            return
        assert pair.data is not None
        assert pair.error is not None
        data, error = pair.data, pair.error
        text = await self._carrier.carry(pair.port, data)
        if text is None:
            await data.finish()
            await error.finish()
            return
        with suppress(BrokenPipeError):
            await error.write(text.encode())
        await data.reset()
        await error.finish()

    async def channels(self, socket: web.WebSocketResponse, ports: list[int]) -> None:
        """Two channels a port: 2i its bytes, 2i+1 what went wrong. Both begin with the port, low byte first."""
        inboxes = [Inbox() for _ in ports]
        for index, port in enumerate(ports):
            for channel in (2 * index, 2 * index + 1):
                await socket.send_bytes(bytes((channel,)) + port.to_bytes(2, "little"))

        async def one(index: int) -> None:
            client = _Channel(socket, 2 * index, inboxes[index])
            text = await self._carrier.carry(ports[index], client)
            inboxes[index].end()  # what the client still sends is dropped
            if text is not None:
                with suppress(BrokenPipeError):
                    await _Channel(socket, 2 * index + 1, Inbox()).write(text.encode())

        async def all_() -> None:
            async with asyncio.TaskGroup() as group:
                for index in range(len(ports)):
                    group.create_task(one(index))

        carrying, receiving = asyncio.ensure_future(all_()), asyncio.ensure_future(_sort(socket, inboxes))
        try:
            await self._wait(carrying, receiving)
            if carrying.done():
                carrying.result()
                if not socket.closed:
                    await socket.close()
                return
            for inbox in inboxes:
                inbox.end()
            await self._wait(carrying, timeout=DRAIN)
        finally:
            carrying.cancel()
            receiving.cancel()
            await asyncio.gather(carrying, receiving, return_exceptions=True)

    async def _wait(self, *some: asyncio.Future[None], timeout: float | None = None) -> None:
        """Until one of them is done. That the client is gone cancels the handler, but does not end this: what the
        client has sent is the pod's."""
        while True:
            try:
                await asyncio.wait(some, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                return
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._stopping() or task is None:
                    raise
                task.uncancel()
                timeout = DRAIN


class _Pair:
    """The two streams of one connection."""

    def __init__(self, id: str, port: int) -> None:
        self.id, self.port = id, port
        self.data: Stream | None = None
        self.error: Stream | None = None
        self.complete = asyncio.Event()

    def add(self, kind: str, stream: Stream) -> None:
        if (self.data if kind == "data" else self.error) is not None:
            raise Refused
        if kind == "data":
            self.data, self.port = stream, _described(stream)[0]
        else:
            self.error = stream
        if self.data is not None and self.error is not None:
            self.complete.set()


def _described(stream: Stream) -> tuple[int, str]:
    """(port, data or error) of a stream. Raises Refused."""
    port, kind = stream.headers.get("port", ""), stream.headers.get("streamtype", "")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or kind not in ("data", "error"):
        raise Refused
    return int(port), kind


class _Channel:
    """One channel of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, channel: int, inbox: Inbox) -> None:
        self._wire = upgrade.Tunnel(socket)
        self._prefix = bytes((channel,))
        self._inbox = inbox

    async def read(self) -> bytes:
        return await self._inbox.read()

    async def write(self, data: bytes, /) -> None:
        await self._wire.write(self._prefix + data)


async def _sort(socket: web.WebSocketResponse, inboxes: list[Inbox]) -> None:
    """Bytes to the port they are for, until the client goes away."""
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            break
        data = message.data.encode() if message.type == WSMsgType.TEXT else bytes(message.data)
        if data and not data[0] % 2 and data[0] // 2 < len(inboxes):
            await inboxes[data[0] // 2].feed(data[1:])

"""The API server as pods reach it: a listener on the control-plane node's port 6443, piped to the real server's port.

With the `kubernetes` Service and its EndpointSlice this makes https://kubernetes.default.svc work inside pods. It is
the one way out of the fabric, and it leads to this cluster's own API server only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.sockpipe import closing, join
from pocketkube.network.stream import Stream

log = logging.getLogger(__name__)

PORT = 6443
MOST = 256
"""Connections at a time. Each is two real sockets of this process: pods must not be able to use up all it may have."""


class ApiEndpoint:
    """`node`: the control-plane node's network; `port`: says where the API server listens on 127.0.0.1."""

    def __init__(self, node: PodNetwork, port: Callable[[], int]) -> None:
        self._node = node
        self._port = port
        self._open = 0

    async def run(self) -> None:
        listener = self._node.listen(PORT, "::")
        try:
            async with asyncio.TaskGroup() as connections:
                while True:
                    connections.create_task(self._serve(await listener.accept()))
        finally:
            listener.close()

    async def _serve(self, stream: Stream) -> None:
        if self._open >= MOST:
            log.warning("%d connections of pods to the API server are open: one more is refused", self._open)
            stream.abort()
            return
        self._open += 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port())
            async with closing(writer):
                await join(stream, reader, writer)
        except* (OSError, RuntimeError) as error:  # RuntimeError: uvloop's, for a socket that was closed meanwhile
            log.debug("a pod's connection to the API server: %s", error)
            stream.abort()
        finally:
            self._open -= 1

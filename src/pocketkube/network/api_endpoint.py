"""The API server as pods reach it: a listener on the control-plane node's port 6443, piped to the real server's port.

With the `kubernetes` Service and its EndpointSlice this makes https://kubernetes.default.svc work inside pods. It is
the one way out of the fabric, and it leads to this cluster's own API server only.
"""

from __future__ import annotations

import asyncio

from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.sockpipe import closing, join
from pocketkube.network.stream import Stream

PORT = 6443


class ApiEndpoint:
    """`node`: the control-plane node's network; `port`: where the API server listens on 127.0.0.1."""

    def __init__(self, node: PodNetwork, port: int) -> None:
        self._node = node
        self._port = port

    async def run(self) -> None:
        listener = self._node.listen(PORT, "::")
        try:
            async with asyncio.TaskGroup() as connections:
                while True:
                    connections.create_task(self._serve(await listener.accept()))
        finally:
            listener.close()

    async def _serve(self, stream: Stream) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            stream.abort()
            return
        async with closing(writer):
            await join(stream, reader, writer)

"""Connections the API server makes into the cluster: they start on the control-plane node, like any of its programs.

So a NetworkPolicy sees that node's address, and Services are resolved by that node's proxy.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from pocketkube.network import tls
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.stream import Stream

CONNECT_SECONDS: Final = 30.0
HANDSHAKE_SECONDS: Final = 10.0


class Dialer:
    """apiserver.streams.runtime.Dialer from a node's network."""

    def __init__(self, network: PodNetwork) -> None:
        self._network = network

    async def dial(
        self, address: str, port: int, *, secure: bool = False, trust: ssl.SSLContext | None = None, name: str = ""
    ) -> Stream | tls.TlsStream:
        """See Dialer. Raises OSError, TimeoutError, ssl.SSLError."""
        stream = await self._network.connect(address, port, timeout=CONNECT_SECONDS)
        if not secure:
            return stream
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                return await tls.client(stream, trust or _anybody(), name or address)
        except BaseException:
            stream.close()
            raise


def _anybody() -> ssl.SSLContext:
    """Certificates are not checked: the proxy subresource never does that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

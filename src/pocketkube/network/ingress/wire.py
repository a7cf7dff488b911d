"""What a connection is to the proxy: a Stream, or TLS over one."""

from __future__ import annotations

from pocketkube.network.stream import Stream
from pocketkube.network.tls import TlsStream

Wire = Stream | TlsStream


async def end(wire: Wire) -> None:
    """Half-close: the other side reads the end, and can still send."""
    if isinstance(wire, TlsStream):
        await wire.end()
    else:
        wire.write_eof()

"""TLS over a Stream, by Python's ssl on memory buffers: for programs in containers that speak https.

One task may read while another writes. Left out: renegotiation, client certificates unless the context asks for them.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from pocketkube.network.stream import Address, Stream


class TlsStream:
    """A `ByteStream` inside TLS. Made by `client` or `server`."""

    def __init__(self, stream: Stream, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self.tls = tls
        self.local: Address = stream.local
        self.remote: Address = stream.remote
        self._stream = stream
        self._incoming = incoming
        self._outgoing = outgoing
        self._sending = asyncio.Lock()  # two senders would tear records apart when the stream is full

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                await self._flush()  # the alert tells the other side why
                raise
        await self._flush()

    async def read(self, most: int = 65536) -> bytes:
        """b"" after the other side's close-notify, or when it just ended. Raises ConnectionResetError, ssl.SSLError."""
        while True:
            try:
                return self.tls.read(most)
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._stream.read()
                if not data:
                    return b""
                self._incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    async def write(self, data: bytes) -> None:
        if data:
            self.tls.write(data)
        await self._flush()

    async def end(self) -> None:
        """Half-close: say close-notify and end the stream; what the other side still sends can be read."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()  # waits for the other side's, which is not needed
        await self._flush()
        self._stream.write_eof()

    def close(self) -> None:
        self._stream.close()

    def abort(self) -> None:
        """Reset: both sides fail with ConnectionResetError."""
        self._stream.abort()

    async def _fill(self) -> None:
        data = await self._stream.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if not self._outgoing.pending:
            return
        async with self._sending:
            data = self._outgoing.read()
            if data:
                await self._stream.write(data)


async def client(stream: Stream, context: ssl.SSLContext, host: str) -> TlsStream:
    """Shake hands as a client; `host` is what the certificate must name. Raises ssl.SSLError, ConnectionError."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wrapped = TlsStream(stream, context.wrap_bio(incoming, outgoing, server_hostname=host), incoming, outgoing)
    await wrapped.handshake()
    return wrapped


async def server(stream: Stream, context: ssl.SSLContext, first: bytes = b"") -> TlsStream:
    """Shake hands as a server; `first` is what was already read. The context's `sni_callback` may choose another.

    Raises ssl.SSLError, ConnectionError.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(first)
    wrapped = TlsStream(stream, context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)
    await wrapped.handshake()
    return wrapped

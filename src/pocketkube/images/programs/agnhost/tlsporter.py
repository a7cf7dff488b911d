"""The TLS ports of agnhost's porter, with a self-signed certificate for localhost, as the real image carries one.

CERT_FILE and KEY_FILE name others. A client that speaks plain HTTP is told so, as Go's net/http does.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from pocketkube.images.golang import klog
from pocketkube.kubelet.process import Process
from pocketkube.network import http, tls
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream

PLAIN = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
Handler = Callable[[http.Request], Awaitable[http.Response]]


async def serve(process: Process, listener: Listener, port: int, handler: Handler) -> None:
    """Serve until the process ends; a certificate that cannot be used is logged, and the port closed."""
    certificate, key = (process.env.get(name) or "" for name in ("CERT_FILE", "KEY_FILE"))
    try:
        if certificate or key:
            given = process.fs.read_bytes(process.path(certificate)) + b"\n" + process.fs.read_bytes(process.path(key))
        else:
            given = _localhost()
        context = _context(given)
    except (OSError, ssl.SSLError) as failure:
        listener.close()
        names = f'with certFile="{certificate or "localhost.crt"}", keyFile="{key or "localhost.key"}"'
        await klog(process, f'tls server on port "{port}" {names} failed: {failure}')
        return
    async with asyncio.TaskGroup() as group:
        async for stream in listener:
            group.create_task(_connection(process, stream, context, handler))


async def _connection(process: Process, stream: Stream, context: ssl.SSLContext, handler: Handler) -> None:
    try:
        secure = await tls.server(stream, context)
    except ssl.SSLError as failure:
        if failure.reason == "HTTP_REQUEST":
            with suppress(ConnectionError):
                await stream.write(PLAIN)
        stream.close()
        return
    except ConnectionError:
        stream.close()
        return
    await http.serve(secure, handler)


def _context(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # Python's ssl reads certificates from files only
        path = Path(folder) / "pair.pem"
        path.write_bytes(pem)
        path.chmod(0o600)
        context.load_cert_chain(path)
    return context


@cache
def _localhost() -> bytes:
    """Certificate and key, made once for this cluster."""
    from datetime import UTC, datetime
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Co")])
    own = x509.SubjectAlternativeName([x509.IPAddress(ip_address(a)) for a in ("127.0.0.1", "::1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(1970, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2084, 1, 29, 16, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(own, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private

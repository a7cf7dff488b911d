"""TLS of programs written in Go: their certificates, and what crypto/tls and net/http say when a handshake fails."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from pocketkube.kubelet.process import Process
from pocketkube.network import tls
from pocketkube.network.addresses import host_port
from pocketkube.network.stream import Stream

PLAIN = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
"""What a server of TLS answers who speaks plain HTTP to it."""


def context(process: Process, certificate: str, key: str) -> ssl.SSLContext:
    """tls.LoadX509KeyPair of files of the container. Raises OSError and ssl.SSLError; `problem` tells of them."""
    pem = b""
    for name in (certificate, key):
        try:
            pem += process.fs.read_bytes(process.path(name)) + b"\n"
        except OSError as failure:
            reason = os.strerror(failure.errno or 0).lower()
            raise OSError(failure.errno, f"open {name}: {reason}") from None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # Python's ssl reads certificates from files only
        path = Path(folder) / "pair.pem"
        path.touch(0o600)
        path.write_bytes(pem)
        made.load_cert_chain(path)
    return made


def problem(failure: OSError) -> str:
    """Why a pair cannot be used, in Go's words."""
    if not isinstance(failure, ssl.SSLError):
        return failure.strerror or ""
    if "MISMATCH" in (failure.reason or ""):
        return "tls: private key does not match public key"
    return "tls: failed to find any PEM data in certificate input"


async def accept(
    stream: Stream, context: ssl.SSLContext, log: Callable[[str], Awaitable[None]] | None
) -> tls.TlsStream:
    """Shake hands; who speaks plain HTTP is told so. Raises OSError, after a line in the log."""
    try:
        return await tls.server(stream, context)
    except OSError as failure:
        if isinstance(failure, ssl.SSLError) and failure.reason == "HTTP_REQUEST":
            await stream.write(PLAIN)
        if log is not None:
            await log(f"http: TLS handshake error from {host_port(*stream.remote)}: {_reason(failure)}")
        raise


def _reason(failure: OSError) -> str:
    if not isinstance(failure, ssl.SSLError) or isinstance(failure, ssl.SSLEOFError):
        return "EOF"
    reason = failure.reason or ""
    if reason == "HTTP_REQUEST":
        return "client sent an HTTP request to an HTTPS server"
    if "ALERT_" in reason:
        alert = reason.partition("ALERT_")[2].lower().replace("_", " ")
        return "remote error: tls: " + alert.replace("unknown ca", "unknown certificate authority")
    return f"tls: {reason.lower().replace('_', ' ')}"

"""TLS of nginx: a certificate a server, chosen by the name the client asks for; texts of what is wrong with the files.

Left out: client certificates, session tickets, OCSP stapling, the choice of protocols and ciphers (Python's defaults).
"""

from __future__ import annotations

import errno
import os
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from pocketkube.images.programs.nginx.config import Config, ConfigFailure, Server
from pocketkube.network import tls
from pocketkube.network.stream import Stream

_PLAIN = """<html>\r
<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r
<body>\r
<center><h1>400 Bad Request</h1></center>\r
<center>The plain HTTP request was sent to HTTPS port</center>\r
<hr><center>nginx/{version}</center>\r
</body>\r
</html>\r
"""
Read = Callable[[str], bytes]


def contexts(config: Config, read: Read) -> dict[int, ssl.SSLContext]:
    """Port -> what is served there, for those with `ssl`. Raises ConfigFailure."""
    found: dict[int, ssl.SSLContext] = {}
    for port in sorted({port for server in config.servers for port in server.secure}):
        servers = [server for server in config.servers if port in server.secure]
        servers.sort(key=lambda server: not server.default)
        by_name: dict[str, ssl.SSLContext] = {}
        for server in servers:
            made = _context(server, server.secure[port], read)
            for name in server.names:
                by_name.setdefault(name.lower(), made)
            if port not in found:
                found[port] = made
        found[port].sni_callback = _chooser(by_name)
    return found


def _chooser(by_name: dict[str, ssl.SSLContext]) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        wanted = (name or "").lower()
        wild = f"*.{wanted.partition('.')[2]}"
        chosen = by_name.get(wanted) or by_name.get(wild)
        if chosen is not None:
            connection.context = chosen

    return choose


def _context(server: Server, where: str, read: Read) -> ssl.SSLContext:
    certificate, key = (server.settings.get(name, [""])[0] for name in ("ssl_certificate", "ssl_certificate_key"))
    if not certificate:
        raise ConfigFailure(f'no "ssl_certificate" is defined for the "listen ... ssl" directive in {where}')
    if not key:
        raise ConfigFailure(f'no "ssl_certificate_key" is defined for certificate "{certificate}"')
    pem = {}
    for kind, name in (("certificate", certificate), ("certificate key", key)):
        path = name if name.startswith("/") else f"/etc/nginx/{name}"
        try:
            pem[kind] = read(path)
        except OSError as error:
            missing = error.errno == errno.ENOENT
            system = f"error:8000000{error.errno or 0:X}:system library::{os.strerror(error.errno or 0)}"
            bio = "10000080:BIO routines::no such file" if missing else "10080002:BIO routines::system lib"
            raise ConfigFailure(
                f'cannot load {kind} "{path}": BIO_new_file() failed '
                f"(SSL: {system}:calling fopen({path}, r) error:{bio})"
            ) from None
        wanted = "TRUSTED CERTIFICATE" if kind == "certificate" else "ANY PRIVATE KEY"
        if b"-----BEGIN " not in pem[kind]:
            call = "PEM_read_bio_X509_AUX" if kind == "certificate" else "PEM_read_bio_PrivateKey"
            raise ConfigFailure(
                f'cannot load {kind} "{path}": {call}() failed '
                f"(SSL: error:0480006C:PEM routines::no start line:Expecting: {wanted})"
            )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # Python's ssl reads certificates from files only
        file = Path(folder) / "pair.pem"
        file.touch(0o600)
        file.write_bytes(pem["certificate"] + b"\n" + pem["certificate key"])
        try:
            made.load_cert_chain(file)
        except ssl.SSLError as error:
            if "MISMATCH" in (error.reason or ""):
                raise ConfigFailure(
                    f'SSL_CTX_use_PrivateKey("{key}") failed '
                    "(SSL: error:05800074:x509 certificate routines::key values mismatch)"
                ) from None
            raise ConfigFailure(
                f'cannot load certificate "{certificate}": PEM_read_bio_X509_AUX() failed '
                f"(SSL: error:{(error.reason or 'bad data').lower().replace('_', ' ')})"
            ) from None
    return made


async def accept(stream: Stream, context: ssl.SSLContext, version: str) -> tls.TlsStream | None:
    """Shake hands; None when that failed, and who spoke plain HTTP has been told."""
    try:
        return await tls.server(stream, context)
    except OSError as failure:
        if isinstance(failure, ssl.SSLError) and failure.reason == "HTTP_REQUEST":
            body = _PLAIN.format(version=version).encode()
            head = (
                f"HTTP/1.1 400 Bad Request\r\nServer: nginx/{version}\r\nContent-Type: text/html\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            try:
                await stream.write(head.encode() + body)
                stream.write_eof()
            except ConnectionError:
                stream.abort()
                return None
        stream.close()
        return None

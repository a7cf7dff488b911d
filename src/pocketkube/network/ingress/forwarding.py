"""The headers of both directions: hop-by-hop ones end here, and what the client says of itself is replaced.

X-Forwarded-For, -Proto, -Host, -Port, -Server and X-Real-Ip are Traefik's; no client is trusted with them, in
whatever spelling.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube.network.ingress.request import Header, Request, listed
from pocketkube.network.ingress.targets import port_of

HOP_BY_HOP = frozenset(
    b"connection proxy-connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade".split()
)
MANAGED = frozenset(
    b"x-forwarded-proto x-forwarded-scheme x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-server "
    b"x-forwarded-uri x-forwarded-method x-forwarded-prefix x-forwarded-tls-client-cert "
    b"x-forwarded-tls-client-cert-info x-scheme x-real-ip".split()
)
_DROPPED = HOP_BY_HOP | {b"expect", b"host", b"content-length"}


def to_backend(request: Request, server: str) -> list[Header]:
    """What filters start from: everything but Host and framing. `server` is the proxy's own name."""
    named = listed(request.headers, b"connection") if any(k == b"connection" for k, _ in request.headers) else ()
    headers = [
        header
        for header in request.headers
        if header[0] not in _DROPPED
        and not (header[0][:1] == b"x" and header[0].replace(b"_", b"-") in MANAGED)
        and header[0] not in named
    ]
    upgrade = request.upgrade
    secure = b"s" if request.tls else b""
    client = request.remote[0].encode("ascii")
    headers += [
        (b"x-forwarded-for", client),
        (b"x-forwarded-host", request.authority.encode("latin-1")),
        (b"x-forwarded-port", (port_of(request.authority) or ("443" if request.tls else "80")).encode("ascii")),
        (b"x-forwarded-proto", (b"ws" if upgrade.lower() == b"websocket" else b"http") + secure),
        (b"x-forwarded-server", server.encode("latin-1")),
        (b"x-real-ip", client),
    ]
    if not request.authority:
        headers = [header for header in headers if header[0] != b"x-forwarded-host"]
    return sorted(headers, key=_name)  # as Go writes them: an echo shows them so


def to_client(headers: Iterable[Header]) -> list[Header]:
    """An answer's headers without those of the backend's connection."""
    given = list(headers)
    named = listed(given, b"connection")
    return sorted((header for header in given if header[0] not in HOP_BY_HOP and header[0] not in named), key=_name)


def _name(header: Header) -> bytes:
    return header[0]

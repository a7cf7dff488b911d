"""A request as the proxy holds it: read from a client strictly, changed by filters, sent to a backend.

Header names are lower case bytes here and spelled the way Go's net/http spells them on the wire (`X-Request-Id`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl

from pocketkube.network.ingress.targets import Target
from pocketkube.network.stream import Address

Header = tuple[bytes, bytes]
_SPELLED = {
    name.lower(): name
    for name in (
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Extensions",
        b"Sec-WebSocket-Accept",
        b"Sec-WebSocket-Protocol",
        b"Sec-WebSocket-Version",
    )
}


@dataclass(slots=True)
class Request:
    """One request. `host` is `authority` as rules spell it; `tls`: it came encrypted."""

    method: str
    target: Target
    authority: str = ""
    host: str = ""
    headers: list[Header] = field(default_factory=list)
    version: bytes = b"1.1"
    tls: bool = False
    remote: Address = ("", 0)
    has_body: bool = False
    _query: list[tuple[str, str]] | None = None

    def values(self, name: str) -> list[str]:
        """Every value of a header, in any case."""
        wanted = name.lower().encode("latin-1", "replace")
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]

    def value(self, name: bytes) -> bytes:
        """The first value of a header in lower case, or b""."""
        return next((value for key, value in self.headers if key == name), b"")

    def parameters(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        if self._query is None:
            self._query = parse_qsl(self.target.query, keep_blank_values=True)
        return [value for key, value in self._query if key == name]

    @property
    def upgrade(self) -> bytes:
        """The protocol the client asks to switch to, or b""."""
        return self.value(b"upgrade") if b"upgrade" in listed(self.headers, b"connection") else b""

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"


def listed(headers: Iterable[Header], name: bytes) -> list[bytes]:
    """The comma separated words of a header, in lower case."""
    words: list[bytes] = []
    for key, value in headers:
        if key == name:
            words.extend(word.strip().lower() for word in value.split(b","))
    return words


@lru_cache(maxsize=1024)
def spelled(name: bytes) -> bytes:
    """A lower case header name as it is written on the wire."""
    return _SPELLED.get(name) or b"-".join(part.capitalize() for part in name.split(b"-"))

"""Connecting to what a proxied request is for, and why that failed, in the words of Go's net and crypto/tls."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from typing import Final

from pocketkube.apiserver.streams.runtime import Dialer, Peer

_PLAIN: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_EXPIRED, _NOT_YET, _OTHER_NAME = 10, 9, 62
"""OpenSSL's codes for certificates that do not hold."""


@dataclass(frozen=True, slots=True)
class Backend:
    address: str
    port: int
    secure: bool = False
    trust: ssl.SSLContext | None = None
    """Whose certificates are good enough; None: anybody's."""
    server_name: str = ""
    """What the certificate must name, where that is not the address."""

    @property
    def host(self) -> str:
        """As in a URL: `10.244.0.5:80`, `[fd00::5]:80`."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Undialled(Exception):
    """There is no connection; the text is Go's."""


async def dial(dialer: Dialer, backend: Backend) -> Peer:
    """Raises Undialled."""
    try:
        return await dialer.dial(
            backend.address, backend.port, secure=backend.secure, trust=backend.trust, name=backend.server_name
        )
    except ssl.SSLError as error:
        raise Undialled(_tls(error, backend)) from None
    except TimeoutError:
        raise Undialled(f"dial tcp {backend.host}: i/o timeout") from None
    except OSError as error:
        if error.errno == errno.ECONNRESET:
            raise Undialled(f"read tcp {backend.host}: read: connection reset by peer") from None
        raise Undialled(f"dial tcp {backend.host}: connect: {(error.strerror or str(error)).lower()}") from None


def _tls(error: ssl.SSLError, backend: Backend) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_distrusted(error, backend)}"
    if error.reason in _PLAIN:
        return "http: server gave HTTP response to HTTPS client"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"


def _distrusted(error: ssl.SSLCertVerificationError, backend: Backend) -> str:
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return "certificate has expired or is not yet valid"
    if error.verify_code == _OTHER_NAME:
        return f"certificate is not valid for {backend.server_name}"
    return "certificate signed by unknown authority"

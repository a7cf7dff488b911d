"""Which certificate a TLS client is shown: by its server name exactly, by a wildcard of one label, else the default.

The default is self-signed and says TRAEFIK DEFAULT CERT, as Traefik's own; it is made when first needed and kept. Pairs
are loaded once and known again by their bytes. Left out: OCSP, ACME, client certificates.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pocketkube.network.ingress.routes import Certificate
from pocketkube.network.self_signed import self_signed

DEFAULT_NAME = "TRAEFIK DEFAULT CERT"


class Unloadable(ValueError):
    """A certificate and key that do not make a pair, or are none."""


@dataclass(frozen=True, slots=True)
class Names:
    """The certificates of one port, ready to shake hands."""

    exact: dict[str, ssl.SSLContext]
    wildcard: dict[str, ssl.SSLContext]

    def find(self, name: str | None) -> ssl.SSLContext | None:
        asked = (name or "").lower().removesuffix(".")
        return self.exact.get(asked) or self.wildcard.get(asked.partition(".")[2])


class Certificates:
    """Loads pairs and remembers those in use."""

    def __init__(self) -> None:
        self._contexts: dict[bytes, ssl.SSLContext] = {}
        self._default: tuple[bytes, bytes] | None = None

    def load(self, given: Iterable[Certificate]) -> tuple[Names, list[tuple[Certificate, str]]]:
        """The names of all that load (of two for one name the first has it), and what is wrong with the others."""
        names = Names({}, {})
        broken: list[tuple[Certificate, str]] = []
        for certificate in given:
            try:
                context = self._context(certificate)
                hosts = certificate.hosts or names_in(certificate.chain)
            except Unloadable as error:
                broken.append((certificate, str(error)))
                continue
            for host in hosts:
                if host.startswith("*."):
                    names.wildcard.setdefault(host[2:].lower(), context)
                else:
                    names.exact.setdefault(host.lower(), context)
        return names, broken

    def keep_only(self, given: Iterable[Certificate]) -> None:
        """Forget the pairs that are not among these."""
        wanted = {_digest(certificate) for certificate in given}
        self._contexts = {digest: context for digest, context in self._contexts.items() if digest in wanted}

    def front(self, choose: Callable[[str | None], ssl.SSLContext | None]) -> ssl.SSLContext:
        """Shows the default certificate, unless `choose` knows a context for the client's server name."""
        self._default = self._default or default_pair()
        context = server_context(*self._default)

        def chosen(handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            found = choose(name)
            if found is not None:
                handshake.context = found

        context.sni_callback = chosen
        return context

    def _context(self, certificate: Certificate) -> ssl.SSLContext:
        digest = _digest(certificate)
        if digest not in self._contexts:
            self._contexts[digest] = server_context(certificate.chain, certificate.key)
        return self._contexts[digest]


def server_context(chain: bytes, key: bytes) -> ssl.SSLContext:
    """For a pair of PEM texts: TLS 1.2 and later, HTTP/1.1. Raises Unloadable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    handle, path = tempfile.mkstemp(prefix="pocketkube-")  # readable by this user only; ssl loads keys from files only
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.rstrip() + b"\n" + chain)
        context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise Unloadable(_why(chain, key, error)) from None
    finally:
        os.unlink(path)
    return context


def default_pair() -> tuple[bytes, bytes]:
    """(certificate, key) of Traefik's default certificate, for a name nobody asks for."""
    return self_signed(DEFAULT_NAME, f"{secrets.token_hex(16)}.{secrets.token_hex(16)}.traefik.default")


def names_in(chain: bytes) -> tuple[str, ...]:
    """The DNS names the first certificate of a chain is for, its common name when it has none. Raises Unloadable."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = extension.value.get_values_for_type(x509.DNSName)
        except x509.ExtensionNotFound:
            names = []
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except ValueError as error:
        raise Unloadable(f"the certificate cannot be read: {error}") from None
    return tuple(names) or tuple(str(name.value) for name in common)


def _why(chain: bytes, key: bytes, error: Exception) -> str:
    if b"-----BEGIN CERTIFICATE-----" not in chain:
        return "tls.crt holds no PEM certificate"
    if b"PRIVATE KEY-----" not in key:
        return "tls.key holds no PEM private key"
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the private key does not belong to the certificate"
    return f"the certificate and key cannot be loaded ({reason or 'unreadable PEM'})"


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _digest(certificate: Certificate) -> bytes:
    return hashlib.sha256(certificate.chain + b"\0" + certificate.key).digest()

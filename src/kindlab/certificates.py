"""Certificates of hosts: which names one is for, and new ones that vouch for themselves (`kindlab certificate`).

New ones are what `openssl req -x509 -newkey ec ... -addext subjectAltName=DNS:HOST` makes, on machines without
openssl too. Left out: authorities, requests for certificates, passwords.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kindlab.errors import UsageProblem
from kindlab.paths import write_atomically

if TYPE_CHECKING:
    from cryptography import x509

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names that browsers look at."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def names(certificate: x509.Certificate) -> list[str]:
    """Its alternative names; without any its common name, as clients did before they stopped looking at it."""
    from cryptography import x509

    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return alternative_names(certificate) or [str(c.value) for c in common]


def covers(pattern: str, host: str) -> bool:
    """Whether a certificate's name stands for a host; `*` is exactly one label."""
    pattern, host = pattern.lower(), host.lower()
    if pattern.startswith("*.") and not host.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return pattern == host


@dataclass(frozen=True)
class Made:
    """Two files, and the last moment at which clients take the certificate."""

    certificate: Path
    key: Path
    hosts: tuple[str, ...]
    until: datetime

    def __str__(self) -> str:
        verb = "expired" if self.until < datetime.now(UTC) else "is valid until"
        return (
            f"{self.certificate.name}: a certificate for {', '.join(self.hosts)}. It {verb} {self.until:%Y-%m-%d}. "
            f"Everybody may see it.\n{self.key.name}: its private key. Nobody else may see it."
        )


def make(hosts: Sequence[str], days: int, folder: Path) -> Made:
    """A new key, and a certificate for the hosts that it vouches for itself, as HOST.crt and HOST.key (of the first
    host) in the folder; files of these names are replaced. With negative `days` it has expired so many days ago.
    Raises UsageProblem."""
    for host in hosts:
        if not _HOST.fullmatch(host) or len(host) > 64:  # a common name has no more characters
            raise UsageProblem(
                f"{host} cannot be the name of a host.",
                "A certificate is for names such as shop.example: small letters, digits, dashes and dots. A scheme, a "
                "port or a path is no part of it.",
                "For example: kindlab certificate shop.example",
            )
    certificate, key, until = _signed(tuple(dict.fromkeys(hosts)), days)
    name = hosts[0].replace("*", "wildcard")
    made = Made(folder / f"{name}.crt", folder / f"{name}.key", tuple(dict.fromkeys(hosts)), until)
    write_atomically(made.certificate, certificate)
    write_atomically(made.key, key, mode=0o600)
    return made


def _signed(hosts: tuple[str, ...], days: int) -> tuple[str, str, datetime]:
    """(certificate, key) as PEM, and when it ends."""
    from cryptography import x509  # here: no other command needs it
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=days)
    since = min(now, until - timedelta(days=30)) if days < 0 else now - timedelta(hours=1)  # clocks differ a little
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return certificate.public_bytes(pem).decode(), private.decode(), until

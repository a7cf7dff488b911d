"""Certificates that an authority issues for requests: what is taken over of a request, and how long it is good.

Models pkg/controller/certificates/authority (PermissiveSigningPolicy) and signer.duration: names and keys are the
request's, usages those of the object, extensions of the request do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pocketkube.resources import csr

LONGEST = 365 * 86400
"""Seconds: kube-controller-manager --cluster-signing-duration."""
SHORTEST = 600
BACKDATE, SHORT = timedelta(minutes=5), timedelta(hours=8)
"""Clocks may be behind: it is good since a while ago, and a long one as much shorter."""
_BITS = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_PURPOSES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}


@dataclass(frozen=True)
class Authority:
    """A certificate and its key, as they are kept in files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, folder: Path, stem: str) -> Authority:
        key = serialization.load_pem_private_key((folder / f"{stem}.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{stem}.key: not an elliptic curve key")
        return cls(x509.load_pem_x509_certificate((folder / f"{stem}.crt").read_bytes()), key)

    def issue(self, request: x509.CertificateSigningRequest, usages: Iterable[str], seconds: int | None) -> bytes:
        """The certificate, as PEM. `seconds`: how long it is asked to be good."""
        start = datetime.now(UTC)  # of the machine, by whose clock everybody judges certificates
        lifetime = timedelta(seconds=LONGEST if seconds is None else max(SHORTEST, min(seconds, LONGEST)))
        end = start + lifetime - (timedelta() if lifetime < SHORT else BACKDATE)
        issuer_id = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - BACKDATE)
            .not_valid_after(min(end, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
        )
        for extension, critical in _usages(set(usages)):
            builder = builder.add_extension(extension, critical=critical)
        if names := csr.alternative_names(request):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _usages(wanted: set[str]) -> Iterable[tuple[x509.ExtensionType, bool]]:
    bits = {_BITS[usage] for usage in wanted if usage in _BITS}
    if "key_agreement" not in bits:
        bits -= {"encipher_only", "decipher_only"}  # they say how keys are agreed on, and nothing without that
    if bits:
        yield x509.KeyUsage(**{bit: bit in bits for bit in _BITS.values()}), True
    purposes = dict.fromkeys(oid for usage, oid in _PURPOSES.items() if usage in wanted)
    if purposes:
        yield x509.ExtendedKeyUsage(list(purposes)), False

"""Issues what a cluster's pki folder lacks: its CAs, the API server's and the admin's certificates, keys and the token.

Apart from `pki`, because the library for it takes a tenth of a second to load and is needed once in a folder's life.
EC P-256 throughout, valid for ten years. Models kubeadm's phases/certs. Left out: renewal before the end draws near.
"""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pocketkube.apiserver.files import write_private
from pocketkube.apiserver.pki import FRONT_PROXY, load_key

YEARS = 10
_AUTHORITIES = {"ca": "kubernetes", "client-ca": "kubernetes-clients", "front-proxy-ca": "front-proxy-ca"}
_DNS_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class Issuer:
    """Makes what is missing, no longer good, or signed by another CA in `folder`."""

    def __init__(self, folder: Path, service_ip: str) -> None:
        self.folder = folder
        self._service_ip = service_ip

    def issue(self) -> None:
        for stem, common_name in _AUTHORITIES.items():
            if not self._has(f"{stem}.crt", f"{stem}.key"):
                key = ec.generate_private_key(ec.SECP256R1())
                self._store(stem, _authority(key, common_name), key)
        self._make_leaf("apiserver", "ca", "kube-apiserver", (), self._server_extensions())
        usage = _usage(ExtendedKeyUsageOID.CLIENT_AUTH)
        self._make_leaf("admin", "client-ca", "kubernetes-admin", ("system:masters",), [usage])
        self._make_leaf("front-proxy-client", "front-proxy-ca", FRONT_PROXY, (), [usage])
        if not self._has("sa.key"):
            write_private(self.folder / "sa.key", _key_pem(ec.generate_private_key(ec.SECP256R1())))
        if not self._has("admin.token"):
            write_private(self.folder / "admin.token", secrets.token_urlsafe(32).encode())

    def _make_leaf(
        self,
        stem: str,
        issuer: str,
        common_name: str,
        organizations: tuple[str, ...],
        extensions: list[x509.ExtensionType],
    ) -> None:
        authority = x509.load_pem_x509_certificate(self._text(f"{issuer}.crt").encode())
        if self._has(f"{stem}.crt", f"{stem}.key") and self._issued(stem, authority):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = load_key(self.folder / f"{issuer}.key")
        builder = _builder(key, _subject(common_name, organizations), authority.subject)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        issuer_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id)
        for extension in (identifier, *extensions):
            builder = builder.add_extension(extension, critical=False)
        self._store(stem, builder.sign(issuer_key, hashes.SHA256()), key)

    def _issued(self, stem: str, authority: x509.Certificate) -> bool:
        """Whether a stored certificate is this authority's and still good for a while."""
        certificate = x509.load_pem_x509_certificate(self._text(f"{stem}.crt").encode())
        try:
            certificate.verify_directly_issued_by(authority)
        except Exception:  # several kinds of mismatch raise different errors; all mean: make a new one
            return False
        return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=7)

    def _server_extensions(self) -> list[x509.ExtensionType]:
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in _DNS_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1", self._service_ip)]
        return [x509.SubjectAlternativeName(names), _usage(ExtendedKeyUsageOID.SERVER_AUTH)]

    def _has(self, *names: str) -> bool:
        return all((self.folder / name).exists() for name in names)

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def _store(self, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        # the key first: a certificate without its key would be taken for complete
        write_private(self.folder / f"{stem}.key", _key_pem(key))
        write_private(self.folder / f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _authority(key: ec.EllipticCurvePrivateKey, common_name: str) -> x509.Certificate:
    name = _subject(common_name)
    builder = _builder(key, name, name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _builder(key: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    # some clocks are behind: valid from a day ago
    start = datetime.now(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(common_name: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _usage(purpose: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([purpose])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

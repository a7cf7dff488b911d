"""The cluster's certificates, keys and admin credentials, kept in one folder and reused on the next start.

Models what kubeadm writes to /etc/kubernetes: a CA, a serving certificate, an admin client certificate, the service
account key, and the admin kubeconfig. EC P-256 throughout. Left out: renewal, several API server addresses.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = 10
_DNS_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class Pki:
    """Makes what is missing in `folder`. `service_ip` is the address of the `kubernetes` Service."""

    def __init__(self, folder: Path, *, service_ip: str = "10.96.0.1") -> None:
        self.folder = folder
        self._service_ip = service_ip
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make()

    @property
    def ca_pem(self) -> str:
        return self._text("ca.crt")

    @cached_property
    def token(self) -> str:
        """The admin's bearer token."""
        return self._text("admin.token").strip()

    @cached_property
    def service_account_key(self) -> ec.EllipticCurvePrivateKey:
        return _load_key(self.folder / "sa.key")

    def tls_context(self) -> ssl.SSLContext:
        """For the server: TLS 1.2 and later, HTTP/1.1 only, client certificates of our CA welcome."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "apiserver.crt", self.folder / "apiserver.key")
        context.load_verify_locations(cadata=self.ca_pem)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def kubeconfig(self, *, name: str, server: str, namespace: str = "") -> dict[str, Any]:
        """An admin kubeconfig; `name` names the context and cluster, `<name>-admin` the user."""
        context = {"cluster": name, "user": f"{name}-admin"}
        if namespace:
            context["namespace"] = namespace
        user = {
            "token": self.token,
            "client-certificate-data": _base64(self._text("admin.crt")),
            "client-key-data": _base64(self._text("admin.key")),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(self.ca_pem)}}
            ],
            "contexts": [{"name": name, "context": context}],
            "current-context": name,
            "users": [{"name": f"{name}-admin", "user": user}],
        }

    def write_kubeconfig(self, path: Path, *, name: str, server: str, namespace: str = "") -> None:
        """Write the admin kubeconfig to `path`, readable by the owner only."""
        import yaml

        config = self.kubeconfig(name=name, server=server, namespace=namespace)
        write_private(path, yaml.safe_dump(config, sort_keys=False).encode())

    # -- making

    def _make(self) -> None:
        if not self._has("ca.crt", "ca.key"):
            key = ec.generate_private_key(ec.SECP256R1())
            self._store("ca", _authority(key), key)
        self._make_leaf("apiserver", "kube-apiserver", (), self._server_extensions())
        self._make_leaf("admin", "kubernetes-admin", ("system:masters",), [_usage(ExtendedKeyUsageOID.CLIENT_AUTH)])
        if not self._has("sa.key"):
            write_private(self.folder / "sa.key", _key_pem(ec.generate_private_key(ec.SECP256R1())))
        if not self._has("admin.token"):
            write_private(self.folder / "admin.token", secrets.token_urlsafe(32).encode())

    def _make_leaf(
        self, stem: str, common_name: str, organizations: tuple[str, ...], extensions: list[x509.ExtensionType]
    ) -> None:
        authority = x509.load_pem_x509_certificate(self.ca_pem.encode())
        if self._has(f"{stem}.crt", f"{stem}.key") and self._issued(stem, authority):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = _load_key(self.folder / "ca.key")
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


def write_private(path: Path, data: bytes) -> None:
    """Write a file only its owner can read; readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _subject("kubernetes")
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
        .not_valid_after(start + timedelta(days=365 * _YEARS))
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


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path.name}: not an elliptic curve key")
    return key


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

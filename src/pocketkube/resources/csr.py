"""Requests for certificates (PKCS#10) and certificates as objects hold them: PEM, and base64 around it.

Models ParseCSR and the rules for kubelets' requests of pkg/apis/certificates/helpers.go, and validateCertificate of its
validation. The library that reads X.509 takes a tenth of a second to load: it is imported where it is needed. Left
out: Go's words for what is no ASN.1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509

REQUEST, CERTIFICATE = "CERTIFICATE REQUEST", "CERTIFICATE"
NODES, NODE_PREFIX = "system:nodes", "system:node:"
_BLOCK: Final = re.compile(rb"-----BEGIN ([^\r\n]*?)-----\s*?\n(.*?)-----END \1-----", re.DOTALL)
_ENCIPHERMENT: Final = "key encipherment"
_CLIENT: Final = frozenset({"digital signature", "client auth"})
_SERVING: Final = frozenset({"digital signature", "server auth"})


class BadRequestFile(ValueError):
    """What is wrong with a request or a certificate, in upstream's words where it has some of its own."""


@dataclass(frozen=True)
class Block:
    type: str
    headers: bool
    der: bytes


def blocks(encoded: str | None) -> Iterator[Block]:
    """The PEM blocks in base64 of text; what is around them does not count."""
    for type_, content in _BLOCK.findall(_decoded(encoded)):
        head, separated, rest = content.partition(b"\n\n")
        headers = bool(separated) and b":" in head
        try:
            yield Block(type_.decode("utf-8", "replace"), headers, base64.b64decode(rest if headers else content))
        except binascii.Error:
            continue


def parse(encoded: str | None) -> x509.CertificateSigningRequest:
    """The request in the base64 of a PEM file. Raises BadRequestFile."""
    from cryptography import x509

    found = next(blocks(encoded), None)
    if found is None or found.type != REQUEST:
        raise BadRequestFile(f"PEM block type must be {REQUEST}")
    try:
        return x509.load_der_x509_csr(found.der)
    except ValueError as error:
        raise BadRequestFile(f"asn1: structure error: {error}") from None


def check(encoded: str | None) -> None:
    """Raises BadRequestFile for what is no request, or one that was not signed by its own key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    request = parse(encoded)
    try:
        key = request.public_key()
        if request.is_signature_valid:
            return
    except Exception as error:  # unknown keys and algorithms raise different errors
        raise BadRequestFile(f"x509: cannot verify signature: {error}") from None
    if isinstance(key, rsa.RSAPublicKey):
        raise BadRequestFile("crypto/rsa: verification error")
    algorithm = "ECDSA" if isinstance(key, ec.EllipticCurvePublicKey) else "Ed25519"
    raise BadRequestFile(f"x509: {algorithm} verification failure")


def certificates(encoded: str | None) -> list[x509.Certificate]:
    """The certificates in the base64 of a PEM file, which may hold nothing else. Raises BadRequestFile."""
    from cryptography import x509

    found = []
    for block in blocks(encoded):
        if block.type != CERTIFICATE:
            raise BadRequestFile(f'only {CERTIFICATE} PEM blocks are allowed, found "{block.type}"')
        if block.headers:
            raise BadRequestFile("no PEM block headers are permitted")
        try:
            found.append(x509.load_der_x509_certificate(block.der))
        except ValueError:
            raise BadRequestFile("x509: malformed certificate") from None
    if not found:
        raise BadRequestFile(f"must contain at least one {CERTIFICATE} PEM block")
    return found


# -- who is to be certified


def organizations(request: x509.CertificateSigningRequest) -> list[str]:
    from cryptography.x509.oid import NameOID

    return [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def common_name(request: x509.CertificateSigningRequest) -> str:
    """The last one, as Go takes it."""
    from cryptography.x509.oid import NameOID

    return "".join([str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)][-1:])


def alternative_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    from cryptography import x509

    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, ValueError):
        return []


def kubelet_client_problem(request: x509.CertificateSigningRequest, usages: Collection[str]) -> str:
    """Why this is not a kubelet's request for a client's certificate; "": it is one."""
    from cryptography import x509

    names = alternative_names(request)
    if organizations(request) != [NODES]:
        return f"subject organization is not {NODES}"
    for type_, shown in ((x509.DNSName, "DNS"), (x509.RFC822Name, "Email"), (x509.IPAddress, "IP")):
        if any(isinstance(name, type_) for name in names):
            return f"{shown} subjectAltNames are not allowed"
    if any(isinstance(name, x509.UniformResourceIdentifier) for name in names):
        return "URI subjectAltNames are not allowed"
    if not common_name(request).startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    return _usages_problem(usages, _CLIENT)


def kubelet_serving_problem(request: x509.CertificateSigningRequest, usages: Collection[str]) -> str:
    """Why this is not a kubelet's request for a server's certificate; "": it is one."""
    from cryptography import x509

    names = alternative_names(request)
    if organizations(request) != [NODES]:
        return f"subject organization is not {NODES}"
    if not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        return "DNS or IP subjectAltName is required"
    if any(isinstance(name, x509.RFC822Name) for name in names):
        return "Email subjectAltNames are not allowed"
    if any(isinstance(name, x509.UniformResourceIdentifier) for name in names):
        return "URI subjectAltNames are not allowed"
    if problem := _usages_problem(usages, _SERVING):
        return problem
    if not common_name(request).startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    return ""


def _usages_problem(usages: Collection[str], needed: frozenset[str]) -> str:
    if set(usages) - {_ENCIPHERMENT} == needed:
        return ""
    return f"usages did not match [{' '.join(sorted({*needed, _ENCIPHERMENT}))}]"


def _decoded(encoded: str | None) -> bytes:
    try:
        return base64.b64decode(encoded or "")
    except binascii.Error:
        return b""

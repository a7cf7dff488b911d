"""Certificate requests for tests: a key, a PKCS#10 request of it, and the object that carries it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pocketkube.objects import Obj

USAGES = ("digital signature", "key encipherment", "client auth")


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def request(common_name: str, organizations: Sequence[str] = (), names: Sequence[x509.GeneralName] = ()) -> str:
    """As `spec.request` holds it."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return encoded(builder.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def signing_request(name: str, signer: str, text: str, **spec: Any) -> Obj:
    wanted = {"request": text, "signerName": signer, "usages": list(USAGES), **spec}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": wanted,
    }


def condition(type_: str, status: str = "True", **more: Any) -> Obj:
    return {"type": type_, "status": status, "reason": "Test", "message": "as asked", **more}

"""The certificates that the Ingresses and Gateways of a namespace bring along. Only tls.crt of a Secret is ever looked
at, which everybody may see; the key beside it never."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from kindlab.api import Api, ApiError
from kindlab.certificates import alternative_names, covers


@dataclass(frozen=True)
class Certificate:
    """What Secret `secret` of `namespace` has as tls.crt. `pem` is the certificate itself, without the rest of its
    chain: who trusts an authority would trust all that it signs."""

    namespace: str
    secret: str
    pem: str
    names: tuple[str, ...]
    """The alternative names, which are all that browsers look at."""
    key: str
    """SHA-256 of the public key, hexadecimal: a renewed certificate has the same when its key was kept."""

    def __str__(self) -> str:
        return f"the certificate of Secret {self.secret}"

    def covers(self, host: str) -> bool:
        return any(covers(name, host) for name in self.names)


def certificates_of(api: Api, namespace: str) -> list[Certificate]:
    """Of the Secrets that Ingresses and Gateways of the namespace name; what cannot be read as a certificate is left
    out."""
    named = {
        entry["secretName"]
        for ingress in api.list("Ingress", namespace)
        for entry in ingress["spec"].get("tls") or ()
        if entry.get("secretName")
    }
    found = []
    for name in sorted(named | _of_gateways(api, namespace)):
        data = (api.get("Secret", name, namespace) or {}).get("data") or {}
        try:
            found.append(Certificate(namespace, name, *_read(base64.b64decode(data["tls.crt"]))))
        except (KeyError, ValueError, binascii.Error):
            continue
    return found


def _of_gateways(api: Api, namespace: str) -> set[str]:
    """The Secrets of the namespace that its Gateways' listeners name; none on a cluster without the Gateway API."""
    try:
        gateways = api.list("Gateway.gateway.networking.k8s.io", namespace)
    except ApiError:
        return set()
    listeners = [listener for gateway in gateways for listener in gateway["spec"].get("listeners") or ()]
    references = [ref for one in listeners for ref in (one.get("tls") or {}).get("certificateRefs") or ()]
    return {ref["name"] for ref in references if ref.get("namespace", namespace) == namespace}


def _read(chain: bytes) -> tuple[str, tuple[str, ...], str]:
    """(PEM, alternative names, key) of the first certificate. Raises ValueError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    certificate = x509.load_pem_x509_certificates(chain)[0]
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names = tuple(alternative_names(certificate))
    return certificate.public_bytes(Encoding.PEM).decode(), names, hashlib.sha256(key).hexdigest()

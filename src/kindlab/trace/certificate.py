"""Whether a TLS Secret can serve a name: it is there, its key fits, its certificate covers the name and is valid now.

Secrets stay secret: only names, dates and what is wrong are ever shown.
"""

from __future__ import annotations

import base64
import binascii

from kindlab import clock
from kindlab.api import Api, Obj
from kindlab.certificates import covers, names


def trouble(api: Api, namespace: str, name: str, hosts: list[str]) -> str:
    """What is wrong with the Secret for these hosts, in a clause; "" when nothing is."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = api.get("Secret", name, namespace)
    if secret is None:
        return f"there is no Secret {name} in namespace {namespace}"
    missing = [key for key in ("tls.crt", "tls.key") if key not in (secret.get("data") or {})]
    if missing:
        return f"Secret {name} has no {' and no '.join(missing)} (its type is {secret.get('type')})"
    try:
        chain = x509.load_pem_x509_certificates(_decoded(secret, "tls.crt"))
    except (ValueError, binascii.Error):
        return f"tls.crt of Secret {name} is not a certificate in PEM form"
    try:
        key = load_pem_private_key(_decoded(secret, "tls.key"), None)
    except (ValueError, TypeError, binascii.Error):
        return f"tls.key of Secret {name} is not an unencrypted private key in PEM form"
    leaf = chain[0]
    if key.public_key() != leaf.public_key():
        return f"the key of Secret {name} does not belong to its certificate"
    covered = names(leaf)
    bare = [host for host in hosts if not any(covers(name, host) for name in covered)]
    if bare:
        return f"the certificate of Secret {name} is for {', '.join(covered) or 'no name'}, not for {', '.join(bare)}"
    now = clock.now()
    if now > leaf.not_valid_after_utc:
        return f"the certificate of Secret {name} expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
    if now < leaf.not_valid_before_utc:
        return f"the certificate of Secret {name} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} only"
    return ""


def _decoded(secret: Obj, key: str) -> bytes:
    return base64.b64decode(secret["data"][key])

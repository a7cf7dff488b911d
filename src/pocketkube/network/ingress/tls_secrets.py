"""Certificates read from TLS Secrets, each mistake told: the Secret is missing, lacks an entry, or holds no pair."""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import Protocol

from pocketkube.network.ingress.certificates import Unloadable, server_context
from pocketkube.network.ingress.routes import Certificate
from pocketkube.objects import Obj


class Reader(Protocol):
    def find(self, resource: str, namespace: str, name: str) -> Obj | None: ...


class BadSecret(ValueError):
    """The text is Traefik's where it has one. `last`: Traefik looks at no further Secret of the Ingress after it."""

    def __init__(self, reason: str, error: str, advice: str, log: str = "Error configuring TLS", *, last: bool = True):
        super().__init__(error)
        self.reason, self.advice, self.log, self.last = reason, advice, log, last


def certificate(reader: Reader, namespace: str, name: str) -> Certificate:
    """The pair in a Secret, offered for the names it holds. Raises BadSecret."""
    secret = reader.find("secrets", namespace, name)
    if secret is None:
        advice = f"Make it: kubectl create secret tls {name} -n {namespace} --cert=FILE --key=FILE"
        raise BadSecret("TLSSecretNotFound", f"secret {namespace}/{name} does not exist", advice)
    data = secret.get("data") or {}
    missing = [entry for entry in ("tls.crt", "tls.key") if entry not in data]
    if missing:
        error = f"secret {namespace}/{name} is missing the following TLS data entries: {', '.join(missing)}"
        raise BadSecret("TLSSecretInvalid", error, "A Secret of type kubernetes.io/tls has both")
    empty = [entry for entry in ("tls.crt", "tls.key") if not data[entry]]
    if empty:
        error = f"secret {namespace}/{name} contains the following empty TLS data entries: {', '.join(empty)}"
        raise BadSecret("TLSSecretInvalid", error, "Put PEM texts there")
    try:
        chain, key = (base64.b64decode(data[entry]) for entry in ("tls.crt", "tls.key"))
        _check(chain, key)
    except (Unloadable, binascii.Error) as error:
        raise BadSecret(
            "TLSSecretInvalid",
            f"secret {namespace}/{name} cannot be used: {error}",
            "Make the Secret anew from a certificate and the key it was made with",
            "Unable to append certificate to store",
            last=False,
        ) from None
    return Certificate((), chain, key)


def _check(chain: bytes, key: bytes) -> None:
    problem = _problem(chain, key)
    if problem:
        raise Unloadable(problem)


@lru_cache(maxsize=256)  # all pairs are read again whenever anything changes
def _problem(chain: bytes, key: bytes) -> str:
    try:
        server_context(chain, key)
    except Unloadable as error:
        return str(error)
    return ""

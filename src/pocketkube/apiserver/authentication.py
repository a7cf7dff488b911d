"""Who is asking: the admin token, service account tokens, client certificates; else nobody.

Models apiserver/pkg/authentication. As with --anonymous-auth=false, who cannot say who it is gets 401, everywhere: this
server runs beside a learner's browser. With `anonymous` (Kubernetes' default) who brings no credentials is
system:anonymous, and only wrong ones get 401.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pocketkube.apiserver.tokens import Tokens
from pocketkube.errors import Unauthorized

MASTERS, AUTHENTICATED, UNAUTHENTICATED = "system:masters", "system:authenticated", "system:unauthenticated"


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict, compare=False)

    def info(self) -> dict[str, Any]:
        """authentication.k8s.io/v1 UserInfo."""
        info: dict[str, Any] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = self.extra
        return info


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def service_account(namespace: str, name: str, uid: str = "", extra: dict[str, list[str]] | None = None) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra or {})


def account_of(name: str) -> tuple[str, str] | None:
    """(namespace, name) of the service account that a user name names."""
    parts = name.split(":")
    return (parts[2], parts[3]) if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] else None


class Authenticator:
    def __init__(self, admin_token: str, tokens: Tokens, *, anonymous: bool = False) -> None:
        self._admin = admin_token.encode()
        self._tokens = tokens
        self._anonymous = anonymous

    def is_admin(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="surrogateescape"), self._admin)

    def user(self, request: web.BaseRequest) -> User:
        """Who sent it, by certificate or else by token, whomever it acts as (impersonation.py). Raises Unauthorized."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        if connection is not None and (certified := _certified(connection)) is not None:
            return certified
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, token = authorization.strip().partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                if self.is_admin(token.strip()):
                    return ADMIN
                claims = self._tokens.verify(token.strip())
                if claims is None:
                    raise Unauthorized
                return service_account(claims.namespace, claims.name, claims.uid, claims.extra)
        if not self._anonymous:
            raise Unauthorized
        return ANONYMOUS


def _certified(connection: ssl.SSLObject) -> User | None:
    """The subject of a verified client certificate: common name is the user, organizations are groups.

    None without a certificate; one without a common name says nothing about who it is.
    """
    names: dict[str, list[str]] = {}
    certificate: dict[str, Any] = connection.getpeercert() or {}
    for relative in certificate.get("subject", ()):
        for key, value in relative:
            names.setdefault(key, []).append(value)
    common = names.get("commonName")
    if not common:
        return None
    digest = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    extra = {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}
    return User(common[0], (*names.get("organizationName", ()), AUTHENTICATED), extra=extra)

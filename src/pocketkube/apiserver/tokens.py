"""Service account tokens: JSON web tokens signed with the cluster's key, checked against the stored account.

Models pkg/serviceaccount (claims, audiences, bound objects). Left out: legacy secret tokens, key rotation, the
extended-expiration grace of tokens mounted into pods.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import Any, Final

import orjson

from pocketkube import objects
from pocketkube.apiserver.pki import Pki
from pocketkube.registry import Registry

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_COORDINATE: Final = 32  # bytes of one P-256 number
_CACHE_LIMIT: Final = 1024


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a valid token speaks for."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    expires: float
    pod: tuple[str, str] | None
    """(name, uid) of the pod it is bound to."""
    token_id: str

    @property
    def extra(self) -> dict[str, list[str]]:
        found = {"authentication.kubernetes.io/credential-id": [f"JTI={self.token_id}"]}
        if self.pod:
            found["authentication.kubernetes.io/pod-name"] = [self.pod[0]]
            found["authentication.kubernetes.io/pod-uid"] = [self.pod[1]]
        return found


class Tokens:
    """Issues and verifies, with the service account key of `pki`; loaded at the first token, for start-up's sake."""

    def __init__(self, registry: Registry, pki: Pki) -> None:
        self._registry = registry
        self._pki = pki
        self._verified: dict[str, Claims] = {}

    def issue(
        self,
        account: objects.Obj,
        *,
        seconds: int = 3600,
        audiences: tuple[str, ...] = (ISSUER,),
        pod: objects.Obj | None = None,
    ) -> tuple[str, float]:
        """(token, expiry as seconds since the epoch) for a ServiceAccount, optionally bound to a Pod's life."""
        now = self._registry.clock.time()
        private: dict[str, Any] = {
            "namespace": objects.namespace(account),
            "serviceaccount": {"name": objects.name(account), "uid": objects.uid(account)},
        }
        if pod is not None:
            private["pod"] = {"name": objects.name(pod), "uid": objects.uid(pod)}
        claims = {
            "aud": list(audiences),
            "exp": int(now) + seconds,
            "iat": int(now),
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": int(now),
            "sub": f"system:serviceaccount:{objects.namespace(account)}:{objects.name(account)}",
        }
        head = f"{_encode({'alg': 'ES256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{head}.{_base64(self._sign(head.encode()))}", float(int(now) + seconds)

    def _sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self._pki.service_account_key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")

    def _is_signature(self, signature: bytes, data: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        numbers = (int.from_bytes(signature[:_COORDINATE], "big"), int.from_bytes(signature[_COORDINATE:], "big"))
        public = self._pki.service_account_key.public_key()
        try:
            public.verify(encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def verify(self, token: str, audience: str = ISSUER) -> Claims | None:
        """None for a token that is forged, expired, for another audience, or of an account or pod that is gone."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._read(token)
            if claims is None:
                return None
            if len(self._verified) >= _CACHE_LIMIT:
                self._verified.clear()
            self._verified[token] = claims
        if audience not in claims.audiences or claims.expires <= self._registry.clock.time():
            return None
        return claims if self._still_there(claims) else None

    def _still_there(self, claims: Claims) -> bool:
        account = self._registry.find("serviceaccounts", claims.namespace, claims.name)
        if account is None or objects.uid(account) != claims.uid:
            return False
        if claims.pod is None:
            return True
        pod = self._registry.find("pods", claims.namespace, claims.pod[0])
        return pod is not None and objects.uid(pod) == claims.pod[1]

    def _read(self, token: str) -> Claims | None:
        parts = token.split(".")
        if len(parts) != 3:
            return None
        try:
            signature, body = _unbase64(parts[2]), orjson.loads(_unbase64(parts[1]))
            if len(signature) != 2 * _COORDINATE or not self._is_signature(
                signature, f"{parts[0]}.{parts[1]}".encode()
            ):
                return None
            private = body["kubernetes.io"]
            account, pod = private["serviceaccount"], private.get("pod")
            return Claims(
                namespace=private["namespace"],
                name=account["name"],
                uid=account["uid"],
                audiences=tuple(body["aud"]),
                expires=float(body["exp"]),
                pod=(pod["name"], pod["uid"]) if pod else None,
                token_id=body["jti"],
            )
        except (ValueError, KeyError, TypeError):
            return None


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(value: dict[str, Any]) -> str:
    return _base64(orjson.dumps(value))

"""Service account tokens: JSON web tokens signed with the cluster's key, checked against the stored account.

Models pkg/serviceaccount (claims, audiences, bound objects, the documents by which others verify tokens). Left out:
legacy secret tokens, key rotation, the extended-expiration grace of tokens mounted into pods.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from pocketkube import objects
from pocketkube.apiserver.pki import Pki
from pocketkube.registry import Registry

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
CONFIGURATION: Final = "/.well-known/openid-configuration"
KEY_SET: Final = "/openid/v1/jwks"
_ALGORITHM: Final = "ES256"
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
    bound: dict[str, tuple[str, str]]
    """(name, uid) of the pod, secret or node it is bound to, and of the node that pod is on."""
    token_id: str

    @property
    def extra(self) -> dict[str, list[str]]:
        found = {"credential-id": [f"JTI={self.token_id}"]}
        for what in ("pod", "node"):
            for key, value in zip(("name", "uid"), self.bound.get(what, ()), strict=False):
                if value:
                    found[f"{what}-{key}"] = [value]
        return {f"authentication.kubernetes.io/{key}": value for key, value in found.items()}


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
        **bound: objects.Obj | None,
    ) -> tuple[str, float]:
        """(token, expiry as seconds since the epoch) for a ServiceAccount, bound to the life of a `pod`, `secret` or
        `node`, if at all. One of a pod tells the node, too."""
        now = self._registry.clock.time()
        private: dict[str, Any] = {
            "namespace": objects.namespace(account),
            "serviceaccount": {"name": objects.name(account), "uid": objects.uid(account)},
        }
        for what, obj in bound.items():
            if obj is not None:
                private[what] = {"name": objects.name(obj), "uid": objects.uid(obj)}
        if (pod := bound.get("pod")) and (name := objects.spec(pod).get("nodeName")):
            node = self._registry.find("nodes", "", name)
            private["node"] = {"name": name, **({"uid": objects.uid(node)} if node is not None else {})}
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
        head = f"{_encode({'alg': _ALGORITHM, 'kid': self.key_set['keys'][0]['kid']})}.{_encode(claims)}"
        return f"{head}.{_base64(self._sign(head.encode()))}", float(int(now) + seconds)

    @cached_property
    def key_set(self) -> dict[str, Any]:
        """The public key, as a JSON web key set."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._pki.service_account_key.public_key()
        written = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        numbers = public.public_numbers()
        key = {
            "use": "sig",
            "kty": "EC",
            "kid": _base64(hashlib.sha256(written).digest()),
            "crv": "P-256",
            "alg": _ALGORITHM,
            "x": _base64(numbers.x.to_bytes(_COORDINATE, "big")),
            "y": _base64(numbers.y.to_bytes(_COORDINATE, "big")),
        }
        return {"keys": [key]}

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
        for what, (name, uid) in claims.bound.items():
            if what == "node" and "pod" in claims.bound:
                continue  # for information
            holder = self._registry.find(f"{what}s", "" if what == "node" else claims.namespace, name)
            if holder is None or objects.uid(holder) != uid:
                return False
        return True

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
            account = private["serviceaccount"]
            return Claims(
                namespace=private["namespace"],
                name=account["name"],
                uid=account["uid"],
                audiences=tuple(body["aud"]),
                expires=float(body["exp"]),
                bound={
                    what: (private[what]["name"], private[what].get("uid", ""))
                    for what in ("pod", "secret", "node")
                    if what in private
                },
                token_id=body["jti"],
            )
        except (ValueError, KeyError, TypeError):
            return None


def configuration() -> dict[str, Any]:
    """OpenID Connect's discovery document. The keys are where Pods reach the API server under a name that its
    certificate has."""
    return {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}{KEY_SET}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [_ALGORITHM],
    }


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(value: dict[str, Any]) -> str:
    return _base64(orjson.dumps(value))

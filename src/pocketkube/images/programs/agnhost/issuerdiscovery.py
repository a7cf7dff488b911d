"""agnhost test-service-account-issuer-discovery: is a mounted token what the documents of its issuer say it is?

Models go-oidc's verifier. Where Go prints the addresses of a token's times, the times stand here.
"""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pocketkube.images.golang import Flags, errno_text, log
from pocketkube.images.programs.agnhost.incluster import ApiClient, NotInCluster
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.network import ResolveFailure, resolve
from pocketkube.kubelet.process import Process
from pocketkube.network import http, tls

_ALGORITHMS: Final = ("RS256", "ES256")
_CALL: Final = 30.0
_NUMBER: Final = 32


class Refused(Exception):
    """Why a token is not believed."""


@dataclass
class _Client:
    """An HTTP client: whom it trusts, and who it says it is."""

    process: Process
    context: ssl.SSLContext
    token: str = ""

    async def get(self, url: str) -> Any:
        """The JSON at a URL. Raises Refused."""
        parts = urlsplit(url)

        async def connect() -> tls.TlsStream:
            address = await resolve(self.process, parts.hostname or "", str(parts.port or 443), "tcp")
            return await tls.client(await self.process.net.connect(*address), self.context, parts.hostname or "")

        headers = [("Host", parts.netloc), *([("Authorization", f"Bearer {self.token}")] if self.token else [])]
        try:
            response = await http.request(connect, "GET", parts.path, headers, timeout=_CALL)
        except ResolveFailure as failure:
            raise Refused(f'Get "{url}": dial tcp: {failure}') from None
        except ssl.SSLCertVerificationError:
            why = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            raise Refused(f'Get "{url}": {why}') from None
        except (OSError, http.ProtocolError) as failure:
            why = errno_text(failure) if isinstance(failure, OSError) and failure.errno else str(failure)
            raise Refused(f'Get "{url}": {why or "context deadline exceeded"}') from None
        if response.status != 200:
            raise Refused(f"{response.status} {http.reason_phrase(response.status)}: {response.text}")
        try:
            return json.loads(response.text)
        except ValueError as failure:
            raise Refused(f"oidc: failed to decode provider discovery object: {failure}") from None


async def issuer_discovery(process: Process, words: list[str]) -> int:
    flags = Flags({"token-path": "", "audience": ""})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    try:
        raw = process.fs.read_bytes(process.path(flags["token-path"])).decode()
        await log(process, "OK: Got token")
        await log(process, "validating with in-cluster discovery")
        api = ApiClient(process)
        inside = _Client(process, ssl.create_default_context(cadata=api.read("ca.crt")), api.token)
        try:
            await _validate(inside, raw, flags["audience"])
            return 0
        except Refused as failure:
            await log(process, f"failed to validate with in-cluster discovery: {failure}")
        await log(process, "falling back to validating with external discovery")
        await _validate(_Client(process, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)), raw, flags["audience"])
    except OSError as failure:
        await log(process, f"open {flags['token-path']}: {errno_text(failure)}")
    except (Refused, NotInCluster, ValueError, KeyError) as failure:
        await log(process, str(failure))
    else:
        return 0
    return 1


async def _validate(client: _Client, raw: str, audience: str) -> None:
    """Raises Refused."""
    head, claims, signature = (_decoded(part) for part in raw.split("."))
    head, claims = json.loads(head), json.loads(claims)
    issuer = claims["iss"]
    await log(client.process, f"OK: got issuer {issuer}")
    await log(client.process, f"Full, not-validated claims: \n{_shown(claims)}")
    provider = await client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if provider.get("issuer") != issuer:
        got = json.dumps(provider.get("issuer"))
        raise Refused(f'oidc: issuer did not match the issuer returned by provider, expected "{issuer}" got {got}')
    await log(client.process, f"OK: Constructed OIDC provider for issuer {issuer}")
    if audience not in claims["aud"]:
        given = " ".join(f'"{one}"' for one in claims["aud"])
        raise Refused(f'oidc: expected audience "{audience}" got [{given}]')
    if claims["exp"] <= client.process.clock.time():
        raise Refused(f"oidc: token is expired (Token Expiry: {claims['exp']})")
    if head["alg"] not in _ALGORITHMS:
        wanted = " ".join(f'"{one}"' for one in _ALGORITHMS)
        raise Refused(f'oidc: id token signed with unsupported algorithm, expected [{wanted}] got "{head["alg"]}"')
    try:
        keys = (await client.get(provider["jwks_uri"]))["keys"]
    except Refused as failure:
        raise Refused(f"failed to verify signature: fetching keys oidc: get keys failed {failure}") from None
    signed = raw.rpartition(".")[0].encode()
    if not any(_verifies(key, signature, signed) for key in keys if head.get("kid", "") in ("", key.get("kid"))):
        raise Refused("failed to verify signature: failed to verify id token signature")
    await log(client.process, "OK: Validated signature on JWT")
    await log(client.process, "OK: Got valid claims from token!")
    await log(client.process, f"Full, validated claims: \n&{_shown(claims)}")


def _verifies(key: dict[str, str], signature: bytes, signed: bytes) -> bool:
    """Keys of elliptic curves only: they are all that a cluster here has."""
    if key.get("kty") != "EC" or key.get("crv") != "P-256" or len(signature) != 2 * _NUMBER:
        return False
    x, y, r, s = (
        int.from_bytes(part, "big")
        for part in (_decoded(key["x"]), _decoded(key["y"]), signature[:_NUMBER], signature[_NUMBER:])
    )
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _shown(claims: dict[str, Any]) -> str:
    """%#v of them."""
    audience = ", ".join(f'"{one}"' for one in claims["aud"])
    times = ", ".join(
        f"{name}:(*jwt.NumericDate)({claims[key]})"
        for name, key in (("Expiry", "exp"), ("NotBefore", "nbf"), ("IssuedAt", "iat"))
    )
    own = claims["kubernetes.io"]
    account = own["serviceaccount"]
    return (
        f'openidmetadata.claims{{Claims:jwt.Claims{{Issuer:"{claims["iss"]}", Subject:"{claims["sub"]}", '
        f'Audience:jwt.Audience{{{audience}}}, {times}, ID:"{claims.get("jti", "")}"}}, '
        f'Kubernetes:openidmetadata.kubeClaims{{Namespace:"{own["namespace"]}", '
        f'ServiceAccount:openidmetadata.kubeName{{Name:"{account["name"]}", UID:"{account["uid"]}"}}}}}}'
    )

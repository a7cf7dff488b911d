"""agnhost test-service-account-issuer-discovery: a token is believed for what the issuer's documents say, else not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.images.test_agnhost import AGNHOST
from tests.unit.pocketkube.resources import direct

from pocketkube.apiserver import tokens
from pocketkube.apiserver.pki import Pki
from pocketkube.network import http, tls
from pocketkube.objects import Obj

HOST = tokens.ISSUER.removeprefix("https://")
ACCOUNT = {"metadata": {"name": "default", "namespace": "test", "uid": "17"}}
MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"


class Issuer:
    """An API server as far as its documents go, under its name in a pod of the program's own."""

    def __init__(self, own: Any, folder: Path) -> None:
        self.own = own
        self.pki = Pki(folder / "pki")
        self.tokens = tokens.Tokens(direct.registry(), self.pki)
        self.documents: dict[str, Obj] = {
            tokens.CONFIGURATION: tokens.configuration(),
            tokens.KEY_SET: self.tokens.key_set,
        }
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: http.Request) -> http.Response:
        self.asked.append((request.path, request.header("authorization")))
        found = self.documents.get(request.path)
        body = json.dumps(found).encode()
        return http.Response(200 if found else 403, [("Content-Length", str(len(body)))], body)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        listener = self.own.net.listen(443)

        async def serve() -> None:
            async for stream in listener:
                await http.serve(await tls.server(stream, self.pki.tls_context()), self.answer)

        task = asyncio.create_task(serve())
        try:
            yield
        finally:
            task.cancel()
            listener.close()

    async def judge(self, token: str, audience: str = "me") -> Any:
        files = {"/etc/hosts": f"127.0.0.1 {HOST}\n", "/token": token}
        files |= {f"{MOUNTED}/token": "mine", f"{MOUNTED}/ca.crt": self.pki.ca_pem}
        for path, text in files.items():
            await self.own.sh(f"mkdir -p $(dirname {path}); cat > {path}", stdin=text.encode())
        words = ("/agnhost", "test-service-account-issuer-discovery", "--token-path=/token", f"--audience={audience}")
        env = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        async with self.serving():
            return await self.own.run(*words, **env)


@pytest.fixture
def issuer(pod: Any, tmp_path: Path) -> Issuer:
    return Issuer(pod(AGNHOST), tmp_path)


async def test_a_good_token_is_believed(issuer: Issuer) -> None:
    token, _ = issuer.tokens.issue(ACCOUNT, audiences=("me",))
    status, _, said = await issuer.judge(token)
    assert (status, issuer.asked) == (0, [(path, "Bearer mine") for path in (tokens.CONFIGURATION, tokens.KEY_SET)])
    assert "OK: Validated signature on JWT" in said
    assert f'Issuer:"https://{HOST}", Subject:"system:serviceaccount:test:default"' in said


async def test_wrong_ones_are_not(issuer: Issuer, tmp_path: Path) -> None:
    token, _ = issuer.tokens.issue(ACCOUNT, audiences=("me",))
    status, _, said = await issuer.judge(token, "you")
    assert status == 1
    assert 'oidc: expected audience "you" got ["me"]' in said
    other = tokens.Tokens(direct.registry(), Pki(tmp_path / "other"))
    status, _, said = await issuer.judge(other.issue(ACCOUNT, audiences=("me",))[0])
    assert status == 1
    assert "failed to verify signature: failed to verify id token signature" in said
    issuer.documents[tokens.CONFIGURATION] = {"issuer": "https://example.com"}
    status, _, said = await issuer.judge(token)
    assert status == 1
    assert "issuer did not match the issuer returned by provider" in said
    del issuer.documents[tokens.CONFIGURATION]
    status, _, said = await issuer.judge(token)
    assert status == 1
    assert "failed to validate with in-cluster discovery: 403 Forbidden: null" in said
    assert "falling back to validating with external discovery" in said
    assert "x509: certificate signed by unknown authority" in said  # nothing is sent to whom nobody vouches for

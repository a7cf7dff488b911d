"""Who asks for a certificate is written down, and not everybody approves and issues them."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.unit.pocketkube.apiserver.rbac_objects import ACCOUNT, binding, role, rule
from tests.unit.pocketkube.apiserver.world import World
from tests.unit.pocketkube.certificate_requests import USAGES, condition, key, request, signing_request

from pocketkube.controllers.certificate_issuing import Authority
from pocketkube.objects import Obj
from pocketkube.resources import csr

GROUP = "certificates.k8s.io"
CSRS = f"/apis/{GROUP}/v1/certificatesigningrequests"
SIGNER = "example.com/signer"
AS = {"Impersonate_User": ACCOUNT}


@pytest.fixture
def keeper(world: World) -> World:
    """The service account may write CertificateSigningRequests, and is no signer's."""
    allowed = rule("create,update,patch,get", "certificatesigningrequests,*/approval,*/status", GROUP)
    role(world, "keeper", allowed, namespace="")
    binding(world, "keeper", "ClusterRole/keeper", "ServiceAccount/test/default", namespace="")
    return world


def wanted() -> Obj:
    return signing_request("mine", SIGNER, request("me"), username="root", uid="0", groups=["system:masters"])


async def patched(keeper: World, path: str, change: Obj) -> tuple[int, Obj]:
    return await keeper.ask("PATCH", path, change, content_type="application/merge-patch+json", **AS)


async def test_who_asks_is_written_down(keeper: World) -> None:
    code, body = await keeper.post(CSRS, wanted(), **AS)
    assert (code, body["spec"]["username"]) == (201, ACCOUNT)
    assert "system:serviceaccounts:test" in body["spec"]["groups"]
    assert "uid" not in body["spec"]
    assert "managedFields" not in body["metadata"]  # nobody owns what nobody can change


@pytest.mark.parametrize(("subresource", "verb"), [("approval", "approve"), ("status", "sign")])
@pytest.mark.parametrize("name", [SIGNER, "example.com/*"])
async def test_who_may(keeper: World, subresource: str, verb: str, name: str) -> None:
    await keeper.post(CSRS, wanted())
    at, type_ = f"{CSRS}/mine/{subresource}", "Approved" if verb == "approve" else "Failed"
    change = {"status": {"conditions": [condition(type_)]}}
    code, body = await patched(keeper, at, change)
    why = f'user not permitted to {verb} requests with signerName "{SIGNER}"'
    assert (code, body["message"]) == (403, f'certificatesigningrequests.{GROUP} "mine" is forbidden: {why}')
    code, _ = await patched(keeper, at, {"metadata": {"labels": {"a": "b"}}})
    assert code == (200 if subresource == "status" else 403)
    role(keeper, "signer", {**rule(verb, "signers", GROUP), "resourceNames": [name]}, namespace="")
    binding(keeper, "signer", "ClusterRole/signer", "ServiceAccount/test/default", namespace="")
    code, body = await patched(keeper, at, change)
    assert (code, body["status"]["conditions"][0]["type"]) == (200, type_)


async def test_who_has_a_certificate_is_known_by_it(world: World, tmp_path: Path) -> None:
    found = Authority.load(world.pki.folder, "client-ca")
    names = csr.parse(request("jane", ["dev", "ops"]))
    (tmp_path / "jane.crt").write_bytes(found.issue(names, USAGES, 600))
    (tmp_path / "jane.key").write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(cadata=world.pki.ca_pem)
    context.load_cert_chain(tmp_path / "jane.crt", tmp_path / "jane.key")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with aiohttp.ClientSession(world.url, connector=aiohttp.TCPConnector(ssl=context)) as session:
        answer = await session.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review)
        user = (await answer.json())["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("jane", ["dev", "ops", "system:authenticated"])

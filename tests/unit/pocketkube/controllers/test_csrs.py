"""Requests for certificates: some are approved, approved ones are signed, and all go in the end."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit.pocketkube.certificate_requests import condition, request, signing_request
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.apiserver.pki import Pki
from pocketkube.objects import Obj
from pocketkube.rbac import Attributes
from pocketkube.resources import csr
from pocketkube.resources.certificatesigningrequests import API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING

CSRS = "certificatesigningrequests"
SERVING = ["digital signature", "key encipherment", "server auth"]
ADDRESS = x509.IPAddress(ip_address("10.0.0.1"))
NODE = ("system:node:a", ["system:nodes"])
SIGNING, APPROVING, CLEANING = ("csrsigning-controller",), ("csrapproving-controller",), ("csrcleaner-controller",)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def asked(world: World, signer: str, text: str, name: str = "mine", **spec: Any) -> None:
    world.create(CSRS, signing_request(name, signer, text, **spec))


def answer(world: World, *types: str, name: str = "mine") -> None:
    def change(obj: Obj) -> None:
        obj["status"]["conditions"] = [condition(type_) for type_ in types]

    world.patch(CSRS, name, change, subresource="approval")


def conditions(world: World, name: str = "mine") -> list[Obj]:
    return objects.status(world.get(CSRS, name)).get("conditions") or []


async def issued(world: World, name: str = "mine") -> x509.Certificate:
    await world.until(lambda: "certificate" in world.get(CSRS, name)["status"])
    (found,) = csr.certificates(world.get(CSRS, name)["status"]["certificate"])
    return found


async def test_a_clients_certificate(pki: Pki) -> None:
    world = World(pki=str(pki.folder))
    async with running(world, SIGNING):
        asked(world, API_CLIENT, request("jane", ["dev", "ops"]))
        await world.settle()
        assert "certificate" not in world.get(CSRS, "mine")["status"]
        answer(world, "Approved")
        found = await issued(world)
    authority = x509.load_pem_x509_certificate(pki.client_ca_pem.encode())
    found.verify_directly_issued_by(authority)
    assert found.subject.rfc4514_string() == "CN=jane,O=ops,O=dev"
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=365)


@pytest.mark.parametrize(
    ("seconds", "lasts"), [(600, 900), (7 * 3600, 7 * 3600 + 300), (86400, 86400), (2**31 - 1, 365 * 86400)]
)
async def test_how_long_it_is_good(pki: Pki, seconds: int, lasts: int) -> None:
    world = World(pki=str(pki.folder))
    async with running(world, SIGNING):
        asked(world, API_CLIENT, request("jane"), expirationSeconds=seconds)
        answer(world, "Approved")
        found = await issued(world)
    assert (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds() == lasts


async def test_a_kubelets_certificate_for_serving(pki: Pki) -> None:
    world = World(pki=str(pki.folder))
    async with running(world, SIGNING):
        asked(world, KUBELET_SERVING, request(*NODE, [ADDRESS]), usages=SERVING)
        answer(world, "Approved")
        found = await issued(world)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.ca_pem.encode()))
    assert list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [ADDRESS]


@pytest.mark.parametrize(
    ("signer", "text", "usages", "why"),
    [
        (API_CLIENT, request("jane"), ["server auth"], "invalid usage for client certificate: server auth"),
        (
            API_CLIENT,
            request("jane"),
            ["digital signature"],
            "missing required usage for client certificate: client auth",
        ),
        (KUBELET_CLIENT, request("jane"), ["client auth"], "subject organization is not system:nodes"),
        (KUBELET_CLIENT, request(*NODE, [ADDRESS]), ["client auth"], "IP subjectAltNames are not allowed"),
        (
            KUBELET_CLIENT,
            request("jane", ["system:nodes"]),
            ["client auth"],
            "subject common name does not begin with system:node:",
        ),
        (
            KUBELET_CLIENT,
            request(*NODE),
            ["client auth"],
            "usages did not match [client auth digital signature key encipherment]",
        ),
        (KUBELET_SERVING, request(*NODE), SERVING, "DNS or IP subjectAltName is required"),
        (
            KUBELET_SERVING,
            request(*NODE, [ADDRESS, x509.UniformResourceIdentifier("spiffe://a")]),
            SERVING,
            "URI subjectAltNames are not allowed",
        ),
    ],
    ids=range(8),  # requests are others in each run
)
async def test_what_a_signer_does_not_sign(pki: Pki, signer: str, text: str, usages: list[str], why: str) -> None:
    world = World(pki=str(pki.folder))
    async with running(world, SIGNING):
        asked(world, signer, text, usages=usages)
        answer(world, "Approved")
        await world.until(lambda: len(conditions(world)) == 2)
        await world.settle()
    failed = conditions(world)[1]
    assert (failed["type"], failed["reason"], failed["message"]) == ("Failed", "SignerValidationFailure", why)
    assert "certificate" not in world.get(CSRS, "mine")["status"]


async def test_what_is_denied_or_another_signers_is_left_alone(pki: Pki) -> None:
    world = World(pki=str(pki.folder))
    async with running(world, SIGNING):
        asked(world, API_CLIENT, request("jane"), "denied")
        answer(world, "Denied", name="denied")
        asked(world, "example.com/signer", request("jane"), "other")
        answer(world, "Approved", name="other")
        await world.settle()
    assert [len(conditions(world, name)) for name in ("denied", "other")] == [1, 1]
    assert all("certificate" not in world.get(CSRS, name)["status"] for name in ("denied", "other"))


@pytest.mark.parametrize(("user", "right"), [("system:node:a", "selfnodeclient"), ("jane", "nodeclient")])
async def test_kubelets_clients_are_approved_by_roles(user: str, right: str) -> None:
    world, rights = World(), set[str]()

    def authorize(info: Any, wanted: Attributes) -> tuple[bool, str]:
        at = (wanted.verb, wanted.group, wanted.resource)
        assert (info["username"], at) == (user, ("create", "certificates.k8s.io", CSRS))
        return wanted.subresource in rights, ""

    world.registry.authorize = authorize
    async with running(world, APPROVING):
        asked(world, KUBELET_CLIENT, request(*NODE), username=user)
        asked(world, API_CLIENT, request(*NODE), "other", username=user)
        await world.settle()
        assert not conditions(world)
        rights.add(right)
        await world.until(lambda: bool(conditions(world)))
    assert (conditions(world)[0]["reason"], not conditions(world, "other")) == ("AutoApproved", True)
    assert ("self kubelet" in conditions(world)[0]["message"]) == (right == "selfnodeclient")


@pytest.mark.parametrize("types", [(), ("Denied",), ("Approved",), ("Failed",)])
async def test_requests_go_in_the_end(types: tuple[str, ...]) -> None:
    world = World(speed=1_000_000)
    asked(world, "example.com/signer", request("jane"))
    if types:
        answer(world, *types)
    async with running(world, CLEANING):
        await world.until(lambda: world.find(CSRS, "mine") is None)


async def test_requests_stay_for_a_while() -> None:
    world = World()
    asked(world, "example.com/signer", request("jane"))
    async with running(world, CLEANING):
        await world.settle()
    assert world.find(CSRS, "mine") is not None

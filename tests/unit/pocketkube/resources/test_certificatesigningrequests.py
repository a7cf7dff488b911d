"""CertificateSigningRequests: what may be asked for, and what the subresources may change."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.unit.pocketkube.certificate_requests import condition, encoded, request, signing_request
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row

from pocketkube import objects
from pocketkube.errors import Forbidden
from pocketkube.network.self_signed import self_signed
from pocketkube.objects import Obj
from pocketkube.registry import Registry

CSRS = "certificatesigningrequests"
SIGNER = "example.com/signer"


@pytest.fixture
def held() -> Registry:
    return registry()


def made(held: Registry, name: str = "mine", **spec: Any) -> Obj:
    return held.create(CSRS, signing_request(name, SIGNER, request("me"), **spec))


def write(held: Registry, name: str, status: Obj, subresource: str) -> Obj:
    def change(obj: Obj) -> None:
        obj["status"] = objects.copy(status)

    return held.patch(CSRS, "", name, change, subresource=subresource)


def refusal(held: Registry, name: str, status: Obj, subresource: str) -> list[str]:
    obj = {**objects.copy(held.get(CSRS, "", name)), "status": status}
    return refused(held, CSRS, obj, update=True, subresource=subresource)


def test_nobody_makes_one_that_is_approved(held: Registry) -> None:
    wanted = signing_request("a:b", SIGNER, request("me"))
    found = held.create(CSRS, {**wanted, "status": {"conditions": [condition("Approved")]}})
    assert found["status"] == {}
    assert row(held, CSRS, found)[2:] == [SIGNER, "", "<none>", "Pending"]
    assert held.resources[CSRS].fields(found)["spec.signerName"] == SIGNER


def test_what_was_asked_for_does_not_change(held: Registry) -> None:
    found = objects.copy(made(held, expirationSeconds=600))
    found["spec"]["signerName"] = "example.com/other"
    found["metadata"]["labels"] = {"a": "b"}
    changed = held.update(CSRS, found)
    assert (changed["spec"]["signerName"], changed["metadata"]["labels"]) == (SIGNER, {"a": "b"})
    assert row(held, CSRS, changed)[4] == "10m"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"request": None}, "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST"),
        (
            {"request": encoded(self_signed("a", "b")[0])},
            "PEM block type must be CERTIFICATE REQUEST",
        ),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"usages": ["eat"]}, 'spec.usages[0]: Unsupported value: "eat": supported values: "any", "cert sign", '),
        ({"signerName": ""}, "spec.signerName: Required value"),
        (
            {"signerName": "kubernetes.io/legacy-unknown"},
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via '
            "this API version",
        ),
        (
            {"signerName": "a.b/c/d"},
            'spec.signerName: Invalid value: "a.b/c/d": must be a fully qualified domain and path of the form '
            "'example.com/signer-name'",
        ),
        (
            {"signerName": "kubernetes/c"},
            'spec.signerName: Invalid value: "kubernetes": should be a domain with at least two segments separated by '
            "dots",
        ),
        (
            {"signerName": "a.b/C"},
            'spec.signerName: Invalid value: "C": validating label "C": a lowercase RFC 1123 subdomain must',
        ),
        (
            {"expirationSeconds": 599},
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ],
)
def test_what_may_not_be_asked_for(held: Registry, spec: Obj, problem: str) -> None:
    wanted = signing_request("mine", SIGNER, request("me"))
    wanted["spec"].update(spec)
    (found,) = refused(held, CSRS, wanted)
    assert problem in found


def test_a_request_that_another_key_signed(held: Registry) -> None:
    der = base64.b64decode(base64.b64decode(request("nobody")).split(b"-----")[2])
    forged = base64.encodebytes(der.replace(b"nobody", b"me-too"))
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + forged + b"-----END CERTIFICATE REQUEST-----\n"
    (found,) = refused(held, CSRS, signing_request("mine", SIGNER, encoded(pem)))
    assert found.endswith(": x509: ECDSA verification failure")


def test_approval_dates_conditions_and_touches_nothing_else(held: Registry) -> None:
    made(held)
    found = write(held, "mine", {"conditions": [condition("Approved")], "certificate": "AAAA"}, "approval")
    (approved,) = found["status"]["conditions"]
    assert set(found["status"]) == {"conditions"}
    assert approved["lastUpdateTime"] == approved["lastTransitionTime"]
    assert row(held, CSRS, found)[5] == "Approved"
    assert refusal(held, "mine", {"conditions": []}, "approval") == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    assert refusal(held, "mine", {"conditions": [approved, condition("Denied")]}, "approval") == [
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ([condition("")], "status.conditions[0].type: Required value"),
        ([condition("Approved", "False")], 'status.conditions[0].status: Unsupported value: "False": supported '),
        ([condition("Mine", "")], "status.conditions[0].status: Required value"),
        ([condition("Mine", "Maybe")], 'Unsupported value: "Maybe": supported values: "False", "True", "Unknown"'),
        ([condition("Mine"), condition("Mine")], 'status.conditions[1].type: Duplicate value: "Mine"'),
    ],
)
def test_what_is_no_condition(held: Registry, conditions: list[Obj], problem: str) -> None:
    made(held)
    (found,) = refusal(held, "mine", {"conditions": conditions}, "approval")
    assert problem in found


def test_a_signer_issues_and_does_not_approve(held: Registry) -> None:
    made(held)
    certificate = encoded(self_signed("me", "me")[0])
    assert refusal(held, "mine", {"conditions": [condition("Approved")]}, "status") == [
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    ]
    write(held, "mine", {"conditions": [condition("Approved")]}, "approval")
    changed = {"conditions": [condition("Approved", message="changed")], "certificate": certificate}
    found = write(held, "mine", changed, "status")
    assert found["status"]["conditions"][0]["message"] == "as asked"
    assert row(held, CSRS, found)[5] == "Approved,Issued"
    assert refusal(held, "mine", {**found["status"], "certificate": encoded(self_signed("a", "b")[0])}, "status") == [
        "status.certificate: Forbidden: updates may not modify existing certificate content"
    ]
    conditions = [condition("Failed"), *found["status"]["conditions"]]
    failed = write(held, "mine", {**found["status"], "conditions": conditions}, "status")
    assert row(held, CSRS, failed)[5] == "Approved,Failed,Issued"


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        (encoded(b"me"), "must contain at least one CERTIFICATE PEM block"),
        (encoded(self_signed("a", "b")[1]), 'only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"'),
        (
            encoded(b"-----BEGIN CERTIFICATE-----\nA: b\n\nAAAA\n-----END CERTIFICATE-----\n"),
            "no PEM block headers are permitted",
        ),
        (encoded(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "x509: malformed certificate"),
    ],
    ids=range(4),  # keys are others in each run
)
def test_what_is_no_certificate(held: Registry, certificate: str, problem: str) -> None:
    made(held)
    assert refusal(held, "mine", {"certificate": certificate}, "status") == [
        f'status.certificate: Invalid value: "<certificate data>": {problem}'
    ]


def test_no_certificate_of_the_group_that_may_do_everything(held: Registry) -> None:
    text = request("me", ["a", "system:masters"])
    with pytest.raises(Forbidden) as caught:
        held.create(CSRS, signing_request("mine", "kubernetes.io/kube-apiserver-client", text))
    assert caught.value.message == (
        f'{CSRS}.certificates.k8s.io "mine" is forbidden: use of kubernetes.io/kube-apiserver-client signer with '
        "system:masters group is not allowed"
    )
    held.create(CSRS, signing_request("mine", SIGNER, text))

"""CSIDrivers: what the recordings (storage-09, csi-01) do not show."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row, warned

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

UNSET_WARNING = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)


@pytest.fixture
def held() -> Registry:
    return registry()


def driver(**spec: Any) -> Obj:
    return {"metadata": {"name": "csi.example.com"}, "spec": spec}


def test_defaults(held: Registry) -> None:
    made = held.create("csidrivers", driver(volumeLifecycleModes=[], preventPodSchedulingIfMissing=True))
    assert made["spec"] == {
        "attachRequired": True,
        "podInfoOnMount": False,
        "storageCapacity": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "requiresRepublish": False,
        "seLinuxMount": False,
        "volumeLifecycleModes": ["Persistent"],
    }
    assert "generation" not in made["metadata"]


def test_rows(held: Registry) -> None:
    made = held.create("csidrivers", driver())
    expected = ["csi.example.com", True, False, False, "<unset>", False, "Persistent"]
    assert row(held, "csidrivers", made) == expected
    spec = {
        "attachRequired": False,
        "podInfoOnMount": True,
        "storageCapacity": True,
        "tokenRequests": [{"audience": "a"}, {"audience": ""}],
        "requiresRepublish": True,
        "volumeLifecycleModes": ["Persistent", "Ephemeral"],
    }
    made = held.create("csidrivers", {"metadata": {"name": "other"}, "spec": spec})
    assert row(held, "csidrivers", made) == ["other", False, True, True, "a,", True, "Persistent,Ephemeral"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"fsGroupPolicy": "Some"},
            'spec.fsGroupPolicy: Unsupported value: "Some": '
            'supported values: "File", "None", "ReadWriteOnceWithFSType"',
        ),
        (
            {"volumeLifecycleModes": ["Forever"]},
            'spec.volumeLifecycleModes: Unsupported value: "Forever": supported values: "Persistent", "Ephemeral"',
        ),
        (
            {"nodeAllocatableUpdatePeriodSeconds": 9},
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds",
        ),
        (
            {"serviceAccountTokenInSecrets": False},
            "spec.serviceAccountTokenInSecrets: Invalid value: false: "
            "serviceAccountTokenInSecrets is set but no tokenRequests are specified",
        ),
        (
            {"tokenRequests": [{"audience": "a"}, {"audience": "a", "expirationSeconds": 1}]},
            'spec.tokenRequests[1].audience: Duplicate value: "a"',
        ),
        (
            {"tokenRequests": [{"audience": "a", "expirationSeconds": 599}]},
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: "
            "may not specify a duration less than 10 minutes",
        ),
        (
            {"tokenRequests": [{"audience": "a", "expirationSeconds": 4294967297}]},
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 4294967297: "
            "may not specify a duration larger than 2^32 seconds",
        ),
    ],
)
def test_what_a_driver_is_refused_for(held: Registry, spec: Obj, problem: str) -> None:
    assert refused(held, "csidrivers", driver(**spec)) == [problem]


def test_what_of_a_driver_cannot_change(held: Registry) -> None:
    made = held.create("csidrivers", driver())
    changed = {**made, "spec": {**made["spec"], "attachRequired": False, "volumeLifecycleModes": ["Ephemeral"]}}
    assert refused(held, "csidrivers", changed, update=True) == [
        "spec.attachedRequired: Invalid value: false: field is immutable",
        'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
    ]


def test_changes_of_the_spec_are_counted_from_one(held: Registry) -> None:
    made = held.create("csidrivers", driver())
    made = held.update("csidrivers", {**made, "spec": {**made["spec"], "storageCapacity": True}})
    assert made["metadata"]["generation"] == 1
    made = held.update("csidrivers", {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    assert made["metadata"]["generation"] == 1
    made = held.update("csidrivers", {**made, "spec": {**made["spec"], "storageCapacity": False}})
    assert made["metadata"]["generation"] == 2


def test_an_update_must_name_the_version_it_changes(held: Registry) -> None:
    held.create("csidrivers", driver())
    with pytest.raises(Invalid, match="must be specified for an update"):
        held.update("csidrivers", driver())


def test_tokens_in_attributes_are_warned_about(held: Registry) -> None:
    tokens = [{"audience": "a"}]
    assert warned(held, "csidrivers", driver()) == []
    made = held.get("csidrivers", "", "csi.example.com")
    given = {**made, "spec": {**made["spec"], "tokenRequests": tokens}}
    assert warned(held, "csidrivers", given, update=True) == [UNSET_WARNING]
    made = held.get("csidrivers", "", "csi.example.com")
    assert warned(held, "csidrivers", {**made, "metadata": {**made["metadata"], "labels": {}}}, update=True) == []
    other = {"metadata": {"name": "other"}, "spec": {"tokenRequests": tokens}}
    assert warned(held, "csidrivers", other) == [UNSET_WARNING]
    told = {"metadata": {"name": "told"}, "spec": {"tokenRequests": tokens, "serviceAccountTokenInSecrets": False}}
    assert warned(held, "csidrivers", told) == []

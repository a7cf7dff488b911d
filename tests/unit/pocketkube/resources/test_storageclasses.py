"""StorageClasses and VolumeAttributesClasses: what the recordings (storage-05, csi-13) do not show."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row, warned

from pocketkube.objects import Obj
from pocketkube.registry import Registry

IMMUTABLE = "field is immutable"


@pytest.fixture
def held() -> Registry:
    return registry()


def storage_class(name: str = "fast", **fields: Any) -> Obj:
    return {"metadata": {"name": name}, "provisioner": "example.com/csi", **fields}


def vac(name: str = "fast", **fields: Any) -> Obj:
    return {"metadata": {"name": name}, "driverName": "example.com", "parameters": {"type": "fast"}, **fields}


def topology(*expressions: tuple[str, list[str]]) -> Obj:
    return {"matchLabelExpressions": [{"key": key, "values": values} for key, values in expressions]}


def test_defaults_and_row(held: Registry) -> None:
    made = held.create("storageclasses", storage_class())
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")
    assert "generation" not in made["metadata"]
    assert row(held, "storageclasses", made) == ["fast", "example.com/csi", "Delete", "Immediate", False]


@pytest.mark.parametrize("domain", ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"])
def test_the_default_class_is_marked_in_its_row(held: Registry, domain: str) -> None:
    wanted = storage_class(reclaimPolicy="Retain", volumeBindingMode="WaitForFirstConsumer", allowVolumeExpansion=True)
    wanted["metadata"]["annotations"] = {f"{domain}/is-default-class": "true"}
    made = held.create("storageclasses", wanted)
    expected = ["fast (default)", "example.com/csi", "Retain", "WaitForFirstConsumer", True]
    assert row(held, "storageclasses", made) == expected


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"parameters": {"": "x"}}, ['parameters: Invalid value: "": field can not be empty.']),
        ({"parameters": {str(n): "" for n in range(513)}}, ["parameters: Too long: may not be more than 512 bytes"]),
        ({"parameters": {"k": "x" * 262144}}, ["parameters: Too long: may not be more than 262144 bytes"]),
        (
            {"allowedTopologies": [topology(("zone", []))]},
            ["allowedTopologies[0].matchLabelExpressions[0].values: Required value"],
        ),
        (
            {"allowedTopologies": [topology(("zone", ["a", "a"]))]},
            ['allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"'],
        ),
        (
            {"allowedTopologies": [topology(("zone", ["a"]), ("zone", ["b"]))]},
            ['allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"'],
        ),
        (
            {"allowedTopologies": [topology(("zone", ["a", "b"])), topology(("zone", ["b", "a"]))]},
            ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
        ),
        # upstream counts an empty term as a repetition of as many others as there are terms
        (
            {"allowedTopologies": [{}, topology(("zone", ["a"]))]},
            ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'] * 2,
        ),
    ],
)
def test_what_a_class_is_refused_for(held: Registry, fields: Obj, problems: list[str]) -> None:
    assert refused(held, "storageclasses", storage_class(**fields)) == problems


def test_a_provisioner_is_shown_in_lower_case_when_it_is_wrong(held: Registry) -> None:
    (problem,) = refused(held, "storageclasses", storage_class(provisioner="Bad One"))
    assert problem.startswith('provisioner: Invalid value: "bad one": name part must consist of alphanumeric')
    held.create("storageclasses", storage_class(provisioner="Example.COM/Csi"))


def test_what_of_a_class_cannot_change(held: Registry) -> None:
    made = held.create("storageclasses", storage_class(parameters={"type": "ssd"}))
    changed = {**made, "provisioner": "x", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"}
    del changed["parameters"]
    assert refused(held, "storageclasses", changed, update=True) == [
        f"parameters: Invalid value: null: {IMMUTABLE}",
        f'provisioner: Invalid value: "x": {IMMUTABLE}',
        f'reclaimPolicy: Invalid value: "Retain": {IMMUTABLE}',
        f'volumeBindingMode: Invalid value: "WaitForFirstConsumer": {IMMUTABLE}',
    ]


def test_an_update_without_the_policies_gets_the_defaults(held: Registry) -> None:
    made = held.create("storageclasses", storage_class(reclaimPolicy="Retain"))
    without = {key: value for key, value in made.items() if key != "reclaimPolicy"}
    assert refused(held, "storageclasses", without, update=True) == [
        f'reclaimPolicy: Invalid value: "Delete": {IMMUTABLE}'
    ]


def test_old_labels_of_nodes_are_warned_about(held: Registry) -> None:
    zone = "failure-domain.beta.kubernetes.io/zone"
    assert warned(held, "storageclasses", storage_class(allowedTopologies=[topology((zone, ["a"]))])) == [
        "allowedTopologies[0].matchLabelExpressions[0].key: "
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ]


def test_attributes_classes_are_protected_and_shown(held: Registry) -> None:
    made = held.create("volumeattributesclasses", vac())
    assert made["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    assert row(held, "volumeattributesclasses", made) == ["fast", "example.com"]


def test_attributes_classes_need_a_driver_and_parameters(held: Registry) -> None:
    assert refused(held, "volumeattributesclasses", vac(driverName="", parameters={})) == [
        "driverName: Required value",
        "parameters: Required value: must contain at least one key/value pair",
    ]


def test_attributes_classes_do_not_change(held: Registry) -> None:
    made = held.create("volumeattributesclasses", vac())
    changed = {**made, "driverName": "other", "parameters": {}}
    assert refused(held, "volumeattributesclasses", changed, update=True) == [
        "driverName: Forbidden: updates to driverName are forbidden.",
        "parameters: Forbidden: updates to parameters are forbidden.",
        "parameters: Required value: must contain at least one key/value pair",
    ]
    labelled = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    assert held.update("volumeattributesclasses", labelled)["metadata"]["labels"] == {"a": "b"}

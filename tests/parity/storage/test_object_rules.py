"""Classes, drivers, nodes and attachments: what the API refuses, what it fills in, what stays while it is used."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.storage.support import Disks, claim

from kindlab.api import ApiError, Obj

NEVER = "example.com/nobody-provisions-this"


def made_of(kind: str, **fields: Any) -> Obj:
    return {"apiVersion": "storage.k8s.io/v1", "kind": kind, "metadata": {"name": "x"}, **fields}


def attributes(**fields: Any) -> Obj:
    return made_of("VolumeAttributesClass", **{"driverName": "example.com", "parameters": {"a": "b"}, **fields})


def attachment(**fields: Any) -> Obj:
    spec = {"attacher": "example.com", "nodeName": "nowhere", "source": {"persistentVolumeName": "none"}}
    return made_of("VolumeAttachment", spec={**spec, **fields})


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (made_of("StorageClass"), "provisioner: Required value"),
        (
            made_of("StorageClass", provisioner=NEVER, reclaimPolicy="Recycle"),
            'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        ),
        (
            made_of(
                "StorageClass", provisioner=NEVER, allowedTopologies=[{"matchLabelExpressions": [{"key": "zone"}]}]
            ),
            "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
        ),
        (attributes(parameters={}), "parameters: Required value: must contain at least one key/value pair"),
        (
            made_of("CSIDriver", spec={"fsGroupPolicy": "Some"}),
            'spec.fsGroupPolicy: Unsupported value: "Some": '
            'supported values: "File", "None", "ReadWriteOnceWithFSType"',
        ),
        (
            made_of("CSIDriver", spec={"nodeAllocatableUpdatePeriodSeconds": 1}),
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 1: must be greater than or equal to 10 seconds",
        ),
        (made_of("CSINode", spec={"drivers": [{"name": "d"}]}), "spec.drivers[0].nodeID: Required value"),
        (
            attachment(source={}),
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
    ],
)
def test_what_is_refused(disks: Disks, obj: Obj, text: str) -> None:
    obj["metadata"]["name"] = disks.namespace
    error = disks.refused(obj)
    assert error.code == 422
    assert error.message == f'{obj["kind"]}.storage.k8s.io "{disks.namespace}" is invalid: {text}'


@pytest.mark.parametrize(
    ("obj", "change", "text"),
    [
        (
            attributes(),
            {"parameters": {"a": "c"}},
            "parameters: Forbidden: updates to parameters are forbidden.",
        ),
        (
            made_of("CSIDriver", spec={"attachRequired": True}),
            {"spec": {"attachRequired": False}},
            "spec.attachedRequired: Invalid value: false: field is immutable",
        ),
        (
            made_of("CSINode", spec={"drivers": [{"name": "d", "nodeID": "n"}]}),
            {"spec": {"drivers": [{"name": "d", "nodeID": "m"}]}},
            'spec.drivers: Invalid value: {"Name":"d","NodeID":"m","TopologyKeys":null,"Allocatable":null}: '
            "field is immutable",
        ),
        (
            attachment(),
            {"spec": {"nodeName": "elsewhere"}},
            'spec: Invalid value: {"Attacher":"example.com",'
            '"Source":{"PersistentVolumeName":"none","InlineVolumeSpec":null},"NodeName":"elsewhere"}: '
            "field is immutable",
        ),
    ],
)
def test_what_does_not_change(disks: Disks, obj: Obj, change: Obj, text: str) -> None:
    name = disks.wide(obj)
    with pytest.raises(ApiError, match="is invalid") as caught:
        disks.api.patch(obj["kind"], name, None, change)
    assert caught.value.message.endswith(f" is invalid: {text}")


def test_what_a_driver_is_taken_for(disks: Disks) -> None:
    name = disks.wide(made_of("CSIDriver", spec={}))
    made = disks.api.get("CSIDriver", name)
    assert made is not None
    spec = made["spec"]
    assert (spec["attachRequired"], spec["podInfoOnMount"], spec["storageCapacity"]) == (True, False, False)
    assert (spec["fsGroupPolicy"], spec["volumeLifecycleModes"]) == ("ReadWriteOnceWithFSType", ["Persistent"])
    disks.api.patch("CSIDriver", name, None, {"spec": {"storageCapacity": True}})
    changed = disks.api.get("CSIDriver", name)
    assert changed is not None
    assert changed["metadata"]["generation"] == 1


def test_an_attributes_class_stays_while_a_claim_names_it(disks: Disks) -> None:
    name = disks.wide(attributes())
    disks.put(claim(of="", volumeAttributesClassName=name))
    disks.api.delete("VolumeAttributesClass", name)
    doomed = disks.api.get("VolumeAttributesClass", name)
    assert doomed is not None
    assert doomed["metadata"]["deletionTimestamp"]
    assert doomed["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    disks.gone("VolumeAttributesClass", name=name)

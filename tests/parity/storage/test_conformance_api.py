"""[sig-storage] conformance of what needs the API alone: the lives of classes, drivers, attachments and capacities."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.life_cycles import Collection, again_on_conflict, served
from tests.parity.storage.support import Disks

from kindlab.api import MERGE_PATCH, Obj

STORAGE = "storage.k8s.io/v1"


def made_of(disks: Disks, kind: str, fields: Obj, *, name: str = "") -> Obj:
    meta: Obj = {"labels": {"special-label": disks.namespace}}
    meta |= {"name": name} if name else {"generateName": f"{disks.namespace}-"}
    return {"apiVersion": STORAGE, "kind": kind, "metadata": meta, **fields}


CLASS = {"provisioner": "e2e-fake-provisioner", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}
CAPACITY = {
    "storageClassName": "example.com",
    "nodeTopology": {"matchExpressions": [{"key": "foo", "operator": "In", "values": ["bar", "baz"]}]},
    "capacity": "5Gi",
}
ATTACHMENT = {
    "spec": {"attacher": "e2e-test.storage.k8s.io", "nodeName": "e2e-node", "source": {"persistentVolumeName": "e2e"}}
}
DRIVER_SPEC = {
    "attachRequired": False,
    "podInfoOnMount": True,
    "storageCapacity": False,
    "fsGroupPolicy": "None",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "volumeLifecycleModes": ["Ephemeral"],
}


@pytest.mark.parametrize(
    ("kind", "plural", "fields"),
    [
        ("StorageClass", "storageclasses", CLASS),
        ("CSINode", "csinodes", {"spec": {"drivers": None}}),
        ("CSIDriver", "csidrivers", {"spec": DRIVER_SPEC}),
        ("VolumeAttachment", "volumeattachments", ATTACHMENT),
        ("CSIStorageCapacity", "csistoragecapacities", CAPACITY),
    ],
)
def test_the_life_of_a_kind(disks: Disks, kind: str, plural: str, fields: Obj) -> None:
    """[sig-storage] StorageClasses, CSINodes, CSIStorageCapacity, VolumeAttachment, the lifecycle of a CSIDriver"""
    served(disks.api, "storage.k8s.io", plural)
    namespace = disks.namespace if kind == "CSIStorageCapacity" else None
    found = Collection(disks.api, kind, namespace, disks.namespace)
    template = made_of(disks, kind, fields)
    try:
        last = found.walk(template, template, template)
        assert fields.items() <= last.items()
        found.end(last["metadata"]["name"])
    finally:
        found.ask("DELETE", query=found.selector)


def test_the_life_of_attributes_classes(disks: Disks) -> None:
    """[sig-storage] VolumeAttributesClass should run through the lifecycle of a VolumeAttributesClass"""
    served(disks.api, "storage.k8s.io", "volumeattributesclasses")
    found = Collection(disks.api, "VolumeAttributesClass", None, disks.namespace)
    fields = {"driverName": "e2e-fake-csi-driver", "parameters": {"foo": "bar"}}
    template = made_of(disks, "VolumeAttributesClass", fields)
    last = found.walk(template, template, template)
    assert last["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    found.ask("DELETE", last["metadata"]["name"])
    disks.gone("VolumeAttributesClass", name=last["metadata"]["name"])
    found.ask("DELETE", query=found.selector)
    disks.gone("VolumeAttributesClass", labels=found.selector["labelSelector"])


def test_the_status_of_an_attachment(disks: Disks) -> None:
    """[sig-storage] VolumeAttachment should apply changes to a volumeattachment status [Conformance]"""
    found = Collection(disks.api, "VolumeAttachment", None, disks.namespace)
    name = disks.wide(made_of(disks, "VolumeAttachment", ATTACHMENT, name="va"))
    labelled = found.ask("PATCH", name, {"metadata": {"labels": {"va": "patched"}}}, content_type=MERGE_PATCH)
    assert labelled["metadata"]["labels"]["va"] == "patched"
    assert found.ask("GET", f"{name}/status")["status"] == {"attached": False}
    changed = found.ask("PATCH", f"{name}/status", {"status": {"attached": True}}, content_type=MERGE_PATCH)
    assert changed["status"] == {"attached": True}

    def detach() -> Any:
        now = found.ask("GET", name)
        return found.ask("PUT", f"{name}/status", {**now, "status": {"attached": False}})

    assert again_on_conflict(detach)["status"] == {"attached": False}
    found.ask("DELETE", name)
    disks.gone("VolumeAttachment", name=name)

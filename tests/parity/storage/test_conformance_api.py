"""The lives of the storage kinds as upstream's [sig-storage] conformance tests lead them: verbs, watches, status."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import seen, watch
from tests.parity.storage.support import Disks, claim, storage_class, volume

from kindlab.api import MERGE_PATCH, ApiError, Obj

GROUP = "storage.k8s.io"


def kinds(disks: Disks) -> dict[str, Obj]:
    """One object of each kind, named after the test."""
    name = disks.namespace
    head = {"apiVersion": f"{GROUP}/v1", "metadata": {"name": name}}
    source = {"persistentVolumeName": name}
    pv = volume(of=name)
    pv["metadata"]["name"] = name
    return {
        "PersistentVolume": pv,
        "PersistentVolumeClaim": claim(name, "1Mi", name),
        "StorageClass": {**storage_class("example.com/none"), "metadata": {"name": name}},
        "VolumeAttributesClass": {
            **head,
            "kind": "VolumeAttributesClass",
            "driverName": "example.com",
            "parameters": {"a": "b"},
        },
        "CSIDriver": {**head, "kind": "CSIDriver", "spec": {"attachRequired": False}},
        "CSINode": {**head, "kind": "CSINode", "spec": {"drivers": []}},
        "VolumeAttachment": {
            **head,
            "kind": "VolumeAttachment",
            "spec": {"attacher": "example.com", "nodeName": name, "source": source},
        },
        "CSIStorageCapacity": {
            **head,
            "kind": "CSIStorageCapacity",
            "storageClassName": name,
            "nodeTopology": {"matchLabels": {"zone": name}},
            "capacity": "1Gi",
        },
    }


ALL = (
    "PersistentVolume",
    "PersistentVolumeClaim",
    "StorageClass",
    "VolumeAttributesClass",
    "CSIDriver",
    "CSINode",
    "VolumeAttachment",
    "CSIStorageCapacity",
)


class Kind:
    """Requests for one kind, all about objects with this test's label."""

    def __init__(self, disks: Disks, kind: str) -> None:
        self.disks = disks
        self.object = kinds(disks)[kind]
        self.object["metadata"]["labels"] = {"test": disks.namespace}
        space = disks.namespace if disks.api.namespaced(kind) else None
        self.collection = disks.api.path(kind, space)
        self.path = f"{self.collection}/{disks.namespace}"
        self.query = {"labelSelector": f"test={disks.namespace}"}

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.disks.request(method, path, body, **options)

    def make(self) -> Obj:
        return self.send("POST", self.collection, self.object)  # type: ignore[no-any-return]

    def patch(self, change: Obj, below: str = "") -> Obj:
        return self.send("PATCH", self.path + below, change, content_type=MERGE_PATCH)  # type: ignore[no-any-return]

    def list(self) -> list[Obj]:
        return self.send("GET", self.collection, query=self.query)["items"]  # type: ignore[no-any-return]


@pytest.fixture
def kind(disks: Disks, request: pytest.FixtureRequest) -> Kind:
    return Kind(disks, request.param)


@pytest.mark.parametrize("kind", ALL, indirect=True)
def test_a_life(disks: Disks, kind: Kind) -> None:
    began = kind.send("GET", kind.collection)["metadata"]["resourceVersion"]
    events = watch(disks.api, kind.collection, resourceVersion=began, **kind.query)
    kind.make()
    seen(events, "ADDED")
    assert [o["metadata"]["name"] for o in kind.list()] == [disks.namespace]
    assert kind.patch({"metadata": {"labels": {"patched": "true"}}})["metadata"]["labels"]["patched"] == "true"
    seen(events, "MODIFIED", lambda o: o["metadata"]["labels"].get("patched") == "true")
    found = kind.send("GET", kind.path)
    found["metadata"].setdefault("annotations", {})["updated"] = "true"
    found["metadata"].pop("resourceVersion")
    kind.send("PUT", kind.path, found | {"metadata": found["metadata"] | {"resourceVersion": _fresh(kind)}})
    seen(events, "MODIFIED", lambda o: (o["metadata"].get("annotations") or {}).get("updated") == "true")
    kind.send("DELETE", kind.path)
    seen(events, "DELETED")
    events.close()  # type: ignore[attr-defined]
    with pytest.raises(ApiError) as gone:
        kind.send("GET", kind.path)
    assert gone.value.code == 404


def _fresh(kind: Kind) -> str:
    return str(kind.send("GET", kind.path)["metadata"]["resourceVersion"])


@pytest.mark.parametrize("kind", ALL, indirect=True)
def test_a_collection_is_deleted_by_its_label(disks: Disks, kind: Kind) -> None:
    kind.make()
    began = _fresh(kind)
    events = watch(disks.api, kind.collection, resourceVersion=began, **kind.query)
    kind.send("DELETE", kind.collection, query=kind.query)
    seen(events, "DELETED")
    events.close()  # type: ignore[attr-defined]
    assert kind.list() == []


@pytest.mark.parametrize("kind", ["PersistentVolume", "PersistentVolumeClaim"], indirect=True)
def test_conditions_and_messages_of_a_status(disks: Disks, kind: Kind) -> None:
    """As upstream: through the status subresource, by patch and by update."""
    kind.make()
    if kind.object["kind"] == "PersistentVolume":
        assert kind.patch({"status": {"message": "patched"}}, "/status")["status"]["message"] == "patched"
        found = kind.send("GET", f"{kind.path}/status")
        found["status"]["message"] = "updated"
        assert kind.send("PUT", f"{kind.path}/status", found)["status"]["message"] == "updated"
    else:
        condition = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "set by a test"}
        patched = kind.patch({"status": {"conditions": [condition]}}, "/status")
        assert [c["type"] for c in patched["status"]["conditions"]] == ["StatusPatched"]
        found = kind.send("GET", f"{kind.path}/status")
        found["status"]["conditions"].append({**condition, "type": "StatusUpdated"})
        updated = kind.send("PUT", f"{kind.path}/status", found)
        assert [c["type"] for c in updated["status"]["conditions"]] == ["StatusPatched", "StatusUpdated"]
    kind.send("DELETE", kind.path)


@pytest.mark.parametrize("kind", ["VolumeAttachment"], indirect=True)
def test_the_status_of_an_attachment(disks: Disks, kind: Kind) -> None:
    kind.make()
    assert kind.patch({"status": {"attached": True}}, "/status")["status"] == {"attached": True}
    found = kind.send("GET", f"{kind.path}/status")
    found["status"]["attached"] = False
    assert kind.send("PUT", f"{kind.path}/status", found)["status"]["attached"] is False
    kind.send("DELETE", kind.path)


def test_discovery_names_the_kinds(disks: Disks) -> None:
    groups = {g["name"]: g for g in disks.request("GET", "/apis")["groups"]}
    assert groups[GROUP]["preferredVersion"]["groupVersion"] == f"{GROUP}/v1"
    served = {r["name"] for r in disks.request("GET", f"/apis/{GROUP}/v1")["resources"]}
    assert served >= {
        "csidrivers",
        "csinodes",
        "csistoragecapacities",
        "storageclasses",
        "volumeattachments",
        "volumeattachments/status",
        "volumeattributesclasses",
    }
    core = {r["name"]: r for r in disks.request("GET", "/api/v1")["resources"]}
    assert core["persistentvolumeclaims"]["shortNames"] == ["pvc"]
    assert core["persistentvolumes"]["namespaced"] is False

"""`kindlab why pvc/NAME`: for each way a claim can be stuck it ends at the hop that is broken, and at no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.course.command import Run
from tests.course.test_trace import AGNHOST, broken, names, why

from kindlab.api import ApiError, Obj
from kindlab.checks.live import LiveLab, is_ready
from kindlab.trace.datasource import LAST_APPLIED

SNAPSHOTS = "snapshot.storage.k8s.io/v1"
CSI = "csi-hostpath-sc"


def claim(name: str = "data", size: str = "1Mi", **spec: Any) -> Obj:
    whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": whole}


def pod(name: str = "user", of: str = "data", **spec: Any) -> Obj:
    container = {
        "name": "main",
        "image": AGNHOST,
        "args": ["pause"],
        "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
    }
    whole = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": of}}],
        **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def snapshot(of: str = "data", name: str = "then") -> Obj:
    spec = {"volumeSnapshotClassName": "csi-hostpath-snapclass", "source": {"persistentVolumeClaimName": of}}
    return {"apiVersion": SNAPSHOTS, "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": spec}


def put(live: LiveLab, *objects: Obj) -> None:
    for obj in objects:
        live.api.create(obj, live.namespace)


def bound(live: LiveLab, *names_: str) -> None:
    def holds(found: Any) -> bool:
        return {c["metadata"]["name"] for c in found if c["status"].get("phase") == "Bound"} >= set(names_)

    assert live.eventually("PersistentVolumeClaim", holds)


def running(live: LiveLab, name: str = "user") -> None:
    assert live.eventually("Pod", lambda found: any(p["metadata"]["name"] == name and is_ready(p) for p in found))


def told(live: LiveLab, *reasons: str) -> None:
    """Wait for an Event of one of these reasons in the namespace."""
    assert live.eventually("Event", lambda found: any(e["reason"] in reasons for e in found))


@pytest.fixture
def clusterwide(live: LiveLab) -> Iterator[Callable[[Obj], str]]:
    """Create an object without a namespace, named after this test's; its name. Deleted afterwards."""
    made: list[Obj] = []

    def make(obj: Obj) -> str:
        obj["metadata"]["name"] = f"{live.namespace}-{obj['metadata']['name']}"
        made.append(obj)
        live.api.create(obj)
        return str(obj["metadata"]["name"])

    yield make
    for obj in made:
        with suppress(ApiError):
            live.api.delete(obj["kind"], obj["metadata"]["name"])


def volume(size: str = "1Mi", **spec: Any) -> Obj:
    whole = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/srv/by-hand"},
        "persistentVolumeReclaimPolicy": "Retain",
        **spec,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": whole}


def storage_class(provisioner: str, name: str = "class", **more: Any) -> Obj:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        **more,
    }


def test_a_healthy_claim_is_followed_to_its_bytes(live: LiveLab, kindlab: Run) -> None:
    put(live, claim(storageClassName=CSI), pod())
    running(live)
    assert live.host("user").run("echo hello > /disk/greeting").rc == 0
    path = why(live, "pvc/data")
    assert path.broken is None, path.broken
    assert names(path) == ["Claim", "Volume", "Binding", "Scheduling", "Attach", "Mount", "Bytes"]
    assert path.hops[-1].evidence.startswith("/disk in Pod user: 1 entry, writable, ")
    done = kindlab("why", "pvc/data", "-n", live.namespace)
    assert done.returncode == 0, done.stdout
    assert "Every hop is in order." in done.stdout


def test_a_size_without_a_unit_is_told_in_bytes(live: LiveLab) -> None:
    put(live, claim(size="5", storageClassName=CSI))
    assert why(live, "pvc/data").hops[0].evidence.startswith("asks for 5 bytes RWO, ")


def test_no_claim_names_the_near_one(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI))
    hop, evidence = broken(why(live, "pvc/dta"))
    assert hop == "PersistentVolumeClaim"
    assert evidence.endswith("did you mean data?")


def test_a_class_that_is_not_there(live: LiveLab) -> None:
    put(live, claim(storageClassName="csi-hostpath"))
    hop, evidence = broken(why(live, "pvc/data"))
    assert (hop, evidence) == ("StorageClass", f"there is no StorageClass csi-hostpath; did you mean {CSI}?")


def test_a_class_that_waits_for_its_first_pod(live: LiveLab) -> None:
    put(live, claim())
    told(live, "WaitForFirstConsumer")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Binding"
    assert evidence == "class standard waits for the first Pod that uses the claim, and no Pod does"


def test_a_pod_that_fits_nowhere_keeps_its_claim_waiting(live: LiveLab) -> None:
    put(live, claim(), pod(nodeSelector={"disk": "tape"}))
    told(live, "FailedScheduling")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Scheduling"
    assert "didn't match Pod's node affinity/selector" in evidence


def test_a_claim_without_a_class_where_none_is_default(live: LiveLab) -> None:
    put(live, claim(storageClassName=""))
    path = why(live, "pvc/data")
    assert path.broken is not None
    assert (path.broken.name, path.broken.next) == ("Volume", "kubectl get pv")  # that is how it was wished for


def test_a_provisioner_nobody_runs(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    name = clusterwide(storage_class("example.com/nobody"))
    put(live, claim(storageClassName=name))
    told(live, "ExternalProvisioning")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Provisioner"
    assert evidence.startswith("nothing in the cluster has answered for provisioner example.com/nobody")


def test_a_provisioner_that_refuses(live: LiveLab) -> None:
    put(live, claim(size="100Ti", storageClassName=CSI))
    told(live, "ProvisioningFailed")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Provisioner"
    assert "hostpath.csi.k8s.io cannot: ProvisioningFailed: " in evidence


@pytest.mark.parametrize(
    ("offered", "asked", "reason"),
    [
        ({"size": "1Mi"}, {"size": "2Mi"}, "it has 1Mi, the claim needs 2Mi"),
        ({"accessModes": ["ReadOnlyMany"]}, {}, "it is ROX, the claim needs RWO"),
        ({"volumeMode": "Block"}, {}, "its volumeMode is Block, the claim's Filesystem"),
        ({}, {"selector": {"matchLabels": {"disk": "fast"}}}, "the claim's selector does not match its labels (none)"),
    ],
    ids=["too-small", "access-mode", "volume-mode", "labels"],
)
def test_a_volume_that_does_not_fit(
    live: LiveLab, clusterwide: Callable[[Obj], str], offered: Obj, asked: Obj, reason: str
) -> None:
    own = f"{live.namespace}-by-hand"
    size = {"size": offered.pop("size", "1Mi")}
    name = clusterwide(volume(**size, storageClassName=own, **offered))
    put(live, claim(storageClassName=own, **asked))
    told(live, "ProvisioningFailed", "FailedBinding")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Volume"
    assert f"{name}: {reason}" in evidence


def test_a_volume_that_was_left_by_another_claim(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    own = f"{live.namespace}-by-hand"
    name = clusterwide(volume(storageClassName=own))
    put(live, claim("first", storageClassName=own))
    bound(live, "first")
    live.api.delete("PersistentVolumeClaim", "first", live.namespace)
    assert next(
        (True for found in live.api.follow("PersistentVolume", None, timeout=30) if _phase(found, name) == "Released"),
        False,
    )
    put(live, claim(storageClassName=own))
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Volume"
    assert f"{name}: it is Released and was left by {live.namespace}/first" in evidence


def _phase(found: Any, name: str) -> str:
    return next((v["status"].get("phase", "") for v in found.values() if v["metadata"]["name"] == name), "")


@pytest.mark.parametrize("of", [CSI, "standard", ""], ids=["immediate", "delayed", "none"])
def test_a_claim_that_names_a_volume_that_is_not_there(live: LiveLab, of: str) -> None:
    """No other is chosen and none is made, whatever the class."""
    put(live, claim(storageClassName=of, volumeName="no-such"))
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Volume"
    assert evidence.startswith("the claim names volume no-such, and there is no such PersistentVolume")


def test_a_claim_that_names_a_volume_of_another_class(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    name = clusterwide(volume(storageClassName="by-hand"))
    put(live, claim(storageClassName=CSI, volumeName=name))
    told(live, "VolumeMismatch")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Volume"
    assert evidence == f"the claim names volume {name}, which does not fit: its class is by-hand, the claim's {CSI}"


def test_a_claim_whose_volume_is_gone(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    own = f"{live.namespace}-by-hand"
    name = clusterwide(volume(storageClassName=own))
    put(live, claim(storageClassName=own))
    bound(live, "data")
    live.api.delete("PersistentVolume", name)
    live.api.patch("PersistentVolume", name, None, {"metadata": {"finalizers": None}})
    told(live, "ClaimLost")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Volume"
    assert f"its PersistentVolume {name} is gone" in evidence
    assert "the claim is Lost" in evidence


def test_a_claim_that_is_deleted_while_a_pod_uses_it(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI), pod())
    running(live)
    live.api.delete("PersistentVolumeClaim", "data", live.namespace)
    hop, evidence = broken(why(live, "pvc/data"))
    assert (hop, evidence) == ("Claim", "data is being deleted and waits: Pod user still uses it")


def test_a_folder_that_is_not_on_the_node(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    own = f"{live.namespace}-by-hand"
    clusterwide(volume(storageClassName=own, hostPath={"path": "/not/there", "type": "Directory"}))
    put(live, claim(storageClassName=own), pod())
    told(live, "FailedMount")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Mount"
    assert "FailedMount: MountVolume.SetUp failed for volume" in evidence


def test_an_image_that_is_not_there_is_not_the_volumes_fault(live: LiveLab) -> None:
    made = pod()
    made["spec"]["containers"][0]["image"] = "registry.k8s.io/no-such-image:1"
    put(live, claim(storageClassName=CSI), made)
    told(live, "Failed")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Mount"
    assert evidence.startswith("Pod user has its volumes, but its container waits: ")
    assert "registry.k8s.io/no-such-image:1: not found" in evidence


def test_a_clone_that_is_smaller_than_its_source(live: LiveLab) -> None:
    source = {"kind": "PersistentVolumeClaim", "name": "data"}
    put(live, claim(size="2Mi", storageClassName=CSI))
    bound(live, "data")
    put(live, claim("copy", storageClassName=CSI, dataSource=source))
    hop, evidence = broken(why(live, "pvc/copy"))
    assert hop == "Source"
    assert evidence == "claim data holds 2Mi, and the claim asks for 1Mi only: it must not be smaller"


def test_a_restore_from_a_snapshot_that_is_not_there(live: LiveLab) -> None:
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "then"}
    put(live, claim(storageClassName=CSI, dataSource=source))
    hop, evidence = broken(why(live, "pvc/data"))
    assert (hop, evidence) == ("Source", f"there is no VolumeSnapshot then in namespace {live.namespace}")


def test_a_restore_into_another_drivers_class(live: LiveLab) -> None:
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "then"}
    put(live, claim(storageClassName=CSI))
    bound(live, "data")
    put(live, snapshot())
    ready = live.eventually("VolumeSnapshot", lambda f: any((s.get("status") or {}).get("readyToUse") for s in f))
    assert ready
    put(live, claim("copy", storageClassName="standard", dataSource=source))
    hop, evidence = broken(why(live, "pvc/copy"))
    assert hop == "Source"
    assert "class standard is rancher.io/local-path's" in evidence
    put(live, pod(of="copy"))
    running(live)
    hop, evidence = broken(why(live, "pvc/copy"))  # local-path binds it all the same, to an empty volume
    assert hop == "Source"
    assert "its volume was made by rancher.io/local-path, who does not copy: it was empty at first" in evidence


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"kind": "VolumeSnapshot", "name": "then"}, "apiGroup '' and kind VolumeSnapshot are neither"),
        ({"apiGroup": "snapshot.storage.k8s.io", "kind": "Snapshot", "name": "then"}, "kind Snapshot are neither"),
    ],
)
def test_a_source_that_was_dropped_without_a_word(live: LiveLab, source: dict[str, str], reason: str) -> None:
    copy = claim("copy", storageClassName=CSI, dataSource=source)
    copy["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(copy)}  # as kubectl apply notes it
    put(live, copy)
    bound(live, "copy")
    assert "dataSource" not in live.require("PersistentVolumeClaim", "copy")["spec"]
    hop, evidence = broken(why(live, "pvc/copy"))
    assert hop == "Source"
    assert reason in evidence
    assert evidence.endswith("The volume is made empty")


def test_an_expansion_that_nobody_carries_out(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    own = clusterwide(
        storage_class("rancher.io/local-path", allowVolumeExpansion=True, volumeBindingMode="WaitForFirstConsumer")
    )
    put(live, claim(storageClassName=own), pod())
    running(live)
    live.api.patch(
        "PersistentVolumeClaim", "data", live.namespace, {"spec": {"resources": {"requests": {"storage": "2Mi"}}}}
    )
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Size"
    assert evidence.startswith("it asks for 2Mi and has 1Mi: nothing expands a volume that is hostPath ")


def test_a_volume_held_by_another_node(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    put(live, claim(storageClassName=CSI))
    bound(live, "data")
    own = f"{live.namespace}-by-hand"
    made = live.api.get("PersistentVolume", live.require("PersistentVolumeClaim", "data")["spec"]["volumeName"])
    assert made is not None
    clusterwide(
        volume(storageClassName=own, hostPath=None, csi=made["spec"]["csi"])
    )  # as network storage: no node of its own
    put(live, claim("shared", storageClassName=own))
    bound(live, "shared")
    first, second = (node["metadata"]["name"] for node in live.api.list("Node") if not node["spec"].get("taints"))
    put(live, pod("one", "shared", nodeName=first))
    running(live, "one")
    put(live, pod("two", "shared", nodeName=second))
    told(live, "FailedAttachVolume")
    hop, evidence = broken(why(live, "pvc/shared"))
    assert hop == "Attach"
    assert "Multi-Attach error" in evidence
    assert f"it is attached to {first}" in evidence


# -- snapshots


def test_a_snapshot_that_is_ready(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI))
    bound(live, "data")
    put(live, snapshot())
    assert live.eventually("VolumeSnapshot", lambda f: any((s.get("status") or {}).get("readyToUse") for s in f))
    path = why(live, "vs/then")
    assert path.broken is None, path.broken
    assert names(path) == ["VolumeSnapshot", "Claim", "VolumeSnapshotClass", "Content", "Ready"]
    assert path.hops[-1].evidence.endswith("a claim restored from it asks for at least 1Mi")


def test_a_snapshot_that_goes_waits_for_claims_made_of_it(live: LiveLab) -> None:
    put(live, claim(size="2Mi", storageClassName=CSI))
    bound(live, "data")
    put(live, snapshot())
    assert live.eventually("VolumeSnapshot", lambda f: any((s.get("status") or {}).get("readyToUse") for s in f))
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "then"}
    put(live, claim("small", storageClassName=CSI, dataSource=source))
    told(live, "ProvisioningFailed")
    live.api.delete("VolumeSnapshot", "then", live.namespace)
    path = why(live, "vs/then")
    hop, evidence = broken(path)
    assert hop == "Deletion"
    assert evidence == "then is being deleted and waits for the Pending claim small to be made of it"
    assert path.broken is not None
    assert f"kubectl delete pvc small -n {live.namespace}" in path.broken.next
    live.api.delete("PersistentVolumeClaim", "small", live.namespace)
    assert (
        live.eventually("VolumeSnapshot", lambda found: not list(found)) or live.get("VolumeSnapshot", "then") is None
    )


def test_a_snapshot_without_a_class_where_none_is_default(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI))
    bound(live, "data")
    without = snapshot()
    del without["spec"]["volumeSnapshotClassName"]
    put(live, without)
    hop, evidence = broken(why(live, "vs/then"))
    assert hop == "VolumeSnapshotClass"
    assert "none is marked as default; classes: csi-hostpath-snapclass" in evidence


def test_a_snapshot_of_a_claim_without_a_csi_driver(live: LiveLab) -> None:
    put(live, claim(), pod())
    running(live)
    put(live, snapshot())
    hop, evidence = broken(why(live, "vs/then"))
    assert hop == "Claim"
    assert "claim data (class standard) is no volume of a CSI driver" in evidence


def test_a_snapshot_of_an_unbound_claim(live: LiveLab) -> None:
    put(live, claim(), snapshot())
    hop, evidence = broken(why(live, "vs/then"))
    assert (hop, evidence) == ("Claim", "claim data is Pending: there is nothing to take a snapshot of")


def test_no_snapshot_names_the_near_one(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI), snapshot())
    hop, evidence = broken(why(live, "vs/than"))
    assert hop == "VolumeSnapshot"
    assert evidence.endswith("did you mean then?")


@pytest.fixture
def scaled(live: LiveLab) -> Iterator[Callable[[str, int], None]]:
    """Scale a Deployment of kube-system and wait until its Pods have followed; afterwards all have one Pod again."""
    touched: set[str] = set()

    def scale(name: str, replicas: int) -> None:
        touched.add(name)
        live.api.request(
            "PATCH",
            live.api.path("Deployment", "kube-system", name),
            {"spec": {"replicas": replicas}},
            content_type="application/merge-patch+json",
        )
        for found in live.api.follow("Pod", "kube-system", timeout=60):
            mine = [p for p in found.values() if p["metadata"]["name"].startswith(f"{name}-")]
            if len(mine) == replicas and all(is_ready(p) for p in mine):
                return
        raise TimeoutError(f"Deployment {name} has not come to {replicas} Pods within 60 s")

    yield scale
    for name in touched:
        scale(name, 1)


def test_a_provisioner_that_is_stopped_and_started(live: LiveLab, scaled: Callable[[str, int], None]) -> None:
    scaled("csi-hostpath-provisioner", 0)
    put(live, claim(storageClassName=CSI))
    told(live, "ExternalProvisioning")
    path = why(live, "pvc/data")
    hop, evidence = broken(path)
    assert hop == "Provisioner"
    who = "Deployment csi-hostpath-provisioner in namespace kube-system"
    assert evidence == f"hostpath.csi.k8s.io does not run: {who} has no ready Pod: it is scaled to 0"
    assert path.broken is not None
    assert path.broken.next == "kubectl scale deployment csi-hostpath-provisioner -n kube-system --replicas=1"
    scaled("csi-hostpath-provisioner", 1)
    bound(live, "data")
    assert why(live, "pvc/data").broken is None


def test_an_attacher_that_is_stopped_and_started(live: LiveLab, scaled: Callable[[str, int], None]) -> None:
    scaled("csi-hostpath-attacher", 0)
    put(live, claim(storageClassName=CSI), pod())
    told(live, "Scheduled")
    hop, evidence = broken(why(live, "pvc/data"))
    assert hop == "Attach"
    assert "the attacher of hostpath.csi.k8s.io does not run: Deployment csi-hostpath-attacher" in evidence
    scaled("csi-hostpath-attacher", 1)
    running(live)


def test_the_programs_of_snapshots_that_are_stopped_and_started(
    live: LiveLab, scaled: Callable[[str, int], None]
) -> None:
    put(live, claim(storageClassName=CSI))
    bound(live, "data")
    scaled("csi-hostpath-snapshotter", 0)
    scaled("snapshot-controller", 0)
    put(live, snapshot())
    hop, evidence = broken(why(live, "volumesnapshot/then"))
    assert hop == "Content"
    assert "the snapshot-controller does not run: Deployment snapshot-controller" in evidence
    scaled("snapshot-controller", 1)
    assert live.eventually("VolumeSnapshot", lambda found: any(s.get("status") for s in found))
    hop, evidence = broken(why(live, "volumesnapshot/then"))
    assert hop == "Ready"
    assert "the snapshotter of hostpath.csi.k8s.io does not run: Deployment csi-hostpath-snapshotter" in evidence
    scaled("csi-hostpath-snapshotter", 1)
    assert live.eventually(
        "VolumeSnapshot", lambda found: any((s.get("status") or {}).get("readyToUse") for s in found)
    )

"""Classes: what provisions, when, and what can be changed afterwards."""

from __future__ import annotations

import pytest
from tests.parity.storage.support import CSI, DRIVER, Disks, claim, phase, pod, storage_class

from kindlab.api import ApiError


def test_an_immediate_class_provisions_at_once(disks: Disks) -> None:
    disks.put(claim())
    made = disks.volume_of("data")
    claimed = disks.require("PersistentVolumeClaim", "data")
    assert made["metadata"]["name"] == f"pvc-{claimed['metadata']['uid']}"
    assert made["spec"]["csi"]["driver"] == DRIVER
    assert made["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == DRIVER
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    disks.told("ProvisioningSucceeded", "data", text="Successfully provisioned volume pvc-")


def test_a_waiting_class_provisions_where_the_pod_goes(disks: Disks) -> None:
    of = disks.wide(storage_class(volumeBindingMode="WaitForFirstConsumer"))
    disks.put(claim(of=of))
    disks.told("WaitForFirstConsumer", "data", text="waiting for first consumer to be created before binding")
    assert phase(disks.require("PersistentVolumeClaim", "data")) == "Pending"
    user = disks.start(pod("user", "data"))[0]
    found = disks.bound("data")[0]
    assert found["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == user["spec"]["nodeName"]
    disks.ok("user", "echo x > /data/file && cat /data/file")


def test_a_claim_without_a_class_takes_the_default(disks: Disks) -> None:
    marked = [
        c["metadata"]["name"]
        for c in disks.api.list("StorageClass")
        if (c["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    ]
    if len(marked) != 1:
        pytest.skip("needs a cluster with one default class")
    made = disks.put(claim(of=None))[0]
    assert made["spec"]["storageClassName"] == marked[0]
    disks.start(pod("user", "data"))
    disks.ok("user", "echo x > /data/file && cat /data/file")


def test_an_empty_class_asks_for_no_class(disks: Disks) -> None:
    made = disks.put(claim(of=""))[0]
    assert made["spec"]["storageClassName"] == ""
    disks.told(
        "FailedBinding", "data", text="no persistent volumes available for this claim and no storage class is set"
    )


def test_a_class_that_is_not_there(disks: Disks) -> None:
    disks.put(claim(of=f"{disks.namespace}-none"))
    disks.told("ProvisioningFailed", "data", text=f'storageclass.storage.k8s.io "{disks.namespace}-none" not found')


def test_a_class_that_comes_later_is_used(disks: Disks) -> None:
    disks.put(claim(of=f"{disks.namespace}-class"))
    disks.told("ProvisioningFailed", "data")
    disks.wide(storage_class())
    disks.bound("data")


def test_a_provisioner_nobody_runs_is_waited_for(disks: Disks) -> None:
    of = disks.wide(storage_class("example.com/nobody"))
    disks.put(claim(of=of))
    disks.told("ExternalProvisioning", "data", text="external provisioner 'example.com/nobody'")
    assert phase(disks.require("PersistentVolumeClaim", "data")) == "Pending"


def test_a_deleted_class_leaves_its_claims_alone(disks: Disks) -> None:
    of = disks.wide(storage_class())
    disks.put(claim(of=of))
    disks.bound("data")
    disks.api.delete("StorageClass", of)
    disks.start(pod("user", "data"))
    disks.ok("user", "echo x > /data/file && cat /data/file")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provisioner", "example.com/other"),
        ("parameters", {"a": "b"}),
        ("reclaimPolicy", "Retain"),
        ("volumeBindingMode", "WaitForFirstConsumer"),
    ],
)
def test_what_a_class_says_of_volumes_does_not_change(disks: Disks, field: str, value: object) -> None:
    name = disks.wide(storage_class(volumeBindingMode="Immediate"))
    obj = disks.api.get("StorageClass", name)
    assert obj is not None
    with pytest.raises(ApiError) as refused:
        disks.request("PUT", disks.api.path("StorageClass", None, name), {**obj, field: value})
    assert refused.value.code == 422
    assert field in refused.value.message


def test_a_retaining_class_keeps_the_volume(disks: Disks) -> None:
    of = disks.wide(storage_class(reclaimPolicy="Retain"))
    disks.put(claim(of=of))
    name = disks.volume_of("data")["metadata"]["name"]
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    disks.volume_until(name, lambda v: phase(v) == "Released")
    disks.api.patch("PersistentVolume", name, None, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    disks.gone("PersistentVolume", name=name)


def test_mount_options_of_the_class_reach_the_volume(disks: Disks) -> None:
    of = disks.wide(storage_class(mountOptions=["noatime"]))
    disks.put(claim(of=of))
    assert disks.volume_of("data")["spec"]["mountOptions"] == ["noatime"]


def test_a_claim_grows_while_a_pod_uses_it(disks: Disks) -> None:
    disks.put(claim())
    disks.start(pod("user", "data"))
    disks.ok("user", "echo kept > /data/file")
    disks.update("PersistentVolumeClaim", "data", resources={"requests": {"storage": "3Mi"}})
    grown = disks.wait(
        "PersistentVolumeClaim", "data", lambda c: c["status"]["capacity"]["storage"] == "3Mi", timeout=180
    )
    assert not grown["status"].get("conditions")
    assert disks.volume_of("data")["spec"]["capacity"] == {"storage": "3Mi"}
    assert disks.ok("user", "cat /data/file") == "kept"


def test_a_claim_that_no_pod_uses_grows_when_one_does(disks: Disks) -> None:
    disks.put(claim())
    disks.bound("data")
    disks.update("PersistentVolumeClaim", "data", resources={"requests": {"storage": "3Mi"}})
    waiting = disks.wait(
        "PersistentVolumeClaim",
        "data",
        lambda c: any(x["type"] == "FileSystemResizePending" for x in c["status"].get("conditions") or ()),
        timeout=180,
    )
    assert waiting["status"]["capacity"] == {"storage": "1Mi"}
    disks.start(pod("user", "data"))
    disks.wait("PersistentVolumeClaim", "data", lambda c: c["status"]["capacity"]["storage"] == "3Mi", timeout=180)


def test_a_claim_does_not_shrink(disks: Disks) -> None:
    disks.put(claim(size="2Mi"))
    disks.bound("data")
    with pytest.raises(ApiError) as refused:
        disks.update("PersistentVolumeClaim", "data", resources={"requests": {"storage": "1Mi"}})
    assert refused.value.code == 422
    assert "field can not be less than" in refused.value.message


def test_a_class_must_allow_expansion(disks: Disks) -> None:
    of = disks.wide(storage_class())
    disks.put(claim(of=of))
    disks.bound("data")
    with pytest.raises(ApiError) as refused:
        disks.update("PersistentVolumeClaim", "data", resources={"requests": {"storage": "2Mi"}})
    assert refused.value.code == 403
    assert "only dynamically provisioned pvc can be resized" in refused.value.message


def test_a_node_says_how_many_volumes_it_takes(disks: Disks) -> None:
    nodes = [n for n in disks.api.list("CSINode") if any(d["name"] == DRIVER for d in n["spec"].get("drivers") or ())]
    assert nodes, "no node has registered the driver"
    limits = [
        d["allocatable"]["count"]
        for n in nodes
        for d in n["spec"]["drivers"]
        if d["name"] == DRIVER and (d.get("allocatable") or {}).get("count")
    ]
    if not limits or max(limits) > 64:
        pytest.skip("the driver's nodes take any number of volumes")
    names = [f"d{n}" for n in range(max(limits) * len(nodes) + 1)]
    disks.put(*(claim(name, of=CSI) for name in names))
    disks.bound(*names)
    home: dict[str, list[str]] = {}
    for name in names:
        terms = disks.volume_of(name)["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        home.setdefault(terms[0]["matchExpressions"][0]["values"][0], []).append(name)
    crowded = max(home.values(), key=len)
    disks.put(pod("full", *crowded))
    disks.told("FailedScheduling", "full", text="node(s) exceed max volume count")

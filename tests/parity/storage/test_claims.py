"""Claims meet volumes: who fits whom, what each is then, and what happens at the end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import workers
from tests.parity.storage.support import CSI, Disks, claim, phase, pod, storage_class, volume

from kindlab.api import ApiError, Obj

PVC_FINALIZER, PV_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


def own(disks: Disks) -> str:
    """A class name nobody else uses, without a StorageClass of that name."""
    return f"{disks.namespace}-by-hand"


def test_a_claim_takes_the_smallest_volume_that_fits(disks: Disks) -> None:
    for size in ("5Mi", "2Mi", "1Mi"):
        made = volume(size, of=own(disks))
        made["metadata"]["name"] = f"pv-{size.lower()}"
        disks.wide(made)
    disks.put(claim("data", "2Mi", own(disks)))
    found = disks.bound("data")[0]
    assert found["spec"]["volumeName"] == f"{disks.namespace}-pv-2mi"
    assert found["status"]["capacity"] == {"storage": "2Mi"}
    assert found["status"]["accessModes"] == ["ReadWriteOnce"]


def test_claim_and_volume_name_each_other(disks: Disks) -> None:
    name = disks.wide(volume("5Mi", of=own(disks)))
    disks.put(claim("data", "1Mi", own(disks)))
    found = disks.bound("data")[0]
    made = disks.volume_until(name, lambda v: phase(v) == "Bound")
    assert found["spec"]["volumeName"] == name
    ref = made["spec"]["claimRef"]
    assert (ref["namespace"], ref["name"], ref["uid"]) == (disks.namespace, "data", found["metadata"]["uid"])
    assert found["status"]["capacity"] == {"storage": "5Mi"}, "the whole volume, not what was asked for"
    assert found["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] == "yes"
    assert PVC_FINALIZER in found["metadata"]["finalizers"]
    assert PV_FINALIZER in made["metadata"]["finalizers"]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ({"size": "1Mi"}, {"size": "2Mi"}),
        ({"modes": ["ReadOnlyMany"]}, {}),
        ({"volumeMode": "Block"}, {}),
        ({}, {"selector": {"matchLabels": {"disk": "fast"}}}),
        ({}, {"class": "another"}),
    ],
    ids=["size", "access-mode", "volume-mode", "selector", "class"],
)
def test_a_claim_that_nothing_fits_stays_pending(disks: Disks, offered: Obj, asked: Obj) -> None:
    size, modes = offered.pop("size", "1Mi"), offered.pop("modes", ["ReadWriteOnce"])
    name = disks.wide(volume(size, *modes, of=own(disks), **offered))
    disks.volume_until(name, lambda v: phase(v) == "Available")
    of = disks.wide(storage_class("kubernetes.io/no-provisioner")) if asked.pop("class", "") else own(disks)
    disks.put(claim("data", asked.pop("size", "1Mi"), of, **asked))
    disks.told("ProvisioningFailed", "data")
    assert phase(disks.require("PersistentVolumeClaim", "data")) == "Pending"
    assert phase(disks.volume_until(name, lambda v: True)) == "Available"


def test_a_selector_chooses_among_volumes(disks: Disks) -> None:
    for speed in ("slow", "fast"):
        made = volume(of=own(disks))
        made["metadata"] = {"name": f"pv-{speed}", "labels": {"speed": speed}}
        disks.wide(made)
    selector = {"matchExpressions": [{"key": "speed", "operator": "In", "values": ["fast"]}]}
    disks.put(claim("data", "1Mi", own(disks), selector=selector))
    assert disks.bound("data")[0]["spec"]["volumeName"].endswith("pv-fast")


def test_a_volume_name_asks_for_one_volume(disks: Disks) -> None:
    disks.wide(volume("1Mi", of=own(disks)))
    larger = volume("5Mi", of=own(disks))
    larger["metadata"]["name"] = "larger"
    name = disks.wide(larger)
    disks.put(claim("data", "1Mi", own(disks), volumeName=name))
    assert disks.bound("data")[0]["spec"]["volumeName"] == name


def test_a_volume_can_be_reserved_for_a_claim(disks: Disks) -> None:
    ref = {"namespace": disks.namespace, "name": "chosen"}
    name = disks.wide(volume(of=own(disks), claimRef=ref))
    disks.put(claim("other", "1Mi", own(disks)))
    disks.told("ProvisioningFailed", "other")
    disks.put(claim("chosen", "1Mi", own(disks)))
    assert disks.bound("chosen")[0]["spec"]["volumeName"] == name
    assert phase(disks.require("PersistentVolumeClaim", "other")) == "Pending"


def test_two_claims_never_share_a_volume(disks: Disks) -> None:
    disks.wide(volume(of=own(disks)))
    disks.put(claim("a", "1Mi", own(disks)), claim("b", "1Mi", own(disks)))
    found = disks.until("PersistentVolumeClaim", lambda f: [c for c in f if phase(c) == "Bound"])
    assert len(found) == 1
    waiting = next(name for name in ("a", "b") if name != found[0]["metadata"]["name"])
    disks.told("ProvisioningFailed", waiting)


def test_a_volume_that_comes_later_is_taken(disks: Disks) -> None:
    disks.put(claim("data", "1Mi", own(disks)))
    disks.told("ProvisioningFailed", "data")
    name = disks.wide(volume(of=own(disks)))
    assert disks.bound("data")[0]["spec"]["volumeName"] == name


def test_a_retained_volume_is_released_with_its_data(disks: Disks) -> None:
    name = disks.wide(volume(of=own(disks)))
    disks.put(claim("data", "1Mi", own(disks)))
    user = disks.start(pod("user", "data"))[0]
    disks.ok("user", "echo kept > /data/file")
    disks.end("user")
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    released = disks.volume_until(name, lambda v: phase(v) == "Released")
    assert released["spec"]["claimRef"]["name"] == "data"
    disks.put(claim("again", "1Mi", own(disks)))
    disks.told("ProvisioningFailed", "again")  # Released is not Available
    disks.api.patch("PersistentVolume", name, None, {"spec": {"claimRef": None}})
    disks.bound("again")
    disks.start(pod("second", "again", nodeName=user["spec"]["nodeName"]))
    assert disks.ok("second", "cat /again/file") == "kept"


def test_a_dynamic_volume_goes_with_its_claim(disks: Disks) -> None:
    disks.put(claim())
    name = disks.volume_of("data")["metadata"]["name"]
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    disks.gone("PersistentVolume", name=name)


def test_a_claim_in_use_is_not_removed(disks: Disks) -> None:
    disks.put(claim())
    disks.start(pod("user", "data"))
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    going = disks.wait("PersistentVolumeClaim", "data", lambda c: c["metadata"].get("deletionTimestamp"))
    assert PVC_FINALIZER in going["metadata"]["finalizers"]
    disks.ok("user", "echo still > /data/file && cat /data/file")
    disks.end("user")
    disks.gone("PersistentVolumeClaim", name="data")


def test_a_bound_volume_is_not_removed(disks: Disks) -> None:
    name = disks.wide(volume(of=own(disks)))
    disks.put(claim("data", "1Mi", own(disks)))
    disks.bound("data")
    disks.api.delete("PersistentVolume", name)
    going = disks.volume_until(name, lambda v: v["metadata"].get("deletionTimestamp"))
    assert PV_FINALIZER in going["metadata"]["finalizers"]
    disks.api.delete("PersistentVolumeClaim", "data", disks.namespace)
    disks.gone("PersistentVolume", name=name)


def test_a_claim_whose_volume_is_taken_away_is_lost(disks: Disks) -> None:
    name = disks.wide(volume(of=own(disks)))
    disks.put(claim("data", "1Mi", own(disks)))
    disks.bound("data")
    disks.api.delete("PersistentVolume", name)
    disks.api.patch("PersistentVolume", name, None, {"metadata": {"finalizers": None}})
    disks.wait("PersistentVolumeClaim", "data", lambda c: phase(c) == "Lost")
    disks.told("ClaimLost", "data", text="Bound claim has lost its PersistentVolume")


def test_pods_of_one_node_share_a_read_write_once_claim(disks: Disks) -> None:
    disks.put(claim())
    first = disks.start(pod("first", "data"))[0]
    disks.start(pod("second", "data"))
    disks.ok("first", "echo hello > /data/file")
    assert disks.ok("second", "cat /data/file") == "hello"
    assert disks.require("Pod", "second")["spec"]["nodeName"] == first["spec"]["nodeName"]


def test_read_write_once_pod_admits_one_pod(disks: Disks) -> None:
    disks.put(claim("data", "1Mi", CSI, "ReadWriteOncePod"))
    disks.start(pod("first", "data"))
    disks.put(pod("second", "data"))
    disks.told("FailedScheduling", "second", text="ReadWriteOncePod access mode already in-use by another pod")
    disks.end("first")
    disks.wait("Pod", "second", lambda p: phase(p) == "Running", timeout=120)


def test_a_pod_waits_for_its_claim(disks: Disks) -> None:
    disks.put(pod("user", "data"))
    disks.told("FailedScheduling", "user", text='persistentvolumeclaim "data" not found')
    disks.put(claim())
    disks.wait("Pod", "user", lambda p: phase(p) == "Running", timeout=120)


def test_a_local_volume_draws_the_pod_to_its_node(disks: Disks) -> None:
    node = workers(disks.api)[-1]
    hostname = node["metadata"]["labels"]["kubernetes.io/hostname"]
    path = f"/tmp/{disks.namespace}"
    maker = pod("maker", {"name": "host", "hostPath": {"path": path, "type": "DirectoryOrCreate"}})
    maker["spec"]["nodeName"] = node["metadata"]["name"]
    disks.start(maker)
    made = volume(of=own(disks), local={"path": path}, nodeAffinity=_on(hostname))
    del made["spec"]["hostPath"]
    disks.wide(made)
    disks.put(claim("data", "1Mi", own(disks)))
    disks.start(pod("user", "data"))
    assert disks.require("Pod", "user")["spec"]["nodeName"] == node["metadata"]["name"]
    disks.ok("user", "echo x > /data/file")
    assert disks.ok("maker", "cat /host/file") == "x"


def test_a_pod_that_may_not_go_where_its_volume_is(disks: Disks) -> None:
    made = volume(of=own(disks), local={"path": "/tmp"}, nodeAffinity=_on("no-such-host"))
    del made["spec"]["hostPath"]
    disks.wide(made)
    disks.put(claim("data", "1Mi", own(disks)))
    disks.bound("data")
    disks.put(pod("user", "data"))
    disks.told("FailedScheduling", "user", text="didn't match PersistentVolume's node affinity")


def _on(hostname: str) -> Obj:
    term: Any = {"key": "kubernetes.io/hostname", "operator": "In", "values": [hostname]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}


def test_the_spec_of_a_claim_does_not_change(disks: Disks) -> None:
    disks.put(claim())
    disks.bound("data")
    with pytest.raises(ApiError) as refused:
        disks.update("PersistentVolumeClaim", "data", accessModes=["ReadWriteMany"])
    assert "spec is immutable after creation except resources.requests" in refused.value.message


def test_a_volume_of_two_nodes_at_once_is_refused(disks: Disks) -> None:
    """As network storage: the same volume without a node of its own."""
    nodes = [n["metadata"]["name"] for n in workers(disks.api)]
    if len(nodes) < 2:
        pytest.skip("needs two nodes that take Pods")
    disks.put(claim())
    csi = disks.volume_of("data")["spec"]["csi"]
    made = volume(of=own(disks), csi=csi)
    del made["spec"]["hostPath"]
    disks.wide(made)
    disks.put(claim("shared", "1Mi", own(disks)))
    home = disks.volume_of("data")["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    first = home["values"][0]
    second = next(name for name in nodes if name != first)
    disks.start(pod("one", "shared", nodeName=first))
    disks.put(pod("two", "shared", nodeName=second))
    disks.told("FailedAttachVolume", "two", text="Multi-Attach error")

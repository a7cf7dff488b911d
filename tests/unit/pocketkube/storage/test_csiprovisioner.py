"""Claims get CSI volumes: fields, where they are, what they contain, what is refused and told, and how they go."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.volumes import phase
from tests.unit.pocketkube.controllers.world import NAMESPACE
from tests.unit.pocketkube.storage.storage_world import CLAIMS, SELECTED, VOLUMES, StorageWorld, running

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.storage.csisources import CLONED
from pocketkube.storage.driver import NAME, RpcError, Volume
from pocketkube.storage.provisioning import FINALIZER

SECRETS = "csi.storage.k8s.io/"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StorageWorld]:
    async with running(StorageWorld(tmp_path, speed=10.0), "csi-provisioner", "cloning-protection") as it:
        yield it


def node_of(volume: Obj) -> str:
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    (wanted,) = term["matchExpressions"]
    assert (wanted["key"], wanted["operator"]) == ("topology.hostpath.csi/node", "In")
    (node,) = wanted["values"]
    return str(node)


# -- what is made


async def test_a_claim_gets_a_volume_with_all_that_upstream_writes(world: StorageWorld) -> None:
    parameters = {"colour": "red", SECRETS + "fstype": "xfs"}
    world.storage_class("slow", parameters=parameters, mountOptions=["noatime"], reclaimPolicy="Retain")
    world.claim(class_="slow", size="1500M")
    volume = await world.bound()
    claim = world.get(CLAIMS, "data")
    assert objects.name(volume) == f"pvc-{objects.uid(claim)}"
    assert objects.annotations(volume) == {
        "pv.kubernetes.io/provisioned-by": NAME,
        "volume.kubernetes.io/provisioner-deletion-secret-name": "",
        "volume.kubernetes.io/provisioner-deletion-secret-namespace": "",
    }
    spec = volume["spec"]
    handle, attributes = spec["csi"]["volumeHandle"], spec["csi"]["volumeAttributes"]
    identity = attributes.pop("storage.kubernetes.io/csiProvisionerIdentity")
    assert re.fullmatch(r"\d{13}-\d{1,4}-hostpath\.csi\.k8s\.io", identity)
    assert spec["csi"] == {
        "driver": NAME,
        "fsType": "xfs",
        "volumeHandle": handle,
        "volumeAttributes": {"colour": "red"},
    }
    assert spec["capacity"] == {"storage": "1500M"}
    assert (spec["mountOptions"], spec["volumeMode"], spec["storageClassName"]) == (["noatime"], "Filesystem", "slow")
    assert (spec["persistentVolumeReclaimPolicy"], spec["accessModes"]) == ("Retain", ["ReadWriteOnce"])
    assert node_of(volume) == "worker-a"
    found = world.driver.find_volume(handle)
    assert found == Volume(handle, objects.name(volume), 1_500_000_000, parameters={"colour": "red"})
    assert world.events("data", reason="ProvisioningSucceeded") == [
        f"Successfully provisioned volume {objects.name(volume)}"
    ]
    (event,) = [e for e in world.client.list("events") if e["reason"] == "Provisioning"]
    assert event["message"] == 'External provisioner is provisioning volume for claim "test/data"'
    assert re.fullmatch(r"hostpath\.csi\.k8s\.io_csi-hostpathplugin-0_[0-9a-f-]{36}", event["source"]["component"])


async def test_a_volume_with_policy_delete_goes_with_its_claim_and_its_bytes(world: StorageWorld) -> None:
    world.claim()
    volume = await world.bound()
    assert FINALIZER in volume["metadata"]["finalizers"]
    data = world.data()
    (data / "f").write_text("x")
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(VOLUMES, objects.name(volume)) is None)
    assert not data.exists()
    assert world.driver.find_volume(volume["spec"]["csi"]["volumeHandle"]) is None


@pytest.mark.parametrize("by", ["example.com/other", "rancher.io/local-path"])
async def test_what_another_provisioner_made_is_its_own_to_delete(world: StorageWorld, by: str) -> None:
    """Also a volume that somebody wrote by hand, with the handle of one that is in use."""
    world.claim()
    used = await world.bound()
    world.create(
        VOLUMES,
        {
            "metadata": {"name": "forged", "annotations": {"pv.kubernetes.io/provisioned-by": by}},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Delete",
                "csi": used["spec"]["csi"],
                "claimRef": {"namespace": "test", "name": "gone", "uid": "1"},
            },
        },
    )
    await world.until(lambda: phase(world, "forged") == "Released")
    await world.settle()
    assert world.find(VOLUMES, "forged") is not None
    assert world.driver.find_volume(used["spec"]["csi"]["volumeHandle"]) is not None
    assert world.data().exists()


async def test_a_kept_volume_loses_the_finalizer_and_keeps_its_bytes(world: StorageWorld) -> None:
    world.claim()
    volume = await world.bound()
    name, data = objects.name(volume), world.data()
    world.patch(VOLUMES, name, lambda v: v["spec"].update(persistentVolumeReclaimPolicy="Retain"))
    await world.until(lambda: FINALIZER not in world.get(VOLUMES, name)["metadata"]["finalizers"])
    world.patch(VOLUMES, name, lambda v: v["spec"].update(persistentVolumeReclaimPolicy="Delete"))
    await world.until(lambda: FINALIZER in world.get(VOLUMES, name)["metadata"]["finalizers"])
    world.patch(VOLUMES, name, lambda v: v["spec"].update(persistentVolumeReclaimPolicy="Retain"))
    world.delete(CLAIMS, "data")
    await world.until(lambda: phase(world, name) == "Released")
    await world.settle()
    assert data.is_dir()
    world.delete(VOLUMES, name)
    await world.until(lambda: world.find(VOLUMES, name) is None)
    assert data.is_dir()


async def test_what_the_driver_does_not_delete_is_told_and_tried_again(
    world: StorageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.claim()
    volume = await world.bound()

    def refuse(handle: str) -> None:
        raise RpcError("Internal", "the disk is on fire")

    monkeypatch.setattr(world.driver, "delete_volume", refuse)
    world.delete(CLAIMS, "data")
    text = await world.told(objects.name(volume), "VolumeFailedDelete")
    assert text == "rpc error: code = Internal desc = the disk is on fire"
    monkeypatch.undo()
    await world.until(lambda: world.find(VOLUMES, objects.name(volume)) is None)


async def test_volumes_made_by_hand_belong_to_it_too_and_those_of_others_do_not(world: StorageWorld) -> None:
    world.storage_class("other", "example.com/other")
    world.claim("foreign", class_="other")
    made = await world.driver.create_volume("by-hand", 1 << 30)
    for name, driver in (("mine", NAME), ("not-mine", "disk.example.com")):
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": f"manual-{name}",
            "csi": {"driver": driver, "volumeHandle": made.id},
        }
        world.create(VOLUMES, {"metadata": {"name": name}, "spec": spec})
        world.claim(f"for-{name}", class_=f"manual-{name}")
        await world.bound(f"for-{name}")
    world.delete(CLAIMS, "for-not-mine")
    await world.until(lambda: phase(world, "not-mine") == "Released")
    world.delete(CLAIMS, "for-mine")
    await world.until(lambda: world.find(VOLUMES, "mine") is None)
    assert world.driver.find_volume(made.id) is None
    assert phase(world, "not-mine") == "Released"
    assert phase(world, "foreign") == "Pending"
    assert world.events("foreign", reason="Provisioning") == []


# -- where


async def test_a_delayed_class_waits_for_a_node_and_is_made_there(world: StorageWorld) -> None:
    world.storage_class("late", volumeBindingMode="WaitForFirstConsumer")
    world.claim(class_="late")
    await world.settle()
    assert world.reasons("data").keys() == {"WaitForFirstConsumer"}
    world.select("data", "worker-b")
    assert node_of(await world.bound()) == "worker-b"


async def test_a_node_without_the_driver_is_given_back_to_the_scheduler(world: StorageWorld) -> None:
    world.storage_class("late", volumeBindingMode="WaitForFirstConsumer")
    world.node("bare")
    world.claim(class_="late", annotations={SELECTED: "bare"})
    text = await world.told("data", "ProvisioningFailed")
    assert text == 'failed to get selected CSINode bare: csinode.storage.k8s.io "bare" not found'
    await world.until(lambda: SELECTED not in objects.annotations(world.get(CLAIMS, "data")))


@pytest.mark.parametrize(
    ("key", "values", "node"),
    [
        ("topology.hostpath.csi/node", ["worker-b"], "worker-b"),
        ("topology.kubernetes.io/zone", ["b", "c"], "worker-b"),
        ("topology.kubernetes.io/zone", ["a", "b"], "worker-a"),
    ],
)
async def test_allowed_topologies_hold_without_a_pod_too(
    world: StorageWorld, key: str, values: list[str], node: str
) -> None:
    allowed = [{"matchLabelExpressions": [{"key": key, "values": values}]}]
    world.storage_class("there", allowedTopologies=allowed)
    world.claim(class_="there")
    assert node_of(await world.bound()) == node


async def test_a_class_no_node_fits_is_told(world: StorageWorld) -> None:
    allowed = [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["z"]}]}]
    world.storage_class("nowhere", allowedTopologies=allowed)
    world.claim(class_="nowhere")
    text = await world.told("data", "ProvisioningFailed")
    assert text.startswith("rpc error: code = ResourceExhausted desc = no node of the driver is in the allowed")
    late = world.storage_class("late", allowedTopologies=allowed, volumeBindingMode="WaitForFirstConsumer")
    world.claim("other", class_=objects.name(late), annotations={SELECTED: "worker-a"})
    assert await world.told("other", "ProvisioningFailed") == (
        "error generating accessibility requirements: topology [{topology.hostpath.csi/node worker-a}] from selected "
        'node "worker-a" is not in requisite: [[{topology.kubernetes.io/zone z}]]'
    )


# -- what is refused


@pytest.mark.parametrize(
    ("class_fields", "claim_spec", "text"),
    [
        (
            {},
            {"size": "2Ti"},
            "rpc error: code = OutOfRange desc = Requested capacity 2199023255552 exceeds maximum allowed "
            "1099511627776",
        ),
        ({}, {"selector": {"matchLabels": {"a": "b"}}}, "claim Selector is not supported"),
        (
            {"parameters": {SECRETS + "pvc/name": "x"}},
            {},
            "failed to strip CSI Parameters of prefixed keys: found unknown parameter key "
            '"csi.storage.k8s.io/pvc/name" with reserved namespace csi.storage.k8s.io/',
        ),
        (
            {"parameters": {SECRETS + "provisioner-secret-name": "s", SECRETS + "provisioner-secret-namespace": "n"}},
            {},
            'error getting secret s in namespace n: secrets "s" not found',
        ),
        (
            {"parameters": {"kind": "fast"}},
            {},
            "Volume provisioning failed with infeasible error. Retries will be delayed. rpc error: code = "
            'InvalidArgument desc = capacity tracking disabled, specifying kind "fast" is invalid',
        ),
        (
            {},
            {"volumeAttributesClassName": "gold"},
            'volumeattributesclasses.storage.k8s.io "gold" not found',
        ),
    ],
)
async def test_what_cannot_be_made_is_told_in_upstreams_words(
    world: StorageWorld, class_fields: dict[str, Any], claim_spec: dict[str, Any], text: str
) -> None:
    world.storage_class("c", **class_fields)
    world.claim(class_="c", **claim_spec)
    assert await world.told("data", "ProvisioningFailed") == text
    assert phase(world, "data") == "Pending"
    assert list(world.driver.folder.glob("*/*")) == []


async def test_what_a_claim_waits_for_is_noticed_when_it_comes(world: StorageWorld) -> None:
    world.claim(volumeAttributesClassName="gold")
    await world.told("data", "ProvisioningFailed")
    gold = {"metadata": {"name": "gold"}, "driverName": NAME, "parameters": {"type": "x"}}
    world.create("volumeattributesclasses", gold)
    volume = await world.bound()
    assert volume["spec"]["volumeAttributesClassName"] == "gold"
    world.create(
        "volumeattributesclasses",
        {"metadata": {"name": "other"}, "driverName": "example.com/disk", "parameters": {"type": "x"}},
    )
    world.claim("wrong", volumeAttributesClassName="other")
    assert await world.told("wrong", "ProvisioningFailed") == (
        f"VAC other referenced in PVC is for driver example.com/disk which does not match driver name {NAME}"
    )


async def test_a_secret_that_comes_is_noticed_by_those_who_wait_for_it_only(world: StorageWorld) -> None:
    name, namespace = SECRETS + "provisioner-secret-name", SECRETS + "provisioner-secret-namespace"
    world.storage_class("c", parameters={name: "${pvc.name}-key", namespace: "test"})
    world.claim(class_="c")
    world.claim("huge", size="2Ti")
    await world.told("data", "ProvisioningFailed")
    await world.told("huge", "ProvisioningFailed")
    before = world.reasons("huge")["ProvisioningFailed"]
    for i in range(50):
        world.create("secrets", {"metadata": {"name": f"other-{i}"}})
        await asyncio.sleep(0)
    await world.settle()
    world.create("secrets", {"metadata": {"name": "data-key"}})
    volume = await world.bound()
    annotations = objects.annotations(volume)
    assert annotations["volume.kubernetes.io/provisioner-deletion-secret-name"] == "data-key"
    assert annotations["volume.kubernetes.io/provisioner-deletion-secret-namespace"] == "test"
    assert world.reasons("huge")["ProvisioningFailed"] < before + 25, "it was tried again for every Secret"


async def test_failures_come_again_each_time_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []
    world = StorageWorld(tmp_path, speed=200.0)

    async def refuse(name: str, capacity: int, **options: object) -> Volume:
        tries.append(world.registry.clock.monotonic())
        raise RpcError("Internal", "not today")

    monkeypatch.setattr(world.driver, "create_volume", refuse)
    async with running(world, "csi-provisioner"):
        world.claim()
        await world.until(lambda: len(tries) >= 5)
        await world.told("data", "ProvisioningFailed", lambda text: text.endswith("not today"))
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert all(wait >= least for wait, least in zip(waits[1:], (2, 4, 8), strict=False)), waits


async def test_a_request_that_is_wrong_is_left_alone_until_the_class_is_another(world: StorageWorld) -> None:
    world.storage_class("c", parameters={"kind": "fast"})
    world.claim(class_="c")
    await world.told("data", "ProvisioningFailed")
    world.patch(CLAIMS, "data", lambda c: objects.meta(c).setdefault("labels", {}).update(touched="yes"))
    await world.settle()
    assert world.reasons("data")["ProvisioningFailed"] == 1
    world.delete("storageclasses", "c")
    world.storage_class("c")
    await world.bound()


# -- clones


async def test_a_clone_has_its_sources_bytes_and_is_independent(world: StorageWorld) -> None:
    world.claim()
    await world.bound()
    (world.data() / "f").write_text("source")
    world.storage_class("other")
    source = {"kind": "PersistentVolumeClaim", "name": "data"}
    world.claim("clone", size="2Gi", class_="other", dataSource=source)
    await world.bound("clone")
    assert (world.data("clone") / "f").read_text() == "source"
    (world.data("clone") / "f").write_text("clone")
    assert (world.data() / "f").read_text() == "source"
    assert CLONED in world.get(CLAIMS, "data")["metadata"]["finalizers"]
    kept = world.data("clone")
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(CLAIMS, "data") is None)
    assert (kept / "f").read_text() == "clone"


async def test_a_source_that_is_deleted_is_kept_until_its_clones_are_there(
    world: StorageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.claim()
    await world.bound()
    (world.data() / "f").write_text("source")
    create, go = world.driver.create_volume, asyncio.Event()

    async def slow(name: str, capacity: int, **options: Any) -> Volume:
        await go.wait()
        return await create(name, capacity, **options)

    monkeypatch.setattr(world.driver, "create_volume", slow)
    world.claim("clone", dataSource={"kind": "PersistentVolumeClaim", "name": "data"})
    await world.until(lambda: CLONED in world.get(CLAIMS, "data")["metadata"]["finalizers"])
    world.delete(CLAIMS, "data")
    await world.settle()
    assert world.get(CLAIMS, "data")["metadata"]["finalizers"] == [CLONED]
    go.set()
    await world.bound("clone")
    await world.until(lambda: world.find(CLAIMS, "data") is None)
    assert (world.data("clone") / "f").read_text() == "source"


async def test_a_clone_that_takes_its_time_holds_nobody_up_and_is_made_once(
    world: StorageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.claim()
    await world.bound()
    create, go, made = world.driver.create_volume, asyncio.Event(), []

    async def slow(name: str, capacity: int, **options: Any) -> Volume:
        if options["volume"]:
            made.append(name)
            await go.wait()
        return await create(name, capacity, **options)

    monkeypatch.setattr(world.driver, "create_volume", slow)
    world.claim("clone", dataSource={"kind": "PersistentVolumeClaim", "name": "data"})
    await world.until(lambda: CLONED in world.get(CLAIMS, "data")["metadata"]["finalizers"])
    world.patch(CLAIMS, "clone", lambda c: objects.meta(c).update(labels={"touched": "meanwhile"}))
    world.claim("other")
    await world.bound("other")
    assert phase(world, "clone") == "Pending"
    go.set()
    await world.bound("clone")
    assert len(made) == 1
    assert world.reasons("clone")["Provisioning"] == 1


async def test_a_clone_of_what_is_not_bound_yet_is_made_when_it_is(world: StorageWorld) -> None:
    source = {"kind": "PersistentVolumeClaim", "name": "data"}
    world.claim("clone", dataSource=source)
    assert await world.told("clone", "ProvisioningFailed") == (
        "error getting handle for DataSource Type PersistentVolumeClaim by Name data: error getting PVC data "
        '(namespace "test") from api server: persistentvolumeclaim "data" not found'
    )
    world.claim()
    await world.bound("clone")
    world.claim("small", size="10Mi", dataSource=source)
    assert (await world.told("small", "ProvisioningFailed")).endswith(
        "error, new PVC request must be greater than or equal in size to the specified PVC data source, requested "
        "10485760 but source is 1073741824"
    )
    world.claim("block", volumeMode="Block", dataSource=source)
    assert (await world.told("block", "ProvisioningFailed")).endswith(
        "the source PVC and destination PVCs must have the same volume mode for cloning.  Source is Filesystem, but "
        "new PVC requested Block"
    )


async def test_what_a_populator_makes_is_left_to_it(world: StorageWorld) -> None:
    world.claim(dataSourceRef={"apiGroup": "example.com", "kind": "Image", "name": "i"})
    await world.told("data", "Provisioning", lambda text: "populator" in text)
    (event,) = [e for e in world.client.list("events") if "populator" in e["message"]]
    assert event["message"] == "Assuming an external populator will provision the volume"
    assert event["source"]["component"] == "external-provisioner"
    await world.settle()
    assert "ProvisioningFailed" not in world.reasons("data")
    assert phase(world, "data") == "Pending"


async def test_a_claim_that_goes_while_its_volume_is_made_leaves_no_volume(
    world: StorageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, go, begun = world.driver.create_volume, asyncio.Event(), asyncio.Event()

    async def slow(name: str, capacity: int, **options: Any) -> Volume:
        begun.set()
        await go.wait()
        return await create(name, capacity, **options)

    monkeypatch.setattr(world.driver, "create_volume", slow)
    world.claim()
    await begun.wait()
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.client.find(CLAIMS, NAMESPACE, "data") is None)
    go.set()
    await world.until(lambda: bool(list((world.driver.folder / "volumes").glob("*"))))
    await world.until(lambda: world.list(VOLUMES) == [] and not list((world.driver.folder / "volumes").iterdir()))

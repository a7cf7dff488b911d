"""rancher.io/local-path: folders on nodes' disks, made and removed where they should be and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.volumes import phase
from tests.unit.pocketkube.storage.storage_world import CLAIMS, SELECTED, VOLUMES, StorageWorld, running

from pocketkube import objects
from pocketkube.objects import Obj

NAME = "rancher.io/local-path"
BASE = "var/local-path-provisioner"
PREFIX = 'failed to provision volume with StorageClass "standard": '


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StorageWorld]:
    created = StorageWorld(tmp_path, speed=10.0)
    async with running(created, "local-path-provisioner") as it:
        yield it


def standard(world: StorageWorld, **fields: Any) -> Obj:
    return world.storage_class("standard", NAME, **{"volumeBindingMode": "WaitForFirstConsumer", **fields})


async def provisioned(world: StorageWorld, name: str = "data", **spec: Any) -> tuple[Obj, Path]:
    """A bound claim's volume, and its folder on the disk of worker-b."""
    annotations = {SELECTED: "worker-b", **spec.pop("annotations", {})}
    claim = world.claim(name, class_="standard", annotations=annotations, **spec)
    volume = await world.bound(name)
    folder = f"pvc-{objects.uid(claim)}_test_{name}"
    return volume, world.folder / "worker-b" / BASE / folder


async def test_a_claim_gets_a_folder_on_the_node_of_its_pod(world: StorageWorld) -> None:
    standard(world)
    world.claim(class_="standard")
    await world.settle()
    assert world.reasons("data").keys() == {"WaitForFirstConsumer"}
    assert not (world.folder / "worker-b").exists()
    world.select("data", "worker-b")
    volume = await world.bound()
    folder = f"pvc-{objects.uid(world.get(CLAIMS, 'data'))}_test_data"
    assert objects.annotations(volume) == {
        "local.path.provisioner/selected-node": "worker-b",
        "pv.kubernetes.io/provisioned-by": NAME,
    }
    assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker-b"]}]}
    spec = {key: volume["spec"][key] for key in volume["spec"] if key != "claimRef"}
    assert spec == {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": f"/{BASE}/{folder}", "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": "standard",
        "volumeMode": "Filesystem",
    }
    made = world.folder / "worker-b" / BASE / folder
    assert made.stat().st_mode & 0o777 == 0o777
    assert not (world.folder / "worker-a").exists()
    (made / "f").write_text("x")
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(VOLUMES, objects.name(volume)) is None)
    assert not made.exists()
    assert made.parent.is_dir()


@pytest.mark.parametrize(
    ("class_fields", "claim_spec", "text"),
    [
        (
            {},
            {"accessModes": ["ReadWriteMany"]},
            f"{PREFIX}NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes",
        ),
        ({}, {"volumeMode": "Block"}, f"{NAME} does not support block volume provisioning"),
        ({}, {"selector": {}}, f"{PREFIX}claim.Spec.Selector is not supported"),
        (
            {"parameters": {"nodePath": "/else"}},
            {},
            f"{PREFIX}config doesn't contain path /else on node worker-b",
        ),
        (
            {"parameters": {"pathPattern": "x"}},
            {},
            f"{PREFIX}the class's parameter pathPattern is not supported here: leave it out",
        ),
        (
            {},
            {"annotations": {"volumeType": "nfs"}},
            f'{PREFIX}failed to create persistent volume source: "nfs" is not a recognised volume type',
        ),
    ],
)
async def test_what_it_refuses_is_told_in_its_words(
    world: StorageWorld, class_fields: dict[str, Any], claim_spec: dict[str, Any], text: str
) -> None:
    standard(world, **class_fields)
    annotations = {SELECTED: "worker-b", **claim_spec.get("annotations", {})}
    world.claim(class_="standard", **{**claim_spec, "annotations": annotations})
    assert await world.told("data", "ProvisioningFailed") == text
    assert phase(world, "data") == "Pending"
    assert list(world.folder.glob(f"*/{BASE}/*")) == []


async def test_a_class_that_does_not_wait_has_no_node(world: StorageWorld) -> None:
    standard(world, volumeBindingMode="Immediate")
    world.claim(class_="standard")
    assert await world.told("data", "ProvisioningFailed") == f"{PREFIX}configuration error, no node was specified"


async def test_a_node_that_is_gone_is_given_back_to_the_scheduler(world: StorageWorld) -> None:
    standard(world)
    world.claim(class_="standard", annotations={SELECTED: "gone"})
    assert (await world.told("data", "ProvisioningFailed")).endswith('nodes "gone" not found')
    await world.until(lambda: SELECTED not in objects.annotations(world.get(CLAIMS, "data")))


async def test_local_volumes_and_other_keys_for_the_node(world: StorageWorld) -> None:
    standard(world, parameters={"nodeAffinityKey": "topology.hostpath.csi/node"})
    volume, folder = await provisioned(world, annotations={"volumeType": "local"})
    assert volume["spec"]["local"] == {"path": f"/{BASE}/{folder.name}"}
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["key"] == "topology.hostpath.csi/node"


async def test_a_kept_volume_keeps_its_folder(world: StorageWorld) -> None:
    standard(world, reclaimPolicy="Retain")
    volume, folder = await provisioned(world)
    world.delete(CLAIMS, "data")
    await world.until(lambda: phase(world, objects.name(volume)) == "Released")
    await world.settle()
    assert folder.is_dir()


async def test_of_a_node_that_is_gone_nothing_is_left_to_remove(world: StorageWorld) -> None:
    standard(world)
    volume, folder = await provisioned(world)
    world.delete("nodes", "worker-b")
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(VOLUMES, objects.name(volume)) is None)
    assert folder.is_dir()


async def test_links_that_containers_make_lead_it_nowhere(world: StorageWorld, tmp_path: Path) -> None:
    standard(world)
    outside = tmp_path / "outside"
    (outside / "local-path-provisioner").mkdir(parents=True)
    (outside / "dear").write_text("dear")
    disk = world.folder / "worker-b"
    disk.mkdir()
    (disk / "var").symlink_to(outside)
    world.claim(class_="standard", annotations={SELECTED: "worker-b"})
    text = await world.told("data", "ProvisioningFailed")
    assert "Not a directory" in text or "Too many levels" in text
    assert list((outside / "local-path-provisioner").iterdir()) == []
    (disk / "var").unlink()
    await world.bound()
    (volume,) = world.list(VOLUMES)
    folder = disk / BASE / Path(volume["spec"]["hostPath"]["path"]).name
    (folder / "link").symlink_to(outside)
    world.delete(CLAIMS, "data")
    await world.until(lambda: world.find(VOLUMES, objects.name(volume)) is None)
    assert not folder.exists()
    assert (outside / "dear").read_text() == "dear"


async def test_nothing_but_its_own_folders_is_deleted(world: StorageWorld) -> None:
    standard(world)
    volume, _ = await provisioned(world)
    dear = world.folder / "worker-b" / "data" / "dear"
    dear.mkdir(parents=True)
    claim = world.claim("other", class_="manual")
    spec = {key: volume["spec"][key] for key in ("accessModes", "capacity", "nodeAffinity")}
    spec |= {
        "hostPath": {"path": "/data/dear"},
        "storageClassName": "manual",
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {"namespace": "test", "name": "other", "uid": objects.uid(claim)},
    }
    annotations = {"pv.kubernetes.io/provisioned-by": NAME}
    world.create(VOLUMES, {"metadata": {"name": "made-up", "annotations": annotations}, "spec": spec})
    await world.bound("other")
    world.delete(CLAIMS, "other")
    text = await world.told("made-up", "VolumeFailedDelete")
    assert "/data/dear is not below /var/local-path-provisioner" in text
    assert dear.is_dir()

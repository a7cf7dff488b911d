"""What becomes of a volume whose claim is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.volumes import bound_to, claim, made_for, phase, volume
from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects
from pocketkube.controllers import volumeplugins
from pocketkube.objects import Obj

NAMES = [
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-controller",
    "serviceaccount-controller",
]
POD = "recycler-for-v"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """No nodes: the tests are the kubelet."""
    created = World()
    created.create("namespaces", {"metadata": {"name": "default"}})
    async with running(created, NAMES) as it:
        await it.until(lambda: it.client.find("serviceaccounts", "default", "default") is not None)
        yield it


async def release(world: World, name: str = "v") -> None:
    """Bind the volume to a claim and delete that."""
    claim(world)
    await world.until(lambda: bound_to(world, "data") == name)
    world.delete("persistentvolumeclaims", "data")


def ref(world: World) -> Obj | None:
    found: Obj | None = world.get("persistentvolumes", "v")["spec"].get("claimRef")
    return found


async def test_retain_keeps_the_volume_for_nobody(world: World) -> None:
    volume(world)
    await release(world)
    await world.until(lambda: phase(world, "v") == "Released")
    old = ref(world)
    claim(world)  # of the same name
    await world.until(lambda: world.events("data", reason="ProvisioningFailed") != [])
    assert (phase(world, "v"), ref(world)) == ("Released", old)
    assert phase(world, "data") == "Pending"


async def test_a_released_volume_is_free_again_when_an_administrator_says_so(world: World) -> None:
    volume(world)
    await release(world)
    await world.until(lambda: phase(world, "v") == "Released")

    def free(found: Obj) -> None:
        del found["spec"]["claimRef"]

    world.patch("persistentvolumes", "v", free)
    await world.until(lambda: phase(world, "v") == "Available")
    claim(world, "next")
    await world.until(lambda: bound_to(world, "next") == "v")


async def test_delete_waits_for_the_program_that_made_the_volume(world: World) -> None:
    wanted = claim(world, storageClassName="fast")
    volume(world, **made_for(wanted, "v"))
    await world.until(lambda: bound_to(world, "data") == "v")
    world.delete("persistentvolumeclaims", "data")
    await world.until(lambda: phase(world, "v") == "Released")
    await world.settle()
    assert (phase(world, "v"), world.events("v")) == ("Released", [])


async def test_delete_of_a_host_path_that_may_not_be_deleted_fails(world: World) -> None:
    volume(world, persistentVolumeReclaimPolicy="Delete", hostPath={"path": "/data/v"})
    await release(world)
    await world.until(lambda: phase(world, "v") == "Failed")
    text = "host_path deleter only supports /tmp/.+ but received provided /data/v"
    assert world.events("v", reason="VolumeFailedDelete") == [text]
    assert objects.status(world.get("persistentvolumes", "v"))["message"] == text


async def test_delete_of_a_host_path_below_tmp_deletes_the_volume(world: World) -> None:
    volume(world, persistentVolumeReclaimPolicy="Delete", hostPath={"path": "/tmp/v"})
    await release(world)
    await world.until(lambda: world.find("persistentvolumes", "v") is None)


async def test_delete_of_a_local_volume_fails(world: World) -> None:
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n"]}]}]
    affinity = {"required": {"nodeSelectorTerms": terms}}
    volume(world, persistentVolumeReclaimPolicy="Delete", local={"path": "/mnt"}, nodeAffinity=affinity)
    await release(world)
    await world.until(lambda: phase(world, "v") == "Failed")
    why = "no deletable volume plugin matched"
    assert world.events("v", reason="VolumeFailedDelete") == [
        f'error getting deleter volume plugin for volume "v": {why}'
    ]


@pytest.mark.parametrize(
    ("volume", "answer"),
    [
        ({"spec": {"csi": {}}}, False),
        ({"spec": {"hostPath": {}}}, True),
        ({"spec": {"hostPath": {}}, "annotations": "rancher.io/local-path"}, False),
        ({"spec": {"nfs": {}}, "annotations": "example.com/nfs"}, False),
        (
            {"spec": {"nfs": {}}},
            'error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
        ),
        ({"spec": {"iscsi": {}}}, 'error getting deleter volume plugin for volume "v": no volume plugin matched'),
        ({"spec": {}, "annotations": "kubernetes.io/rbd"}, "no volume plugin matched name: kubernetes.io/rbd"),
        ({"spec": {}, "annotations": "kubernetes.io/nfs"}, "no deletable volume plugin matched"),
    ],
)
def test_who_deletes_a_volume(volume: Obj, answer: bool | str) -> None:
    made_by = volume.get("annotations")
    metadata = {"name": "v", "annotations": {"pv.kubernetes.io/provisioned-by": made_by} if made_by else {}}
    asked = {"metadata": metadata, "spec": volume["spec"]}
    if isinstance(answer, bool):
        assert volumeplugins.deletes(asked) is answer
    else:
        with pytest.raises(volumeplugins.PluginError) as error:
            volumeplugins.deletes(asked)
        assert str(error.value) == answer


# -- Recycle


def pod(world: World) -> Obj | None:
    return world.client.find("pods", "default", POD)


async def recycling(world: World, size: str = "1Gi") -> Obj:
    volume(world, size=size, persistentVolumeReclaimPolicy="Recycle")
    await release(world)
    await world.until(lambda: pod(world) is not None)
    return world.client.get("pods", "default", POD)


async def test_a_pod_wipes_the_volume_which_is_free_again(world: World) -> None:
    made = await recycling(world, "3Gi")
    assert made["spec"]["volumes"][0] == {"name": "vol", "hostPath": {"path": "/data/v", "type": ""}}
    assert made["spec"]["activeDeadlineSeconds"] == 90
    assert made["spec"]["restartPolicy"] == "Never"
    world.client.record(made, "Normal", "Started", "Container started")
    await world.until(lambda: "Recycler pod: Container started" in world.events("v", reason="RecyclerPod"))
    world.set_ready(POD, False, phase="Succeeded", namespace="default")
    await world.until(lambda: phase(world, "v") == "Available")
    assert ref(world) is None
    assert world.events("v", reason="VolumeRecycled") == ["Volume recycled"]
    await world.until(lambda: pod(world) is None)


async def test_a_pod_that_fails_leaves_the_volume_failed_and_the_attempt_is_repeated() -> None:
    created = World(speed=100)
    created.create("namespaces", {"metadata": {"name": "default"}})
    async with running(created, NAMES) as world:
        await world.until(lambda: world.client.find("serviceaccounts", "default", "default") is not None)
        made = await recycling(world)
        world.set_ready(POD, False, phase="Failed", namespace="default")
        await world.until(lambda: phase(world, "v") == "Failed")
        text = "Recycle failed: failed to recycle volume: pod failed, pod.Status.Message unknown"
        assert world.events("v", reason="VolumeFailedRecycle") == [text]
        await world.until(lambda: (it := pod(world)) is not None and objects.uid(it) != objects.uid(made))


async def test_a_pod_somebody_deletes_is_told(world: World) -> None:
    await recycling(world)
    world.client.delete("pods", ("default", POD))
    await world.until(lambda: phase(world, "v") == "Failed")
    assert world.events("v", reason="VolumeFailedRecycle") == [
        "Recycle failed: failed to recycle volume: recycler pod was deleted"
    ]


async def test_a_pod_left_by_an_earlier_controller_goes_first(world: World) -> None:
    body = {"containers": [{"name": "c", "image": "i"}]}
    world.create("pods", {"metadata": {"name": POD, "namespace": "default"}, "spec": body})
    volume(world, persistentVolumeReclaimPolicy="Recycle")
    await release(world)
    await world.until(lambda: phase(world, "v") == "Failed")
    assert world.events("v", reason="VolumeFailedRecycle") == [
        "Recycle failed: old recycler pod found, will retry later"
    ]
    await world.until(lambda: pod(world) is None)


async def test_volumes_other_than_host_path_cannot_be_recycled(world: World) -> None:
    volume(world, persistentVolumeReclaimPolicy="Recycle", csi={"driver": "disk.example.com", "volumeHandle": "h"})
    await release(world)
    await world.until(lambda: phase(world, "v") == "Failed")
    assert world.events("v", reason="VolumeFailedRecycle") == ["No recycler plugin found for the volume!"]

"""Which claim gets which volume, what both show for it, and what is told about those that wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.volumes import bound_to, claim, made_for, phase, storage_class, volume
from tests.unit.pocketkube.controllers.world import NAMESPACE, World, running

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.controllers.persistentvolumebinder import PersistentVolumeBinder
from pocketkube.objects import Obj
from pocketkube.store import Event

WAITING = (
    "Waiting for a volume to be created either by the external provisioner 'example.com/disk' or manually by the "
    "system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Only the binder."""
    created = World()
    created.create("namespaces", {"metadata": {"name": "default"}})  # where events about volumes are
    async with running(created, ["persistentvolume-controller"]) as it:
        yield it


def let_go(world: World, resource: str, name: str) -> None:
    """Delete for good: the protection controllers are not running here."""

    def forget(obj: Obj) -> None:
        obj["metadata"].pop("finalizers", None)

    world.patch(resource, name, forget)
    world.delete(resource, name)


def counts(world: World, name: str) -> dict[str, int]:
    """Reason -> how often it was told about the object of that name."""
    about = [e for e in world.client.list("events") if e["involvedObject"]["name"] == name]
    return {e["reason"]: e["count"] for e in about}


# -- static binding


async def test_a_binding_is_written_from_the_volume_to_the_claim(world: World) -> None:
    """Whenever the process ends, what a claim names is promised to it."""
    written: list[str] = []

    def note(event: Event) -> None:
        obj = event.object
        what = objects.spec(obj).get("claimRef") or objects.spec(obj).get("volumeName")
        written.append(f"{objects.name(obj)} {'tied' if what else 'free'} {objects.status(obj).get('phase')}")

    volume(world, "v", "1Gi")
    await world.until(lambda: phase(world, "v") == "Available")
    claim(world, size="500Mi")
    for resource in ("persistentvolumes", "persistentvolumeclaims"):
        world.client.subscribe(resource, note)
    await world.until(lambda: bound_to(world, "data") == "v")
    assert written == ["v tied Available", "v tied Bound", "data tied Pending", "data tied Bound"]


async def test_the_smallest_volume_that_fits_is_bound_and_both_say_so(world: World) -> None:
    for name, size in (("big", "10Gi"), ("small", "1Gi"), ("tiny", "100Mi")):
        volume(world, name, size)
    await world.until(lambda: phase(world, "small") == "Available")
    claim(world, size="500Mi")
    await world.until(lambda: bound_to(world, "data") == "small")
    found, its = world.get("persistentvolumeclaims", "data"), world.get("persistentvolumes", "small")
    assert objects.annotations(found) == {claims.BIND_COMPLETED: "yes", claims.BOUND_BY_CONTROLLER: "yes"}
    assert objects.status(found) == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    assert objects.annotations(its) == {claims.BOUND_BY_CONTROLLER: "yes"}
    assert its["spec"]["claimRef"].keys() == {"apiVersion", "kind", "namespace", "name", "uid", "resourceVersion"}
    assert phase(world, "big") == "Available"
    assert world.events("data") == []


async def test_a_claim_that_waits_gets_the_volume_that_comes(world: World) -> None:
    claim(world)
    await world.until(lambda: "ProvisioningFailed" in counts(world, "data"))
    volume(world)
    await world.until(lambda: bound_to(world, "data") == "v")


async def test_a_claim_that_names_its_volume_is_bound_to_it_and_not_by_the_controller(world: World) -> None:
    volume(world, "small")
    volume(world, "big", "10Gi")
    claim(world, volumeName="big")
    await world.until(lambda: bound_to(world, "data") == "big")
    assert objects.annotations(world.get("persistentvolumeclaims", "data")) == {claims.BIND_COMPLETED: "yes"}
    assert objects.annotations(world.get("persistentvolumes", "big")) == {claims.BOUND_BY_CONTROLLER: "yes"}


async def test_a_claim_waits_without_a_word_for_a_volume_it_names_that_is_not_there(world: World) -> None:
    claim(world, volumeName="later")
    await world.settle()
    assert (phase(world, "data"), world.events("data")) == ("Pending", [])
    volume(world, "later")
    await world.until(lambda: bound_to(world, "data") == "later")


async def test_a_volume_reserved_by_name_waits_for_that_claim_only(world: World) -> None:
    volume(world, claimRef={"namespace": NAMESPACE, "name": "chosen"})
    await world.until(lambda: phase(world, "v") == "Available")
    claim(world, "other")
    await world.until(lambda: "ProvisioningFailed" in counts(world, "other"))
    claim(world, "chosen")
    await world.until(lambda: bound_to(world, "chosen") == "v")
    its = world.get("persistentvolumes", "v")
    assert its["spec"]["claimRef"]["uid"] == objects.uid(world.get("persistentvolumeclaims", "chosen"))
    assert objects.annotations(its) == {}, "a user's reservation is not the controller's"
    assert phase(world, "other") == "Pending"


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"size": "2Gi"}, "requested PV is too small"),
        ({"storageClassName": "fast"}, "storageClassName does not match"),
        ({"volumeMode": "Block"}, "incompatible volumeMode"),
        ({"accessModes": ["ReadWriteMany"]}, "incompatible accessMode"),
        ({"volumeAttributesClassName": "gold"}, "volumeAttributesClassName does not match"),
    ],
)
async def test_a_volume_that_was_named_but_does_not_fit(world: World, wish: dict[str, object], why: str) -> None:
    volume(world)
    claim(world, volumeName="v", **wish)  # type: ignore[arg-type]
    await world.until(lambda: world.events("data") != [])
    assert world.events("data", reason="VolumeMismatch") == [f'Cannot bind to requested volume "v": {why}']
    assert phase(world, "data") == "Pending"


async def test_a_named_volume_that_is_being_deleted_does_not_fit(world: World) -> None:
    volume(world)
    world.delete("persistentvolumes", "v")
    claim(world, volumeName="v")
    await world.until(lambda: world.events("data") != [])
    why = 'the volume is marked for deletion "v"'
    assert world.events("data") == [f'Cannot bind to requested volume "v": {why}']


async def test_the_second_claim_of_a_volume_waits_and_gets_it_when_it_is_free_again(world: World) -> None:
    volume(world)
    claim(world, "first", volumeName="v")
    await world.until(lambda: bound_to(world, "first") == "v")
    claim(world, "second", volumeName="v")
    await world.until(lambda: world.events("second") != [])
    assert counts(world, "second") == {"FailedBinding": 1}
    assert world.events("second") == ['volume "v" already bound to a different claim.']
    let_go(world, "persistentvolumeclaims", "first")
    await world.until(lambda: phase(world, "v") == "Released")

    def free(found: Obj) -> None:
        del found["spec"]["claimRef"]

    world.patch("persistentvolumes", "v", free)
    await world.until(lambda: bound_to(world, "second") == "v")


async def test_the_attributes_class_of_the_volume_is_shown(world: World) -> None:
    volume(world, volumeAttributesClassName="gold", csi={"driver": "d", "volumeHandle": "h"})
    claim(world, volumeAttributesClassName="gold")
    await world.until(lambda: bound_to(world, "data") == "v")
    assert objects.status(world.get("persistentvolumeclaims", "data"))["currentVolumeAttributesClassName"] == "gold"


async def test_a_volume_that_has_yet_to_grow_shows_its_old_size(world: World) -> None:
    volume(world, annotations={"volume.alpha.kubernetes.io/pre-resize-capacity": "512Mi"})
    claim(world)
    await world.until(lambda: bound_to(world, "data") == "v")
    assert objects.status(world.get("persistentvolumeclaims", "data"))["capacity"] == {"storage": "512Mi"}


async def test_the_size_a_bound_claim_shows_is_left_to_those_who_resize(world: World) -> None:
    volume(world)
    claim(world)
    await world.until(lambda: bound_to(world, "data") == "v")
    world.patch("persistentvolumes", "v", lambda v: v["spec"]["capacity"].update(storage="2Gi"))
    await world.settle()
    assert objects.status(world.get("persistentvolumeclaims", "data"))["capacity"] == {"storage": "1Gi"}


# -- what is told about a claim that waits


async def test_without_class_and_volume(world: World) -> None:
    claim(world, storageClassName="")
    await world.until(lambda: world.events("data") != [])
    assert world.events("data", reason="FailedBinding") == [
        "no persistent volumes available for this claim and no storage class is set"
    ]


@pytest.mark.parametrize(
    ("provisioner", "text"),
    [
        ("kubernetes.io/no-provisioner", "no volume plugin matched name: kubernetes.io/no-provisioner"),
        ("kubernetes.io/nfs", "no provisionable volume plugin matched"),
        (
            "kubernetes.io/host-path",
            'Failed to create provisioner: provisioning in volume plugin "kubernetes.io/host-path" is disabled',
        ),
    ],
)
async def test_a_class_nobody_provisions_for(world: World, provisioner: str, text: str) -> None:
    storage_class(world, provisioner=provisioner)
    claim(world, storageClassName="fast")
    await world.until(lambda: world.events("data") != [])
    assert world.events("data", reason="ProvisioningFailed") == [text]


async def test_an_unknown_class_is_told_and_asked_for_when_it_comes(world: World) -> None:
    claim(world, storageClassName="fast")
    await world.until(lambda: world.events("data") != [])
    assert world.events("data", reason="ProvisioningFailed") == ['storageclass.storage.k8s.io "fast" not found']
    storage_class(world)
    await world.until(lambda: "ExternalProvisioning" in counts(world, "data"))


async def test_a_deleted_class_is_told(world: World) -> None:
    storage_class(world)
    claim(world, storageClassName="fast")
    await world.until(lambda: "ExternalProvisioning" in counts(world, "data"))
    world.delete("storageclasses", "fast")
    await world.until(lambda: "ProvisioningFailed" in counts(world, "data"))


async def test_a_provisioner_outside_is_asked_by_annotation_and_waited_for(world: World) -> None:
    storage_class(world)
    wanted = claim(world, storageClassName="fast")
    await world.settle()
    found = world.get("persistentvolumeclaims", "data")
    assert objects.annotations(found) == {
        claims.BETA_STORAGE_PROVISIONER: "example.com/disk",
        claims.STORAGE_PROVISIONER: "example.com/disk",
    }
    assert world.events("data", reason="ExternalProvisioning") == [WAITING]
    assert counts(world, "data") == {"ExternalProvisioning": 2}, "once for each version: as created, as annotated"
    made = made_for(wanted)
    volume(world, **made)
    await world.until(lambda: bound_to(world, "data") == made["name"])
    assert claims.BOUND_BY_CONTROLLER not in objects.annotations(world.get("persistentvolumes", made["name"]))


async def test_a_class_of_an_old_name_asks_the_driver_that_took_over(world: World) -> None:
    storage_class(world, provisioner="kubernetes.io/aws-ebs")
    claim(world, storageClassName="fast")
    await world.until(lambda: world.events("data") != [])
    asked = objects.annotations(world.get("persistentvolumeclaims", "data"))
    assert asked[claims.STORAGE_PROVISIONER] == "ebs.csi.aws.com"
    assert "external provisioner 'ebs.csi.aws.com'" in world.events("data")[0]


async def test_the_same_is_told_again_after_fifteen_seconds_not_for_what_happens_to_others() -> None:
    async with running(World(speed=100), ["persistentvolume-controller"]) as world:
        claim(world, storageClassName="")
        volume(world)  # of another class
        began = world.registry.clock.monotonic()
        await world.until(lambda: counts(world, "data") == {"FailedBinding": 3})
        assert world.registry.clock.monotonic() - began >= 30


# -- WaitForFirstConsumer


async def test_a_delayed_claim_waits_for_its_first_pod(world: World) -> None:
    storage_class(world, volumeBindingMode="WaitForFirstConsumer")
    volume(world, storageClassName="fast")
    claim(world, storageClassName="fast")
    await world.settle()
    assert world.events("data", reason="WaitForFirstConsumer") == [
        "waiting for first consumer to be created before binding"
    ]
    assert (phase(world, "data"), phase(world, "v")) == ("Pending", "Available"), "the scheduler chooses"
    world.patch("persistentvolumeclaims", "data", lambda c: c["metadata"].setdefault("annotations", {}).update(CHOSEN))
    await world.until(lambda: "ExternalProvisioning" in counts(world, "data"))


CHOSEN = {claims.SELECTED_NODE: "worker-a"}


async def test_a_delayed_claim_that_the_scheduler_has_promised_a_volume_is_bound(world: World) -> None:
    storage_class(world, "slow", "kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")
    volume(world, storageClassName="slow")
    wanted = claim(world, storageClassName="slow")
    await world.until(lambda: phase(world, "v") == "Available")

    def promise(found: Obj) -> None:
        claims.promise(found, wanted)

    world.patch("persistentvolumes", "v", promise)
    await world.until(lambda: bound_to(world, "data") == "v")


async def test_the_pods_a_delayed_claim_waits_for_are_named() -> None:
    async with running(World(speed=100), ["persistentvolume-controller", "serviceaccount-controller"]) as world:
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        storage_class(world, volumeBindingMode="WaitForFirstConsumer")
        claim(world, "p-data", storageClassName="fast")
        mount = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "p-data"}}]}
        world.pod("b", nodeName="", schedulerName="nobody", **mount)
        await world.until(lambda: "waiting for pod b to be scheduled" in world.events("p-data"))
        world.pod("a", schedulerName="nobody", **mount)
        await world.until(lambda: "waiting for pods a,b to be scheduled" in world.events("p-data"))


# -- the default class, given afterwards


async def test_a_claim_without_class_gets_the_default_one_that_comes_later(world: World) -> None:
    claim(world, "nil", storageClassName=None)
    claim(world, "empty", storageClassName="")
    await world.until(lambda: bool(world.events("nil") and world.events("empty")))
    storage_class(world, default=True)
    await world.until(lambda: "ExternalProvisioning" in counts(world, "nil"))
    assert world.get("persistentvolumeclaims", "nil")["spec"]["storageClassName"] == "fast"
    assert world.get("persistentvolumeclaims", "empty")["spec"]["storageClassName"] == ""


# -- what is lost


async def test_a_claim_whose_volume_is_gone_is_lost_and_found_again(world: World) -> None:
    volume(world)
    claim(world)
    await world.until(lambda: bound_to(world, "data") == "v")
    kept = world.get("persistentvolumes", "v")["spec"]
    let_go(world, "persistentvolumes", "v")
    await world.until(lambda: phase(world, "data") == "Lost")
    assert world.events("data", reason="ClaimLost") == [
        "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    ]
    assert objects.status(world.get("persistentvolumeclaims", "data")) == {"phase": "Lost"}
    world.create("persistentvolumes", {"metadata": {"name": "v"}, "spec": objects.copy(kept)})
    await world.until(lambda: bound_to(world, "data") == "v")


async def test_a_claim_whose_volume_belongs_to_another_is_lost(world: World) -> None:
    volume(world)
    claim(world, "owner")
    await world.until(lambda: bound_to(world, "owner") == "v")
    body: Obj = {
        "metadata": {"name": "thief", "annotations": {claims.BIND_COMPLETED: "yes"}},
        "spec": {**objects.copy(world.get("persistentvolumeclaims", "owner")["spec"])},
    }
    world.create("persistentvolumeclaims", body)
    await world.until(lambda: phase(world, "thief") == "Lost")
    assert world.events("thief", reason="ClaimMisbound") == [
        "Two claims are bound to the same volume, this one is bound incorrectly"
    ]
    assert bound_to(world, "owner") == "v"


async def test_a_bound_claim_that_names_no_volume_is_lost(world: World) -> None:
    storage_class(world)
    body: Obj = {
        "metadata": {"name": "data", "annotations": {claims.BIND_COMPLETED: "yes"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    world.create("persistentvolumeclaims", body)
    await world.until(lambda: phase(world, "data") == "Lost")
    assert world.events("data", reason="ClaimLost") == [
        "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
    ]


async def test_a_plugin_of_old_makes_no_copies(world: World) -> None:
    storage_class(world, provisioner="kubernetes.io/host-path")
    source = {"kind": "PersistentVolumeClaim", "name": "other"}
    claim(world, storageClassName="fast", dataSource=source)
    await world.until(lambda: world.events("data") != [])
    assert world.events("data", reason="ProvisioningFailed") == [
        'plugin "kubernetes.io/host-path" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource'
    ]
    assert claims.STORAGE_PROVISIONER not in objects.annotations(world.get("persistentvolumeclaims", "data"))


async def test_a_volume_made_for_a_claim_of_another_mode(world: World) -> None:
    wanted = claim(world, storageClassName="fast", volumeMode="Block")
    volume(world, **made_for(wanted, "wrong"))
    await world.until(lambda: world.events("wrong") != [])
    assert world.events("wrong", reason="VolumeMismatch") == [
        'Cannot bind PersistentVolume to requested PersistentVolumeClaim "data" due to incompatible volumeMode.'
    ]
    assert world.events("data", reason="VolumeMismatch") == [
        'Cannot bind PersistentVolume "wrong" to requested PersistentVolumeClaim due to incompatible volumeMode.'
    ]


# -- two volumes for one claim


async def test_the_volume_that_came_too_late_is_taken_back(world: World) -> None:
    volume(world, "first")
    wanted = claim(world)
    await world.until(lambda: bound_to(world, "data") == "first")
    late = made_for(wanted, "late", annotations={claims.BOUND_BY_CONTROLLER: "yes"}, storageClassName="manual")
    volume(world, **{**late, "persistentVolumeReclaimPolicy": "Retain"})
    await world.until(lambda: phase(world, "late") == "Available")
    assert "claimRef" not in world.get("persistentvolumes", "late")["spec"]


async def test_the_volume_a_user_reserved_too_late_stays_reserved_by_name(world: World) -> None:
    volume(world, "first")
    wanted = claim(world)
    await world.until(lambda: bound_to(world, "data") == "first")
    volume(world, **{**made_for(wanted, "late", annotations={}), "persistentVolumeReclaimPolicy": "Retain"})
    await world.until(lambda: phase(world, "late") == "Available")
    assert "uid" not in world.get("persistentvolumes", "late")["spec"]["claimRef"]


async def test_the_volume_that_was_made_too_late_is_released_for_its_maker(world: World) -> None:
    volume(world, "first")
    wanted = claim(world)
    await world.until(lambda: bound_to(world, "data") == "first")
    volume(world, **made_for(wanted, "late"))
    await world.until(lambda: phase(world, "late") == "Released")


# -- numbers and robustness


async def test_what_existed_before_the_binder_is_bound_when_it_starts() -> None:
    world = World()
    volume(world)
    claim(world)
    async with running(world, ["persistentvolume-controller"]):
        await world.until(lambda: bound_to(world, "data") == "v")


@pytest.mark.parametrize("volumes_first", [True, False])
async def test_many_claims_and_volumes_find_each_other_whoever_comes_first(world: World, volumes_first: bool) -> None:
    """Each claim looks at the volumes of its class that are still free, not at every volume there is."""
    count, looked = 120, 0
    really = claims.find_match

    def counting(wanted: Obj, offered: object, **options: object) -> Obj | None:
        nonlocal looked
        listed = list(offered)  # type: ignore[call-overload]
        looked += len(listed)
        return really(wanted, listed, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pocketkube.controllers.persistentvolumebinder.claims.find_match", counting)
        for kind in (volume, claim) if volumes_first else (claim, volume):
            for index in range(count):
                kind(world, f"n{index}")
                await asyncio.sleep(0)
        await world.until(lambda: all(bound_to(world, f"n{index}") for index in range(count)))
    assert len({bound_to(world, f"n{index}") for index in range(count)}) == count
    assert looked < count * count * 2


async def test_a_second_binder_after_a_crash_finishes_a_binding_cut_in_half() -> None:
    world = World()
    volume(world)
    wanted = claim(world)

    def promise(found: Obj) -> None:
        claims.promise(found, wanted)

    world.patch("persistentvolumes", "v", promise)  # the first of four writes, then the crash
    binder = PersistentVolumeBinder(Client(world.registry, "persistentvolume-controller"))
    task = asyncio.create_task(binder.run())
    try:
        await world.until(lambda: bound_to(world, "data") == "v")
    finally:
        task.cancel()

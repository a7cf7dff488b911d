"""Claims that ask for more, and claims that name another VolumeAttributesClass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.storage.storage_world import CLAIMS, VOLUMES, StorageWorld, running

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.storage.csiresizer import PENDING_MESSAGE
from pocketkube.storage.driver import NAME, RpcError
from pocketkube.store import Event

TOO_LARGE = "rpc error: code = OutOfRange desc = Requested capacity 2199023255552 exceeds maximum allowed 1099511627776"
CLASSES = "volumeattributesclasses"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StorageWorld]:
    created = StorageWorld(tmp_path)
    for name, parameters in (("slow", {"type": "slow"}), ("fast", {"type": "fast"}), ("bad", {"colour": "red"})):
        created.create(CLASSES, {"metadata": {"name": name}, "driverName": NAME, "parameters": parameters})
    async with running(created, "csi-provisioner", "csi-resizer", "csi-modifier") as it:
        yield it


def ask(world: StorageWorld, size: str, claim: str = "data") -> None:
    world.patch(CLAIMS, claim, lambda c: c["spec"]["resources"]["requests"].update(storage=size))


def name_class(world: StorageWorld, name: str) -> None:
    world.patch(CLAIMS, "data", lambda c: c["spec"].update(volumeAttributesClassName=name))


def status(world: StorageWorld) -> Obj:
    return objects.status(world.get(CLAIMS, "data"))


def conditions(world: StorageWorld) -> dict[str, str]:
    """Type -> message."""
    return {c["type"]: c.get("message", "") for c in status(world).get("conditions") or ()}


def finish_on_node(world: StorageWorld) -> None:
    """What the kubelet does."""

    def finish(claim: Obj) -> None:
        its = claim["status"]
        its["capacity"]["storage"] = its["allocatedResources"]["storage"]
        its.pop("conditions", None)
        its.pop("allocatedResourceStatuses", None)

    world.patch(CLAIMS, "data", finish, subresource="status")


async def pending_on_node(world: StorageWorld) -> None:
    await world.until(lambda: "FileSystemResizePending" in conditions(world))


# -- more room


async def test_the_volume_grows_and_the_node_has_the_rest_to_do(world: StorageWorld) -> None:
    world.claim()
    volume = await world.bound()
    states: list[str] = []

    def note(event: Event) -> None:
        state = (objects.status(event.object).get("allocatedResourceStatuses") or {}).get("storage", "")
        if state not in states[-1:]:
            states.append(state)

    stop = world.client.subscribe(CLAIMS, note)
    ask(world, "2Gi")
    await pending_on_node(world)
    stop()
    assert states == ["", "ControllerResizeInProgress", "NodeResizePending"]
    assert status(world)["capacity"] == {"storage": "1Gi"}
    assert status(world)["allocatedResources"] == {"storage": "2Gi"}
    assert conditions(world) == {
        "Resizing": "",
        "FileSystemResizePending": PENDING_MESSAGE,
    }
    name = objects.name(volume)
    assert world.get(VOLUMES, name)["spec"]["capacity"] == {"storage": "2Gi"}
    found = world.driver.find_volume(volume["spec"]["csi"]["volumeHandle"])
    assert found is not None
    assert found.capacity == 2 << 30
    await world.told("data", "FileSystemResizeRequired")
    assert world.events("data", reason="Resizing") == [f"External resizer is resizing volume {name}"]
    assert world.events("data", reason="FileSystemResizeRequired") == ["Require file system resize of volume on node"]
    (event,) = [e for e in world.client.list("events") if e["reason"] == "Resizing"]
    assert event["source"]["component"] == "external-resizer hostpath.csi.k8s.io"
    finish_on_node(world)
    ask(world, "3Gi")
    await pending_on_node(world)
    assert world.get(VOLUMES, name)["spec"]["capacity"] == {"storage": "3Gi"}


async def test_more_while_the_node_is_at_work_waits_for_it(world: StorageWorld) -> None:
    world.claim()
    volume = await world.bound()
    ask(world, "2Gi")
    await pending_on_node(world)
    ask(world, "4Gi")
    await world.settle()
    assert world.get(VOLUMES, objects.name(volume))["spec"]["capacity"] == {"storage": "2Gi"}
    finish_on_node(world)
    await pending_on_node(world)
    assert world.get(VOLUMES, objects.name(volume))["spec"]["capacity"] == {"storage": "4Gi"}


async def test_what_cannot_be_is_told_twice_and_can_be_taken_back(world: StorageWorld) -> None:
    world.claim()
    volume = await world.bound()
    ask(world, "2Ti")
    await world.until(lambda: world.reasons("data").get("VolumeResizeFailed") == 2)
    await world.settle()
    text = f'resize volume "{objects.name(volume)}" by resizer "{NAME}" failed: {TOO_LARGE}'
    assert world.events("data", reason="VolumeResizeFailed") == [text]
    assert world.reasons("data")["VolumeResizeFailed"] == 2
    assert status(world)["allocatedResourceStatuses"] == {"storage": "ControllerResizeInfeasible"}
    assert conditions(world) == {"Resizing": "", "ControllerResizeError": f"failed to expand pvc with {TOO_LARGE}"}
    ask(world, "3Gi")
    await pending_on_node(world)
    assert status(world)["allocatedResources"] == {"storage": "3Gi"}
    assert "ControllerResizeError" not in conditions(world)
    assert world.get(VOLUMES, objects.name(volume))["spec"]["capacity"] == {"storage": "3Gi"}


async def test_a_failure_that_may_pass_is_tried_again_at_the_same_size(
    world: StorageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.claim()
    await world.bound()
    asked: list[int] = []

    def refuse(handle: str, capacity: int) -> int:
        asked.append(capacity)
        raise RpcError("ResourceExhausted", "later")

    monkeypatch.setattr(world.driver, "expand", refuse)
    ask(world, "2Gi")
    await world.told("data", "VolumeResizeFailed")
    ask(world, "3Gi")
    await world.until(lambda: len(asked) >= 2)
    assert set(asked) == {2 << 30}, "an expansion that may be under way ends before another one begins"
    monkeypatch.undo()
    await pending_on_node(world)
    assert status(world)["allocatedResources"] == {"storage": "2Gi"}
    assert "ControllerResizeError" not in conditions(world)


async def test_claims_of_others_and_unbound_ones_are_left_alone(world: StorageWorld) -> None:
    spec: dict[str, Any] = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "csi",
        "csi": {"driver": "disk.example.com", "volumeHandle": "x"},
    }
    world.create(VOLUMES, {"metadata": {"name": "foreign"}, "spec": spec})
    world.claim(volumeName="foreign")
    await world.bound()
    ask(world, "2Gi")
    await world.settle()
    assert "Resizing" not in world.reasons("data")
    assert "conditions" not in status(world)


async def test_an_expansion_the_process_died_in_is_finished_by_the_next(tmp_path: Path) -> None:
    world = StorageWorld(tmp_path)
    async with running(world, "csi-provisioner"):
        world.claim()
        await world.bound()
        ask(world, "2Gi")

    def begun(claim: Obj) -> None:
        claim["status"]["allocatedResources"] = {"storage": "2Gi"}
        claim["status"]["allocatedResourceStatuses"] = {"storage": "ControllerResizeInProgress"}

    world.patch(CLAIMS, "data", begun, subresource="status")
    async with running(world, "csi-resizer"):
        await pending_on_node(world)
        await world.told("data", "FileSystemResizeRequired")
    assert status(world)["allocatedResourceStatuses"] == {"storage": "NodeResizePending"}


# -- another class


async def test_a_volume_is_modified_and_says_so(world: StorageWorld) -> None:
    world.claim(volumeAttributesClassName="slow")
    volume = await world.bound()
    await world.until(lambda: status(world).get("currentVolumeAttributesClassName") == "slow")
    await world.settle()
    assert "VolumeModify" not in world.reasons("data"), "it was made that way"
    seen: list[Obj] = []
    stop = world.client.subscribe(CLAIMS, lambda event: seen.append(objects.status(event.object)))
    name_class(world, "fast")
    await world.until(lambda: status(world)["currentVolumeAttributesClassName"] == "fast")
    stop()
    (state,) = [its["modifyVolumeStatus"] for its in seen if "modifyVolumeStatus" in its]
    assert state == {"targetVolumeAttributesClassName": "fast", "status": "InProgress"}
    (told,) = [its["conditions"] for its in seen if its.get("conditions")]
    assert [(c["type"], c["message"]) for c in told] == [
        ("ModifyingVolume", 'Modifying volume to "fast" is in progress.')
    ]
    assert "conditions" not in status(world)
    assert world.get(VOLUMES, objects.name(volume))["spec"]["volumeAttributesClassName"] == "fast"
    await world.told("data", "VolumeModifySuccessful")
    assert world.events("data", reason="VolumeModify") == ["external resizer is modifying volume data with vac fast"]
    assert world.events("data", reason="VolumeModifySuccessful") == [
        "external resizer modified volume data with vac fast successfully"
    ]


async def test_parameters_the_driver_refuses_are_infeasible_and_can_be_cancelled(world: StorageWorld) -> None:
    world.claim()
    await world.bound()
    name_class(world, "bad")
    text = await world.told("data", "VolumeModifyFailed")
    assert text == "rpc error: code = InvalidArgument desc = invalid parameters: [colour]"
    await world.settle()
    assert world.reasons("data")["VolumeModifyFailed"] == 1
    assert status(world)["modifyVolumeStatus"] == {"targetVolumeAttributesClassName": "bad", "status": "Infeasible"}
    assert conditions(world) == {
        "ModifyingVolume": 'Modifying volume to "bad" failed. Waiting for retry.',
        "ModifyVolumeError": "invalid parameters: [colour]",
    }
    assert objects.condition(world.get(CLAIMS, "data"), "ModifyVolumeError") is not None
    world.patch(CLAIMS, "data", lambda c: c["spec"].__delitem__("volumeAttributesClassName"))
    assert await world.told("data", "VolumeModifyCanceled") == "Cancelled modify."
    await world.until(lambda: "ModifyingVolume" not in conditions(world))
    name_class(world, "fast")
    await world.until(lambda: status(world).get("currentVolumeAttributesClassName") == "fast")
    assert conditions(world) == {}


async def test_a_class_that_is_not_there_yet_is_waited_for(world: StorageWorld) -> None:
    world.claim()
    await world.bound()
    name_class(world, "later")
    assert await world.told("data", "VolumeModifyFailed") == 'VAC "later" does not exist.'
    await world.until(lambda: status(world).get("modifyVolumeStatus") == {"status": "Pending"})
    later = {"metadata": {"name": "later"}, "driverName": NAME, "parameters": {"type": "x"}}
    world.create(CLASSES, later)
    await world.until(lambda: status(world).get("currentVolumeAttributesClassName") == "later")


async def test_a_call_the_process_died_in_is_repeated_before_there_is_another(tmp_path: Path) -> None:
    world = StorageWorld(tmp_path)
    for name in ("slow", "fast"):
        world.create(CLASSES, {"metadata": {"name": name}, "driverName": NAME, "parameters": {"type": name}})
    async with running(world, "csi-provisioner"):
        world.claim()
        await world.bound()

    def begun(claim: Obj) -> None:
        claim["status"]["modifyVolumeStatus"] = {"targetVolumeAttributesClassName": "slow", "status": "InProgress"}

    name_class(world, "fast")
    world.patch(CLAIMS, "data", begun, subresource="status")
    async with running(world, "csi-modifier"):
        await world.until(lambda: status(world).get("currentVolumeAttributesClassName") == "fast")
        await asyncio.sleep(0)
    done = world.events("data", reason="VolumeModifySuccessful")
    assert done == [f"external resizer modified volume data with vac {name} successfully" for name in ("slow", "fast")]

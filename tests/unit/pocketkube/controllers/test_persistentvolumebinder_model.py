"""Whatever happens in whatever order, crashes half way through a binding included: no volume ever serves two claims,
and when the binder has nothing left to do, everything is as it should be.

A random walk with a seed: long ones find what a search for short examples does not (each rule that was broken on trial
was found by one of the seeds)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.volumes import claim, made_for, storage_class, volume
from tests.unit.pocketkube.controllers.world import NAMESPACE, World

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.controllers.persistentvolumebinder import PersistentVolumeBinder
from pocketkube.objects import Obj
from pocketkube.store import Event

NAMES = ["a", "b", "c"]
SIZES = ["1Gi", "2Gi"]
CLASSES = ["manual", "manual", "late"]
STEPS = 400


class Crash(Exception):
    pass


class Fragile(Client):
    """A client that ends its component at the write it is told to."""

    writes_left: int | None = None

    def _count(self) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Crash
            self.writes_left -= 1

    def update(self, resource: str, obj: Obj) -> Obj:
        self._count()
        return super().update(resource, obj)

    def update_status(self, resource: str, obj: Obj) -> Obj:
        self._count()
        return super().update_status(resource, obj)


class Binding:
    """Class `manual` is bound at once, class `late` by the scheduler; volumes and claims have the same few names."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.loop = asyncio.new_event_loop()
        self.world = World()
        storage_class(self.world, "late", "kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")
        self.world.client.subscribe("persistentvolumes", self.note_volume)
        self.thefts: list[str] = []
        self.stops: list[Callable[[], None]] = []
        self.start()

    def start(self) -> None:
        """A new binder takes over from one that ended."""
        for stop in self.stops:
            stop()
        self.client = Fragile(self.world.registry, "persistentvolume-controller")
        self.binder = PersistentVolumeBinder(self.client)
        self.stops = [self.binder._start_watch(*watched) for watched in self.binder.watches()]

    def walk(self) -> None:
        others = [
            self.create_volume,
            self.create_volume,
            self.create_claim,
            self.create_claim,
            self.provision,
            self.schedule,
            self.schedule,
            self.delete_claim,
            self.delete_volume,
            self.free_released_volume,
        ]
        binders = [self.work, self.work, self.work, self.work_it_off, self.crash, self.start]
        history: list[str] = []
        for _ in range(STEPS):
            step = self.draw.choice(others if self.draw.random() < 0.6 else binders)
            history.append(step.__name__)
            try:
                step()
                self.no_volume_serves_two_claims()
            except AssertionError as error:
                error.add_note(f"after {', '.join(history[-12:])}")
                raise
        self.work_it_off()
        self.loop.close()

    # -- what the binder does

    def step(self) -> None:
        at = self.binder._queue.popleft()
        self.binder._queued.discard(at)
        try:
            self.loop.run_until_complete(self.binder.reconcile(at))
        except Crash:
            self.start()

    def work(self) -> None:
        for _ in range(min(self.draw.randint(1, 3), len(self.binder._queue))):
            self.step()

    def crash(self) -> None:
        if self.binder._queue:
            self.client.writes_left = self.draw.randint(0, 3)
            self.step()
            self.client.writes_left = None

    def work_it_off(self) -> None:
        for _ in range(500):
            if not self.binder._queue:
                break
            self.step()
        assert not self.binder._queue, "the binder finds no end"
        self.all_is_as_it_should_be()

    # -- what others do

    def create_volume(self) -> None:
        name, reserved = self.draw.choice(NAMES), self.draw.choice([None, None, *NAMES])
        if self.world.find("persistentvolumes", name) is None:
            spec: dict[str, Any] = {"claimRef": {"namespace": NAMESPACE, "name": reserved}} if reserved else {}
            volume(self.world, name, self.draw.choice(SIZES), storageClassName=self.draw.choice(CLASSES), **spec)

    def create_claim(self) -> None:
        name, wish = self.draw.choice(NAMES), self.draw.choice([None, None, *NAMES])
        if self.world.find("persistentvolumeclaims", name) is None:
            class_name = self.draw.choice(CLASSES)
            claim(self.world, name, self.draw.choice(SIZES), storageClassName=class_name, volumeName=wish)

    def provision(self) -> None:
        """A provisioner makes a volume for a claim it saw waiting, perhaps too late."""
        wanted = self.world.find("persistentvolumeclaims", self.draw.choice(NAMES))
        made = made_for(wanted, self.draw.choice(NAMES)) if wanted is not None else None
        if made is not None and self.world.find("persistentvolumes", made["name"]) is None:
            if self.draw.random() < 0.5:
                made |= {"persistentVolumeReclaimPolicy": "Retain", "annotations": {claims.BOUND_BY_CONTROLLER: "yes"}}
            volume(self.world, size="2Gi", **made)

    def schedule(self) -> None:
        """The scheduler promises an available volume to a claim that waits for it."""
        offered = self.world.find("persistentvolumes", self.draw.choice(NAMES))
        wanted = self.world.find("persistentvolumeclaims", self.draw.choice(NAMES))
        if offered is None or wanted is None or objects.spec(wanted).get("volumeName"):
            return
        if claims.find_match(wanted, [offered], node={"metadata": {"name": "n"}}) is offered:
            changed = objects.copy(offered)
            claims.promise(changed, wanted)
            self.world.client.update("persistentvolumes", changed)

    def delete_claim(self) -> None:
        self.delete("persistentvolumeclaims", self.draw.choice(NAMES))

    def delete_volume(self) -> None:
        self.delete("persistentvolumes", self.draw.choice(NAMES))

    def delete(self, resource: str, name: str) -> None:
        def release(obj: Obj) -> None:
            obj["metadata"].pop("finalizers", None)

        if self.world.find(resource, name) is not None:
            self.world.patch(resource, name, release)
            self.world.delete(resource, name)

    def free_released_volume(self) -> None:
        """An administrator makes a released volume available."""
        found = self.world.find("persistentvolumes", self.draw.choice(NAMES))
        if found is not None and objects.status(found).get("phase") == "Released":
            changed = objects.copy(found)
            changed["spec"].pop("claimRef", None)
            self.world.client.update("persistentvolumes", changed)

    # -- what must hold

    def note_volume(self, event: Event) -> None:
        """A volume that has a claim's data gets another claim only after it was free in between."""
        before, after = (objects.dig(v, "spec", "claimRef", "uid") for v in (event.old, event.object))
        if event.type == "MODIFIED" and before and after and before != after:
            self.thefts.append(f"{objects.name(event.object)} went from {before} to {after}")

    def no_volume_serves_two_claims(self) -> None:
        """A volume serves the one claim it is promised to. Another that still says Bound has lost its volume, to be
        deleted and made anew by that name, and the binder is about to look at it."""
        assert not self.thefts
        for found in self.world.list("persistentvolumeclaims"):
            if objects.status(found)["phase"] == "Bound" and objects.key(found) not in self.binder._queued:
                its = self.world.find("persistentvolumes", found["spec"]["volumeName"])
                assert objects.dig(its, "spec", "claimRef", "uid") == objects.uid(found), f"{found} has not {its}"

    def all_is_as_it_should_be(self) -> None:
        volumes, waiting = self.world.list("persistentvolumes"), []
        for found in self.world.list("persistentvolumeclaims"):
            its = self.world.find("persistentvolumes", objects.spec(found).get("volumeName", ""))
            match objects.status(found)["phase"]:
                case "Bound":
                    assert its is not None
                    assert its["spec"]["claimRef"]["uid"] == objects.uid(found)
                    assert objects.status(its)["phase"] == "Bound"
                    assert claims.is_bound(found)
                case "Lost":
                    assert its is None or its["spec"]["claimRef"].get("uid") != objects.uid(found)
                case "Pending":
                    waiting.append(found)
        for found in waiting:
            if not objects.spec(found).get("volumeName"):
                delayed = claims.class_of(found) == "late"
                assert claims.find_match(found, volumes, delay=delayed) is None, (
                    "a claim waits before a volume that fits"
                )
        for its in volumes:
            uid = objects.dig(its, "spec", "claimRef", "uid")
            owners = [c for c in self.world.list("persistentvolumeclaims") if objects.uid(c) == uid]
            match objects.status(its)["phase"]:
                case "Available":
                    assert uid is None or not objects.spec(owners[0]).get("volumeName")
                case "Released":
                    assert uid is not None
                    assert not owners or owners[0]["spec"]["volumeName"] != objects.name(its)
                case "Bound":
                    assert [c["spec"].get("volumeName") for c in owners] == [objects.name(its)]


@pytest.mark.parametrize("seed", range(40))
def test_claims_and_volumes_whatever_happens_in_whatever_order(seed: int) -> None:
    Binding(seed).walk()

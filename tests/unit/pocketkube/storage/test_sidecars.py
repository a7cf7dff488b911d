"""Storage programs as containers: each has an add-on that starts it, one works at a time, an end leaves nothing."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from tests.unit.pocketkube.images.conftest import Pod, Running
from tests.unit.pocketkube.storage.storage_world import StorageWorld, running

from pocketkube import objects
from pocketkube.clock import Clock
from pocketkube.images import catalogue, normalise
from pocketkube.network.fabric import Fabric
from pocketkube.objects import Obj
from pocketkube.storage.base import Program, scan
from pocketkube.storage.sidecars import Sidecars

PROVISIONER = "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0"
COPY = {"dataSource": {"kind": "PersistentVolumeClaim", "name": "data"}}


def deployments() -> Iterator[Obj]:
    for addon in (files("pocketkube") / "data" / "addons").iterdir():
        for obj in yaml.safe_load_all(addon.read_text(encoding="utf-8")):
            if obj["kind"] == "Deployment":
                yield obj


@pytest.mark.parametrize("image", sorted({program.image for program in scan()}))
def test_every_program_has_an_image_and_an_add_on_that_runs_it_where_it_is_lent_storage(image: str) -> None:
    found = [
        (objects.namespace(deployment), container["image"])
        for deployment in deployments()
        for container in deployment["spec"]["template"]["spec"]["containers"]
        if container["image"].rpartition("/")[2].partition(":")[0] == image
    ]
    assert len(found) == 1
    [(namespace, reference)] = found
    known = catalogue()[normalise(reference)]
    assert known.system == ("storage",)
    assert known.home == namespace


@pytest.fixture
def world(tmp_path: Path) -> StorageWorld:
    return StorageWorld(tmp_path)


@pytest.fixture
def lent(world: StorageWorld) -> Sidecars:
    return Sidecars(world.registry, world.backend)


@pytest.fixture
def start(lent: Sidecars) -> Callable[[str], Running]:
    """Starts a container of the provisioner in a Pod of that name."""
    fabric, numbers = Fabric(Clock()), itertools.count(2)

    def make(pod: str) -> Running:
        made = Pod(fabric, PROVISIONER, f"10.244.1.{next(numbers)}", pod)
        made.namespace.services = {"storage": lent}
        return made.start("/csi-provisioner")

    return make


async def test_a_provisioner_serves_what_waits_tells_so_in_its_log_and_ends_at_sigterm(
    world: StorageWorld, start: Callable[[str], Running]
) -> None:
    world.claim()
    async with running(world):
        container = start("provisioner-1")
        await world.bound()
        await container.says("ProvisioningSucceeded")
        container.process.signal(signal.SIGTERM)
        status, _, log = await container.ended()
        assert status == 0
        assert '"Version" version="v6.3.0"' in log
        assert '"Event occurred" object="test/data" kind="PersistentVolumeClaim"' in log
        assert log.endswith("Received SIGTERM or SIGINT signal, shutting down controller.\n")
        world.claim("later")
        await world.told("later", "ExternalProvisioning")
        assert "Provisioning" not in world.reasons("later")
        again = start("provisioner-2")
        await world.bound("later")
        again.process.signal(signal.SIGKILL)
        assert (await again.ended()).status == 137


async def test_of_two_one_works_and_the_other_takes_over(world: StorageWorld, start: Callable[[str], Running]) -> None:
    async with running(world):
        first, second = start("provisioner-1"), start("provisioner-2")
        await second.says("another Pod does the work of csi-provisioner")
        world.claim()
        await world.bound()
        await first.says("ProvisioningSucceeded")
        assert "Event occurred" not in second.err
        first.process.signal(signal.SIGKILL)
        world.claim("next")
        await world.bound("next")
        await second.says("ProvisioningSucceeded")
        second.process.signal(signal.SIGKILL)
        await second.ended()


async def test_one_that_is_killed_leaves_no_subscription_and_no_half_made_volume(
    world: StorageWorld, start: Callable[[str], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, copied = asyncio.Event(), 0

    async def copy(source: Path, target: Path) -> None:
        nonlocal copied
        copied += 1
        begun.set()
        if copied == 1:
            await asyncio.Event().wait()
        await asyncio.to_thread(target.mkdir)

    monkeypatch.setattr("pocketkube.storage.copying.copy", copy)
    async with running(world):
        world.claim()
        await world.told("data", "ExternalProvisioning")
        before = subscriptions(world)
        container = start("provisioner-1")
        await world.bound()
        world.claim("clone", **COPY)
        await begun.wait()
        container.process.signal(signal.SIGKILL)
        await container.ended()
        assert subscriptions(world) == before
        assert [entry.name for entry in (world.folder / "storage" / "volumes").iterdir() if entry.name[0] == "."] == []
        again = start("provisioner-2")
        await world.bound("clone")
        again.process.signal(signal.SIGKILL)
        await again.ended()


async def test_where_nothing_is_lent_it_says_where_it_would_be() -> None:
    made = Pod(Fabric(Clock()), PROVISIONER, "10.244.1.2", "mine")
    status, _, log = await made.run("/csi-provisioner", "--csi-address=/csi/csi.sock")
    assert status == 1
    assert "in the namespace kube-system only" in log
    assert "pocketkube: --csi-address=/csi/csi.sock is without effect" in log


def subscriptions(world: StorageWorld) -> int:
    return sum(len(subscribers) for subscribers in world.registry.store._subscribers.values())


async def test_one_that_dies_takes_its_container_along_and_nothing_else(
    world: StorageWorld, start: Callable[[str], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Program):
        name = "broken"
        image = "csi-provisioner"

        async def run(self) -> None:
            raise ZeroDivisionError("by design")

    monkeypatch.setattr("pocketkube.storage.sidecars.scan", lambda: (*scan(), Broken))
    status, _, log = await start("provisioner-1").ended()
    assert status == 255
    assert "csi-provisioner died: " in log
    assert "by design" in log
    monkeypatch.setattr("pocketkube.storage.sidecars.scan", scan)
    world.claim()
    async with running(world):
        again = start("provisioner-2")
        await world.bound()
        again.process.signal(signal.SIGKILL)
        await again.ended()

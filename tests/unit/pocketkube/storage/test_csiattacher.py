"""Attaching for a driver that needs none: golden csi-01 (no finalizers, attached at once)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.storage.base import Backend
from pocketkube.storage.csiattacher import PROGRAM
from pocketkube.storage.driver import NAME, HostPathDriver


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World()
    backend = Backend(HostPathDriver(tmp_path / "storage"), ("a",), lambda node: tmp_path / node)
    task = asyncio.create_task(PROGRAM(Client(made.registry, PROGRAM.name), backend).run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def attach(world: World, name: str, attacher: str) -> None:
    spec = {"attacher": attacher, "source": {"persistentVolumeName": "v"}, "nodeName": "a"}
    world.create("volumeattachments", {"metadata": {"name": name}, "spec": spec})


async def test_it_is_attached_at_once_and_goes_at_once(world: World) -> None:
    attach(world, "ours", NAME)
    await world.until(lambda: objects.status(world.get("volumeattachments", "ours"))["attached"])
    assert "finalizers" not in world.get("volumeattachments", "ours")["metadata"]
    world.delete("volumeattachments", "ours")
    assert world.find("volumeattachments", "ours") is None


async def test_other_drivers_have_attachers_of_their_own(world: World) -> None:
    attach(world, "theirs", "csi.example.com")
    attach(world, "ours", NAME)
    await world.until(lambda: objects.status(world.get("volumeattachments", "ours"))["attached"])
    assert not objects.status(world.get("volumeattachments", "theirs"))["attached"]


async def test_an_error_of_before_is_gone(world: World) -> None:
    attach(world, "ours", NAME)
    await world.until(lambda: objects.status(world.get("volumeattachments", "ours"))["attached"])
    error = {"message": "no", "time": world.registry.clock.now()}
    world.patch(
        "volumeattachments",
        "ours",
        lambda a: a.update(status={"attached": False, "attachError": error}),
        subresource="status",
    )
    await world.until(lambda: objects.status(world.get("volumeattachments", "ours")) == {"attached": True})

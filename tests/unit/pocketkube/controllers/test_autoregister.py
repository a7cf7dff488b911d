"""APIServices of what the API server itself answers for."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.autoregister import CONTROLLER
from pocketkube.errors import ServiceUnavailable
from pocketkube.resources.apiservices import AUTOMANAGED

APPS, CUSTOM = "v1.apps", "v1.example.com"


def definition() -> objects.Obj:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "things.example.com"}, "spec": spec}


async def test_everything_built_in_has_one(world: World) -> None:
    kinds = {f"{kind.version}.{kind.group}" for _, kind in world.client.kinds() if not kind.custom}
    wanted = kinds - {"v1.apiregistration.k8s.io"} | {"v1.authentication.k8s.io", "v1.authorization.k8s.io"}
    await world.until(lambda: {objects.name(one) for one in world.list("apiservices")} >= wanted)
    found = world.get("apiservices", APPS)
    assert found["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    assert objects.labels(found) == {AUTOMANAGED: "onstart"}
    assert world.get("apiservices", "v1.")["spec"]["version"] == "v1"


async def test_what_could_not_be_written_is_written_later() -> None:
    world = World()
    create, failures = world.registry.create, 2

    def failing(resource: str, obj: objects.Obj, **how: Any) -> objects.Obj:
        nonlocal failures
        if resource == "apiservices" and obj["metadata"]["name"] == APPS and failures:
            failures -= 1
            raise ServiceUnavailable("not now")
        return create(resource, obj, **how)

    world.registry.create = failing  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as parts:
        working = parts.create_task(CONTROLLER(Client(world.registry, CONTROLLER.name)).run())
        await world.until(lambda: world.find("apiservices", APPS) is not None)
        working.cancel()
    assert failures == 0


async def test_what_is_left_of_a_version_that_is_served_no_longer_goes(world: World) -> None:
    labels = {AUTOMANAGED: "onstart"}
    spec = {"group": "old.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    world.create("apiservices", {"metadata": {"name": "v1.old.example.com", "labels": labels}, "spec": spec})
    world.create("apiservices", {"metadata": {"name": "v2.old.example.com"}, "spec": spec | {"version": "v2"}})
    await world.until(lambda: world.find("apiservices", "v1.old.example.com") is None)
    assert world.find("apiservices", "v2.old.example.com") is not None, "somebody's own"


async def test_what_a_definition_brings_is_kept_as_long_as_that(world: World) -> None:
    world.create("customresourcedefinitions", definition())
    await world.until(lambda: world.find("apiservices", CUSTOM) is not None)
    found = world.get("apiservices", CUSTOM)
    assert objects.labels(found) == {AUTOMANAGED: "true"}
    assert (found["spec"]["groupPriorityMinimum"], found["spec"]["versionPriority"]) == (1000, 100)
    world.delete("apiservices", CUSTOM)
    await world.until(lambda: world.find("apiservices", CUSTOM) is not None)

    def disturb(copy: objects.Obj) -> None:
        copy["spec"]["versionPriority"] = 7

    world.patch("apiservices", CUSTOM, disturb)
    await world.until(lambda: world.get("apiservices", CUSTOM)["spec"]["versionPriority"] == 100)
    world.delete("customresourcedefinitions", "things.example.com")
    await world.until(lambda: world.find("apiservices", CUSTOM) is None)


async def test_what_is_built_in_is_a_users_own_once_it_is_written(world: World) -> None:
    await world.until(lambda: world.find("apiservices", APPS) is not None)
    world.delete("apiservices", APPS)
    world.create("customresourcedefinitions", definition())
    await world.until(lambda: world.find("apiservices", CUSTOM) is not None)
    assert world.find("apiservices", APPS) is None

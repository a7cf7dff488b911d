"""Owners and dependents: golden gc-01, and the corners of upstream's graph."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.objects import Obj


def config(world: World, name: str, *owners: Obj, block: bool = True, finalizers: list[str] | None = None) -> Obj:
    refs = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": objects.name(o), "uid": objects.uid(o)}
        | ({"blockOwnerDeletion": True} if block else {})
        for o in owners
    ]
    meta: Obj = {"name": name}
    if refs:
        meta["ownerReferences"] = refs
    if finalizers:
        meta["finalizers"] = finalizers
    return world.create("configmaps", {"metadata": meta})


def names(world: World) -> set[str]:
    return {objects.name(found) for found in world.list("configmaps")} - {"kube-root-ca.crt"}


async def test_background_takes_sets_and_pods_along(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    world.delete("deployments", "web")
    assert world.find("deployments", "web") is None
    await world.until(lambda: not world.list("replicasets") and not world.list("pods"))


async def test_foreground_waits_for_sets_and_pods(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    world.stubborn = True
    world.delete("deployments", "web", policy="Foreground")
    deployment = world.get("deployments", "web")
    assert deployment["metadata"]["finalizers"] == ["foregroundDeletion"]
    await world.until(lambda: all(objects.is_terminating(pod) for pod in world.list("pods")))
    await world.settle()
    (replicaset,) = world.list("replicasets")
    assert replicaset["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert len(world.list("pods")) == 2
    for pod in world.list("pods"):
        world.bury(objects.name(pod))
    await world.until(lambda: world.find("deployments", "web") is None and not world.list("replicasets"))


async def test_orphan_leaves_them_without_owner(world: World) -> None:
    world.deployment(replicas=2)
    await world.until(world.rolled_out)
    world.delete("deployments", "web", policy="Orphan")
    await world.until(lambda: world.find("deployments", "web") is None)
    (replicaset,) = world.list("replicasets")
    assert "ownerReferences" not in replicaset["metadata"]
    await world.settle()
    assert len(world.list("pods")) == 2


async def test_an_owner_that_does_not_exist(world: World) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": objects.new_uid()}}
    config(world, "owned", ghost)
    await world.until(lambda: names(world) == set())


async def test_an_owner_of_another_namespace_is_absent_and_an_event_says_so(world: World) -> None:
    world.client.create("namespaces", {"metadata": {"name": "other"}})
    owner = world.create("configmaps", {"metadata": {"name": "owner", "namespace": "other"}})
    config(world, "owned", owner)
    await world.until(lambda: names(world) == set())
    (text,) = world.events("owned", reason="OwnerRefInvalidNamespace")
    uid = objects.uid(owner)
    expected = f'ownerRef [v1/ConfigMap, namespace: test, name: owner, uid: {uid}] does not exist in namespace "test"'
    assert text == expected


async def test_an_owner_of_an_unknown_kind_keeps_its_dependents(world: World) -> None:
    ref = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": objects.new_uid()}
    world.create("configmaps", {"metadata": {"name": "owned", "ownerReferences": [ref]}})
    await world.settle()
    assert names(world) == {"owned"}


async def test_one_of_two_owners_is_enough_and_the_other_is_dropped(world: World) -> None:
    one, two = config(world, "one"), config(world, "two")
    config(world, "shared", one, two)
    world.delete("configmaps", "one")
    await world.until(lambda: len(world.get("configmaps", "shared")["metadata"]["ownerReferences"]) == 1)
    assert names(world) == {"two", "shared"}
    world.delete("configmaps", "two")
    await world.until(lambda: names(world) == set())


async def test_only_blocking_dependents_are_waited_for(world: World) -> None:
    owner = config(world, "owner")
    config(world, "loose", owner, block=False, finalizers=["example.com/hold"])
    world.delete("configmaps", "owner", policy="Foreground")
    await world.until(lambda: names(world) == {"loose"})
    world.patch("configmaps", "loose", lambda copy: copy["metadata"].pop("finalizers") and None)
    await world.until(lambda: names(world) == set())


async def test_a_blocking_dependent_with_a_finalizer_holds_its_owner(world: World) -> None:
    owner = config(world, "owner")
    config(world, "held", owner, finalizers=["example.com/hold"])
    world.delete("configmaps", "owner", policy="Foreground")
    await world.until(lambda: objects.is_terminating(world.get("configmaps", "held")))
    await world.settle()
    assert names(world) == {"owner", "held"}
    world.patch("configmaps", "held", lambda copy: copy["metadata"].pop("finalizers") and None)
    await world.until(lambda: names(world) == set())


async def test_a_foreground_owner_is_let_go_by_a_dependent_with_another_owner(world: World) -> None:
    one, two = config(world, "one"), config(world, "two")
    config(world, "shared", one, two)
    world.delete("configmaps", "one", policy="Foreground")
    await world.until(lambda: names(world) == {"two", "shared"})
    (ref,) = world.get("configmaps", "shared")["metadata"]["ownerReferences"]
    assert ref["name"] == "two"


async def test_a_circle_ends(world: World) -> None:
    first = config(world, "first")
    second = config(world, "second", first)

    def close(copy: Obj) -> None:
        ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "second", "uid": objects.uid(second)}
        copy["metadata"]["ownerReferences"] = [{**ref, "blockOwnerDeletion": True}]

    world.patch("configmaps", "first", close)
    world.delete("configmaps", "first", policy="Foreground")
    await world.until(lambda: names(world) == set())


async def test_what_was_there_before_the_start_is_collected() -> None:
    from tests.unit.pocketkube.controllers.world import running

    world = World()
    owner = config(world, "owner")
    config(world, "owned", owner)
    world.delete("configmaps", "owner")
    async with running(world):
        await world.until(lambda: names(world) == set())

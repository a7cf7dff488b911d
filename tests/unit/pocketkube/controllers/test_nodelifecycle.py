"""Taints that follow a node's conditions, and its annotation."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.objects import Obj


def taints(world: World) -> set[str]:
    return {f"{t['key']}:{t['effect']}" for t in objects.spec(world.get("nodes", "worker-a")).get("taints") or ()}


async def test_cordon_and_conditions_become_taints_and_go_again(world: World) -> None:
    mine = {"key": "team", "value": "blue", "effect": "NoSchedule"}
    world.patch("nodes", "worker-a", lambda copy: copy["spec"].update(unschedulable=True, taints=[mine]))
    await world.until(lambda: taints(world) == {"team:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule"})

    def unwell(copy: Obj) -> None:
        copy["status"]["conditions"][0]["status"] = "False"

    world.patch("nodes", "worker-a", unwell, subresource="status")
    await world.until(lambda: "node.kubernetes.io/not-ready:NoSchedule" in taints(world))
    world.patch("nodes", "worker-a", lambda copy: copy["spec"].pop("unschedulable") and None)

    def well(copy: Obj) -> None:
        copy["status"]["conditions"][0]["status"] = "True"

    world.patch("nodes", "worker-a", well, subresource="status")
    await world.until(lambda: taints(world) == {"team:NoSchedule"})


async def test_ttl_annotation(world: World) -> None:
    await world.until(
        lambda: objects.annotations(world.get("nodes", "worker-a")).get("node.alpha.kubernetes.io/ttl") == "0"
    )

"""Taints that follow a node's conditions, its labels and its annotation."""

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


async def test_a_new_node_is_kept_from_pods_until_it_is_ready(world: World) -> None:
    world.create("nodes", {"metadata": {"name": "late"}, "spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}})
    label = "node.alpha.kubernetes.io/ttl"
    await world.until(lambda: label in objects.annotations(world.get("nodes", "late")))  # the controllers have looked

    def held() -> list[str]:
        return [taint["key"] for taint in objects.spec(world.get("nodes", "late"))["taints"]]

    assert held() == ["mine", "node.kubernetes.io/not-ready"]

    def ready(copy: Obj) -> None:
        copy["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    world.patch("nodes", "late", ready, subresource="status")
    await world.until(lambda: held() == ["mine"])


async def test_ttl_annotation(world: World) -> None:
    await world.until(
        lambda: objects.annotations(world.get("nodes", "worker-a")).get("node.alpha.kubernetes.io/ttl") == "0"
    )


async def test_the_beta_labels_follow_the_stable_ones(world: World) -> None:
    labels = {"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "plan9", "kubernetes.io/arch": "amd64"}
    world.patch("nodes", "worker-a", lambda n: n["metadata"].update(labels={**objects.labels(n), **labels}))
    wanted = {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64"}
    await world.until(lambda: wanted.items() <= objects.labels(world.get("nodes", "worker-a")).items())

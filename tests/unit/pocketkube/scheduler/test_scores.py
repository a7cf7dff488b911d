"""Which of the nodes that fit is best, score by score: figures are those of upstream's formulas."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.scheduler import scores
from pocketkube.scheduler.filters import Cycle
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.spreading import default_selector, spreading

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
MB = 1024 * 1024


@pytest.fixture
def world() -> World:
    found = World()
    found.create("serviceaccounts", {"metadata": {"name": "default"}})
    return found


def pod(name: str, app: str = "", requests: dict[str, str] | None = None, **spec: Any) -> Obj:
    container: Obj = {"name": "c", "image": "example.com/web:1"}
    if requests:
        container["resources"] = {"requests": requests}
    meta = {"name": name, "namespace": "test", "uid": name, "labels": {"app": app} if app else {}}
    return {"metadata": meta, "spec": {"containers": [container], **spec}}


def node(
    name: str, *pods: Obj, images: dict[str, int] | None = None, spec: Obj | None = None, **labels: str
) -> NodeState:
    held = [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()]
    status = {"allocatable": {"cpu": "4", "memory": "4Gi", "pods": "110"}, "images": held}
    labels = {"kubernetes.io/hostname": name, **labels}
    state = NodeState({"metadata": {"name": name, "labels": labels}, "spec": spec or {}, "status": status})
    for each in pods:
        state.add(each)
    return state


def cycle_of(world: World, new: Obj, *states: NodeState) -> Cycle:
    return Cycle(world.client, PodInfo(new), {state.name: state for state in states})


def points(world: World, score: scores.Score, new: Obj, *states: NodeState) -> list[int]:
    return list(score(cycle_of(world, new, *states), states))


def chosen(world: World, new: Obj, *states: NodeState) -> str:
    return scores.best(cycle_of(world, new, *states), states).name


def test_least_allocated_counts_what_containers_do_not_ask_for(world: World) -> None:
    states = (node("a", pod("x", requests={"cpu": "1", "memory": "1Gi"})), node("b", pod("y")), node("c"))
    # with the new pod: 1.1 of 4 cores and 1.2 of 4 GiB; 0.2 and 0.4; 0.1 and 0.2
    assert points(world, scores.least_allocated, pod("new"), *states) == [71, 92, 96]


def test_balance_is_for_pods_that_ask_for_something(world: World) -> None:
    states = (node("a", pod("x", requests={"cpu": "2"})), node("b"))
    assert points(world, scores.balanced, pod("new"), *states) == [0, 0]
    assert points(world, scores.balanced, pod("new", requests={"memory": "2Gi"}), *states) == [87, 62]


def test_taints_that_only_ask(world: World) -> None:
    taints = [{"key": key, "effect": "PreferNoSchedule"} for key in ("one", "two")]
    states = (node("a", spec={"taints": taints}), node("b", spec={"taints": taints[:1]}), node("c"))
    assert points(world, scores.tolerated, pod("new"), *states) == [0, 50, 100]
    tolerant = pod("new", tolerations=[{"key": "one", "operator": "Exists"}])
    assert points(world, scores.tolerated, tolerant, *states) == [0, 100, 100]


def test_preferred_nodes(world: World) -> None:
    def prefer(weight: int, value: str) -> Obj:
        expression = {"key": "disk", "operator": "In", "values": [value]}
        return {"weight": weight, "preference": {"matchExpressions": [expression]}}

    affinity = {"nodeAffinity": {PREFERRED: [prefer(80, "ssd"), prefer(20, "hdd")]}}
    states = (node("a", disk="hdd"), node("b", disk="ssd"), node("c"))
    assert points(world, scores.preferred_nodes, pod("new", affinity=affinity), *states) == [25, 100, 0]


def test_preferred_company_on_both_sides(world: World) -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    weighted = [{"weight": 10, "podAffinityTerm": term}]
    likes, shuns = {"podAffinity": {PREFERRED: weighted}}, {"podAntiAffinity": {PREFERRED: weighted}}
    states = (node("a", pod("w1", "web"), pod("w2", "web")), node("b", pod("w3", "web")), node("c"))
    assert points(world, scores.preferred_pods, pod("new", affinity=likes), *states) == [100, 50, 0]
    assert points(world, scores.preferred_pods, pod("new", affinity=shuns), *states) == [0, 50, 100]
    there = (node("a", pod("x", affinity=likes)), node("b", pod("y", affinity=shuns)), node("c"))
    assert points(world, scores.preferred_pods, pod("new", "web"), *there) == [100, 0, 50]
    needs = {"podAffinity": {REQUIRED: [term]}}
    assert points(world, scores.preferred_pods, pod("new", "web"), node("a", pod("x", affinity=needs)), node("b")) == [
        100,
        0,
    ]


def test_images_that_are_there_already(world: World) -> None:
    big = {"example.com/web:1": 600 * MB}
    states = (node("a", images=big), node("b"), node("c", images={"example.com/web:1": 10 * MB}))
    # 600 MB on one of two nodes that have it, of three: 400 MB count
    assert points(world, scores.images, pod("new"), *states) == [38, 0, 0]
    untagged = pod("new")
    untagged["spec"]["containers"][0]["image"] = "example.com/web"
    assert points(
        world, scores.images, untagged, node("a", images={"example.com/web:latest": 2000 * MB}), node("b")
    ) == [
        100,
        0,
    ]


def test_soft_constraints(world: World) -> None:
    constraint = {
        "topologyKey": "zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    new = pod("new", "web", topologySpreadConstraints=[constraint])
    states = (
        node("a", pod("w1", "web"), pod("w2", "web"), zone="x"),
        node("b", pod("w3", "web"), zone="y"),
        node("c", zone="z"),
        node("d"),
    )
    assert points(world, spreading, new, *states) == [0, 33, 100, 0]  # 3.2 and 1.6 are 3 and 2


def test_the_pods_of_an_owner_or_service_are_spread_by_default(world: World) -> None:
    assert points(world, spreading, pod("new", "web"), node("a", pod("w", "web")), node("b")) == [0, 0]
    world.service("web", {"app": "web"})
    found = points(world, spreading, pod("new", "web"), node("a", pod("w", "web")), node("b"))
    assert found[0] < found[1]
    world.delete("services", "web")
    owner = world.create(
        "replicasets",
        {
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()},
            },
        },
    )
    new = pod("new", "web")
    new["metadata"]["ownerReferences"] = [objects.owner_reference(owner)]
    assert str(default_selector(world.client, PodInfo(new))) == "app=web,app"
    found = points(world, spreading, new, node("a", pod("w", "web")), node("b"))
    assert found[0] < found[1]


def test_ties_go_to_fewer_pods_then_by_name(world: World) -> None:
    assert chosen(world, pod("new"), node("b"), node("a")) == "a"
    assert chosen(world, pod("new"), node("a", pod("x")), node("b")) == "b"
    assert chosen(world, pod("new"), node("a", pod("x"))) == "a"

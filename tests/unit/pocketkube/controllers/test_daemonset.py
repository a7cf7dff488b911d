"""DaemonSets: which nodes have a pod, updates, revisions, failed pods, the status."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.pocketkube.controllers.world import NAMESPACE, World, pod_spec

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.daemonset import DaemonSetController
from pocketkube.controllers.pods import is_ready, ready_since
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

HASH = "controller-revision-hash"


def daemonset(world: World, name: str = "agent", *, pod: Obj | None = None, **spec: Any) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {**pod_spec(), **(pod or {})}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return world.create("daemonsets", {"metadata": {"name": name}, "spec": body})


def rolling(unavailable: int | str = 0, surge: int | str = 0) -> Obj:
    numbers = {"maxUnavailable": unavailable, "maxSurge": surge}
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": numbers}}


def status(world: World, name: str = "agent") -> Obj:
    return objects.status(world.get("daemonsets", name))


def counts(world: World, *, name: str = "agent", updated: int | None = None) -> Callable[[int], bool]:
    """Whether so many nodes should have, and do have, an available pod of the newest template."""

    def holds(wanted: int) -> bool:
        found = world.get("daemonsets", name)
        now = objects.status(found)
        return now.get("observedGeneration") == found["metadata"]["generation"] and all(
            now.get(field, 0) == wanted
            for field in ("desiredNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled")
        )

    return holds


def nodes(world: World, **labels: str) -> list[str]:
    """The nodes that the pods are on, in order."""
    return sorted(objects.spec(pod).get("nodeName", "") for pod in world.list("pods", **labels))


def change(world: World, name: str = "agent", **spec: Any) -> None:
    world.patch("daemonsets", name, lambda copy: copy["spec"].update(spec))


def set_image(world: World, tag: str, name: str = "agent") -> None:
    def update(copy: Obj) -> None:
        copy["spec"]["template"]["spec"]["containers"][0]["image"] = f"nginx:{tag}"

    world.patch("daemonsets", name, update)


def images(world: World) -> list[str]:
    return sorted(pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in world.list("pods"))


def pod_on(world: World, node: str) -> Obj:
    (found,) = (pod for pod in world.list("pods") if objects.spec(pod).get("nodeName") == node)
    return found


def taint(world: World, node: str, effect: str, key: str = "maintenance") -> None:
    def add(copy: Obj) -> None:
        copy["spec"].setdefault("taints", []).append({"key": key, "effect": effect})

    world.patch("nodes", node, add)


def untaint(world: World, node: str) -> None:
    world.patch("nodes", node, lambda copy: copy["spec"].update(taints=[]))


def relabel(world: World, node: str, **labels: str) -> None:
    world.patch("nodes", node, lambda copy: copy["metadata"]["labels"].update(labels))


# -- where pods are


async def test_one_pod_a_node(world: World) -> None:
    owner = daemonset(world)
    await world.until(lambda: counts(world)(2))
    assert nodes(world) == ["worker-a", "worker-b"]
    (revision,) = world.list("controllerrevisions")
    pod = pod_on(world, "worker-a")
    assert pod["metadata"]["generateName"] == "agent-"
    assert pod["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    assert objects.labels(pod) == {
        "app": "agent",
        HASH: objects.labels(revision)[HASH],
        "pod-template-generation": "1",
        "topology.kubernetes.io/zone": "a",
    }
    assert pod["spec"]["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["worker-a"]}]}
                ]
            }
        }
    }
    assert [(t["key"], t["operator"], t["effect"]) for t in pod["spec"]["tolerations"]] == [
        ("node.kubernetes.io/not-ready", "Exists", "NoExecute"),
        ("node.kubernetes.io/unreachable", "Exists", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "Exists", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "Exists", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "Exists", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "Exists", "NoSchedule"),
    ]
    assert status(world) == {
        "currentNumberScheduled": 2,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 2,
        "numberReady": 2,
        "observedGeneration": 1,
        "updatedNumberScheduled": 2,
        "numberAvailable": 2,
    }
    assert sorted(world.events("agent", reason="SuccessfulCreate")) == [
        f"Created pod: {objects.name(pod)}" for pod in world.list("pods")
    ]


async def test_what_a_template_asks_of_nodes_counts_and_stays(world: World) -> None:
    labelled = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]}
    preferred = [{"weight": 1, "preference": {"matchExpressions": [labelled]}}]
    wanted = {"nodeSelectorTerms": [{"matchExpressions": [labelled]}]}
    affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": wanted,
        "preferredDuringSchedulingIgnoredDuringExecution": preferred,
    }
    daemonset(world, pod={"affinity": {"nodeAffinity": affinity}, "hostNetwork": True})
    await world.until(lambda: counts(world)(1))
    pod = pod_on(world, "worker-b")
    assert pod["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert pod["spec"]["tolerations"][6]["key"] == "node.kubernetes.io/network-unavailable"


async def test_a_node_named_in_the_template_is_the_only_one(world: World) -> None:
    daemonset(world, pod={"nodeName": "worker-b"})
    await world.until(lambda: counts(world)(1))
    assert nodes(world) == ["worker-b"]


async def test_a_limit_of_a_toleration_is_taken_away(world: World) -> None:
    limited = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    daemonset(world, pod={"tolerations": [{**limited, "tolerationSeconds": 5}]})
    await world.until(lambda: counts(world)(2))
    tolerations = pod_on(world, "worker-a")["spec"]["tolerations"]
    assert [t for t in tolerations if t["key"] == limited["key"]] == [limited]


async def test_nodes_come_and_go(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    world.node("worker-c")
    await world.until(lambda: counts(world)(3))
    assert nodes(world) == ["worker-a", "worker-b", "worker-c"]
    world.delete("nodes", "worker-b")
    await world.until(lambda: counts(world)(2))  # its pod is left to podgc, which takes its time


async def test_labels_decide_who_has_one(world: World) -> None:
    daemonset(world, pod={"nodeSelector": {"disk": "ssd"}})
    await world.until(lambda: status(world).get("observedGeneration") == 1)
    await world.settle()
    assert status(world)["desiredNumberScheduled"] == 0
    assert not nodes(world)
    relabel(world, "worker-b", disk="ssd")
    await world.until(lambda: counts(world)(1))
    relabel(world, "worker-b", disk="hdd")
    relabel(world, "worker-a", disk="ssd")
    await world.until(lambda: counts(world)(1) and nodes(world) == ["worker-a"])
    assert status(world)["numberMisscheduled"] == 0


async def test_a_pod_stays_where_it_could_not_be_scheduled_any_more(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    taint(world, "worker-a", "NoSchedule")
    await world.until(lambda: status(world)["numberMisscheduled"] == 1)
    assert (status(world)["desiredNumberScheduled"], nodes(world)) == (1, ["worker-a", "worker-b"])
    before = pod_on(world, "worker-a")
    world.delete("pods", objects.name(before))
    await world.until(lambda: nodes(world) == ["worker-b"] and status(world)["numberMisscheduled"] == 0)
    await world.settle()
    assert nodes(world) == ["worker-b"]
    untaint(world, "worker-a")
    await world.until(lambda: counts(world)(2))
    taint(world, "worker-b", "NoExecute")
    await world.until(lambda: counts(world)(1) and nodes(world) == ["worker-a"])


async def test_a_cordoned_node_has_its_pod(world: World) -> None:
    world.patch("nodes", "worker-a", lambda copy: copy["spec"].update(unschedulable=True))
    taint(world, "worker-a", "NoSchedule", "node.kubernetes.io/unschedulable")
    daemonset(world)
    await world.until(lambda: counts(world)(2))


async def test_a_pod_that_fits_nowhere_is_replaced_by_none_and_goes_with_its_node(world: World) -> None:
    world.node("small", cpu="1m")
    container = {**pod_spec()["containers"][0], "resources": {"requests": {"cpu": "100m"}}}
    daemonset(world, pod={"containers": [container]})
    await world.until(lambda: status(world).get("numberAvailable") == 2)
    assert (status(world)["currentNumberScheduled"], status(world)["numberUnavailable"]) == (3, 1)
    assert nodes(world) == ["", "worker-a", "worker-b"]
    (pending,) = (pod for pod in world.list("pods") if "nodeName" not in pod["spec"])
    await world.until(lambda: bool(world.events(objects.name(pending), reason="FailedScheduling")))
    assert world.events(objects.name(pending), reason="FailedScheduling")[0].startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    world.delete("nodes", "small")
    await world.until(lambda: counts(world)(2) and nodes(world) == ["worker-a", "worker-b"])


async def test_a_deleted_pod_comes_back_when_it_is_gone(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    world.stubborn = True
    name = objects.name(pod_on(world, "worker-a"))
    world.delete("pods", name)
    await world.settle()
    assert len(world.list("pods")) == 2
    world.bury(name)
    await world.until(lambda: counts(world)(2) and name not in map(objects.name, world.list("pods")))


# -- whose pods


async def test_orphans_are_adopted_and_strangers_released(world: World) -> None:
    orphan = world.pod("orphan", {"app": "agent"}, nodeName="worker-a")
    daemonset(world)
    await world.until(lambda: objects.controller_ref(world.get("pods", "orphan")) is not None)
    await world.until(lambda: status(world).get("numberReady") == 2)
    assert objects.uid(orphan) in {objects.uid(pod) for pod in world.list("pods")}
    name = objects.name(pod_on(world, "worker-b"))
    world.patch("pods", name, lambda copy: copy["metadata"]["labels"].update(app="else"))
    await world.until(lambda: objects.controller_ref(world.get("pods", name)) is None and len(world.list("pods")) == 3)


async def test_a_set_that_is_deleted_leaves_its_pods_as_it_is_told(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    world.delete("daemonsets", "agent", "Orphan")
    await world.until(lambda: world.find("daemonsets", "agent") is None)
    assert [objects.controller_ref(pod) for pod in world.list("pods")] == [None, None]
    revisions = {objects.uid(revision) for revision in world.list("controllerrevisions")}
    pods = {objects.uid(pod) for pod in world.list("pods")}
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    assert {objects.uid(pod) for pod in world.list("pods")} == pods
    assert {objects.uid(revision) for revision in world.list("controllerrevisions")} == revisions
    world.delete("daemonsets", "agent", "Background")
    await world.until(lambda: not world.list("pods") and not world.list("controllerrevisions"))


# -- pods that end


async def test_failed_pods_are_replaced_ever_more_slowly(world: World) -> None:
    daemonset(world, pod={"nodeName": "worker-a"})
    await world.until(lambda: counts(world)(1))
    first = objects.name(pod_on(world, "worker-a"))
    world.set_ready(first, ready=False, phase="Failed")
    await world.until(lambda: counts(world)(1) and objects.name(pod_on(world, "worker-a")) != first)
    assert world.events("agent", reason="FailedDaemonPod") == [
        f"Found failed daemon pod test/{first} on node worker-a, will try to kill it"
    ]
    second = objects.name(pod_on(world, "worker-a"))
    world.set_ready(second, ready=False, phase="Failed")
    await world.settle()
    assert world.find("pods", second) is not None, "it has to wait for a second"
    await world.until(lambda: counts(world)(1) and objects.name(pod_on(world, "worker-a")) != second)


async def test_pods_that_have_succeeded_are_replaced(world: World) -> None:
    daemonset(world, pod={"nodeName": "worker-a"})
    await world.until(lambda: counts(world)(1))
    first = objects.name(pod_on(world, "worker-a"))
    world.set_ready(first, ready=False, phase="Succeeded")
    await world.until(lambda: counts(world)(1) and objects.name(pod_on(world, "worker-a")) != first)
    assert world.events("agent", reason="SucceededDaemonPod") == [
        f"Found succeeded daemon pod test/{first} on node worker-a, will try to delete it"
    ]


# -- updates


async def test_an_update_replaces_as_many_as_may_be_missing(world: World) -> None:
    world.node("worker-c")
    daemonset(world, **rolling(unavailable=2))
    await world.until(lambda: counts(world)(3))
    fewest: list[int] = []
    world.client.subscribe("pods", lambda event: fewest.append(_ready(world)))
    set_image(world, "new")
    await world.until(lambda: counts(world)(3) and images(world) == ["new"] * 3)
    assert min(fewest) == 1
    assert len(world.events("agent", reason="SuccessfulDelete")) == 3


def _ready(world: World) -> int:
    return sum(
        objects.condition_status(pod, "Ready") == "True" and not objects.is_terminating(pod)
        for pod in world.list("pods")
    )


async def test_an_update_that_does_not_get_ready_stops(world: World) -> None:
    world.node("worker-c")
    daemonset(world)
    await world.until(lambda: counts(world)(3))
    world.not_ready = {"agent-"}
    set_image(world, "bad")
    await world.until(lambda: status(world).get("updatedNumberScheduled") == 1)
    await world.settle()
    assert images(world).count("bad") == 1
    assert (status(world)["numberReady"], status(world)["numberUnavailable"]) == (2, 1)
    world.not_ready = set()
    set_image(world, "good")
    await world.until(lambda: counts(world)(3) and images(world) == ["good"] * 3)


async def test_a_surging_update_keeps_the_old_pod_until_the_new_one_is_available(world: World) -> None:
    daemonset(world, **rolling(surge=1))
    await world.until(lambda: counts(world)(2))
    world.not_ready = {"agent-"}
    set_image(world, "new")
    await world.until(lambda: images(world).count("new") == 1)
    await world.settle()
    assert len(world.list("pods")) == 3
    assert _ready(world) == 2
    (new,) = (pod for pod in world.list("pods") if pod["spec"]["containers"][0]["image"].endswith("new"))
    world.not_ready = set()
    world.set_ready(objects.name(new), ready=True)
    await world.until(lambda: counts(world)(2) and images(world) == ["new", "new"])


async def test_a_surging_set_moves_to_another_node_without_a_gap(world: World) -> None:
    relabel(world, "worker-a", disk="ssd")
    daemonset(world, pod={"nodeSelector": {"disk": "ssd"}}, **rolling(surge=1))
    await world.until(lambda: counts(world)(1))
    relabel(world, "worker-a", disk="hdd")
    relabel(world, "worker-b", disk="ssd")
    await world.until(lambda: counts(world)(1) and nodes(world) == ["worker-b"])


async def test_nothing_is_replaced_until_somebody_deletes_it(world: World) -> None:
    daemonset(world, updateStrategy={"type": "OnDelete"})
    await world.until(lambda: counts(world)(2))
    set_image(world, "new")
    await world.until(lambda: status(world).get("observedGeneration") == 2)
    await world.settle()
    assert images(world) == ["2.63.0", "2.63.0"]
    assert "updatedNumberScheduled" not in status(world)
    world.delete("pods", objects.name(pod_on(world, "worker-a")))
    await world.until(lambda: status(world).get("updatedNumberScheduled") == 1 and len(world.list("pods")) == 2)
    assert images(world) == ["2.63.0", "new"]


async def test_pods_are_available_when_they_have_been_ready_for_long_enough(world: World) -> None:
    daemonset(world, minReadySeconds=1)
    await world.until(lambda: status(world).get("numberReady") == 2)
    assert status(world).get("numberAvailable", 0) == 0
    await world.until(lambda: counts(world)(2))


async def test_a_pod_that_becomes_available_during_a_reconcile_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemonset(world, pod={"nodeName": "worker-a"}, minReadySeconds=3600, **rolling(surge=1))
    await world.until(lambda: status(world).get("numberReady") == 1)
    set_image(world, "new")
    await world.until(lambda: len(world.list("pods")) == 2 and all(map(is_ready, world.list("pods"))))
    await world.settle()
    controller = DaemonSetController(Client(world.registry, "daemonset-controller"))
    since = max(parse_time(ready_since(pod)).timestamp() for pod in world.list("pods"))
    times = itertools.count(since + 3599.5, 1.0)
    monkeypatch.setattr(controller, "clock", types.SimpleNamespace(time=lambda: next(times)))
    again = await controller.reconcile((NAMESPACE, "agent"))
    assert again is not None
    assert again <= 0.5


# -- revisions


def revisions(world: World) -> list[int]:
    return sorted(revision["revision"] for revision in world.list("controllerrevisions"))


async def test_going_back_to_a_template_makes_its_revision_the_newest(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    (first,) = world.list("controllerrevisions")
    assert first["data"]["spec"]["template"]["$patch"] == "replace"
    assert first["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
    set_image(world, "new")
    await world.until(lambda: counts(world)(2))
    assert revisions(world) == [1, 2]
    template = {name: value for name, value in first["data"]["spec"]["template"].items() if name != "$patch"}
    change(world, template=template)
    await world.until(lambda: counts(world)(2) and revisions(world) == [2, 3])
    assert world.get("controllerrevisions", objects.name(first))["revision"] == 3
    assert {objects.labels(pod)[HASH] for pod in world.list("pods")} == {objects.labels(first)[HASH]}


async def test_past_revisions_go_but_none_that_a_pod_is_of(world: World) -> None:
    daemonset(world, revisionHistoryLimit=1)
    await world.until(lambda: counts(world)(2))
    for tag in ("one", "two", "three"):
        set_image(world, tag)
        await world.until(lambda: counts(world)(2))
    await world.until(lambda: revisions(world) == [3, 4])
    change(world, updateStrategy={"type": "OnDelete"}, revisionHistoryLimit=0)
    await world.until(lambda: revisions(world) == [4])
    set_image(world, "four")
    await world.until(lambda: revisions(world) == [4, 5])
    await world.settle()
    assert revisions(world) == [4, 5]
    for pod in world.list("pods"):
        world.delete("pods", objects.name(pod))
    await world.until(lambda: revisions(world) == [5])


async def test_of_equal_revisions_the_newest_is_kept(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    (first,) = world.list("controllerrevisions")
    meta = {"name": "agent-double", "labels": {"app": "agent"}}
    world.create("controllerrevisions", {"metadata": meta, "data": first["data"], "revision": 7})
    await world.until(lambda: [objects.name(r) for r in world.list("controllerrevisions")] == ["agent-double"])
    await world.until(lambda: counts(world)(2))
    assert {objects.labels(pod)[HASH] for pod in world.list("pods")} == {"agent-double"}
    assert not world.events("agent", reason="SuccessfulDelete")


async def test_a_revision_somebody_makes_for_the_set_may_take_the_place_of_its_own(world: World) -> None:
    """test/e2e/apps/controller_revision.go: it stays beside the set's own until that is deleted; no pod is replaced."""
    owner = daemonset(world)
    await world.until(lambda: counts(world)(2))
    await world.settle()
    (first,) = world.list("controllerrevisions")
    meta = {
        "name": "agent-other",
        "labels": {"app": "agent", HASH: "other"},
        "ownerReferences": [objects.owner_reference(owner)],
    }
    world.create("controllerrevisions", {"metadata": meta, "data": first["data"], "revision": 2})
    await world.settle()
    assert revisions(world) == [1, 2]
    world.delete("controllerrevisions", objects.name(first))
    await world.settle()
    assert [objects.name(revision) for revision in world.list("controllerrevisions")] == ["agent-other"]
    set_image(world, "new")
    await world.until(lambda: counts(world)(2) and revisions(world) == [2, 3])
    assert len(world.events("agent", reason="SuccessfulDelete")) == 2


async def test_a_revision_that_is_deleted_is_written_again(world: World) -> None:
    daemonset(world)
    await world.until(lambda: counts(world)(2))
    (first,) = world.list("controllerrevisions")
    world.delete("controllerrevisions", objects.name(first))
    await world.until(
        lambda: {objects.uid(r) for r in world.list("controllerrevisions")} - {objects.uid(first)} != set()
    )
    await world.settle()
    assert not world.events("agent", reason="SuccessfulDelete")


# -- refusals


async def test_pods_that_are_refused_are_told_and_tried_again(world: World) -> None:
    daemonset(world, pod={"serviceAccountName": "robot"})
    await world.until(lambda: bool(world.events("agent", reason="FailedCreate")))
    text = 'Error creating: pods "agent-" is forbidden: error looking up service account test/robot: '
    assert world.events("agent", reason="FailedCreate")[0] == f'{text}serviceaccount "robot" not found'
    world.create("serviceaccounts", {"metadata": {"name": "robot"}})
    await world.until(lambda: counts(world)(2))

"""Resizing pods in place: what containers get, when they restart, and when they have to wait."""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.objects import Obj


def asking(**amounts: str) -> Obj:
    return {"resources": {"requests": amounts}}


def resize(node: Any, name: str, resources: Obj, container: str = "c") -> None:
    def change(copy: Obj) -> None:
        objects.by_name(copy["spec"]["containers"])[container]["resources"] = resources

    node.client.patch("pods", ("default", name), change, subresource="resize")


def reasons(node: Any, name: str) -> list[str]:
    return [reason for _, reason, _ in node.events(name) if reason.startswith("Resize")]


async def test_more_is_given_without_a_restart(node: Any) -> None:
    node.create("p", {"resources": {"limits": {"memory": "32Mi"}, "requests": {"cpu": "1", "memory": "16Mi"}}})
    await node.ready("p")
    wanted = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "2", "memory": "16Mi"}}
    resize(node, "p", wanted)
    await node.until(lambda: "ResizeCompleted" in reasons(node, "p"))
    status = node.container("p")
    assert (status["resources"], status["allocatedResources"]) == (wanted, wanted["requests"])
    assert status["restartCount"] == 0
    assert reasons(node, "p") == ["ResizeStarted", "ResizeCompleted"]
    assert node.kubelet.pod("default", "p").slots["c"].current.cgroup.limit == 64 << 20
    await node.until(lambda: objects.condition(node.pod("p"), "PodResizeInProgress") is None)
    assert node.pod("p")["status"]["observedGeneration"] == 2


async def test_a_resize_policy_asks_for_a_restart(node: Any) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    node.create("p", {**asking(cpu="1", memory="16Mi"), "resizePolicy": policy})
    await node.ready("p")
    resize(node, "p", {"requests": {"cpu": "2", "memory": "16Mi"}})
    await node.until(lambda: node.container("p")["resources"]["requests"]["cpu"] == "2")
    assert node.container("p")["restartCount"] == 0
    resize(node, "p", {"requests": {"cpu": "2", "memory": "32Mi"}})
    await node.until(lambda: node.container("p")["restartCount"] == 1)
    assert node.container("p")["resources"]["requests"]["memory"] == "32Mi"
    assert ("Normal", "Killing", "Container c resize requires restart") in node.events("p")
    await node.until(lambda: reasons(node, "p").count("ResizeCompleted") == 2)


async def test_what_has_no_room_now_waits_for_it(node: Any) -> None:
    node.create("other", asking(cpu="3"))
    node.create("p", asking(cpu="500m"))
    await node.ready("other")
    await node.ready("p")
    resize(node, "p", {"requests": {"cpu": "2"}})
    told = await node.until(lambda: objects.condition(node.pod("p"), "PodResizePending"))
    assert told["reason"] == "Deferred"
    assert told["message"].startswith("Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: ")
    assert node.container("p")["resources"]["requests"]["cpu"] == "500m"
    assert reasons(node, "p") == ["ResizeDeferred"]
    node.client.delete("pods", ("default", "other"))
    await node.gone("other")
    await node.until(lambda: node.container("p")["resources"]["requests"]["cpu"] == "2")
    await node.until(lambda: objects.condition(node.pod("p"), "PodResizePending") is None)
    assert reasons(node, "p") == ["ResizeDeferred", "ResizeStarted", "ResizeCompleted"]


async def test_those_that_wait_go_by_priority_quality_and_time(node: Any) -> None:
    node.client.create("priorityclasses", {"metadata": {"name": "urgent"}, "value": 1000})
    node.create("large", asking(cpu="2500m"))
    await node.ready("large")
    guaranteed = {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}
    pods: dict[str, tuple[Obj, Obj]] = {
        "second-last": (asking(cpu="100m"), {}),
        "guaranteed": (guaranteed, {}),
        "urgent": (asking(cpu="100m"), {"priorityClassName": "urgent"}),
        "last": (asking(cpu="100m"), {}),
    }
    for name, (container, spec) in pods.items():
        node.create(name, container, **spec)
        await node.ready(name)
    for name in pods:
        memory = {"memory": "64Mi"} if name == "guaranteed" else {}
        side = {"cpu": "2500m", **memory}
        resize(node, name, {"requests": side, "limits": side} if memory else {"requests": side})
        await node.until(lambda name=name: objects.condition(node.pod(name), "PodResizePending"))
        await node.clock.sleep(1)
    given = []
    gone = "large"
    while len(given) < len(pods):
        node.client.delete("pods", ("default", gone))
        await node.gone(gone)
        waiting = [name for name in pods if name not in given]
        [gone] = await node.until(lambda names=waiting: [n for n in names if "ResizeCompleted" in reasons(node, n)])
        given.append(gone)
    assert given == ["urgent", "guaranteed", "second-last", "last"]


async def test_what_another_waits_for_takes_no_room(node: Any) -> None:
    node.create("large", asking(cpu="3"))
    node.create("waits", asking(cpu="100m"))
    node.create("small", asking(cpu="100m"))
    for name in ("large", "waits", "small"):
        await node.ready(name)
    resize(node, "waits", {"requests": {"cpu": "2"}})
    await node.until(lambda: objects.condition(node.pod("waits"), "PodResizePending"))
    resize(node, "small", {"requests": {"cpu": "500m"}})
    await node.until(lambda: "ResizeCompleted" in reasons(node, "small"))


async def test_memory_in_use_is_not_taken_away(node: Any) -> None:
    node.create("p", {"resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "8"}}})
    await node.ready("p")
    slot = node.kubelet.pod("default", "p").slots["c"]
    used = slot.current.cgroup.memory
    resize(node, "p", {"limits": {"memory": "16"}, "requests": {"memory": "8"}})
    told = await node.until(lambda: objects.condition(node.pod("p"), "PodResizeInProgress"))
    await node.until(lambda: (objects.condition(node.pod("p"), "PodResizeInProgress") or {}).get("reason") == "Error")
    told = objects.condition(node.pod("p"), "PodResizeInProgress")
    too_low = [
        f"attempting to set {what} memory limit (16) below current usage ({used})" for what in ("pod", 'container "c"')
    ]
    assert told["message"] == f"cannot decrease memory limits: [{', '.join(too_low)}]"
    assert node.container("p")["resources"]["limits"]["memory"] == "64Mi"
    assert "ResizeError" in reasons(node, "p")


async def test_a_container_that_starts_again_has_what_is_allocated(node: Any) -> None:
    node.create("other", asking(cpu="3"))
    node.create("p", asking(cpu="500m"))
    await node.ready("other")
    await node.ready("p")
    resize(node, "p", {"requests": {"cpu": "2"}})
    await node.until(lambda: objects.condition(node.pod("p"), "PodResizePending"))
    node.kubelet.pod("default", "p").slots["c"].current.kill()
    await node.until(lambda: node.container("p")["restartCount"] == 1 and node.container("p")["ready"])
    assert node.container("p")["resources"]["requests"]["cpu"] == "500m"


def resize_whole(node: Any, name: str, resources: Obj) -> None:
    def change(copy: Obj) -> None:
        copy["spec"]["resources"] = resources

    node.client.patch("pods", ("default", name), change, subresource="resize")


async def test_the_whole_pod_is_given_more(node: Any) -> None:
    node.create("p", {}, resources={"limits": {"memory": "64Mi"}, "requests": {"memory": "16Mi"}})
    await node.ready("p")
    running = node.kubelet.pod("default", "p").slots["c"].current
    assert running.cgroup.limit == running.cgroup.pod.limit == 64 << 20
    wanted = {"limits": {"memory": "128Mi"}, "requests": {"memory": "16Mi"}}
    resize_whole(node, "p", wanted)
    await node.until(lambda: "ResizeCompleted" in reasons(node, "p"))
    assert running.cgroup.limit == running.cgroup.pod.limit == 128 << 20
    status = node.pod("p")["status"]
    assert (status["resources"], status["allocatedResources"]) == (wanted, wanted["requests"])
    assert node.container("p")["restartCount"] == 0


async def test_a_pod_is_not_given_less_than_it_uses(node: Any) -> None:
    node.create("p", {}, resources={"limits": {"memory": "64Mi"}, "requests": {"memory": "8"}})
    await node.ready("p")
    resize_whole(node, "p", {"limits": {"memory": "16"}, "requests": {"memory": "8"}})
    await node.until(lambda: (objects.condition(node.pod("p"), "PodResizeInProgress") or {}).get("reason") == "Error")
    told = objects.condition(node.pod("p"), "PodResizeInProgress")
    assert "attempting to set pod memory limit (16) below current usage" in told["message"]
    assert node.kubelet.pod("default", "p").sandbox.cgroup.limit == 64 << 20

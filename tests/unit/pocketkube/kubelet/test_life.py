"""Hooks, sidecars, deadlines, and the kubelet's own life: restart, shutdown, Node and Lease."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.unit.pocketkube.kubelet.world import Node

from pocketkube import objects
from pocketkube.clock import Clock
from pocketkube.store import Store

SHARED: dict[str, Any] = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
VOLUMES = [{"name": "d", "emptyDir": {}}]


async def test_hooks(node: Any) -> None:
    disk = [{"name": "d", "hostPath": {"path": "/hooks"}}]
    hooks = {
        "postStart": {"exec": {"command": ["put", "/d/f", "started"]}},
        "preStop": {"exec": {"command": ["put", "/d/f", "stopping"]}},
    }
    node.create("hooked", {"lifecycle": hooks, **SHARED}, volumes=disk)
    await node.ready("hooked")
    assert await node.exec("hooked", "cat", "/d/f") == (0, "started\n")
    node.client.delete("pods", ("default", "hooked"))
    await node.gone("hooked")
    assert (node.kubelet.state_dir / "disk/hooks/f").read_text() == "started\nstopping\n"


async def test_failing_hooks(node: Any) -> None:
    bad = {"exec": {"command": ["exit", "1"]}}
    node.create("start", {"lifecycle": {"postStart": bad}}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("start")).get("phase") in ("Failed", "Succeeded"))
    assert ("Warning", "FailedPostStartHook", "PostStartHook failed") in node.events("start")
    node.create("stop", {"lifecycle": {"preStop": bad}})
    await node.ready("stop")
    node.client.delete("pods", ("default", "stop"))
    await node.gone("stop")
    assert ("Warning", "FailedPreStopHook", "PreStopHook failed") in node.events("stop")


async def test_pre_stop_sleep_delays_the_signal(node: Any) -> None:
    node.create("slow", {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, terminationGracePeriodSeconds=30)
    await node.ready("slow")
    before = node.clock.time()
    node.client.delete("pods", ("default", "slow"))
    await node.gone("slow")
    assert node.clock.time() - before >= 5


async def test_sidecars_start_before_and_stop_after(node: Any) -> None:
    disk = [{"name": "d", "hostPath": {"path": "/order"}}]
    side = {
        "name": "side",
        "restartPolicy": "Always",
        "startupProbe": {"exec": {"command": ["cat", "/etc/motd"]}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["put", "/d/f", "side"]}}},
        **SHARED,
    }
    main = {"lifecycle": {"preStop": {"exec": {"command": ["put", "/d/f", "main"]}}}, **SHARED}
    node.create("both", main, initContainers=[side], volumes=disk, terminationGracePeriodSeconds=30)
    status = objects.status(await node.ready("both"))
    [shown] = status["initContainerStatuses"]
    assert (shown["name"], shown["ready"], shown["started"]) == ("side", True, True)
    node.client.delete("pods", ("default", "both"))
    await node.gone("both")
    assert (node.kubelet.state_dir / "disk/order/f").read_text() == "main\nside\n"


async def test_sidecars_end_with_the_main_containers(node: Any) -> None:
    node.create(
        "job",
        {"command": ["exit", "0"]},
        initContainers=[{"name": "side", "restartPolicy": "Always"}],
        restartPolicy="Never",
    )
    await node.until(lambda: objects.status(node.pod("job")).get("phase") == "Succeeded")
    await node.until(lambda: "terminated" in node.container("job", "side")["state"])


async def test_active_deadline(node: Any) -> None:
    phases: list[tuple[Any, bool]] = []

    def note(event: Any) -> None:
        status = objects.status(event.object)
        states = [container["state"] for container in status.get("containerStatuses") or ()]
        phases.append((status.get("phase"), any("running" in state for state in states)))

    node.client.subscribe("pods", note)
    # of a clock ten times as fast, and counted from a whole second on: the container needs the time to start
    node.create("late", {}, activeDeadlineSeconds=15)
    await node.until(lambda: objects.status(node.pod("late")).get("phase") == "Failed")
    status = objects.status(node.pod("late"))
    text = "Pod was active on the node longer than the specified deadline"
    assert (status["reason"], status["message"]) == ("DeadlineExceeded", text)
    assert "terminated" in node.container("late")["state"]
    assert ("Failed", True) not in phases


async def test_a_changed_image_restarts_the_container(node: Any) -> None:
    node.create("web")
    await node.ready("web")
    node.client.patch(
        "pods", ("default", "web"), lambda pod: pod["spec"]["containers"][0].update(image="docker.io/test:1")
    )
    await node.until(lambda: node.container("web")["restartCount"] == 1)
    assert ("Normal", "Killing", "Container c definition changed, will be restarted") in node.events("web")
    await node.until(lambda: objects.status(node.pod("web"))["observedGeneration"] == 2)


async def test_termination_messages(node: Any) -> None:
    node.create("file", {"command": ["put", "/dev/termination-log", "it is over"]}, restartPolicy="Never")
    node.create(
        "logs",
        {"command": ["exit", "1", "last words"], "terminationMessagePolicy": "FallbackToLogsOnError"},
        restartPolicy="Never",
    )
    for name, text in (("file", "it is over\n"), ("logs", "last words\n")):
        await node.until(lambda name=name: "terminated" in node.container(name).get("state", {}))
        assert node.container(name)["state"]["terminated"]["message"] == text


async def test_node_and_lease(node: Any) -> None:
    await node.until(lambda: node.client.find("leases", "kube-node-lease", "node-1"))
    found = node.client.get("nodes", "", "node-1")
    assert objects.condition_status(found, "Ready") == "True"
    assert objects.labels(found)["topology.kubernetes.io/zone"] == "zone-a"
    assert objects.status(found)["allocatable"]["pods"] == "110"
    assert objects.status(found)["nodeInfo"]["kubeletVersion"] == "v1.36.2"
    assert objects.spec(found)["podCIDR"] == "10.244.1.0/24"
    first = node.client.get("leases", "kube-node-lease", "node-1")["spec"]["renewTime"]
    await node.until(lambda: node.client.get("leases", "kube-node-lease", "node-1")["spec"]["renewTime"] != first)


async def test_restart_of_the_node(tmp_path: Path) -> None:
    """Containers start again as new instances, volumes keep their content, finished pods stay finished."""
    store, clock = Store(None), Clock(speed=10)
    first = Node(tmp_path / "node", store, clock)
    await first.start()
    first.create("web", {**SHARED}, volumes=VOLUMES, initContainers=[{"name": "i", "command": ["exit", "0"]}])
    first.create("done", {"command": ["exit", "0"]}, restartPolicy="Never")
    await first.ready("web")
    await first.exec("web", "put", "/d/f", "kept")
    await first.until(lambda: objects.status(first.pod("done")).get("phase") == "Succeeded")
    before = first.container("web")["containerID"]
    await first.stop()
    assert objects.condition_status(first.pod("web"), "Ready") == "True"

    second = Node(tmp_path / "node", store, clock)
    await second.start()
    await second.until(lambda: second.container("web")["restartCount"] == 1)
    await second.ready("web")
    ended = second.container("web")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["containerID"]) == (255, "Unknown", before)
    assert second.container("web", "i")["restartCount"] == 1
    assert await second.exec("web", "cat", "/d/f") == (0, "kept\n")
    assert objects.status(second.pod("done"))["phase"] == "Succeeded"
    changed = "Pod sandbox changed, it will be killed and re-created."
    assert ("Normal", "SandboxChanged", changed) in second.events("web")
    await second.stop()


async def test_shutdown_leaves_no_task(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    node = Node(tmp_path / "node", Store(None), Clock())
    await node.start()
    for number in range(10):
        probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1}
        node.create(f"web{number}", {"args": ["stubborn"], "readinessProbe": probe}, {"command": ["exit", "1"]})
    await node.until(lambda: all(node.container(f"web{n}").get("started") for n in range(10)))
    await node.stop()
    assert asyncio.all_tasks() == before


async def test_names_are_free_again_and_addresses_return(node: Any) -> None:
    for _ in range(3):
        node.create("web")
        await node.ready("web")
        node.client.delete("pods", ("default", "web"))
        await node.gone("web")
    assert not any(map(len, node.kubelet.addresses))
    folder = node.kubelet.state_dir / "pods"
    assert not folder.exists() or not list(folder.iterdir())

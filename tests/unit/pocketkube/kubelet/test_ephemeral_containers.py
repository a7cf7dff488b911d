"""Ephemeral containers: started beside what runs, seeing what they debug, never started again."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.errors import NotFound

DEBUGGER = {
    "name": "debugger",
    "image": "test:1",
    "imagePullPolicy": "IfNotPresent",
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}


def debug(node: Any, name: str, /, **fields: Any) -> None:
    pod = node.pod(name)
    listed = [*(pod["spec"].get("ephemeralContainers") or ()), {**DEBUGGER, **fields}]
    changed = {**pod, "spec": {**pod["spec"], "ephemeralContainers": listed}}
    node.registry.update("pods", changed, subresource="ephemeralcontainers")


def debugger(node: Any, name: str, container: str = "debugger") -> Any:
    listed = objects.status(node.pod(name)).get("ephemeralContainerStatuses") or ()
    return objects.by_name(listed).get(container, {"state": {}})


async def test_it_sees_the_processes_and_files_of_its_target(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    await node.exec("p", "put", "/note", "found")
    debug(node, "p", targetContainerName="c")
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    assert await node.exec("p", "cat", "/proc/1/root/note", container="debugger") == (0, "found\n")
    assert (await node.exec("p", "cat", "/proc/1/cmdline", container="debugger"))[1] == "/bin/wait\0"
    code, text = await node.exec("p", "cat", "/note", container="debugger")
    assert (code, text) == (1, "cat: can't open '/note': No such file or directory\n")
    # and the other way round: one table
    pid = node.kubelet.pod("default", "p").slots["debugger"].current.init.pid
    assert (await node.exec("p", "cat", f"/proc/{pid}/cmdline"))[1] == "/bin/wait\0"


async def test_without_a_target_it_has_processes_of_its_own(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    await node.exec("p", "put", "/note", "found")
    debug(node, "p")
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    assert (await node.exec("p", "cat", "/proc/1/root/note", container="debugger"))[0] == 1


async def test_it_is_never_started_again_and_changes_neither_phase_nor_readiness(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    debug(node, "p", command=["exit", "3"])
    ended = await node.until(lambda: debugger(node, "p")["state"].get("terminated"))
    assert ended["exitCode"] == 3
    status = debugger(node, "p")
    assert (status["ready"], status["restartCount"], "started" in status) == (False, 0, False)
    await node.exec("p", "put", "/x", "y")
    node.client.patch("pods", ("default", "p"), lambda copy: copy["metadata"]["labels"].update(again="yes"))
    debug(node, "p", name="second")
    await node.until(lambda: "running" in debugger(node, "p", "second")["state"])
    assert debugger(node, "p")["restartCount"] == 0
    assert objects.status(node.pod("p"))["phase"] == "Running"
    assert objects.condition_status(node.pod("p"), "Ready") == "True"


async def test_events_name_the_ephemeral_container(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    debug(node, "p")
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    found = [e for e in node.client.list("events", "default") if e["reason"] == "Started"]
    assert "spec.ephemeralContainers{debugger}" in {e["involvedObject"]["fieldPath"] for e in found}


async def test_it_ends_with_its_target(node: Any) -> None:
    node.create("p", {"command": ["wait"]})
    await node.ready("p")
    debug(node, "p", targetContainerName="c", command=["wait", "stubborn"])
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    node.kubelet.pod("default", "p").slots["c"].current.kill()
    ended = await node.until(lambda: debugger(node, "p")["state"].get("terminated"))
    assert ended["exitCode"] == 137
    await node.until(lambda: node.container("p").get("restartCount") == 1)


async def test_a_target_that_has_ended(node: Any) -> None:
    node.create("p", {"command": ["exit", "0"]}, {"name": "other"}, restartPolicy="Never")
    await node.until(lambda: "terminated" in node.container("p").get("state", {}))
    debug(node, "p", targetContainerName="c")
    waiting = await node.until(lambda: debugger(node, "p")["state"].get("waiting", {}).get("message"))
    assert "is not running - in state CONTAINER_EXITED" in waiting


async def test_it_starts_while_init_containers_cannot(node: Any) -> None:
    node.create("p", {}, initContainers=[{"name": "i", "command": ["wait"]}])
    await node.until(lambda: "running" in node.container("p", "i").get("state", {}))
    debug(node, "p")
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    assert objects.status(node.pod("p"))["phase"] == "Pending"


async def test_a_missing_image_is_pulled_again_and_again(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    debug(node, "p", image="nope:1")
    await node.until(lambda: debugger(node, "p")["state"].get("waiting", {}).get("reason") == "ImagePullBackOff")
    assert objects.condition_status(node.pod("p"), "Ready") == "True"


async def test_a_deleted_pod_takes_it_along(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    debug(node, "p")
    await node.until(lambda: "running" in debugger(node, "p")["state"])
    node.client.delete("pods", ("default", "p"))
    await node.gone("p")
    with pytest.raises(NotFound):
        await node.exec("p", "cat", "/x", container="debugger")


async def test_shared_processes_have_pause_as_the_first(node: Any) -> None:
    node.create("p", {}, {"name": "other"}, shareProcessNamespace=True)
    await node.ready("p")
    assert (await node.exec("p", "cat", "/proc/1/cmdline"))[1] == "/pause\0"
    assert (await node.exec("p", "cat", "/proc/2/cmdline"))[1] == "/bin/wait\0"
    assert (await node.exec("p", "cat", "/proc/3/root/etc/motd"))[1] == "hello\n"
    # a container that ends takes its own processes with it, and leaves the others'
    node.kubelet.pod("default", "p").slots["other"].current.init.signal(15)
    await node.until(lambda: node.container("p", "other").get("restartCount") == 1)
    assert node.container("p")["restartCount"] == 0


async def test_what_others_hold_is_for_root_and_their_own_user_only(node: Any) -> None:
    user = {"name": "user", "securityContext": {"runAsUser": 1000}}
    node.create("p", {"env": [{"name": "KEY", "value": "secret"}]}, user, shareProcessNamespace=True)
    await node.ready("p")
    slots = node.kubelet.pod("default", "p").slots
    roots = f"/proc/{slots['c'].current.init.pid}"
    for file in ("environ", "root/etc/motd", "cwd/etc/motd"):
        assert (await node.exec("p", "cat", f"{roots}/{file}"))[0] == 0
        code, text = await node.exec("p", "cat", f"{roots}/{file}", container="user")
        assert (code, "ermission denied" in text) == (1, True)
    assert "secret" in (await node.exec("p", "cat", f"{roots}/environ"))[1]


async def test_pods_with_the_hosts_processes_see_each_other(node: Any) -> None:
    node.create("one", {}, hostPID=True)
    node.create("two", {}, hostPID=True)
    await node.ready("one")
    await node.ready("two")
    assert (await node.exec("one", "cat", "/proc/1/cmdline"))[1] == "/sbin/init\0"
    assert (await node.exec("one", "cat", "/proc/2/cmdline", "/proc/3/cmdline"))[1] == "/bin/wait\0/bin/wait\0"

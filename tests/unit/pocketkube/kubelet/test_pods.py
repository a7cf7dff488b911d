"""Pods on a node, from creation to removal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.errors import BadRequest, InternalError, NotFound
from pocketkube.kubelet.pod_worker import PodWorker
from pocketkube.resources.base import DeleteOptions

ALREADY = 'Container image "test:1" already present on machine and can be accessed by the pod'


async def test_pod_becomes_ready(node: Any) -> None:
    node.create("web", {"ports": [{"containerPort": 8080}]})
    status = objects.status(await node.ready("web"))
    assert status["phase"] == "Running"
    assert status["observedGeneration"] == 1
    assert [c["type"] for c in status["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert {(c["status"], c["observedGeneration"]) for c in status["conditions"]} == {("True", 1)}
    assert status["hostIP"] == "172.18.0.2"
    assert status["hostIPs"] == [{"ip": "172.18.0.2"}]
    assert status["podIP"] == "10.244.1.2"
    [container] = status["containerStatuses"]
    assert container.pop("containerID").startswith("containerd://")
    assert container.pop("imageID").startswith("docker.io/library/test@sha256:")
    assert container["state"].pop("running")["startedAt"]
    [mount] = container.pop("volumeMounts")
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert (mount["readOnly"], mount["recursiveReadOnly"]) == (True, "Disabled")
    assert container == {
        "name": "c",
        "state": {},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": "docker.io/library/test:1",
        "started": True,
        "resources": {},
    }
    assert node.events("web") == [
        ("Normal", "Pulled", ALREADY),
        ("Normal", "Created", "Container created"),
        ("Normal", "Started", "Container started"),
    ]


async def test_readiness_gates(node: Any) -> None:
    def ready() -> tuple[str, str, str]:
        found = objects.condition(node.pod("gated"), "Ready") or {}
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def turn(status: str) -> None:
        def change(copy: Any) -> None:
            conditions = [c for c in copy["status"].get("conditions") or () if c["type"] != "example.com/gate"]
            copy["status"]["conditions"] = [*conditions, {"type": "example.com/gate", "status": status}]

        node.client.patch("pods", ("default", "gated"), change, subresource="status")

    node.create("gated", readinessGates=[{"conditionType": "example.com/gate"}])
    await node.until(lambda: objects.condition_status(node.pod("gated"), "ContainersReady") == "True")
    gate = 'pod readiness gate "example.com/gate"'
    assert ready() == ("False", "ReadinessGatesNotReady", f"corresponding condition of {gate} does not exist.")
    turn("False")
    why = f'the status of {gate} is not "True", but False'
    await node.until(lambda: ready() == ("False", "ReadinessGatesNotReady", why))
    turn("True")
    await node.until(lambda: ready() == ("True", "", ""))
    turn("False")
    await node.until(lambda: ready() == ("False", "ReadinessGatesNotReady", why))


async def test_logs_and_exec(node: Any) -> None:
    node.create("web", {"args": []})
    await node.ready("web")
    await node.logged("web", "waiting\n")
    assert await node.logs("web") == ["waiting\n"]
    assert await node.exec("web", "cat", "/etc/motd") == (0, "hello\n")
    assert await node.exec("web", "exit", "7", "out") == (7, "out\n")
    assert await node.exec("web", "cat", stdin=b"from stdin") == (0, "from stdin")
    with pytest.raises(InternalError) as failed:
        await node.exec("web", "nosuchcommand")
    assert 'exec: "nosuchcommand": executable file not found in $PATH: unknown' in failed.value.message
    with pytest.raises(NotFound, match=r'container not found \("x"\)'):
        await node.exec("web", "env", container="x")
    with pytest.raises(BadRequest, match='previous terminated container "c" in pod "web" not found'):
        await node.logs("web", previous=True)


async def test_deletion_is_graceful(node: Any) -> None:
    node.create("web")
    address = objects.status(await node.ready("web"))["podIP"]
    assert node.fabric.host(address) is not None
    seen: list[Any] = []
    node.client.subscribe("pods", lambda event: seen.append((event.type, objects.status(event.object))))
    node.client.delete("pods", ("default", "web"))
    await node.gone("web")
    assert node.fabric.host(address) is None
    terminated = [status["containerStatuses"][0]["state"].get("terminated") for _, status in seen]
    assert terminated[-1]["exitCode"] == 0
    assert seen[-2][1]["phase"] == "Succeeded"
    told = next(status for _, status in seen if "terminated" in status["containerStatuses"][0]["state"])
    assert told["phase"] == "Running", "that the containers stopped is told before the pod is over"
    assert objects.condition_status({"status": told}, "Ready") == "False"
    assert seen[0][1]["observedGeneration"] == 1
    assert seen[1][1]["observedGeneration"] == 2
    assert ("Normal", "Killing", "Stopping container c") in node.events("web")


async def test_a_process_that_ignores_the_signal_is_killed(node: Any) -> None:
    node.create("web", {"args": ["stubborn"]})
    await node.ready("web")
    codes: list[int] = []

    def note(event: Any) -> None:
        for container in objects.status(event.object)["containerStatuses"]:
            if "terminated" in container["state"]:
                codes.append(container["state"]["terminated"]["exitCode"])

    node.client.subscribe("pods", note)
    node.client.delete("pods", ("default", "web"))
    await node.gone("web")
    assert set(codes) == {137}


async def test_forced_deletion_frees_the_name_at_once(node: Any) -> None:
    node.create("web")
    await node.ready("web")
    node.client.delete("pods", ("default", "web"), DeleteOptions(grace_period_seconds=0))
    assert node.client.find("pods", "default", "web") is None
    node.create("web")
    assert objects.status(await node.ready("web"))["podIP"] == "10.244.1.3"


async def test_completed_pods(node: Any) -> None:
    node.create("ok", {"command": ["exit", "0", "done"]}, restartPolicy="OnFailure")
    node.create("bad", {"command": ["exit", "4"]}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("ok")).get("phase") == "Succeeded")
    await node.until(lambda: objects.status(node.pod("bad")).get("phase") == "Failed")
    await node.until(lambda: objects.condition_status(node.pod("bad"), "PodReadyToStartContainers") == "False")
    verdicts = {c["type"]: (c["status"], c.get("reason")) for c in objects.status(node.pod("ok"))["conditions"]}
    assert verdicts == {
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", "PodCompleted"),
        "Ready": ("False", "PodCompleted"),
        "ContainersReady": ("False", "PodCompleted"),
        "PodScheduled": ("True", None),
    }
    state = node.container("bad")["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (4, "Error")
    assert (await node.logs("ok")) == ["done\n"]


async def test_a_pod_is_over_only_after_it_is_not_ready(node: Any) -> None:
    seen: list[tuple[str, str | None]] = []

    def note(event: Any) -> None:
        status = objects.status(event.object)
        seen.append((status.get("phase", ""), (objects.condition(event.object, "Ready") or {}).get("reason")))

    node.client.subscribe("pods", note)
    node.create("ok", {"command": ["exit", "0"]}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("ok")).get("phase") == "Succeeded")
    over = seen.index(("Succeeded", "PodCompleted"))
    assert seen[over - 1][0] in ("Pending", "Running")
    assert seen[over - 1][1] == "PodCompleted"


async def test_a_pod_that_cannot_be_worked_on_takes_no_other_down(
    node: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(kubelet: Any, pod: Any) -> Any:
        if objects.name(pod) == "bad":
            raise ValueError("no such thing")
        return PodWorker(kubelet, pod)

    with monkeypatch.context() as patched:
        patched.setattr("pocketkube.kubelet.kubelet.PodWorker", refuse)
        node.create("bad")
        node.create("good")
        await node.ready("good")
        await node.until(lambda: node.events("bad"))
        text = "error determining status: ValueError('no such thing')"
        assert node.events("bad") == [("Warning", "FailedSync", text)]
        assert "pod default/bad cannot be worked on" in caplog.text
    await node.ready("bad")  # tried again


async def test_crash_loop(node: Any) -> None:
    pod = node.create("crash", {"command": ["exit", "3", "boom"]})
    await node.until(
        lambda: node.container("crash").get("restartCount") == 1 and node.container("crash")["state"].get("waiting")
    )
    container = node.container("crash")
    message = f"back-off 10s restarting failed container=c pod=crash_default({objects.uid(pod)})"
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert objects.status(node.pod("crash"))["phase"] == "Running"
    text = f"Back-off restarting failed container c in pod crash_default({objects.uid(pod)})"
    assert ("Warning", "BackOff", text) in node.events("crash")
    assert await node.logs("crash", previous=True) == ["boom\n"]
    await node.until(lambda: "back-off 20s" in str(node.container("crash")["state"]))
    assert node.container("crash")["restartCount"] == 2


async def test_another_image_starts_without_the_back_off_of_the_one_before(busy: Any) -> None:
    busy.create("crash", {"command": ["exit", "3", "boom"]})

    def waits(text: str) -> bool:
        return text in str(busy.container("crash").get("state"))

    await busy.until(lambda: waits("back-off 20s"))
    pod = busy.pod("crash")
    containers = [{**pod["spec"]["containers"][0], "image": "busybox:1.37"}]
    busy.client.update("pods", {**pod, "spec": {**pod["spec"], "containers": containers}})
    await busy.until(lambda: busy.container("crash")["restartCount"] == 3)
    await busy.until(lambda: waits("back-off"))
    assert waits("back-off 10s")


async def test_command_not_found(node: Any) -> None:
    node.create("nocmd", {"command": ["/no/such/binary"]}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("nocmd")).get("phase") == "Failed")
    ended = node.container("nocmd")["state"]["terminated"]
    text = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        'unable to start container process: exec: "/no/such/binary": stat /no/such/binary: no such file or directory: '
        "unknown"
    )
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (128, "StartError", text)
    assert ("Warning", "Failed", f"Error: {text}") in node.events("nocmd")


async def test_unknown_images(node: Any) -> None:
    node.create("never", {"image": "nosuch:1", "imagePullPolicy": "Never"})
    node.create("badname", {"image": "Bad_Image::"})
    node.create("pull", {"image": "registry.invalid/nosuch:1"})
    await node.until(lambda: node.container("never").get("state", {}).get("waiting", {}).get("message"))
    assert node.container("never")["state"]["waiting"] == {
        "reason": "ErrImageNeverPull",
        "message": 'Container image "nosuch:1" is not present with pull policy of Never',
    }
    await node.until(lambda: node.container("badname")["state"]["waiting"]["reason"] == "InvalidImageName")
    wrong = (
        'Failed to apply default image tag "Bad_Image::": couldn\'t parse image name "Bad_Image::": '
        "invalid reference format: repository name (library/Bad_Image) must be lowercase"
    )
    assert node.container("badname")["state"]["waiting"]["message"] == wrong
    assert node.events("badname") == [
        ("Warning", "InspectFailed", wrong),
        ("Warning", "Failed", "Error: InvalidImageName"),
    ]
    await node.until(lambda: node.container("pull")["state"]["waiting"]["reason"] == "ImagePullBackOff")
    message = node.container("pull")["state"]["waiting"]["message"]
    start = 'Back-off pulling image "registry.invalid/nosuch:1": ErrImagePull: failed to pull and unpack image '
    assert message.startswith(start)
    assert [event[1] for event in node.events("pull")] == ["Pulling", "Failed", "Failed", "BackOff", "Failed"]
    node.client.patch("pods", ("default", "pull"), lambda pod: pod["spec"]["containers"][0].update(image="test:1"))
    await node.ready("pull")


async def test_init_containers_run_first_and_in_order(node: Any) -> None:
    mount = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    node.create(
        "init",
        {"command": ["once", "/d/f"], **mount},
        volumes=[{"name": "d", "emptyDir": {}}],
        initContainers=[
            {"name": "i1", "command": ["put", "/d/f", "one"], **mount},
            {"name": "i2", "command": ["put", "/d/f", "two"], **mount},
        ],
    )
    status = objects.status(await node.ready("init"))
    assert await node.exec("init", "cat", "/d/f") == (0, "one\ntwo\nrun\n")
    assert [(c["name"], c["ready"], c["started"]) for c in status["initContainerStatuses"]] == [
        ("i1", True, False),
        ("i2", True, False),
    ]
    node.create("badinit", {}, initContainers=[{"name": "i1", "command": ["exit", "1"]}])
    await node.until(lambda: node.container("badinit", "i1").get("restartCount") == 1)
    assert objects.status(node.pod("badinit"))["phase"] == "Pending"
    assert node.container("badinit")["state"] == {"waiting": {"reason": "PodInitializing"}}
    initialized = objects.condition(node.pod("badinit"), "Initialized")
    assert initialized is not None
    assert (initialized["reason"], initialized["message"]) == (
        "ContainersNotInitialized",
        "containers with incomplete status: [i1]",
    )


async def test_empty_dir_survives_a_crash_and_is_shared(node: Any) -> None:
    mount = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    node.create(
        "crash",
        {"command": ["once", "/d/log"], **mount},
        {"name": "side", **mount},
        volumes=[{"name": "d", "emptyDir": {}}],
    )
    await node.until(lambda: node.container("crash").get("restartCount") == 1)
    await node.ready("crash")
    assert await node.exec("crash", "cat", "/d/log", container="side") == (0, "run\nrun\n")


async def test_a_container_s_terminal_has_the_size_of_who_attaches(node: Any) -> None:
    node.create("term", {"tty": True, "stdin": True})
    await node.ready("term")
    terminal = node.runtime._running("default", "term", "c").terminal
    assert terminal.size == (80, 24)

    class Keyboard:
        size = (100, 30)
        on_resize: Any = None

        async def read(self, most: int = -1, /) -> bytes:
            await asyncio.Event().wait()
            return b""

    keyboard = Keyboard()
    attached = asyncio.create_task(node.runtime.attach("default", "term", "c", fds={0: keyboard}, tty=True))
    async with asyncio.timeout(20):
        while terminal.size != (100, 30):  # noqa: ASYNC110
            await asyncio.sleep(0)
    keyboard.on_resize(120, 40)
    assert terminal.size == (120, 40)
    attached.cancel()

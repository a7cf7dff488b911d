"""What containers use of a node, and what becomes of those that want more than they may have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pocketkube.clock import Clock
from pocketkube.images.busybox import IMAGE as BUSYBOX
from pocketkube.kubelet.cgroup import PROCESS_MEMORY, Cgroup, Killed, Limits, limits_of
from pocketkube.kubelet.cpu import Cpu
from pocketkube.kubelet.usage import SYSTEM_CPU, SYSTEM_MEMORY, ContainerUsage

MIB = 1 << 20


def test_a_limit_that_is_just_reached_is_not_passed() -> None:
    account = Cpu(Clock()).account()
    exact = Cgroup(account, limit=MIB, base=MIB)
    exact.fork()
    exact.check()
    with pytest.raises(Killed):
        exact.grow(1)


def shell(script: str, **limits: str) -> dict[str, Any]:
    return {"image": "busybox:1.36", "command": ["sh", "-c", script], "resources": {"limits": limits}}


def usage(node: Any, pod: str) -> ContainerUsage:
    [found] = [container for container in node.kubelet.usage().containers if container.pod == pod]
    return found


async def cores(node: Any, pod: str, seconds: float = 2.0) -> float:
    """What a pod uses on average over so much cluster time."""
    before, began = usage(node, pod), node.clock.time()
    await node.clock.sleep(seconds)
    after = usage(node, pod)
    return (after.usage.cpu_seconds - before.usage.cpu_seconds) / (node.clock.time() - began)


async def oom_killed(node: Any, name: str) -> dict[str, Any]:
    """The terminated state of the pod's first instance."""

    def ended() -> Any:
        status = node.container(name)
        return status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")

    state: dict[str, Any] = await node.until(ended)
    assert (state["exitCode"], state["reason"]) == (137, "OOMKilled")
    return state


def test_resources_come_to_limits() -> None:
    assert limits_of({}) == Limits()
    assert limits_of({"limits": {"cpu": "250m", "memory": "64Mi"}}) == Limits(0.25, 250, 64 * MIB)
    assert limits_of({"limits": {"cpu": "2"}, "requests": {"cpu": "100m", "memory": "1Gi"}}) == Limits(2.0, 100, None)
    assert limits_of({"limits": {"cpu": "0", "memory": "0"}}) == Limits()
    assert limits_of({"limits": {"cpu": "1m"}}) == Limits(0.01, 2, None)


async def test_a_loop_that_never_waits_uses_a_core(busy: Any) -> None:
    busy.create("loop", shell("while true; do :; done"))
    await busy.ready("loop")
    await _busy_by(busy, "loop", 0.9)
    # of what the whole took some was not the loop's yet, or was measured late
    assert 0.5 < await cores(busy, "loop") <= 1.001


async def test_a_limit_holds(busy: Any) -> None:
    busy.create("loop", shell("while true; do :; done", cpu="200m"))
    await busy.ready("loop")
    await _busy_by(busy, "loop", 0.15)
    assert await cores(busy, "loop") <= 0.201


async def _busy_by(node: Any, pod: str, enough: float) -> None:
    async with asyncio.timeout(20):
        while await cores(node, pod, 0.5) < enough:
            pass


async def test_who_sleeps_uses_next_to_nothing(busy: Any) -> None:
    busy.create("idle", shell("sleep 1000"))
    await busy.ready("idle")
    assert await cores(busy, "idle", 1) < 0.05


async def test_the_node_uses_what_its_containers_use_and_a_little_itself(busy: Any) -> None:
    busy.create("one", shell("sleep 1000; :"))
    busy.create("two", shell("sleep 1000; :"), shell("sleep 1000; :"))
    await busy.ready("one")
    await busy.ready("two")
    read = busy.kubelet.usage()
    assert read.node == "node-1"
    assert sorted((found.namespace, found.pod, found.name) for found in read.containers) == [
        ("default", "one", "c"), ("default", "two", "c"), ("default", "two", "c1"),
    ]  # fmt: skip
    assert read.usage.memory == SYSTEM_MEMORY + sum(found.usage.memory for found in read.containers)
    assert all(found.usage.memory == BUSYBOX.memory + PROCESS_MEMORY for found in read.containers)
    own = SYSTEM_CPU * (read.time - read.started_at)
    assert read.usage.cpu_seconds == pytest.approx(own + sum(found.usage.cpu_seconds for found in read.containers))


async def test_what_has_ended_is_still_part_of_what_the_node_used(busy: Any) -> None:
    busy.create("one", shell("i=0; while [ $i -lt 300 ]; do i=$((i+1)); done"), restartPolicy="Never")
    await busy.until(lambda: busy.pod("one")["status"].get("phase") == "Succeeded")
    read = busy.kubelet.usage()
    assert read.containers == ()
    assert read.usage.cpu_seconds > SYSTEM_CPU * (read.time - read.started_at)


async def test_too_much_memory_kills_the_container_and_it_starts_again(busy: Any) -> None:
    busy.create("glutton", shell("tail /dev/zero", memory="32Mi"))
    assert "message" not in await oom_killed(busy, "glutton")
    await busy.until(lambda: busy.container("glutton")["restartCount"] >= 2)
    said = f"Back-off restarting failed container c in pod glutton_default({busy.pod('glutton')['metadata']['uid']})"
    assert ("Warning", "BackOff", said) in busy.events("glutton")


async def test_more_than_the_simulator_holds_is_more_than_the_limit(busy: Any) -> None:
    busy.create("glutton", shell("tail /dev/zero", memory="512Mi"), restartPolicy="Never")
    await oom_killed(busy, "glutton")
    await busy.until(lambda: busy.pod("glutton")["status"]["phase"] == "Failed")


@pytest.mark.parametrize(
    "script",
    [
        "head -c 30000000 /dev/zero | sort >/dev/null; echo survived; sleep 1000",
        "dd if=/dev/zero of=/dev/null bs=30M count=1; echo survived; sleep 1000",
        "a=xxxxxxxx; while true; do a=$a$a; done",
        "while true; do sleep 1000 & done",
    ],
    ids=["sort", "dd", "variable", "processes"],
)
async def test_all_processes_of_the_container_die(busy: Any, script: str) -> None:
    busy.create("glutton", shell(script, memory="24Mi"), restartPolicy="Never")
    await oom_killed(busy, "glutton")
    assert "survived\n" not in await busy.logs("glutton")


async def test_a_command_run_beside_takes_the_container_with_it(busy: Any) -> None:
    busy.create("web", shell("sleep 1000; :", memory="16Mi"))
    await busy.ready("web")
    code, _ = await busy.exec("web", "sh", "-c", "tail /dev/zero; echo survived")
    assert code == 137
    await oom_killed(busy, "web")


async def test_other_containers_of_the_pod_live_on(busy: Any) -> None:
    busy.create("two", shell("sleep 1000; tail /dev/zero", memory="24Mi"), shell("sleep 1000"))
    await busy.ready("two")
    assert (await busy.exec("two", "tail", "/dev/zero"))[0] == 137
    await oom_killed(busy, "two")
    assert busy.container("two", "c1")["restartCount"] == 0
    assert "running" in busy.container("two", "c1")["state"]


async def test_the_limit_of_the_pod_is_that_of_containers_without_one(busy: Any) -> None:
    busy.create("two", shell("sleep 1000"), shell("sleep 1000"), resources={"limits": {"memory": "32Mi"}})
    await busy.ready("two")
    assert (await busy.exec("two", "tail", "/dev/zero"))[0] == 137
    await oom_killed(busy, "two")
    assert busy.container("two", "c1")["restartCount"] == 0


async def test_without_a_limit_the_tool_says_that_it_has_no_memory(busy: Any) -> None:
    busy.create("web", shell("sleep 1000"))
    await busy.ready("web")
    assert await busy.exec("web", "tail", "/dev/zero") == (1, "tail: out of memory\n")


async def test_an_image_that_needs_more_than_its_limit_never_runs_long(busy: Any) -> None:
    busy.create("small", shell("sleep 1000", memory="64Ki"), restartPolicy="Never")
    await oom_killed(busy, "small")


async def test_files_in_memory_are_memory_of_who_wrote_them(busy: Any) -> None:
    containers = [shell("sleep 1000", memory="24Mi"), shell("sleep 1000", memory="24Mi")]
    for container in containers:
        container["volumeMounts"] = [{"name": "memory", "mountPath": "/memory"}]
    volume = {"name": "memory", "emptyDir": {"medium": "Memory"}}
    busy.create("two", *containers, volumes=[volume])
    await busy.ready("two")

    def held() -> list[int]:
        return [found.usage.memory for found in busy.kubelet.usage().containers]

    before = held()
    assert await busy.exec("two", "sh", "-c", "head -c 8388608 /dev/zero >/memory/a") == (0, "")
    assert held() == [before[0] + 8 * MIB, before[1]]
    # whoever removes it gives it back to who paid
    assert (await busy.exec("two", "rm", "/memory/a", container="c1"))[0] == 0
    assert held() == before
    for number in range(2):  # by truncation, too
        assert (await busy.exec("two", "sh", "-c", f"head -c {(2 - number) * MIB} /dev/zero >/memory/a"))[0] == 0
    assert held() == [before[0] + MIB, before[1]]
    code, _ = await busy.exec("two", "sh", "-c", "head -c 31457280 /dev/zero >/memory/b")
    assert code == 137
    await oom_killed(busy, "two")
    assert "running" in busy.container("two", "c1")["state"]
    # the files stay, and a new instance does not pay for them
    await busy.until(lambda: busy.container("two")["restartCount"] == 1 and busy.container("two")["ready"])
    assert held()[0] < 8 * MIB
    assert int((await busy.exec("two", "cat", "/memory/b"))[1].count("\0")) > 16 * MIB

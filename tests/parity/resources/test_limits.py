"""Limits of memory and processor: what is passed kills or slows down, and the API says so. For cgroup v2 and a kubelet
that leaves singleProcessOOMKill as it is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, START, Place, pod

from kindlab.api import Obj
from kindlab.checks.live import is_ready

SLEEP = "trap 'exit 0' TERM; sleep 100000 & wait"
MIB = 1 << 20


def limited(name: str, *scripts: str, limits: Obj, **spec: Any) -> Obj:
    """A pod of one container for each script, all with these limits: c0, c1, ..."""
    made = pod(name, image=BUSYBOX)
    made["spec"] |= {"terminationGracePeriodSeconds": 1, **spec}
    made["spec"]["containers"] = [
        {"name": f"c{number}", "image": BUSYBOX, "command": ["sh", "-c", script], "resources": {"limits": limits}}
        for number, script in enumerate(scripts)
    ]
    return made


def status(live: Obj, container: str = "c0") -> Obj:
    listed = live["status"].get("containerStatuses") or ()
    return next((one for one in listed if one["name"] == container), {"state": {}, "lastState": {}, "restartCount": 0})


def was_killed(state: Obj) -> bool:
    ended = state.get("terminated") or {}
    return (ended.get("reason"), ended.get("exitCode")) == ("OOMKilled", 137)


@pytest.mark.parametrize(
    "script",
    ["tail /dev/zero; sleep 100000", "dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 100000"],
    ids=["what-grows", "what-is-large"],
)
def test_past_the_limit_the_whole_container_is_killed(here: Place, script: str) -> None:
    here.put(limited("glutton", script, limits={"memory": "64Mi"}, restartPolicy="Never"))
    live = here.wait("Pod", "glutton", lambda live: live["status"].get("phase") == "Failed", timeout=START)
    assert was_killed(status(live)["state"])
    assert status(live)["restartCount"] == 0


def test_it_starts_again_and_says_what_killed_the_last_instance(here: Place) -> None:
    here.put(limited("glutton", "tail /dev/zero", limits={"memory": "64Mi"}))
    live = here.wait("Pod", "glutton", lambda live: status(live)["restartCount"] >= 1, timeout=START)
    assert was_killed(status(live)["lastState"])

    def waits(live: Obj) -> bool:
        return (status(live)["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff"

    live = here.wait("Pod", "glutton", waits, timeout=START)
    assert was_killed(status(live)["lastState"])
    assert live["status"]["phase"] == "Running"


def test_what_runs_beside_dies_with_it_and_other_containers_do_not(here: Place) -> None:
    here.start(limited("two", SLEEP, SLEEP, limits={"memory": "64Mi"}))
    here.sh("two", "tail /dev/zero", container="c0")
    live = here.wait("Pod", "two", lambda live: status(live)["restartCount"] == 1 and is_ready(live), timeout=START)
    assert was_killed(status(live)["lastState"])
    assert status(live, "c1")["restartCount"] == 0


def test_files_in_memory_count(here: Place) -> None:
    made = limited("writer", SLEEP, limits={"memory": "64Mi"})
    made["spec"]["volumes"] = [{"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "200Mi"}}]
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "memory", "mountPath": "/memory"}]
    here.start(made)
    assert here.sh("writer", "dd if=/dev/zero of=/memory/small bs=1M count=16").ok
    used = int(here.sh("writer", "cat /sys/fs/cgroup/memory.current").out)
    assert 16 * MIB <= used <= 64 * MIB
    assert not here.sh("writer", "dd if=/dev/zero of=/memory/large bs=1M count=100").ok
    live = here.wait("Pod", "writer", lambda live: status(live)["restartCount"] >= 1, timeout=START)
    assert was_killed(status(live)["lastState"])


def test_a_container_sees_its_limits(here: Place) -> None:
    here.start(limited("web", SLEEP, limits={"cpu": "200m", "memory": "64Mi"}))
    shown = here.sh("web", "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max")
    assert shown.lines == ["20000 100000", str(64 * MIB)]


def test_a_loop_is_kept_to_its_limit(here: Place) -> None:
    here.start(limited("loop", "while :; do :; done", limits={"cpu": "200m"}))
    read = "set -- $(cat /sys/fs/cgroup/cpu.stat); while [ $1 != usage_usec ]; do shift; done; used=$2"
    # cpu.stat is read before the clock both times, and the loop has a period's quota to spare
    script = f"{read}; up=$(cut -d' ' -f1 /proc/uptime); first=$used; sleep 3; {read}; "
    script += 'echo $((used - first)) $up $(cut -d" " -f1 /proc/uptime)'
    used, began, ended = map(float, here.sh("loop", script).out.split())
    assert 0.05 <= used / 1e6 / (ended - began) <= 0.3

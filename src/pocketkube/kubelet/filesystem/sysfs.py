"""/sys as a container sees it: its own cgroup, version 2, and nothing of the machine.

Models /sys/fs/cgroup/{cgroup.controllers,cgroup.procs,cpu.max,cpu.stat,cpu.weight,memory.current,memory.events,
memory.max,memory.oom.group,memory.peak,memory.stat,pids.current,pids.max}, from which programs learn their limits. Left
out: everything else; cgroups below the container's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.special import Folder, Made, Text, fixed
from pocketkube.kubelet.processor import PERIOD

if TYPE_CHECKING:
    from pocketkube.kubelet.cgroup import Cgroup
    from pocketkube.kubelet.filesystem.walk import Seer

_MICRO = 1_000_000


def _limit(value: float | None) -> str:
    return "max" if value is None or value == math.inf else str(round(value))


def _cpu_max(cgroup: Cgroup) -> str:
    period = round(PERIOD * _MICRO)
    return f"{_limit(cgroup.cpu.limit * period)} {period}"


def _weight(cgroup: Cgroup) -> str:
    """requests.cpu, in thousandths of a core, to cpu.shares, to cpu.weight, as the kubelet and runc reckon."""
    shares = min(262144, max(2, cgroup.cpu.weight * 1024 // 1000))
    return str(1 + (shares - 2) * 9999 // 262142)


def _rows(rows: Mapping[str, float]) -> str:
    return "\n".join(f"{name} {round(value)}" for name, value in rows.items())


def _cpu_stat(cgroup: Cgroup) -> str:
    account = cgroup.cpu
    used = account.used * _MICRO
    throttled = {
        "nr_periods": account.active / PERIOD,
        "nr_throttled": account.wanting / PERIOD,
        "throttled_usec": account.throttled * _MICRO,
    }
    return _rows({"usage_usec": used, "user_usec": used, "system_usec": 0} | throttled)


def _events(cgroup: Cgroup) -> str:
    killed = cgroup.oom_kills
    over = int(killed > 0)
    rows = {"low": 0, "high": 0, "max": over, "oom": over, "oom_kill": killed, "oom_group_kill": over}
    return _rows(rows)


_FILES: dict[str, Callable[[Cgroup], str]] = {
    "cgroup.controllers": lambda cgroup: "cpuset cpu io memory hugetlb pids",
    "cpu.max": _cpu_max,
    "cpu.stat": _cpu_stat,
    "cpu.weight": _weight,
    "memory.current": lambda cgroup: str(cgroup.memory),
    "memory.events": _events,
    "memory.max": lambda cgroup: _limit(cgroup.limit),
    "memory.oom.group": lambda cgroup: "1",
    "memory.peak": lambda cgroup: str(cgroup.peak),
    "memory.stat": lambda cgroup: _rows({"anon": cgroup.memory, "file": 0, "inactive_file": 0}),
    "pids.current": lambda cgroup: str(cgroup.pids),
    "pids.max": lambda cgroup: "max",
}


def _read(show: Callable[[Cgroup], str]) -> Callable[[Seer], bytes]:
    def read(seer: Seer) -> bytes:
        if seer.namespace is None:
            return b""
        seer.namespace.cpu.settle()
        return f"{show(seer.namespace.cgroup)}\n".encode()

    return read


def _processes(seer: Seer) -> bytes:
    return "".join(f"{process.pid}\n" for process in (seer.namespace.own if seer.namespace else ())).encode()


_CGROUP = fixed({name: Text(_read(show)) for name, show in _FILES.items()} | {"cgroup.procs": Text(_processes)}, 0o555)
_BELOW: dict[str, Folder] = {"fs": fixed({"cgroup": fixed({}, 0o555)}, 0o555)}
_EMPTY: tuple[str, ...] = ("block", "bus", "class", "dev", "devices", "kernel", "module")
_ALL: dict[str, Any] = {name: fixed({}, 0o555) for name in _EMPTY} | _BELOW

SYS = Made(fixed(_ALL, 0o555), "sysfs", "sysfs")
CGROUP = Made(_CGROUP, "cgroup2", "cgroup")

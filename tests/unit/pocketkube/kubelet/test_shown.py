"""What tools in a container show of what is accounted: /proc, /sys/fs/cgroup, ps, top, free, uptime, nproc."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.pocketkube.kubelet.test_limits import shell

MIB = 1 << 20


@pytest.fixture
async def loop(busy: Any) -> Any:
    """The node; pod `loop` computes without end on half a core at most."""
    script = "while true; do :; done"
    container = shell(script, cpu="500m", memory="64Mi")
    container["resources"]["requests"] = {"cpu": "250m"}
    busy.create("loop", container)
    await busy.ready("loop")
    return busy


async def ran(node: Any, *argv: str) -> str:
    code, text = await node.exec("loop", *argv)
    assert code == 0, text
    return str(text)


def rows(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split()[:2] for line in text.splitlines())}


async def until_busy(node: Any) -> None:
    async with asyncio.timeout(20):
        while rows(await ran(node, "cat", "/sys/fs/cgroup/cpu.stat"))["usage_usec"] < 500_000:
            await node.clock.sleep(0.2)


async def test_the_cgroup(loop: Any) -> None:
    async def shown(name: str) -> str:
        return (await ran(loop, "cat", f"/sys/fs/cgroup/{name}")).strip()

    await until_busy(loop)
    assert await shown("cpu.max") == "50000 100000"
    assert await shown("cpu.weight") == "10"
    assert await shown("memory.max") == str(64 * MIB)
    assert 0 < int(await shown("memory.current")) < 4 * MIB
    assert int(await shown("memory.peak")) >= int(await shown("memory.current")) - MIB
    assert await shown("pids.max") == "max"
    assert await shown("pids.current") == "2"
    assert (await shown("cgroup.procs")).splitlines()[0] == "1"
    assert rows(await shown("memory.events"))["oom_kill"] == 0
    stat = rows(await shown("cpu.stat"))
    assert stat["nr_periods"] >= stat["nr_throttled"] > 0
    assert stat["throttled_usec"] > 0


async def test_processes(loop: Any) -> None:
    await until_busy(loop)
    assert "State:\tR (running)" in await ran(loop, "cat", "/proc/1/status")
    fields = (await ran(loop, "cat", "/proc/1/stat")).split()
    assert fields[2] == "R"
    assert int(fields[13]) >= 40
    await loop.clock.sleep(1)
    [first, *_] = (await ran(loop, "ps", "-o", "pid=,stat=,pcpu=,vsz=")).splitlines()
    pid, state, percent, size = first.split()
    assert (pid, state, size) == ("1", "R", "4400")
    assert 0 < float(percent) <= 51


async def test_top_shows_who_computes(loop: Any) -> None:
    await until_busy(loop)
    memory, cpu, load, _, first, *_ = (await ran(loop, "top", "-b", "-n", "1")).splitlines()
    assert int(memory.split()[1].rstrip("K")) > 180 << 10
    assert 5 <= int(cpu.split()[1].rstrip("%")) <= 14  # half a core of four
    assert float(load.split()[2]) > 0
    assert first.split()[0] == "1"
    assert first.split()[3] == "R"
    assert 5 <= int(first.split()[7].rstrip("%")) <= 13


async def test_the_node(loop: Any) -> None:
    await until_busy(loop)
    assert await ran(loop, "nproc") == "4\n"
    _, memory, *_ = (await ran(loop, "free")).splitlines()
    total, used, left = (int(field) for field in memory.split()[1:4])
    assert (total, used + left) == (8 << 20, total)
    assert used > 180 << 10
    assert f"MemTotal:        {8 << 20} kB" in await ran(loop, "cat", "/proc/meminfo")
    first, second, *_ = (await ran(loop, "cat", "/proc/stat")).splitlines()
    assert int(first.split()[1]) >= 40
    assert int(second.split()[1]) == pytest.approx(int(first.split()[1]) / 4, abs=1)
    one, five, fifteen = (float(field) for field in (await ran(loop, "cat", "/proc/loadavg")).split()[:3])
    assert 0 < one <= 1.5
    assert fifteen <= five <= one
    assert (await ran(loop, "uptime")).partition("load average: ")[2].count(",") == 2

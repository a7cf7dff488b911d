"""Attacks by processes: a pod has a number of them, and those it has take turns, so that others are served."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.kubelet import cgroup
from pocketkube.kubelet.cgroup import POD_PIDS

CANNOT = "sh: can't fork: Resource temporarily unavailable\n"
UNENDING = "while :; do :; done"


async def rounds(number: int) -> None:
    """That many rounds of the event loop. One took seconds while an attack went on; all of them do now."""
    async with asyncio.timeout(60):
        for _ in range(number):
            await asyncio.sleep(0)


async def test_attack_more_processes_than_a_pod_may_have(pod) -> None:
    where = pod()
    ran = await where.sh("while :; do sleep 1000 & done")
    assert (ran.status, ran.err) == (2, CANNOT)
    while where.namespace.processes:  # process 1 has ended, and all others with it  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert tuple(await where.sh("echo $(echo again)")) == (0, "again\n", "")


async def test_attack_the_shell_that_cannot_fork_leaves_the_others_alone(pod) -> None:
    where = pod()
    init = where.start("sleep", "1000")
    for _ in range(POD_PIDS - 2):
        where.start("sleep", "1000")
    ran = await where.sh("echo one; echo two | cat; echo three")
    assert (ran.status, ran.out, ran.err) == (2, "one\n", CANNOT)
    where.start("sleep", "1000")
    with pytest.raises(BlockingIOError):
        where.start("true")
    init.process.signal(9)
    await init.ended()


@pytest.mark.parametrize(
    "script",
    [
        "f() { f | f & }; f; sleep 1000",
        f"for i in $(seq 500); do {UNENDING} & done; wait",
        "for i in $(seq 150); do (cat /dev/zero | grep -v a > /dev/null) & done; wait",
        "while :; do sh -c : & done",
        "yes | head -n 500000 | sort -n",
        "seq 300000 | sort -rn -k 1,1",
    ],
)
async def test_attack_many_processes_let_others_go_on(pod, script: str) -> None:
    where = pod()
    init = where.start("sleep", "1000")
    where.start("sh", "-c", script)
    await rounds(200)
    init.process.signal(9)
    await init.ended()


async def test_turns_come_to_everybody(pod) -> None:
    where = pod()
    init = where.start("sleep", "1000")
    for _ in range(50):
        where.start("sh", "-c", UNENDING)
    assert tuple(await where.sh("echo $(seq 3)")) == (0, "1 2 3\n", "")
    init.process.signal(9)
    await init.ended()


async def test_attack_many_programs_that_gather_what_never_ends(pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "POD_MEMORY", 8 << 20)
    where = pod()
    ran = await where.sh("for i in 1 2 3 4; do yes | sort & done; wait; echo b a | tr ' ' '\\n' | sort")
    assert ran.out == "a\nb\n"
    assert ran.err == "sort: out of memory\n" * 4


async def test_sorting_in_steps_gives_what_sorting_at_once_gives(pod) -> None:
    numbers = [str(n * 7919 % 5003) for n in range(5003)]
    text = "\n".join(numbers * 2).encode()
    expected = "".join(f"{n}\n" for n in range(5003))
    assert (await pod().sh("sort -nu", stdin=text)).out == expected
    stable = await pod().sh("sort -s -k 1,1", stdin="".join(f"{n % 3} {n}\n" for n in range(1000)).encode())
    assert stable.out == "".join(f"{n % 3} {n}\n" for n in sorted(range(1000), key=lambda n: n % 3))

"""Builtins about processes: trap, wait, kill, jobs, times, ulimit."""

from __future__ import annotations

import asyncio
import signal

from pocketkube.images.coreutils.signals import kill_main, signal_name, signal_number
from pocketkube.images.shell.interpreter import Shell, quoted
from pocketkube.kubelet.process import Process


async def trap(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    if words and words[0] == "--":
        words.pop(0)
    if words and words[0] == "-l":
        await shell.write(1, "".join(f"{number:2d}) {signal_name(number)}\n" for number in range(1, 32)))
        return 0
    if not words or words == ["-p"]:
        for at, set_ in sorted(shell.traps.items()):
            await shell.write(1, f"trap -- {quoted(set_)} {signal_name(at) if at else 'EXIT'}\n")
        return 0
    action: str | None = words.pop(0)
    if action == "-":
        action = None
    elif (action is not None and action.isdecimal()) or not words:
        words = [str(action), *words]
        action = None
    status = 0
    for word in words:
        number = signal_number(word)
        if number is None:
            await shell.say(f"{word}: invalid signal specification", "trap")
            status = 1
            continue
        shell.trap(number, action)
    return status


async def wait(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    if not words:
        while running := [job for job in shell.jobs.values() if job.exit_code is None]:
            interrupted = await _until(shell, running)
            if interrupted is not None:
                return interrupted
        shell.jobs.clear()
        return 0
    status = 0
    for word in words:
        job = _job(shell, word)
        if job is None:
            if not word.lstrip("%").isdecimal():
                await shell.say(f"bad job id: {word}" if not word.startswith("%") else f"{word}: no such job", "wait")
                return 2
            status = 127
            continue
        while job.exit_code is None:
            interrupted = await _until(shell, [job])
            if interrupted is not None:
                return interrupted
        status = job.exit_code
    return status


async def _until(shell: Shell, jobs: list[Process]) -> int | None:
    """Wait for one of the jobs to end, or for a signal with a trap: then 128 plus its number."""
    waits = [asyncio.ensure_future(job.wait()) for job in jobs]
    waits.append(asyncio.ensure_future(_signalled(shell)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
    return 128 + shell.pending[0] if shell.pending else None


async def _signalled(shell: Shell) -> int:
    await shell.signalled.wait()
    return 0


def _job(shell: Shell, word: str) -> Process | None:
    if word.startswith("%"):
        listed = list(shell.jobs.values())
        if word[1:] in ("", "%", "+"):
            return listed[-1] if listed else None
        return listed[int(word[1:]) - 1] if word[1:].isdecimal() and 0 < int(word[1:]) <= len(listed) else None
    return shell.jobs.get(int(word)) if word.isdecimal() else None


async def kill(shell: Shell, argv: list[str]) -> int:
    words = []
    for word in argv:
        job = _job(shell, word) if word.startswith("%") else None
        words.append(str(job.pid) if job is not None else word)
    status = await kill_main(shell.process, words, f"{shell.name}: ")
    await asyncio.sleep(0)
    return status


async def jobs(shell: Shell, argv: list[str]) -> int:
    for number, job in enumerate(shell.jobs.values(), 1):
        if "-p" in argv:
            await shell.write(1, f"{job.pid}\n")
            continue
        if job.exit_code is None:
            state = "Running"
        elif job.exit_code > 128:
            state = signal.strsignal(job.exit_code - 128) or "Done"
        else:
            state = f"Done({job.exit_code})" if job.exit_code else "Done"
        current = "+" if number == len(shell.jobs) else "-" if number == len(shell.jobs) - 1 else " "
        identity = f"{job.pid} " if "-l" in argv else ""
        await shell.write(1, f"[{number}]{current}  {identity}{state:<26} {' '.join(job.argv)}\n")
    return 0


async def history(shell: Shell, argv: list[str]) -> int:
    await shell.write(1, "".join(f"{number:4d} {line}\n" for number, line in enumerate(shell.history)))
    return 0


async def times(shell: Shell, argv: list[str]) -> int:
    await shell.write(1, "0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n")
    return 0


async def ulimit(shell: Shell, argv: list[str]) -> int:
    limits = {"-n": "1048576", "-u": "unlimited", "-f": "unlimited", "-c": "unlimited", "-s": "8192", "-v": "unlimited"}
    flags = [word for word in argv[1:] if word.startswith("-") and word not in ("-S", "-H")]
    if len(argv) > 1 and not argv[-1].startswith("-"):
        await shell.say("error setting limit: Operation not permitted", "ulimit")
        return 1
    await shell.write(1, limits.get(flags[0] if flags else "-f", "unlimited") + "\n")
    return 0


BUILTINS = {
    "trap": trap,
    "wait": wait,
    "kill": kill,
    "jobs": jobs,
    "history": history,
    "times": times,
    "ulimit": ulimit,
}

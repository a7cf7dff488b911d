"""kill, pidof, killall, sleep, timeout and the names of signals."""

from __future__ import annotations

import asyncio
import posixpath
import re
import signal

from pocketkube.kubelet.process import Command, Process

_NAMES = {number.value: number.name.removeprefix("SIG") for number in signal.Signals if number.value < 32}
_NAMES |= {6: "ABRT", 17: "CHLD", 29: "POLL"}
_NUMBERS = {name: number for number, name in _NAMES.items()} | {"IOT": 6, "CLD": 17, "IO": 29}


def signal_name(number: int) -> str:
    return _NAMES.get(number, str(number))


def signal_number(word: str) -> int | None:
    """TERM, SIGTERM, term or 15; 0 and EXIT are 0. None for what is no signal."""
    if word.isdecimal():
        return int(word) if int(word) < 65 else None
    name = word.upper().removeprefix("SIG")
    return 0 if name == "EXIT" else _NUMBERS.get(name)


async def kill_main(process: Process, argv: list[str], prefix: str = "") -> int:
    """`kill [-SIGNAL] PID...`; `prefix` goes before messages when the shell's own kill speaks."""
    words = argv[1:]
    number: int | None = signal.SIGTERM
    if words and words[0] in ("-l", "-L"):
        if not words[1:]:
            await process.print("\n".join(f"{n:2d}) {signal_name(n)}" for n in range(1, 32)))
        for word in words[1:]:
            found = signal_number(str(int(word) & 0x7F) if word.isdecimal() else word)
            await process.print(signal_name(found or 0) if word.isdecimal() else str(found))
        return 0
    if words and words[0] == "-s":
        words.pop(0)
        words[:1] = [f"-{words[0]}"] if words else []
    if words and words[0].startswith("-") and words[0] != "--":
        name = words.pop(0)[1:]
        number = signal_number(name)
        if number is None:
            await process.error(f"{prefix}kill: bad signal name '{name}'")
            return 1
    if words and words[0] == "--":
        words.pop(0)
    if not words:
        await process.error(f"{prefix}kill: you need to specify whom to kill")
        return 1
    failed = 0
    for word in words:
        if not re.fullmatch(r"-?\d+", word):
            await process.error(f"{prefix}kill: invalid number '{word}'")
            failed += 1
            continue
        pid = int(word)
        everyone = [p for p in process.namespace.processes.values() if p.pid != 1 and p is not process]
        targets = everyone if pid == -1 else [p for p in [process.namespace.processes.get(abs(pid))] if p]
        if not targets:
            await process.error(f"{prefix}kill: can't kill pid {pid}: No such process")
            failed += 1
        for target in targets:
            if process.uid not in (0, target.uid):
                await process.error(f"{prefix}kill: can't kill pid {pid}: Operation not permitted")
                failed += 1
            elif number:
                target.signal(number)
    return 1 if failed else 0


async def kill(process: Process) -> int:
    return await kill_main(process, process.argv)


def named(process: Process, name: str) -> list[Process]:
    """The processes that run a program of that name, newest first."""
    return [
        other
        for other in reversed(process.namespace.processes.values())
        if (other.argv and posixpath.basename(other.argv[0]) == name) or posixpath.basename(other.program) == name
    ]


async def pidof(process: Process) -> int:
    words = process.argv[1:]
    single = "-s" in words
    omit = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "-o"}
    names = [word for at, word in enumerate(words) if not word.startswith("-") and (not at or words[at - 1] != "-o")]
    found = [str(p.pid) for name in names for p in named(process, posixpath.basename(name)) if str(p.pid) not in omit]
    found = found[:1] if single else found
    if found:
        await process.print(" ".join(found))
    return 0 if found else 1


async def killall(process: Process) -> int:
    words = process.argv[1:]
    number: int | None = signal.SIGTERM
    quiet = False
    while words and words[0].startswith("-"):
        option = words.pop(0)[1:]
        if option == "q":
            quiet = True
            continue
        if option == "s" and words:
            option = words.pop(0)
        number = signal_number(option)
        if number is None:
            await process.error(f"killall: bad signal name '{option}'")
            return 1
    failed = 0
    for name in words:
        found = [other for other in named(process, name) if other is not process]
        if not found:
            failed += 1
            if not quiet:
                await process.error(f"killall: {name}: no process killed")
        for other in found:
            if number:
                other.signal(number)
    return 1 if failed else 0


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(word: str) -> float | None:
    """`1.5`, `10s`, `2m`, `1h`, `1d`, `inf`; None for anything else."""
    if word in ("inf", "infinity"):
        return float("inf")
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)([smhd]?)", word)
    return float(found.group(1)) * _UNITS[found.group(2)] if found else None


async def sleep(process: Process) -> int:
    words = process.argv[1:]
    if not words:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: sleep [N]...\n\nPause for a time")
        return 1
    total = 0.0
    for word in words:
        duration = seconds(word)
        if duration is None:
            await process.error(f"sleep: invalid number '{word}'")
            return 1
        total += duration
    if total == float("inf"):
        await asyncio.Event().wait()
    await process.clock.sleep(total)
    return 0


async def timeout(process: Process) -> int:
    """`timeout [-s SIG] [-k KILL_SECS] SECS PROG`: exits 143 when it had to end the program, as BusyBox does."""
    words = process.argv[1:]
    number: int | None = signal.SIGTERM
    kill_after: float | None = None
    while words and words[0].startswith("-"):
        option = words.pop(0)
        value = option[2:] or (words.pop(0) if words else "")
        if option.startswith("-s"):
            number = signal_number(value)
            if number is None:
                await process.error(f"timeout: bad signal name '{value}'")
                return 1
        elif option.startswith("-k"):
            kill_after = seconds(value)
    limit = seconds(words[0]) if words else None
    if limit is None or len(words) < 2:
        if words and limit is None:
            await process.error(f"timeout: invalid number '{words[0]}'")
        else:
            await process.error("Usage: timeout [-s SIG] [-k KILL_SECS] SECS PROG ARGS")
        return 1
    try:
        child = process.spawn(words[1:])
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        text = "No such file or directory" if missing else "Permission denied"
        await process.error(f"timeout: can't execute '{words[1]}': {text}")
        return 127 if missing else 126
    try:
        try:
            async with process.clock.timeout(limit or None):
                return await child.wait()
        except TimeoutError:
            child.signal(number or signal.SIGTERM)
            async with process.clock.timeout(kill_after):
                code = await child.wait()
                return code if code > 128 else 143
    except TimeoutError:
        child.signal(signal.SIGKILL)
        return await child.wait()
    except asyncio.CancelledError:
        child.signal(signal.SIGTERM)
        raise


COMMANDS: dict[str, Command] = {
    "kill": kill, "pidof": pidof, "killall": killall, "sleep": sleep, "timeout": timeout,
}  # fmt: skip

"""stress 1.0.4, which imposes load: workers that compute, and workers that hold memory. None of it is done here: it is
declared, and counts as done. Left out: --hdd; --io counts as a worker that waits for the disk."""

from __future__ import annotations

import math
import re
import signal

from pocketkube.images.coreutils.options import fail
from pocketkube.kubelet.process import Process

_USAGE = """`stress' imposes certain types of compute stress on your system

Usage: stress [OPTION [ARG]] ...
 -?, --help         show this help statement
     --version      show version statement
 -v, --verbose      be verbose
 -q, --quiet        be quiet
 -n, --dry-run      show what would have been done
 -t, --timeout N    timeout after N seconds
     --backoff N    wait factor of N microseconds before work starts
 -c, --cpu N        spawn N workers spinning on sqrt()
 -i, --io N         spawn N workers spinning on sync()
 -m, --vm N         spawn N workers spinning on malloc()/free()
     --vm-bytes B   malloc B bytes per vm worker (default is 256MB)
     --vm-stride B  touch a byte every B bytes (default is 4096)
     --vm-hang N    sleep N secs before free (default none, 0 is inf)
     --vm-keep      redirty memory instead of freeing and reallocating
 -d, --hdd N        spawn N workers spinning on write()/unlink()
     --hdd-bytes B  write B bytes per hdd worker (default is 1GB)

Example: stress --cpu 8 --io 4 --vm 2 --vm-bytes 128M --timeout 10s

Note: Numbers may be suffixed with s,m,h,d,y (time) or B,K,M,G (size)."""
_SHORT = {"-c": "--cpu", "-i": "--io", "-m": "--vm", "-d": "--hdd", "-t": "--timeout"}
_NUMBERS = {"--cpu", "--io", "--vm", "--hdd"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 31556926}
_SIZES = {"b": 0, "k": 10, "m": 20, "g": 30}
_TIMES = {"--timeout", "--vm-hang"}
_BYTES = {"--vm-bytes", "--vm-stride", "--hdd-bytes"}
_TOUCHED_PER_SECOND = 4 << 30
"""Bytes that a real worker touches in a second."""


async def stress(process: Process) -> int:
    values: dict[str, int] = {}
    said = 2
    words = process.argv[1:]
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name in ("-v", "--verbose", "-q", "--quiet"):
            said += 1 if "v" in name[:3] else -said
        elif name in ("--vm-keep", "-n", "--dry-run"):
            values[name] = 1
        elif name == "--version":
            await process.print("stress 1.0.4")
            return 0
        elif name in _NUMBERS | _TIMES | _BYTES | {"--backoff"}:
            if not equals and not words:
                return await _wrong(process, f"missing argument to option '{word}'")
            values[name] = await _number(process, name, value if equals else words.pop(0))
        elif name in ("-?", "--help"):
            await process.print(_USAGE)
            return 0
        else:
            return await _wrong(process, f"unrecognized option: {word}")
    if values.get("--hdd"):
        await fail(process, "--hdd is not part of this cluster's stress")
    hogs = {name: values.get(name, 0) for name in ("--cpu", "--io", "--vm", "--hdd")}
    if not any(hogs.values()):
        await process.print(_USAGE)
        return 0
    counts = ", ".join(f"{count} {name[2:]}" for name, count in hogs.items())
    if said >= 1:
        await process.print(f"stress: info: [{process.pid}] dispatching hogs: {counts}")
    return await _dispatch(process, values, said)


async def _dispatch(process: Process, values: dict[str, int], said: int) -> int:
    async def hold(worker: Process) -> int:
        hang = values.get("--vm-hang", -1)
        size = values.get("--vm-bytes", 256 << 20)
        while True:
            worker.memory.claim(size)
            await worker.meter.burn(size / _TOUCHED_PER_SECOND)
            if hang == 0:
                await worker.meter.burn(0)
                await _for_ever(worker)
            elif hang > 0:
                await worker.clock.sleep(hang)
            else:
                await worker.meter.burn(math.inf)
            worker.memory.let_go()

    async def spin(worker: Process) -> int:
        await worker.meter.burn(math.inf)
        return 0

    async def wait(worker: Process) -> int:
        await _for_ever(worker)
        return 0

    began = process.clock.monotonic()
    kinds = {"--cpu": spin, "--io": wait, "--vm": hold}
    children: list[Process] = []
    try:
        for name, main in kinds.items():
            for _ in range(values.get(name, 0)):
                children.append(process.spawn(process.argv, main=main))
    except BlockingIOError as failure:
        for child in children:
            child.signal(signal.SIGTERM)
        await process.error(f"stress: FAIL: [{process.pid}] fork failed: {failure.strerror}")
        return 1
    limit = values.get("--timeout", 0)
    code = 0
    try:
        async with process.clock.timeout(limit or None):
            for child in children:
                code = max(code, await child.wait())
    except TimeoutError:
        for child in children:
            child.signal(signal.SIGALRM)
    if code:
        await process.error(f"stress: FAIL: [{process.pid}] failed run completed in {_since(process, began)}s")
        return 1
    if said >= 1:
        await process.print(f"stress: info: [{process.pid}] successful run completed in {_since(process, began)}s")
    return 0


def _since(process: Process, began: float) -> int:
    return round(process.clock.monotonic() - began)


async def _for_ever(process: Process) -> None:
    while True:
        await process.clock.sleep(86400)


async def _wrong(process: Process, text: str) -> int:
    await process.error(f"stress: FAIL: [{process.pid}] {text}")
    return 1


async def _number(process: Process, name: str, text: str) -> int:
    found = re.fullmatch(r"(\d+)([a-zA-Z]?)", text)
    unit = found[2].lower() if found else ""
    if found and name in _TIMES and (not unit or unit in _SECONDS):
        return int(found[1]) * _SECONDS[unit or "s"]
    if found and name in _BYTES and (not unit or unit in _SIZES):
        return int(found[1]) << _SIZES[unit or "b"]
    if found and not unit:
        return int(found[1])
    process.exit(await _wrong(process, f"unrecognized suffix: {text[-1:]}" if found else f"not a number: {text}"))
    raise AssertionError

"""docker.io/vish/stress, which the documentation of CPU limits uses: threads that compute, and memory, both declared
and not really used. There is no shell in it."""

from __future__ import annotations

import asyncio
import math

from pocketkube import quantity
from pocketkube.images.base import Image
from pocketkube.images.golang import duration, klog
from pocketkube.kubelet.process import Process

_DEFAULTS = {"mem-total": "0", "mem-alloc-size": "4Ki", "mem-alloc-sleep": "1ms", "cpus": "0", "stderrthreshold": "",
             "logtostderr": "true"}  # fmt: skip


_THREADS = 512
"""The most that compute; the real one's are as many as are asked for, on as many as the node has cores."""


async def stress(process: Process) -> int:
    values = dict(_DEFAULTS)
    words = process.argv[1:]
    while words:
        word = words.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        if name not in values or not word.startswith("-"):
            await process.error(f"flag provided but not defined: {word}")
            return 2
        if not equals and not words:
            await process.error(f"flag needs an argument: {word}")
            return 2
        values[name] = value if equals else words.pop(0)
    total, chunk, pause = values["mem-total"], values["mem-alloc-size"], duration(values["mem-alloc-sleep"])
    try:
        size, step, cpus = quantity.value(total), quantity.value(chunk), int(values["cpus"])
    except ValueError as problem:
        await klog(process, str(problem), "main.go:24", "F")
        return 255
    if cpus > _THREADS or (size > 0 and step <= 0):
        why = f"at most {_THREADS} threads compute in this cluster" if cpus > _THREADS else "chunks have a size"
        await klog(process, f"cannot start with -cpus {cpus} and -mem-alloc-size {chunk}: {why}", "main.go:24", "F")
        return 255
    sleep = values["mem-alloc-sleep"]
    said = f'Allocating "{total}" memory, in "{chunk}" chunks, with a {sleep} sleep between allocations'
    await klog(process, said, "main.go:26")
    async with asyncio.TaskGroup() as threads:
        for _ in range(cpus):
            await klog(process, "Spawning a thread to consume CPU", "main.go:39")
            threads.create_task(process.meter.burn(math.inf))
        held = 0
        while held < size:
            process.memory.claim(min(step, size - held))
            held += step
            await process.clock.sleep(pause or 0.001)
        await klog(process, f'Allocated "{total}" memory', "main.go:29")
        while True:
            await process.clock.sleep(86400)


class IMAGE(Image):
    names = ("docker.io/vish/stress:latest",)
    size = 1_580_000
    memory = 1 << 20
    entrypoint = ("/stress",)
    commands = {"/stress": stress}

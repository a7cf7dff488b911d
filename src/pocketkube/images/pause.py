"""registry.k8s.io/pause: waits; SIGINT and SIGTERM end it."""

from __future__ import annotations

import asyncio
import signal

from pocketkube.images.base import Image
from pocketkube.kubelet.process import Process


async def pause(process: Process) -> int:
    if "-v" in process.argv[1:]:
        await process.print("pause.c 3.10")
        return 0
    caught: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def handler(number: int) -> None:
        if not caught.done():
            caught.set_result(number)

    process.on_signal(signal.SIGINT, handler)
    process.on_signal(signal.SIGTERM, handler)
    number = await caught
    await process.error(f"Shutting down, got signal: {signal.strsignal(number)}")
    return 0


class IMAGE(Image):
    names = tuple(
        f"registry.k8s.io/pause:{tag}" for tag in ("3.10.2", "3.10.1", "3.10", "3.9", "3.8", "3.6", "3.5", "3.2", "3.1")
    )
    size = 320_000
    memory = 256 << 10
    entrypoint = ("/pause",)
    user = 65535
    commands = {"/pause": pause}

"""What runs in the containers of the storage programs: those the cluster lends for that image, until SIGTERM.

Lent to Pods in the image's own namespace only, as RBAC allows the real ones only with their ServiceAccounts: elsewhere
such a container says so and ends. Its log has klog's form. Left out: flags (told in the log), sockets of CSI drivers,
metrics.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pocketkube.images.golang import klog_line

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Command, Process


def program(image: str, version: str, home: str, *, expected: Collection[str] = ()) -> Command:
    """The main of that image, without registry and tag. `expected`: arguments that need no remark."""

    async def main(process: Process) -> int:
        lines: asyncio.Queue[str] = asyncio.Queue()
        log = logging.Logger(image, logging.INFO)  # of this container, below no other logger
        log.addHandler(_Klog(process, lines.put_nowait))
        leaving = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            process.on_signal(number, lambda _: leaving.set())
        log.info('"Version" version="%s"', version)
        for word in process.argv[1:]:
            if word not in expected:
                log.warning("pocketkube: %s is without effect", word)
        async with asyncio.TaskGroup() as parts:
            writing = parts.create_task(_write(process, lines))
            try:
                code = await _work(process, image, home, log, leaving)
            except Exception as error:
                log.error("%s died: %r; the log of the cluster's own process says where", image, error)
                await lines.join()
                raise
            await lines.join()
            writing.cancel()
        return code

    return main


async def _work(process: Process, image: str, home: str, log: logging.Logger, leaving: asyncio.Event) -> int:
    storage = process.namespace.services.get("storage")
    if storage is None:
        text = "storage is forbidden: pocketkube lends it to Pods of %s in the namespace %s only: run this one there"
        log.error(text, image, home)
        return 1
    async with asyncio.TaskGroup() as parts:
        work = parts.create_task(storage.run(image, process.hostname, log))
        await leaving.wait()
        log.info("Received SIGTERM or SIGINT signal, shutting down controller.")
        work.cancel()
    return 0


async def _write(process: Process, lines: asyncio.Queue[str]) -> None:
    while True:
        await process.error(await lines.get())
        lines.task_done()


class _Klog(logging.Handler):
    """Records as klog's lines, with the module that says it."""

    def __init__(self, process: Process, write: Callable[[str], None]) -> None:
        super().__init__()
        self._process = process
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        level = "E" if record.levelno >= logging.ERROR else "W" if record.levelno >= logging.WARNING else "I"
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if error is None else f"{record.getMessage()}: {error!r}"
        source = f"{record.filename}:{record.lineno}"
        self._write(klog_line(self._process, text.replace("\n", " "), source, level))

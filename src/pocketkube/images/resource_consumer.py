"""registry.k8s.io/e2e-test-images/resource-consumer: uses as much processor and memory as it is told over HTTP.

POST /ConsumeCPU (millicores, durationSec), /ConsumeMem (megabytes, durationSec), /BumpMetric (metric, delta,
durationSec), /GetCurrentStatus; GET /metrics. Each starts a program of its own, `consume-cpu` or `stress`, as in the
real image; what they use is declared.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from pocketkube.images.base import Image
from pocketkube.images.golang import Flags, Server, answer, error, first, listen, log
from pocketkube.images.linux import DEBIAN_FILES, programs
from pocketkube.images.programs.stress import stress
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response

_SLICE = 0.1
"""Seconds over which `consume-cpu` keeps to its millicores."""
_INT = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


async def resource_consumer(process: Process) -> int:
    flags = Flags({"port": 8080})
    if problem := flags.parse([re.sub(r"^-(?=\w)", "--", word) for word in process.argv[1:]]):
        await process.error(problem)
        return 2

    async def fatal(process: Process, text: str) -> None:
        await log(process, text)

    async with asyncio.TaskGroup() as group:
        consumer = Consumer(process, lambda work: group.create_task(work))
        await Server(await listen(process, flags["port"], fatal), consumer.handle).serve()
    return 0


class Consumer:
    def __init__(self, process: Process, start: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        self._process = process
        self._start = start
        self._metrics: dict[str, float] = {}

    async def handle(self, request: Request) -> Response:
        if request.path == "/metrics":
            text = "".join(
                f"# HELP {name} info message.\n# TYPE {name} gauge\n{name} {value:f}\n"
                for name, value in self._metrics.items()
            )
            return answer(self._process, request, text.encode())
        if request.method != "POST":
            return self._refuse(request, "Bad request. Not a POST request")
        match request.path:
            case "/ConsumeCPU":
                return self._consume(request, "millicores", self._consume_cpu)
            case "/ConsumeMem":
                return self._consume(request, "megabytes", self._consume_memory)
            case "/BumpMetric":
                return self._bump(request)
            case "/GetCurrentStatus":
                await log(self._process, "GetCurrentStatus")
                return answer(self._process, request, b"Warning: not implemented!\nGetCurrentStatus")
        return error(self._process, request, f"unknown function: {request.path}", 404)

    def _refuse(self, request: Request, text: str) -> Response:
        return error(self._process, request, text, 400)

    def _consume(self, request: Request, what: str, work: Callable[[int, int], Coroutine[Any, Any, None]]) -> Response:
        seconds, amount = first(request, "durationSec"), first(request, what)
        if not seconds or not amount:
            return self._refuse(request, "not given function argument")
        if not _INT.fullmatch(seconds) or not _INT.fullmatch(amount):
            return self._refuse(request, "incorrect function argument")
        self._start(work(int(amount), int(seconds)))
        text = f"{request.path[1:]}\n{int(amount)} {what}\n{int(seconds)} durationSec\n"
        return answer(self._process, request, text.encode())

    async def _consume_cpu(self, millicores: int, seconds: int) -> None:
        await log(self._process, f"ConsumeCPU millicores: {millicores}, durationSec: {seconds}")
        await self._run("CPU", "/consume-cpu/consume-cpu", f"-millicores={millicores}", f"-duration-sec={seconds}")

    async def _consume_memory(self, megabytes: int, seconds: int) -> None:
        await log(self._process, f"ConsumeMem megabytes: {megabytes}, durationSec: {seconds}")
        options = ["-m", "1", "--vm-bytes", f"{megabytes}M", "--vm-hang", "0", "-t", str(seconds)]
        await self._run("memory", "stress", *options)

    async def _run(self, what: str, *argv: str) -> None:
        try:
            code = await self._process.run(list(argv), fds={1: None, 2: None})
            problem = f"exit status {code}" if code else ""
        except OSError as failure:
            problem = str(failure.strerror)
        if problem:
            await log(self._process, f"Error while consuming {what}: {problem}")

    def _bump(self, request: Request) -> Response:
        seconds, name, delta = first(request, "durationSec"), first(request, "metric"), first(request, "delta")
        if not seconds or not name or not delta:
            return self._refuse(request, "not given function argument")
        if not _INT.fullmatch(seconds) or not _FLOAT.fullmatch(delta):
            return self._refuse(request, "incorrect function argument")
        self._start(self._bumped(name, float(delta), int(seconds)))
        text = f"BumpMetric\n{name} metric\n{float(delta):g} delta\n{int(seconds)} durationSec\n"
        return answer(self._process, request, text.encode())

    async def _bumped(self, name: str, delta: float, seconds: int) -> None:
        self._metrics[name] = self._metrics.get(name, 0) + delta
        await self._process.clock.sleep(seconds)
        self._metrics[name] -= delta


async def consume_cpu(process: Process) -> int:
    """`consume-cpu -millicores=N -duration-sec=N`: one thread that computes so much of its time."""
    flags = Flags({"millicores": 0, "duration-sec": 0})
    if problem := flags.parse([re.sub(r"^-(?=\w)", "--", word) for word in process.argv[1:]]):
        await process.error(problem)
        return 2
    now = process.clock.monotonic
    began, used = now(), 0.0
    while (passed := now() - began) < flags["duration-sec"]:
        owed = min(1.0, max(0.0, flags["millicores"] / 1000 * (passed + _SLICE) - used))
        used += owed
        await process.meter.burn(owed)
        await process.clock.sleep(max(0.0, passed + _SLICE - (now() - began)))
    return 0


class IMAGE(Image):
    names = tuple(f"registry.k8s.io/e2e-test-images/resource-consumer:{tag}" for tag in ("1.14", "1.13", "1.10", "1.9"))
    size = 67_000_000
    memory = 6 << 20
    entrypoint = ("/consumer",)
    files = {**DEBIAN_FILES, "/consume-cpu": None}
    commands = {
        **programs("bash"),
        "/consumer": resource_consumer,
        "/consume-cpu/consume-cpu": consume_cpu,
        "/usr/bin/stress": stress,
    }

"""`agnhost grpc-health-checking`: a server of the gRPC health protocol that can be told to feel unwell.

Models test/images/agnhost/grpc-health-checking of Kubernetes v1.36, TLS included. Left out: Watch and List, which are
unimplemented there, too.
"""

from __future__ import annotations

import asyncio
import ssl

from pocketkube.images import golang, golang_tls
from pocketkube.images.golang import Flags, Server, answer
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.servers import fatal
from pocketkube.kubelet.process import Process
from pocketkube.network import grpc, grpc_health
from pocketkube.network.http import Request, Response
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream

_METHOD = grpc_health.CHECK.removesuffix("Check")


class HealthChecker:
    def __init__(self, process: Process, flags: Flags) -> None:
        self._process = process
        self._flags = flags
        self._started = process.clock.monotonic()
        self._forced: bool | None = None
        """Told by hand: whether it is unwell."""

    @property
    def _age(self) -> float:
        return self._process.clock.monotonic() - self._started

    async def check(self, message: bytes) -> bytes:
        await golang.log(self._process, "Serving the Check request for health check")
        if grpc_health.decode_request(message) != self._flags["service"]:
            raise grpc.GrpcError(grpc.NOT_FOUND, "unknown service")
        delay = self._flags["delay-unhealthy-sec"]
        unwell = bool(self._forced) or 0 <= delay <= self._age
        return grpc_health.encode_response(grpc_health.NOT_SERVING if unwell else grpc_health.SERVING)

    async def _unimplemented(self, message: bytes) -> bytes:
        raise grpc.GrpcError(grpc.UNIMPLEMENTED, "unimplemented")

    async def change(self, request: Request) -> Response:
        if request.path not in ("/make-not-serving", "/make-serving"):
            return golang.error(self._process, request, "404 page not found", 404)
        self._forced = request.path == "/make-not-serving"
        await golang.log(self._process, "Mark as unhealthy" if self._forced else "Mark as healthy")
        return answer(self._process, request, golang.format_duration(self._age).encode())

    async def connection(self, stream: Stream, context: ssl.SSLContext | None) -> None:
        methods = {
            grpc_health.CHECK: self.check,
            _METHOD + "Watch": self._unimplemented,
            _METHOD + "List": self._unimplemented,
        }
        try:
            await grpc.serve(await golang_tls.accept(stream, context, None) if context else stream, methods)
        except (OSError, ValueError):
            stream.close()


async def grpc_health_checking(process: Process, words: list[str]) -> int:
    golang.die_on_signals(process)
    flags = Flags(
        {
            "port": 5000,
            "http-port": 8080,
            "delay-unhealthy-sec": -1,
            "service": "",
            "tls-cert-file": "",
            "tls-private-key-file": "",
        }
    )
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    pair = flags["tls-cert-file"], flags["tls-private-key-file"]
    if any(pair) and not all(pair):
        await fatal(process, "Both --tls-cert-file and --tls-private-key-file must be set")
    context = None
    if all(pair):
        try:
            context = golang_tls.context(process, *pair)
        except OSError as failure:
            await fatal(process, f"Failed to generate credentials {golang_tls.problem(failure)}")
    checker = HealthChecker(process, flags)
    await golang.log(process, f"Http server starting to listen on :{flags['http-port']}")
    http = Server(await golang.listen(process, flags["http-port"], fatal), checker.change)
    listener: Listener = await golang.listen(process, flags["port"], fatal)
    await golang.log(process, f"gRPC server starting to listen on :{flags['port']}")
    async with asyncio.TaskGroup() as group:
        group.create_task(http.serve())
        async for stream in listener:
            group.create_task(checker.connection(stream, context))
    return 0
